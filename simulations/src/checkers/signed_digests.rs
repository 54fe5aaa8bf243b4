//! Only signed bytes are served: each is in a manifest that its owner's own machine made, and what was purged is served no longer than a
//! helper may go without its owner's word.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use overspill_governance::{
    digest::{Digest, ObjectDigest},
    payword::LeaseId,
    site::{SiteId, Statement},
    time::Time,
};
use overspill_protocol::{
    event::Event,
    limits::{GENERATION_LIFETIME, PURGE_PATIENCE},
    manifest::Manifest,
    message::Message,
    plan::Plan,
};

use crate::server::Visit;

/// A purged object is gone by then everywhere: the last word before the purge arrives late, and holds for [`GENERATION_LIFETIME`].
/// Where a link stood still, its word may arrive as late as the link was released; scenarios do not let them stand for longer.
pub const PURGED_BY_THEN: Duration = GENERATION_LIFETIME.saturating_add(Duration::from_secs(8));
/// Who is sent out later than this after a purge is not shown what was purged: the helper confirmed, or gets nobody. Of leases that are
/// held only since the purge no confirmation is asked: there the general bound holds.
pub const UNSENT_BY_THEN: Duration = PURGE_PATIENCE.saturating_add(Duration::from_millis(700));
/// A permission to serve that reaches further ahead than this was not given by an owner's word.
const AHEAD_MAX: Duration = GENERATION_LIFETIME.saturating_add(Duration::from_millis(1));

/// What owners signed, and what they took back.
#[derive(Debug, Clone, Default)]
pub struct SignedDigests {
    manifests: BTreeMap<SiteId, BTreeSet<Digest>>,
    objects: BTreeSet<(SiteId, ObjectDigest)>,
    purged: BTreeMap<(SiteId, ObjectDigest), Time>,
    /// Since when each lease is held, as its owner knows.
    held: BTreeMap<LeaseId, Time>,
}

impl SignedDigests {
    pub(super) fn on_event(&mut self, event: &Event, now: Time) {
        if let Event::LeaseHeld { lease, as_owner: true, .. } = event {
            self.held.entry(*lease).or_insert(now);
        }
    }

    pub(super) fn on_message(&mut self, site: SiteId, message: &Message) {
        let Message::Manifest(signed) = message else { return };
        if self.manifests.entry(site).or_default().insert(signed.body.digest()) {
            self.objects.extend(signed.body.objects.iter().map(|object| (site, object.digest)));
        }
    }

    pub(super) fn on_purge(&mut self, owner: SiteId, old: ObjectDigest, now: Time) {
        self.purged.insert((owner, old), now);
    }

    pub(super) fn on_plan(&self, site: SiteId, plan: &Plan, local: Time) -> Option<String> {
        plan.host.iter().find_map(|host| {
            let ahead = host.generation_until.since(local) > AHEAD_MAX;
            let signed = self.is_signed(&host.owner, &host.manifest);
            let what = if ahead { "longer than its owner's word holds" } else { "by a manifest that its owner never signed" };
            (ahead || !signed).then(|| format!("{} plans to serve {}'s objects {what}", site.short(), host.owner.short()))
        })
    }

    fn is_signed(&self, owner: &SiteId, manifest: &Manifest) -> bool {
        manifest.objects.is_empty() || self.manifests.get(owner).is_some_and(|signed| signed.contains(&manifest.digest()))
    }

    pub(super) fn on_served(&self, visit: &Visit, digest: ObjectDigest, (sent, now): (Time, Time)) -> Option<String> {
        let (helper, owner) = (visit.helper.short(), visit.owner.short());
        if !self.objects.contains(&(visit.owner, digest)) {
            return Some(format!("{helper} serves {digest}, which {owner} never signed"));
        }
        let confirmed = |purged: &&Time| self.held.get(&visit.lease).is_some_and(|held| *held <= **purged);
        let held = self.purged.get(&(visit.owner, digest)).filter(confirmed);
        let sent = held.map(|at| sent.since(*at)).filter(|late| *late > UNSENT_BY_THEN);
        if let Some(late) = sent {
            return Some(format!("{owner} sends visitors to {helper} who are served what it purged {} ms before", late.as_millis()));
        }
        let late = self.purged.get(&(visit.owner, digest)).map(|at| now.since(*at)).filter(|late| *late > PURGED_BY_THEN)?;
        Some(format!("{helper} serves what {owner} purged {} ms ago", late.as_millis()))
    }
}
