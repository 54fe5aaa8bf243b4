//! How a rotation takes effect: which of several counts, what it leaves of the old key, and whose place the new key gets.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{Member, Notice, Roster};
use crate::{
    digest::Digest,
    invite::Admission,
    limits::ROTATIONS_MAX,
    rotation::{Rotation, Succession},
    site::SiteId,
    time::Date,
};

impl Roster {
    /// The rotation of a key that counts.
    pub(super) fn succession(&self, old: &SiteId) -> Option<(Digest, &Succession)> {
        let [digest] = self.rotations.get(old)?.as_slice() else { return None };
        let body = &self.rotation(digest)?.body;
        // What the old key alone can say, it can take back.
        (body.recovery.is_some() || !self.gone.contains_key(old)).then_some((*digest, body))
    }

    /// When a key was given up, by its departure or by rotations.
    pub(super) fn left(&self, site: &SiteId) -> Option<Date> {
        if let Some((_, succession)) = self.succession(site) {
            return Some(succession.date);
        }
        let rotations = self.rotations.get(site).into_iter().flatten();
        let rotated = rotations.filter_map(|digest| Some(self.rotation(digest)?.body.date));
        rotated.chain(self.gone.get(site).copied()).min()
    }

    /// Whether an admission does not count: its sponsor rotated its key and named others, or had left by then. Of rotations that contradict
    /// each other each may name who stays, or a thief could throw out all whom a member brought in.
    pub(super) fn is_void(&self, admission: &Admission) -> bool {
        let Admission { sponsor, member, date, .. } = admission;
        let kept = self.rotations.get(sponsor).into_iter().flatten();
        let mut kept = kept.filter_map(|digest| Some(&self.rotation(digest)?.body)).peekable();
        match (kept.peek(), self.gone.get(sponsor)) {
            (Some(rotated), gone) if gone.is_none() || rotated.recovery.is_some() => {
                kept.all(|rotated| rotated.keeps.binary_search(member).is_err())
            }
            (_, gone) => gone.is_some_and(|gone| date > gone),
        }
    }

    /// Whether a rotation of a known key would be kept beside, or instead of, those that are kept.
    pub(super) fn is_kept(&self, digest: Digest, notice: &Notice) -> bool {
        let Notice::Rotated(rotation) = notice else { return false };
        let kept = self.rotations.get(&rotation.body.old).into_iter().flatten();
        let all = kept.filter_map(|digest| Some((*digest, &self.rotation(digest)?.body))).chain([(digest, &rotation.body)]);
        choose(all).contains(&digest)
    }

    /// Settles of the rotations of a key what is kept; tells whether there is any.
    pub(super) fn rotate(&mut self, site: SiteId, rotations: Vec<(Digest, Notice)>) -> bool {
        let bodies = rotations.iter().filter_map(|(digest, notice)| match notice {
            Notice::Rotated(rotation) => Some((*digest, &rotation.body)),
            _ => None,
        });
        let kept = choose(bodies);
        if kept.is_empty() {
            return false;
        }
        let mut rotations: BTreeMap<Digest, Notice> = rotations.into_iter().collect();
        for digest in &kept {
            self.settled.extend(rotations.remove(digest).map(|notice| (*digest, notice)));
            self.order.push(*digest);
        }
        self.rotations.insert(site, kept);
        true
    }

    /// Gives the key that succeeds another that one's place, unless it has a place already.
    pub(super) fn know_heir(&mut self, old: &SiteId) -> Option<SiteId> {
        let (notice, succession) = self.succession(old)?;
        let (new, date) = (succession.new, succession.date);
        if self.known.contains_key(&new) || self.keys_of(old).len() >= ROTATIONS_MAX {
            return None;
        }
        let before = self.known.get(old)?.clone();
        let since = date.max(before.since);
        self.known.insert(new, Member { site: new, succeeds: Some(*old), since, notice, ..before });
        self.heirs.insert(*old, new);
        Some(new)
    }

    /// Members answer for others under the keys that they have now.
    pub(super) fn name_heirs(&mut self) {
        if self.heirs.is_empty() {
            return;
        }
        let named: Vec<(SiteId, SiteId)> = self.sponsors().map(|(site, sponsor)| (site, self.heir(&sponsor))).collect();
        for (site, sponsor) in named {
            self.known.entry(site).and_modify(|member| member.sponsor = Some(sponsor));
        }
    }

    fn rotation(&self, digest: &Digest) -> Option<&Rotation> {
        match self.settled.get(digest)? {
            Notice::Rotated(rotation) => Some(rotation),
            _ => None,
        }
    }
}

/// Which of the rotations of one key are kept: of those of the highest rank the one with the lowest digest, and the next that names another
/// key. It is a function of the set, and of what was chosen before from parts of it.
fn choose<'a>(rotations: impl Iterator<Item = (Digest, &'a Succession)>) -> Vec<Digest> {
    let ranked: BTreeMap<(bool, Digest), SiteId> = rotations.map(|(digest, body)| ((body.recovery.is_none(), digest), body.new)).collect();
    let Some(((rank, first), new)) = ranked.first_key_value() else { return Vec::new() };
    let other = ranked.iter().find(|((of, _), other)| of == rank && *other != new);
    core::iter::once(*first).chain(other.map(|((_, digest), _)| *digest)).collect()
}
