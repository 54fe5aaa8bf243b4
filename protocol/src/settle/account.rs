//! One line, with what this process knows around it: what waits for its answer, and what that takes of what may be earned.

use core::time::Duration;

use overspill_governance::{
    line::{Fade, Line, Step},
    time::Time,
    units::Credit,
};

use crate::limits::{SETTLE_RETRY_MAX, SETTLE_RETRY_MIN};

/// One line and what this process knows around it.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// Our end.
    pub(crate) line: Line,
    /// Nothing is signed on it any more: the other end forked it, or the two ledgers disagree.
    pub(crate) frozen: bool,
    /// The partner has another key now: nothing is signed on it any more, and it stays as it was.
    pub(crate) is_former: bool,
    /// When the pending proposal is sent again, and how often it was.
    pub(crate) again: Time,
    /// How often it was sent.
    pub(crate) tries: u32,
    /// The day's demurrage that we asked for last, as higher end.
    pub(crate) fading: Option<Fade>,
}

impl Account {
    /// A line about which nothing else is known.
    pub(crate) fn new(line: Line) -> Self {
        Self { line, frozen: false, is_former: false, again: Time::ZERO, tries: 0, fading: None }
    }

    /// Nothing is owed on it, and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.line.balance() == Credit::ZERO && self.line.pending().is_none() && self.line.locked() == Credit::ZERO
    }

    /// What a step that we have proposed, and the other end has not answered, takes of what may be earned: a lock keeps it free, or what was owed to
    /// us fades.
    pub(crate) fn locking(&self) -> Credit {
        match self.line.pending().and_then(|pending| pending.step.as_ref()) {
            Some(Step::Lock(round)) => round.body.amount,
            Some(Step::Fade(fade)) => self.fading_by(fade),
            _ => Credit::ZERO,
        }
    }

    /// The same for the day's demurrage that we have asked for, and the other end has not proposed.
    pub(crate) fn asked(&self) -> Credit {
        let asked = self.fading.filter(|fade| fade.day > self.line.state().faded);
        asked.map_or(Credit::ZERO, |fade| self.fading_by(&fade))
    }

    /// How much less the partner owes us after a day's demurrage.
    fn fading_by(&self, fade: &Fade) -> Credit {
        if self.line.balance() > Credit::ZERO { self.line.state().fading(fade.rate).abs() } else { Credit::ZERO }
    }

    /// Notes that the pending proposal was sent, and when to send it again.
    pub(crate) fn sent(&mut self, now: Time) {
        self.again = now.after(retry_pause(self.tries));
        self.tries = self.tries.saturating_add(1);
    }

    /// The partner is there again, or the proposal was answered: start the pauses afresh.
    pub(crate) fn refresh(&mut self, now: Time) {
        (self.again, self.tries) = (now, 0);
    }
}

/// The pause after the n-th unanswered sending.
pub(crate) fn retry_pause(tries: u32) -> Duration {
    SETTLE_RETRY_MIN.saturating_mul(1_u32 << tries.min(10)).min(SETTLE_RETRY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use overspill_governance::{
        charter::Charter,
        clearing::Round,
        digest::Digest,
        invite::MeshId,
        line::{LineKey, Moves},
        site::{Key, Signed, SiteId, Statement as _},
        time::Date,
        units::Millionths,
    };

    const MESH: MeshId = MeshId(Digest::ZERO);
    const FADE: Fade = Fade { day: 9, rate: Millionths(100_000) };

    fn keys() -> (Key, Key) {
        let (one, other) = (Key::from_seed([1; 32]), Key::from_seed([2; 32]));
        if one.site() < other.site() { (one, other) } else { (other, one) }
    }

    /// The lower end of a line on which `earner` gave a thousand.
    fn account(earner: SiteId) -> Account {
        let (low, high) = keys();
        let mut line = Line::new(LineKey::between(MESH, low.site(), high.site()), low.site(), &Charter::default()).unwrap();
        let proposal = line.propose(&low, Moves { earner, amount: Credit(1_000) }, None, &Charter::default()).unwrap();
        let _ = line.conclude(1, proposal.state.sign(&high)).unwrap();
        Account::new(line)
    }

    fn lock() -> Step {
        let (low, high) = keys();
        let initiator = Key::from_seed([3; 32]);
        let cycle = vec![initiator.site(), low.site(), high.site()];
        let round = Round { mesh: MESH, charter: 1, cycle, amount: Credit(70), date: Date::from_millis(60_000) };
        Step::Lock(Signed::new(round, &initiator).into())
    }

    #[test]
    fn what_is_proposed_takes_of_what_may_be_earned_until_it_is_answered() {
        let (low, high) = keys();
        // We owe: a lock keeps free, and what fades is ours.
        for (earner, step, takes) in [(high.site(), lock(), 70), (high.site(), Step::Fade(FADE), 0), (low.site(), Step::Fade(FADE), 100)] {
            let mut account = account(earner);
            assert_eq!(account.locking(), Credit::ZERO);
            let proposal = account.line.propose_step(&low, step, &Charter::default()).unwrap();
            assert_eq!(account.locking(), Credit(takes));
            let _ = account.line.conclude(2, proposal.state.sign(&high)).unwrap();
            assert_eq!(account.locking(), Credit::ZERO);
        }
    }

    #[test]
    fn a_day_that_was_asked_for_takes_of_what_may_be_earned_until_it_is_taken() {
        let (low, high) = keys();
        let mut account = account(low.site());
        assert_eq!(account.asked(), Credit::ZERO);
        account.fading = Some(FADE);
        assert_eq!(account.asked(), Credit(100));
        let proposal = account.line.propose_step(&low, Step::Fade(FADE), &Charter::default()).unwrap();
        let _ = account.line.conclude(2, proposal.state.sign(&high)).unwrap();
        assert_eq!((account.line.balance(), account.asked()), (Credit(900), Credit::ZERO));
    }
}
