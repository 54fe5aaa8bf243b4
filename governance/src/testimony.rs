//! Testimonies: what drawn members say that they got from a helper, and the suspension that follows when enough of them say it.
//!
//! Wrong bytes convict nobody ([`crate::evidence`]): only who received them knows. So members are drawn who look, and of whom no sponsor's branch
//! has more than one. When as many as the charter says got other bytes than the helper's own signature names, within one hour, every
//! agent takes no help of that helper for a while. That is no conviction: it costs no step of the ladder, moves no credit, and ends by the calendar.
//!
//! Nobody chooses who looks: the draw follows from helper, hour and roster alone. Who would have an honest helper suspended needs liars in as many
//! branches, all drawn for one hour. Silence, slowness and refusals are no testimony, or whoever cuts a helper off would suspend it.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use bincode::{Decode, Encode};

use crate::{
    charter::Charter,
    digest::{Digest, ObjectDigest},
    edition::Served,
    limits::{TESTIMONIES_MAX, TESTIMONIES_PER_AUDITOR},
    roster::Roster,
    site::{Signed, SiteId, Statement},
    time::{Date, SKEW_MAX},
};

/// For how long members are drawn.
pub const TURN: Duration = Duration::from_secs(3_600);

/// A drawn member's word that it got other bytes than the helper signed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Testimony {
    /// Who says so.
    pub auditor: SiteId,
    /// What the helper signed of its response.
    pub served: Signed<Served>,
    /// Digest of the bytes that came with it.
    pub body: ObjectDigest,
}

impl Statement for Testimony {
    const DOMAIN: &'static str = "overspill testimony v1";
}

impl Testimony {
    /// The hour of which it speaks.
    pub fn turn(&self) -> Date {
        turn_of(self.served.body.minute)
    }

    /// Whether it says anything against the helper.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let served = &self.served.body;
        served.body != self.body && served.helper != self.auditor && served.helper != served.owner
    }
}

/// The hour in which a date lies.
pub fn turn_of(date: Date) -> Date {
    let (millis, length) = (date.as_millis(), TURN.as_secs() * 1_000);
    Date::from_millis(millis - millis % length)
}

/// The members who are drawn to look at `helper` within an hour: twice as many as have to agree, one of each branch at most, and none of the helper's own.
pub fn auditors(roster: &Roster, helper: &SiteId, turn: Date, charter: &Charter) -> BTreeSet<SiteId> {
    let place = |site: &SiteId| {
        let hour = turn.as_millis().to_le_bytes();
        Digest::of_parts("overspill auditors v1", &[&roster.mesh().0.0, &helper.0, &hour, &site.0])
    };
    let mut order: Vec<SiteId> = roster.members_on(turn).filter(|site| site != helper).collect();
    order.sort_by_cached_key(place);
    let (mut drawn, mut branches) = (BTreeSet::new(), BTreeSet::from([roster.branch(helper)]));
    for site in order {
        if drawn.len() < 2 * charter.auditors_agree as usize && branches.insert(roster.branch(&site)) {
            drawn.insert(site);
        }
    }
    drawn
}

/// What became of a testimony.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Heard {
    /// It counts from here on.
    New,
    /// It changes nothing: it is known, out of date, not by a member who was drawn, or there is no room for more of this auditor's.
    Nothing,
    /// It is not signed by whom it names, or says nothing: whoever sends such a thing is at fault.
    NotGood,
}

/// Testimonies that still matter, and who is suspended by them. A function of the set of testimonies, the roster and the calendar.
#[derive(Debug, Clone, Default)]
pub struct Testimonies(BTreeMap<(SiteId, Date), BTreeMap<SiteId, Signed<Testimony>>>);

impl Testimonies {
    /// Takes a testimony. What is known already costs no look at a signature.
    pub fn hear(&mut self, signed: Signed<Testimony>, roster: &Roster, now: Date, charter: &Charter) -> Heard {
        let Testimony { auditor, ref served, .. } = signed.body;
        let (helper, turn) = (served.body.helper, signed.body.turn());
        let known = self.0.get(&(helper, turn)).is_some_and(|heard| heard.contains_key(&auditor));
        let timely = turn <= now.after(SKEW_MAX) && now < ends(turn, charter);
        if known || !timely || served.body.mesh != roster.mesh() || !roster.contains(&helper) {
            return Heard::Nothing;
        }
        if !auditors(roster, &helper, turn, charter).contains(&auditor) || self.is_full(&auditor) {
            return Heard::Nothing;
        }
        if !signed.body.is_well_formed() || !signed.is_by(&auditor) || !served.is_by(&helper) {
            return Heard::NotGood;
        }
        self.0.entry((helper, turn)).or_default().insert(auditor, signed);
        Heard::New
    }

    fn is_full(&self, auditor: &SiteId) -> bool {
        let of_auditor = self.0.values().filter(|heard| heard.contains_key(auditor)).count();
        of_auditor >= TESTIMONIES_PER_AUDITOR || self.iter().count() >= TESTIMONIES_MAX
    }

    /// Until when a helper is suspended; `None` when it is not. The roster is asked anew: who was removed meanwhile counts for nothing.
    pub fn suspended(&self, helper: &SiteId, roster: &Roster, now: Date, charter: &Charter) -> Option<Date> {
        let turns = self.0.range((*helper, Date::default())..=(*helper, Date::MAX));
        let agreed = turns.filter(|((_, turn), heard)| {
            let drawn = auditors(roster, helper, *turn, charter);
            heard.keys().filter(|auditor| drawn.contains(auditor)).count() >= charter.auditors_agree as usize
        });
        agreed.map(|((_, turn), _)| ends(*turn, charter)).filter(|end| now < *end).max()
    }

    /// Helpers of whom anything was said.
    pub fn helpers(&self) -> BTreeSet<SiteId> {
        self.0.keys().map(|(helper, _)| *helper).collect()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Signed<Testimony>> {
        self.0.values().flat_map(BTreeMap::values)
    }

    /// Forgets what is over.
    pub fn forget(&mut self, now: Date, charter: &Charter) {
        self.0.retain(|(_, turn), _| now < ends(*turn, charter));
    }
}

/// When what was seen within an hour matters no more: the same date everywhere, whenever a member hears of it.
fn ends(turn: Date, charter: &Charter) -> Date {
    turn.after(TURN).after(charter.suspension.span())
}

#[cfg(test)]
mod tests;
