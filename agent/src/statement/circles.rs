//! Circles of debts that were cancelled, read off the steps of clearing that stand in a ledger.

use std::collections::{BTreeMap, VecDeque};

use overspill_governance::{digest::Digest, line::Step, site::SiteId, time::Date};
use serde::{Deserialize, Serialize};

/// Clearings that a statement tells one by one: the newest, when there were more.
const CLEARED_MAX: usize = 100;

/// A circle of debts that was cancelled, as far as it led through this site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    /// Its name.
    pub round: String,
    /// When the first of this site's two lines moved.
    pub date: String,
    /// How many members the circle has.
    pub members: usize,
    /// Whom this site owes less, once that line has moved.
    pub creditor: Option<String>,
    /// Who owes this site less, once that line has moved.
    pub debtor: Option<String>,
    /// How much of each debt.
    pub amount_micro: i64,
}

/// Makes a list of clearings out of steps, told one after the other.
#[derive(Debug, Default)]
pub(super) struct Circles {
    /// Rounds that are locked here: how many members, and on how many lines.
    locked: BTreeMap<Digest, (usize, usize)>,
    cleared: VecDeque<(Digest, Cleared)>,
}

impl Circles {
    /// A step was taken on the line with a partner, and moved its balance by so much.
    pub(super) fn take(&mut self, with: SiteId, step: &Step, moved: i64, date: Date) {
        let Some(round) = step.round() else { return };
        if let Step::Lock(signed) = step {
            self.locked.entry(round).or_insert((signed.body.cycle.len(), 0)).1 += 1;
            return;
        }
        let Some((members, lines)) = self.locked.remove(&round) else { return };
        if lines > 1 {
            self.locked.insert(round, (members, lines - 1));
        }
        if moved != 0 {
            let cleared = self.open(round, members, date);
            cleared.amount_micro = moved.saturating_abs();
            *(if moved > 0 { &mut cleared.creditor } else { &mut cleared.debtor }) = Some(with.to_string());
        }
        if self.cleared.len() > CLEARED_MAX {
            self.cleared.pop_front();
        }
    }

    /// The clearings, the oldest first.
    pub(super) fn cleared(self) -> Vec<Cleared> {
        self.cleared.into_iter().map(|(_, cleared)| cleared).collect()
    }

    fn open(&mut self, round: Digest, members: usize, date: Date) -> &mut Cleared {
        let known = self.cleared.iter().position(|(name, _)| *name == round);
        let at = known.unwrap_or(self.cleared.len());
        if known.is_none() {
            let cleared = Cleared { round: round.to_string(), date: date.to_string(), members, ..Cleared::default() };
            self.cleared.push_back((round, cleared));
        }
        &mut self.cleared[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::{
        clearing::{Round, Ruling},
        invite::MeshId,
        site::{Key, Signed, Statement as _},
        units::Credit,
    };

    const NOON: Date = Date::from_millis(1_795_305_600_000);

    fn key(seed: u8) -> Key {
        Key::from_seed([seed; 32])
    }

    /// A round between three, in which the first is who keeps the ledger.
    fn round(number: u64) -> (Step, Digest) {
        let cycle = [1, 2, 3].map(|seed| key(seed).site()).to_vec();
        let date = Date::from_millis(number);
        let round = Signed::new(Round { mesh: MeshId(Digest::ZERO), charter: 1, cycle, amount: Credit(5), date }, &key(1));
        let name = round.body.digest();
        (Step::Lock(round.into()), name)
    }

    fn release(round: Digest, moves: bool) -> Step {
        Step::Release(Signed::new(Ruling { round, moves }, &key(1)))
    }

    #[test]
    fn a_circle_is_told_once_with_both_its_lines() {
        let (mut circles, (lock, name)) = (Circles::default(), round(1));
        let (creditor, debtor) = (key(2).site(), key(3).site());
        circles.take(creditor, &lock, 0, NOON);
        circles.take(debtor, &lock, 0, NOON);
        circles.take(debtor, &release(name, true), -5, NOON);
        assert_eq!((&circles.cleared[0].1.creditor, &circles.cleared[0].1.debtor), (&None, &Some(debtor.to_string())), "half of it");
        circles.take(creditor, &release(name, true), 5, NOON.after(std::time::Duration::from_secs(9)));
        assert!(circles.locked.is_empty(), "nothing is remembered of a round that is over");
        let cleared = circles.cleared();
        assert_eq!((cleared.len(), cleared[0].amount_micro, cleared[0].members, cleared[0].date.as_str()), (1, 5, 3, &*NOON.to_string()));
        assert_eq!(cleared[0].creditor, Some(creditor.to_string()));
    }

    #[test]
    fn what_ends_without_moving_is_not_told_and_the_oldest_is_forgotten() {
        let mut circles = Circles::default();
        for number in 0..CLEARED_MAX as u64 + 5 {
            let (lock, name) = round(number);
            circles.take(key(2).site(), &lock, 0, NOON);
            circles.take(key(2).site(), &release(name, false), 0, NOON);
            circles.take(key(3).site(), &lock, 0, NOON);
            circles.take(key(3).site(), &release(name, true), -5, NOON);
        }
        let (newest, last) = (round(CLEARED_MAX as u64 + 4).1, circles.cleared());
        assert_eq!((last.len(), last.last().map(|cleared| cleared.round.clone())), (CLEARED_MAX, Some(newest.to_string())));
    }
}
