//! How notices take effect. One way in ([`Roster::arrive`]), whether one notice came or all are taken afresh: the order is lost on the way.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

use super::{DoubleAdmission, Member, Notice, Roster};
use crate::{
    digest::Digest,
    invite::{Admission, Departure},
    limits::{ADMISSIONS_WAITING_MAX, DOUBLE_ADMISSIONS_MAX, MEMBERS_MAX},
    site::{Signed, SiteId},
    time::Date,
};

impl Roster {
    /// Settles a notice that rests on a known site; returns what is newly settled.
    pub(super) fn settle(&mut self, digest: Digest, notice: Notice) -> Vec<Digest> {
        let site = notice.rests_on();
        if matches!(&notice, Notice::Rotated(_)) && !self.is_kept(digest, &notice) {
            return Vec::new();
        }
        let undoes = self.undoes(&digest, &notice);
        self.waiting.entry(site).or_default().insert(digest, notice);
        if undoes {
            return self.start_over();
        }
        let before = self.order.len();
        if self.arrive(site) {
            self.hang();
        }
        self.fell();
        self.order[before..].to_vec()
    }

    /// Buries a member that a vote removed, from `date` on: a tombstone. It is final and needs nothing of the member's to be known; of two
    /// for one member the earlier counts, and whom either keeps. What the member signs, before or after, undoes nothing of it.
    pub fn bury(&mut self, member: SiteId, date: Date, keeps: &[SiteId]) {
        let before = self.removed.get(&member).cloned();
        let (buried, kept) = self.removed.entry(member).or_insert_with(|| (date, Vec::new()));
        *buried = date.min(*buried);
        kept.extend_from_slice(keeps);
        kept.sort_unstable();
        kept.dedup();
        if self.removed.get(&member) != before.as_ref() {
            self.burials = self.burials.saturating_add(1);
            self.fell();
        }
    }

    /// Finds everybody's place in the tree of admissions: it grows from the founder, each time by the earliest admission whose sponsor is in
    /// it and whose member is not. So nobody hangs from itself, whatever members sign for each other, and nobody is a member before its
    /// sponsor.
    fn hang(&mut self) {
        let mut offers: BTreeMap<SiteId, Vec<(Date, Digest)>> = BTreeMap::new();
        for (digest, notice) in &self.settled {
            let (sponsor, date) = match notice {
                Notice::Admitted(Signed { body, .. }) if !self.is_void(body) => (body.sponsor, body.date),
                Notice::Rotated(rotation) if self.succession(&rotation.body.old).is_some() => (rotation.body.old, rotation.body.date),
                _ => continue,
            };
            offers.entry(sponsor).or_default().push((date, *digest));
        }
        self.known.clear();
        self.heirs.clear();
        let mut arrived = self.know_founder();
        let mut open: BTreeSet<(Date, Digest)> = BTreeSet::new();
        loop {
            open.extend(offers.remove(&arrived).into_iter().flatten());
            let Some((_, digest)) = open.pop_first() else { break };
            arrived = match self.settled.get(&digest) {
                Some(Notice::Admitted(admission)) if !self.known.contains_key(&admission.body.member) => {
                    let admission = admission.body.clone();
                    self.know(digest, admission)
                }
                Some(Notice::Rotated(rotation)) => {
                    let old = rotation.body.old;
                    let Some(heir) = self.know_heir(&old) else { continue };
                    heir
                }
                _ => continue,
            };
        }
        self.name_heirs();
    }

    /// Finds who falls with a removed sponsor: whoever it brought in and no tombstone keeps, and whomever those brought in. Otherwise a
    /// removed member would go on admitting itself under other keys, with admissions dated to when it might.
    fn fell(&mut self) {
        self.fallen.clear();
        if self.removed.is_empty() {
            return;
        }
        let mut children: BTreeMap<SiteId, Vec<SiteId>> = BTreeMap::new();
        for (site, sponsor) in self.sponsors().filter(|(site, _)| !self.heirs.contains_key(site)) {
            children.entry(sponsor).or_default().push(site);
        }
        for (member, (date, keeps)) in &self.removed {
            let heir = self.heir(member);
            if heir != *member {
                let fallen = self.fallen.entry(heir).or_insert(*date);
                *fallen = (*fallen).min(*date);
            }
            let keeps: BTreeSet<SiteId> = keeps.iter().map(|kept| self.heir(kept)).collect();
            let mut open = vec![heir];
            while let Some(sponsor) = open.pop() {
                for child in children.get(&sponsor).into_iter().flatten() {
                    let kept = sponsor == heir && keeps.contains(child);
                    let known = self.fallen.get(child).is_some_and(|fallen| fallen <= date);
                    if !kept && !known {
                        self.fallen.insert(*child, *date);
                        open.push(*child);
                    }
                }
            }
        }
    }

    /// Tells whether a notice takes effect from something that is settled.
    fn undoes(&self, digest: &Digest, notice: &Notice) -> bool {
        match notice {
            Notice::Admitted(Signed { body: Admission { sponsor, invite, .. }, .. }) => {
                self.used.get(&(*sponsor, *invite)).is_some_and(|used| digest < used)
            }
            Notice::Rotated(_) => true,
            Notice::Departed(Signed { body: Departure { member, date, .. }, .. }) => match self.gone.get(member) {
                Some(gone) => date < gone,
                None if self.rotations.contains_key(member) => true,
                None => self.settled.values().any(
                    |settled| matches!(settled, Notice::Admitted(admission) if admission.body.sponsor == *member && admission.body.date > *date),
                ),
            },
        }
    }

    /// Takes all notices afresh, from the founder on; returns what was not settled before.
    fn start_over(&mut self) -> Vec<Digest> {
        let before: BTreeSet<Digest> = self.settled.keys().copied().collect();
        for (digest, notice) in core::mem::take(&mut self.settled) {
            self.waiting.entry(notice.rests_on()).or_default().insert(digest, notice);
        }
        self.forget();
        self.arrive(self.founding.body.founder);
        self.hang();
        self.fell();
        self.shorten_waiting();
        self.order.iter().filter(|digest| !before.contains(digest)).copied().collect()
    }

    /// Goes back to the founder alone; waiting notices and evidence stay.
    pub(super) fn forget(&mut self) {
        self.settled.clear();
        self.order.clear();
        self.known.clear();
        self.gone.clear();
        self.rotations.clear();
        self.heirs.clear();
        self.used.clear();
        self.know_founder();
    }

    fn know_founder(&mut self) -> SiteId {
        let founding = &self.founding.body;
        let founder = Member {
            site: founding.founder,
            sponsor: None,
            succeeds: None,
            canonical: founding.canonical.clone(),
            addresses: founding.addresses.clone(),
            since: founding.date,
            notice: Digest::ZERO,
        };
        self.known.insert(founding.founder, founder);
        founding.founder
    }

    /// Gives a member its place below its sponsor. It came in when the chain of admissions down to it was complete.
    fn know(&mut self, notice: Digest, admission: Admission) -> SiteId {
        let Admission { member, sponsor, canonical, addresses, date, .. } = admission;
        let since = self.known.get(&sponsor).map_or(date, |above| date.max(above.since));
        let (sponsor, succeeds) = (Some(self.heir(&sponsor)), None);
        self.known.insert(member, Member { site: member, sponsor, succeeds, canonical, addresses, since, notice });
        member
    }

    /// Settles what waits for a known site, and what waits for the sites that this makes known, and so on.
    /// Tells whether a member may have another place by it.
    fn arrive(&mut self, site: SiteId) -> bool {
        let (mut arrived, mut moved) = (vec![site], false);
        while let Some(site) = arrived.pop() {
            let (mut departures, mut rotations, mut admissions) = (Vec::new(), Vec::new(), Vec::new());
            for (digest, notice) in self.waiting.remove(&site).unwrap_or_default() {
                let kind = match &notice {
                    Notice::Admitted(_) => &mut admissions,
                    Notice::Departed(_) => &mut departures,
                    Notice::Rotated(_) => &mut rotations,
                };
                kind.push((digest, notice));
            }
            self.depart(site, departures);
            moved |= self.rotate(site, rotations);
            arrived.extend(self.know_heir(&site));
            for (digest, notice) in admissions {
                let Some((member, is_new)) = self.admit(digest, notice) else { continue };
                moved |= !is_new;
                arrived.extend(is_new.then_some(member));
            }
        }
        moved
    }

    /// Of several departures the earliest is taken.
    fn depart(&mut self, site: SiteId, departures: Vec<(Digest, Notice)>) {
        if self.gone.contains_key(&site) {
            return;
        }
        let dated = departures.into_iter().filter_map(|(digest, notice)| match &notice {
            Notice::Departed(departure) => Some((departure.body.date, digest, notice)),
            Notice::Admitted(_) | Notice::Rotated(_) => None,
        });
        if let Some((date, digest, notice)) = dated.min_by_key(|(date, ..)| *date) {
            self.gone.insert(site, date);
            self.settled.insert(digest, notice);
            self.order.push(digest);
        }
    }

    /// Settles an admission whose sponsor is known. Returns whom it makes known, or who may have another place by it.
    fn admit(&mut self, digest: Digest, notice: Notice) -> Option<(SiteId, bool)> {
        let Notice::Admitted(admission) = &notice else { return None };
        let body = admission.body.clone();
        let (member, sponsor, date) = (body.member, body.sponsor, body.date);
        if let Some(used) = self.used.get(&(sponsor, body.invite)) {
            self.accuse(*used, admission.clone());
            return None;
        }
        if self.known.len() >= MEMBERS_MAX {
            return None;
        }
        self.used.insert((sponsor, body.invite), digest);
        self.settled.insert(digest, notice);
        self.order.push(digest);
        if self.is_void(&body) {
            return None;
        }
        match self.known.get(&member) {
            // Whom another chain brought in before this one was complete stays where it is.
            Some(known) if known.since < date || self.known.get(&sponsor).is_some_and(|above| known.since < above.since) => None,
            Some(_) => Some((member, false)),
            None => {
                self.know(digest, body);
                Some((member, true))
            }
        }
    }

    fn accuse(&mut self, used: Digest, other: Signed<Admission>) {
        let Some(Notice::Admitted(one)) = self.settled.get(&used) else { return };
        let proof = DoubleAdmission { one: one.clone(), other };
        let room = self.doubles.len() < DOUBLE_ADMISSIONS_MAX;
        if room && proof.convicts() {
            self.doubles.entry(proof.one.body.sponsor).or_insert(proof);
        }
    }

    /// Drops what exceeds the bound; an exchange of rosters brings it again when it matters.
    fn shorten_waiting(&mut self) {
        let mut room = ADMISSIONS_WAITING_MAX;
        for group in self.waiting.values_mut() {
            *group = core::mem::take(group).into_iter().take(room).collect::<BTreeMap<_, _>>();
            room -= group.len();
        }
        self.waiting.retain(|_, group| !group.is_empty());
    }
}
