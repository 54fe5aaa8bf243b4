//! The register: who was convicted of what, as far as this member has heard, and since when.
//!
//! It is a function of the set of good bundles that a member was shown, but for the dates: each member counts a sanction's term from when it heard
//! of it, as most contradictions carry no date and accusers' dates could be anything. Of one matter one bundle is kept, of one member so many matters
//! as no mistake explains: whoever contradicts itself more often is expelled for it, and fills no memory.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use crate::{
    charter::Charter,
    digest::Digest,
    evidence::{Because, Bundle, Conviction, Crime, Verdict},
    invite::MeshId,
    limits::{CONVICTIONS_MAX, CONVICTIONS_PER_MEMBER, ROTATIONS_MAX},
    site::SiteId,
    standing::Standing,
    time::Date,
};

/// A conviction that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Of what.
    pub crime: Crime,
    /// The proof.
    pub bundle: Box<Bundle>,
    /// When this member heard of it.
    pub heard: Date,
}

/// What became of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Heard {
    /// It convicts, and counts from here on.
    New(Conviction),
    /// It changes nothing: the matter is known, enough is known of that member, or it is of another mesh.
    Nothing,
    /// It proves nothing: whoever sends such a thing is at fault.
    NotProven(Because),
}

/// Who was convicted of what.
#[derive(Debug, Clone, Default)]
pub struct Register {
    kept: BTreeMap<SiteId, BTreeMap<Digest, Kept>>,
    /// Which key a member had before this one, and when this member heard of that.
    former: BTreeMap<SiteId, (SiteId, Date)>,
}

impl Register {
    /// Takes a bundle that speaks of a member of `mesh`. What is known already costs no look at a signature.
    pub fn hear(&mut self, bundle: Box<Bundle>, mesh: MeshId, now: Date, charter: &Charter) -> Heard {
        let charge = bundle.charge();
        let known = self.kept.get(&charge.who).is_some_and(|known| known.contains_key(&charge.matter));
        let full = self.kept.values().map(BTreeMap::len).sum::<usize>() >= CONVICTIONS_MAX;
        if charge.mesh != mesh || known || full || self.is_full(&charge.who, now, charter) {
            return Heard::Nothing;
        }
        match bundle.judge() {
            Verdict::Nothing(because) => Heard::NotProven(because),
            Verdict::Convicted(conviction) => {
                let of_member = self.kept.entry(conviction.who).or_default();
                of_member.insert(conviction.matter, Kept { crime: conviction.crime, bundle, heard: now });
                // What wore off is remembered so that nobody brings it up again; the oldest of very much is not.
                if of_member.len() > 2 * CONVICTIONS_PER_MEMBER
                    && let Some(oldest) = of_member.iter().min_by_key(|(_, kept)| kept.heard).map(|(matter, _)| *matter)
                {
                    of_member.remove(&oldest);
                }
                Heard::New(conviction)
            }
        }
    }

    /// A member goes on under another key, as heard of on this date. What was known of the old key by then weighs on the new one. What comes
    /// to light of it later does not: nobody can tell who signed that.
    pub fn succeed(&mut self, old: SiteId, new: SiteId, heard: Date) {
        self.former.entry(new).or_insert((old, heard));
    }

    /// Whether as much weighs on a member as is kept of one.
    fn is_full(&self, who: &SiteId, now: Date, charter: &Charter) -> bool {
        let kept = self.kept.get(who).into_iter().flat_map(BTreeMap::values);
        kept.filter(|kept| kept.weighs(now, charter)).count() >= CONVICTIONS_PER_MEMBER
    }

    /// All convictions, by member.
    pub fn iter(&self) -> impl Iterator<Item = (&SiteId, &Digest, &Kept)> {
        self.kept.iter().flat_map(|(who, matters)| matters.iter().map(move |(matter, kept)| (who, matter, kept)))
    }

    /// What weighs on a member, and when that ends or gets better. What came to light before `pardoned` weighs nothing.
    pub fn standing(&self, who: &SiteId, pardoned: Option<Date>, now: Date, charter: &Charter) -> (Standing, Option<Date>) {
        let keys = core::iter::successors(Some((*who, Date::MAX)), |(key, until)| {
            let (old, heard) = self.former.get(key)?;
            Some((*old, *heard.min(until)))
        });
        let kept = keys.take(ROTATIONS_MAX).flat_map(|(key, until)| {
            let of_key = self.kept.get(&key).into_iter().flat_map(BTreeMap::values);
            of_key.filter(move |kept| kept.heard <= until)
        });
        let weighing = kept.filter(|kept| pardoned.is_none_or(|date| kept.heard >= date)).map(|kept| (kept.crime, kept.heard));
        Standing::of(weighing, now, charter)
    }

    /// The convictions whose term is not over, which members tell each other, each with its name.
    pub fn current<'a>(&'a self, now: Date, charter: &'a Charter) -> impl Iterator<Item = (&'a SiteId, Digest, &'a Bundle)> {
        self.iter().filter(move |(_, _, kept)| kept.weighs(now, charter)).map(|(who, matter, kept)| (who, *matter, &*kept.bundle))
    }

    /// What two members compare: the names of current convictions, or [`enough`] of a member of whom no more are kept.
    pub fn names(&self, now: Date, charter: &Charter) -> Vec<Digest> {
        let name = |(who, matter, _): (&SiteId, Digest, &Bundle)| if self.is_full(who, now, charter) { enough(who) } else { matter };
        let mut names: Vec<Digest> = self.current(now, charter).map(name).collect();
        names.dedup();
        names
    }

    /// What need not be told to this member: the names of all that is known, the worn off included, and [`enough`] of whom no more are kept.
    pub fn known(&self, now: Date, charter: &Charter) -> Vec<Digest> {
        let full = self.kept.keys().filter(|who| self.is_full(who, now, charter)).map(enough);
        self.iter().map(|(_, matter, _)| *matter).chain(full).collect()
    }
}

impl Kept {
    fn weighs(&self, now: Date, charter: &Charter) -> bool {
        now < self.heard.after(charter.sanction_term.span())
    }
}

/// Says that nothing more needs to be told of a member.
pub fn enough(who: &SiteId) -> Digest {
    Digest::of("overspill enough evidence v1", &who.0)
}

#[cfg(test)]
mod tests;
