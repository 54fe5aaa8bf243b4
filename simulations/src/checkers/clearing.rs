//! Clearing is all or nothing: whoever moves on one line of a circle moves on the other too; no line moves twice for one round; nobody moves by
//! a ruling that it does not hold; and nobody honest rules twice, or rules that a circle moves without the proof that all of it is locked.

use std::collections::{BTreeMap, BTreeSet};

use overspill_governance::{
    clearing::Ruled,
    digest::Digest,
    entry::Entry,
    line::{LineId, Step},
    site::{SiteId, Statement},
    units::Credit,
};
use overspill_protocol::message::Message;

use super::keys::Keys;

/// What every site has locked, opened and ruled, of all its lives.
#[derive(Debug, Clone, Default)]
pub struct Clearing {
    locked: BTreeSet<(SiteId, LineId, Digest)>,
    opened: BTreeSet<(SiteId, LineId, Digest)>,
    rulings: BTreeMap<(SiteId, Digest), bool>,
    durable: BTreeSet<(SiteId, Digest, bool)>,
}

impl Clearing {
    pub(super) fn on_entry(&mut self, site: SiteId, entry: &Entry) -> Option<String> {
        match entry {
            Entry::Ruled(ruled) => {
                let ruling = ruled.ruling.body;
                self.durable.insert((site, ruling.round, ruling.moves));
                self.rule(site, ruled)
            }
            Entry::Agreed { receipt, .. } => {
                let (step, line) = (receipt.step.as_ref()?, receipt.state.line);
                let (name, short) = (step.round()?, site.short());
                let (new, done) = match step {
                    Step::Lock(_) => (self.locked.insert((site, line, name)), "locked"),
                    _ => (self.opened.insert((site, line, name)), "opened"),
                };
                if !new {
                    return Some(format!("{short} {done} one line twice for round {}", name.short()));
                }
                match step {
                    // One that ends the round stands in the step itself; one that moves is worth nothing without its locks.
                    Step::Release(ruling) if ruling.body.moves && !self.durable.contains(&(site, name, true)) => {
                        Some(format!("{short} opened a lock of round {} by a ruling that it does not hold", name.short()))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    pub(super) fn on_message(&mut self, site: SiteId, message: &Message) -> Option<String> {
        let Message::Ruled(ruled) = message else { return None };
        let ruling = ruled.ruling.body;
        if !self.durable.contains(&(site, ruling.round, ruling.moves)) {
            return Some(format!("{} said a ruling before its entry was durable", site.short()));
        }
        self.rule(site, ruled)
    }

    /// Takes note of what an initiator ruled.
    fn rule(&mut self, site: SiteId, ruled: &Ruled) -> Option<String> {
        let (round, moves) = (&ruled.round.body, ruled.ruling.body.moves);
        if round.initiator() != Some(site) {
            return None;
        }
        let before = *self.rulings.entry((site, round.digest())).or_insert(moves);
        if before != moves {
            return Some(format!("{} ruled twice on round {}", site.short(), round.digest().short()));
        }
        (!ruled.is_good()).then(|| format!("{} ruled on round {} without its locks", site.short(), round.digest().short()))
    }
}

/// What each round moved for a site, over all its lines.
fn moved(site: SiteId, entries: &[Entry], keys: &Keys) -> BTreeMap<Digest, i64> {
    let mut balances: BTreeMap<LineId, Credit> = BTreeMap::new();
    let mut moved = BTreeMap::new();
    for (us, entry) in keys.signed(site, entries) {
        if let Entry::Renewed { with, head } = entry
            && let Some(renewal) = &head.renewal
        {
            balances.insert(renewal.body.key.id(), Credit(keys.carried(&us, with, head)));
        }
        let Entry::Agreed { with, receipt } = entry else { continue };
        let seen = if us < *with { receipt.state.balance.0 } else { -receipt.state.balance.0 };
        let before = balances.insert(receipt.state.line, Credit(seen)).unwrap_or(Credit::ZERO);
        if let Some(round) = receipt.step.as_ref().and_then(Step::round) {
            *moved.entry(round).or_default() += seen - before.0;
        }
    }
    moved
}

/// Rounds of which a lock was open where a key was given up: a round names its members by their keys, so it ends there.
fn torn(ledgers: &[(SiteId, Vec<Entry>)]) -> BTreeSet<Digest> {
    let mut torn = BTreeSet::new();
    for (_, entries) in ledgers {
        let mut open: BTreeMap<(LineId, Digest), &[SiteId]> = BTreeMap::new();
        for entry in entries {
            match entry {
                Entry::Agreed { receipt, .. } => match (&receipt.step, receipt.step.as_ref().and_then(Step::round)) {
                    (Some(Step::Lock(round)), Some(name)) => drop(open.insert((receipt.state.line, name), &round.body.cycle)),
                    (_, Some(name)) => drop(open.remove(&(receipt.state.line, name))),
                    _ => {}
                },
                Entry::Rotated { rotation, .. } => {
                    let ends = open.iter().filter(|(_, cycle)| cycle.contains(&rotation.body.old));
                    torn.extend(ends.map(|((_, round), _)| *round));
                }
                _ => {}
            }
        }
    }
    torn
}

/// Compares the ledgers of all, after healing: a round among members who are `honest` and still there leaves nobody poorer; of any other nobody has
/// lost more than was locked.
pub fn check(ledgers: &[(SiteId, Vec<Entry>)], honest: impl Fn(&SiteId) -> bool) -> Vec<String> {
    let entries = || ledgers.iter().flat_map(|(_, entries)| entries);
    let (keys, torn) = (Keys::of(ledgers), torn(ledgers));
    let gone: BTreeSet<SiteId> =
        entries().filter_map(|entry| if let Entry::Departed(left) = entry { Some(keys.now(&left.body.member)) } else { None }).collect();
    let mut rounds = BTreeMap::new();
    for entry in entries() {
        if let Entry::Agreed { receipt, .. } = entry
            && let Some(Step::Lock(round)) = &receipt.step
        {
            rounds.insert(round.body.digest(), round.body.clone());
        }
    }
    let mut wrong = Vec::new();
    for (site, entries) in ledgers.iter().filter(|(site, _)| honest(site)) {
        for (name, net) in moved(*site, entries, &keys) {
            let Some(round) = rounds.get(&name) else { continue };
            let whole =
                round.cycle.iter().all(|member| honest(&keys.now(member)) && !gone.contains(&keys.now(member))) && !torn.contains(&name);
            let most = if whole { 0 } else { round.amount.0 };
            if net.abs() > most {
                wrong.push(format!("round {} moved {net} for {}, where {most} is the most", name.short(), site.short()));
            }
        }
    }
    wrong
}
