//! The register: who was convicted of what, as far as this member has heard, and since when.
//!
//! It is a function of the set of good bundles that a member was shown, but for the dates: each member counts a sanction's term from when it heard
//! of it, as most contradictions carry no date and accusers' dates could be anything. Of one matter one bundle is kept, of one member the matters
//! with the lowest names, so that members who were shown the same keep the same, and whoever contradicts itself without end fills no memory.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use crate::{
    charter::Charter,
    digest::Digest,
    evidence::{Because, Bundle, Conviction, Crime, Verdict},
    invite::MeshId,
    limits::{CONVICTIONS_MAX, CONVICTIONS_PER_MEMBER},
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
pub struct Register(BTreeMap<SiteId, BTreeMap<Digest, Kept>>);

impl Register {
    /// Takes a bundle that speaks of a member of `mesh`. What is known already costs no look at a signature.
    pub fn hear(&mut self, bundle: Box<Bundle>, mesh: MeshId, now: Date) -> Heard {
        let charge = bundle.charge();
        if charge.mesh != mesh || !self.has_room(&charge) {
            return Heard::Nothing;
        }
        match bundle.judge() {
            Verdict::Nothing(because) => Heard::NotProven(because),
            Verdict::Convicted(conviction) => {
                let Conviction { who, crime, matter, .. } = conviction;
                let of_member = self.0.entry(who).or_default();
                of_member.insert(matter, Kept { crime, bundle, heard: now });
                while of_member.len() > CONVICTIONS_PER_MEMBER {
                    of_member.pop_last();
                }
                Heard::New(conviction)
            }
        }
    }

    fn has_room(&self, charge: &Conviction) -> bool {
        match self.0.get(&charge.who) {
            Some(known) if known.contains_key(&charge.matter) => false,
            Some(known) if known.len() >= CONVICTIONS_PER_MEMBER => known.last_key_value().is_some_and(|(last, _)| charge.matter < *last),
            _ => self.0.values().map(BTreeMap::len).sum::<usize>() < CONVICTIONS_MAX,
        }
    }

    /// All convictions, by member.
    pub fn iter(&self) -> impl Iterator<Item = (&SiteId, &Digest, &Kept)> {
        self.0.iter().flat_map(|(who, matters)| matters.iter().map(move |(matter, kept)| (who, matter, kept)))
    }

    /// What weighs on a member, and when that ends or gets better. What came to light before `pardoned` weighs nothing.
    pub fn standing(&self, who: &SiteId, pardoned: Option<Date>, now: Date, charter: &Charter) -> (Standing, Option<Date>) {
        let kept = self.0.get(who).into_iter().flat_map(BTreeMap::values);
        let weighing = kept.filter(|kept| pardoned.is_none_or(|date| kept.heard >= date)).map(|kept| (kept.crime, kept.heard));
        Standing::of(weighing, now, charter)
    }

    /// The convictions whose term is not over: what members tell each other.
    pub fn current<'a>(&'a self, now: Date, charter: &Charter) -> impl Iterator<Item = (Digest, &'a Bundle)> {
        let term = charter.sanction_term.span();
        self.iter().filter(move |(_, _, kept)| now < kept.heard.after(term)).map(|(_, matter, kept)| (*matter, &*kept.bundle))
    }

    /// Names of all that is known, the worn off included.
    pub fn matters(&self) -> Vec<Digest> {
        self.iter().map(|(_, matter, _)| *matter).collect()
    }
}

#[cfg(test)]
mod tests;
