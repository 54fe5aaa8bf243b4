//! Minutes: what a mesh has decided, and therefore which rules are in force when.
//!
//! Every change carries its own date of activation, so that the order of changes follows from the set of decisions, whatever the order in
//! which a member learns of them: by date, then by the motion's digest. Each that changes the charter makes the next version. One that no
//! longer fits, as another has changed the same rule before, is void.

use alloc::{collections::BTreeMap, vec, vec::Vec};

use crate::{
    charter::Charter,
    decision::Decision,
    digest::Digest,
    limits::DECISIONS_MAX,
    motion::{Change, Schedule},
    site::{SiteId, Statement},
    time::{Date, SKEW_MAX},
};

/// A charter and the date from which it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// From when.
    pub from: Date,
    /// The motion that made it; [`Digest::ZERO`] for the founding's.
    pub motion: Digest,
    /// The rules.
    pub charter: Charter,
}

/// A member that a vote removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// From when.
    pub from: Date,
    /// Who.
    pub member: SiteId,
    /// Whom of those it brought in the mesh keeps.
    pub keeps: Vec<SiteId>,
}

/// What a mesh has decided.
#[derive(Debug, Clone)]
pub struct Minutes {
    /// Adopted, by motion, each with the date of its activation.
    adopted: BTreeMap<Digest, (Date, Decision)>,
    versions: Vec<Rules>,
    removals: Vec<Removal>,
    pardons: Vec<(Date, SiteId)>,
}

impl Minutes {
    /// The minutes of a mesh that has decided nothing.
    pub fn new(charter: Charter, founded: Date) -> Self {
        let first = Rules { from: founded, motion: Digest::ZERO, charter };
        Self { adopted: BTreeMap::new(), versions: vec![first], removals: Vec::new(), pardons: Vec::new() }
    }

    /// Takes an adopted motion whose certificate was checked. Of two for one motion the one of the earlier epoch dates it. Tells whether
    /// anything changed by it.
    pub fn record(&mut self, decision: Decision) -> bool {
        let motion = decision.motion.body.digest();
        let Some(charter) = self.version(decision.motion.body.charter) else { return false };
        let from = Schedule::of(&decision.motion.body, charter).activation(decision.epoch);
        let later = self.adopted.get(&motion).is_some_and(|(known, _)| *known <= from);
        if !decision.outcome.adopts || later || self.adopted.len() >= DECISIONS_MAX {
            return false;
        }
        self.adopted.insert(motion, (from, decision));
        self.read_again();
        true
    }

    /// Takes the decisions one after the other, in the order of their activation.
    fn read_again(&mut self) {
        self.versions.truncate(1);
        self.removals.clear();
        self.pardons.clear();
        let mut order: Vec<(Date, Digest, &Change)> =
            self.adopted.iter().map(|(motion, (from, decision))| (*from, *motion, &decision.motion.body.change)).collect();
        order.sort_unstable_by_key(|(from, motion, _)| (*from, *motion));
        for (from, motion, change) in order {
            match change {
                Change::Amend { parameter, from: old, to } => {
                    let next = self.versions.last().and_then(|last| last.charter.amended(parameter, *old, *to).ok());
                    self.versions.extend(next.map(|charter| Rules { from, motion, charter }));
                }
                Change::Remove { member, keeps } => self.removals.push(Removal { from, member: *member, keeps: keeps.clone() }),
                Change::Pardon { member } => self.pardons.push((from, *member)),
            }
        }
    }

    /// The rules in force on a date. Before the founding, those of the founding.
    pub fn in_force(&self, date: Date) -> &Charter {
        let later = self.versions.iter().rposition(|rules| rules.from <= date).unwrap_or(0);
        &self.versions[later].charter
    }

    /// A version of the charter, in force, replaced or to come.
    pub fn version(&self, version: u32) -> Option<&Charter> {
        self.versions.iter().map(|rules| &rules.charter).find(|charter| charter.version == version)
    }

    /// The rules by which something signed now is judged that names a version: the one in force, one that was replaced a short while ago,
    /// or one that is about to come, as clocks differ.
    pub fn understood(&self, version: u32, date: Date) -> Option<&Charter> {
        let at = self.versions.iter().position(|rules| rules.charter.version == version)?;
        let window = self.in_force(date).vote_transition.span();
        let began = self.versions[at].from <= date.after(SKEW_MAX) || at == 0;
        let lasts = self.versions.get(at + 1).is_none_or(|next| date <= next.from.after(window));
        (began && lasts).then_some(&self.versions[at].charter)
    }

    /// All versions, the first first.
    pub fn versions(&self) -> &[Rules] {
        &self.versions
    }

    /// Removals, by date.
    pub fn removals(&self) -> &[Removal] {
        &self.removals
    }

    /// When a vote last lifted what weighs on a member, if it did by `date`.
    pub fn pardoned(&self, member: &SiteId, date: Date) -> Option<Date> {
        self.pardons.iter().filter(|(from, who)| who == member && *from <= date).map(|(from, _)| *from).max()
    }

    /// The decision about a motion, if it was adopted, and when it is in force.
    pub fn decision(&self, motion: &Digest) -> Option<(Date, &Decision)> {
        self.adopted.get(motion).map(|(from, decision)| (*from, decision))
    }

    /// All decisions, by motion.
    pub fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.adopted.values().map(|(_, decision)| decision)
    }

    /// Whether an adopted motion changed nothing, as another had changed the same rule before.
    #[must_use]
    pub fn is_void(&self, motion: &Digest) -> bool {
        let amends = |decision: &Decision| matches!(decision.motion.body.change, Change::Amend { .. });
        self.adopted.get(motion).is_some_and(|(_, decision)| amends(decision)) && !self.versions.iter().any(|rules| rules.motion == *motion)
    }

    /// When the next change comes into force after `date`.
    pub fn next(&self, date: Date) -> Option<Date> {
        self.versions
            .iter()
            .map(|rules| rules.from)
            .chain(self.removals.iter().map(|removal| removal.from))
            .chain(self.pardons.iter().map(|(from, _)| *from))
            .filter(|from| *from > date)
            .min()
    }
}

#[cfg(test)]
mod tests;
