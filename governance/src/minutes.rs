//! Minutes: what a mesh has decided, and therefore which rules are in force when.
//!
//! Every change carries its own date of activation, so that the order of changes follows from the set of decisions, whatever the order in
//! which a member learns of them: by date, then by the motion's digest. Each that changes the charter makes the next version. One that no
//! longer fits, as another has changed the same rule before, is void.
//!
//! A date follows from the rules under which the motion was made. Those are named by the motion that made them: what number they have may
//! change whenever an earlier decision becomes known, their name does not.

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
    /// Adopted, by motion.
    adopted: BTreeMap<Digest, Decision>,
    /// When what each motion changed is in force, and which of the versions is in force right after it.
    read: BTreeMap<Digest, (Date, usize)>,
    /// Motions by date of activation.
    order: Vec<Digest>,
    readings: u64,
    versions: Vec<Rules>,
    removals: Vec<Removal>,
    pardons: Vec<(Date, SiteId)>,
}

impl Minutes {
    /// The minutes of a mesh that has decided nothing.
    pub fn new(charter: Charter, founded: Date) -> Self {
        let first = Rules { from: founded, motion: Digest::ZERO, charter };
        let (adopted, read, order) = (BTreeMap::new(), BTreeMap::from([(Digest::ZERO, (founded, 0))]), Vec::new());
        Self { adopted, read, order, readings: 0, versions: vec![first], removals: Vec::new(), pardons: Vec::new() }
    }

    /// Takes an adopted motion whose certificate was checked, and whose rules are known here. Of two for one motion the one of the earlier
    /// epoch dates it. Tells whether anything changed by it.
    pub fn record(&mut self, decision: Decision) -> bool {
        let motion = decision.motion.body.digest();
        let later = self.adopted.get(&motion).is_some_and(|known| known.epoch <= decision.epoch);
        let rests = self.read.contains_key(&decision.motion.body.rules);
        if !decision.outcome.adopts || later || !rests || self.is_full() {
            return false;
        }
        self.adopted.insert(motion, decision);
        self.read_again();
        true
    }

    /// Whether no more decisions are taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.adopted.len() >= DECISIONS_MAX
    }

    /// Counts how often the minutes were read again: dates and versions are as before while this is.
    pub fn readings(&self) -> u64 {
        self.readings
    }

    /// Takes the decisions one after the other, in the order of their activation; each has its date as soon as the rules that it rests on
    /// are read.
    fn read_again(&mut self) {
        self.readings = self.readings.saturating_add(1);
        self.versions.truncate(1);
        self.removals.clear();
        self.pardons.clear();
        self.order.clear();
        let mut resting: BTreeMap<Digest, Vec<(Digest, &Decision)>> = BTreeMap::new();
        for (motion, decision) in &self.adopted {
            resting.entry(decision.motion.body.rules).or_default().push((*motion, decision));
        }
        let mut due: BTreeMap<(Date, Digest), &Change> = BTreeMap::new();
        let (mut made, mut at) = (Digest::ZERO, 0);
        loop {
            for (motion, decision) in resting.remove(&made).into_iter().flatten() {
                let from = Schedule::of(&decision.motion.body, &self.versions[at].charter).activation(decision.epoch);
                due.insert((from, motion), &decision.motion.body.change);
            }
            let Some(((from, motion), change)) = due.pop_first() else { return };
            match change {
                Change::Amend { parameter, from: old, to } => {
                    let next = self.versions.last().and_then(|last| last.charter.amended(parameter, *old, *to).ok());
                    self.versions.extend(next.map(|charter| Rules { from, motion, charter }));
                }
                Change::Remove { member, keeps } => self.removals.push(Removal { from, member: *member, keeps: keeps.clone() }),
                Change::Pardon { member } => self.pardons.push((from, *member)),
            }
            (made, at) = (motion, self.versions.len() - 1);
            self.read.insert(motion, (from, at));
            self.order.push(motion);
        }
    }

    /// The rules in force on a date. Before the founding, those of the founding.
    pub fn in_force(&self, date: Date) -> &Charter {
        &self.of(date).charter
    }

    /// The same, with their name and date.
    pub fn of(&self, date: Date) -> &Rules {
        let at = self.versions.iter().rposition(|rules| rules.from <= date).unwrap_or(0);
        &self.versions[at]
    }

    /// The rules of this name: those that were in force right after a motion, or the founding's.
    pub fn rules(&self, name: &Digest) -> Option<&Charter> {
        self.read.get(name).map(|(_, at)| &self.versions[*at].charter)
    }

    /// The rules of this name, if they were in force on a date, or nearly ([`Minutes::understood`]).
    pub fn current(&self, name: &Digest, date: Date) -> Option<&Charter> {
        self.read.get(name).and_then(|(_, at)| self.near(*at, date))
    }

    /// A version of the charter, in force, replaced or to come.
    pub fn version(&self, version: u32) -> Option<&Charter> {
        self.versions.iter().map(|rules| &rules.charter).find(|charter| charter.version == version)
    }

    /// The rules by which something signed now is judged that names a version: the one in force, one that was replaced a short while ago,
    /// or one that is about to come, as clocks differ.
    pub fn understood(&self, version: u32, date: Date) -> Option<&Charter> {
        let at = self.versions.iter().position(|rules| rules.charter.version == version)?;
        self.near(at, date)
    }

    fn near(&self, at: usize, date: Date) -> Option<&Charter> {
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
        self.adopted.get(motion).zip(self.read.get(motion)).map(|(decision, (from, _))| (*from, decision))
    }

    /// All decisions, in an order in which they can be replayed: each comes after the one that made its rules.
    pub fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.order.iter().filter_map(|motion| self.adopted.get(motion))
    }

    /// Whether an adopted motion changed nothing, as another had changed the same rule before.
    #[must_use]
    pub fn is_void(&self, motion: &Digest) -> bool {
        let amends = |decision: &Decision| matches!(decision.motion.body.change, Change::Amend { .. });
        self.adopted.get(motion).is_some_and(amends) && !self.versions.iter().any(|rules| rules.motion == *motion)
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
