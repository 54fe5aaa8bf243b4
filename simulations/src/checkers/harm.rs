//! Do no harm: nobody is sent to who is not there, and nobody takes guests while its own visitors want more than it can carry.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use overspill_governance::{entry::Entry, payword::LeaseId, site::SiteId, time::Time};
use overspill_protocol::{limits::HELPER_SILENCE, message::Message};

use crate::server::Visit;

/// After so long a helper that is not there gets nobody any more: its silence is noticed, and a plan made and handed down.
const SENT_IN_VAIN_MAX: Duration = HELPER_SILENCE.saturating_add(Duration::from_millis(600));
/// A data plane that is pressed for so long has told its agent.
const TOLD_BY_THEN: Duration = Duration::from_millis(300);

/// Who is pressed, and which leases were held before.
#[derive(Debug, Clone, Default)]
pub struct Harm {
    pressed: BTreeMap<SiteId, Time>,
    held: BTreeSet<(SiteId, LeaseId)>,
}

impl Harm {
    pub(super) fn on_pressure(&mut self, site: SiteId, pressed: bool, now: Time) {
        if pressed {
            self.pressed.entry(site).or_insert(now);
        } else {
            self.pressed.remove(&site);
        }
    }

    pub(super) fn on_death(&mut self, site: SiteId) {
        self.pressed.remove(&site);
    }

    pub(super) fn on_entry(&mut self, site: SiteId, entry: &Entry) {
        if let Entry::Allotted(allotment) = entry
            && allotment.body.helper == site
            && !self.pressed.contains_key(&site)
        {
            self.held.insert((site, allotment.body.lease));
        }
    }

    pub(super) fn on_message(&self, site: SiteId, message: &Message, now: Time) -> Option<String> {
        let Message::LeaseHeld(held) = message else { return None };
        let since = self.pressed.get(&site).filter(|since| now.since(**since) > TOLD_BY_THEN)?;
        let again = self.held.contains(&(site, held.lease));
        (!again).then(|| format!("{} takes a guest, though it is pressed itself since {} ms", site.short(), now.since(*since).as_millis()))
    }

    pub(super) fn on_sent(&self, visit: &Visit, down: Option<Time>, now: Time) -> Option<String> {
        let since = down.map(|since| now.since(since)).filter(|since| *since > SENT_IN_VAIN_MAX)?;
        Some(format!("{} sends visitors to {}, which is gone for {} ms", visit.owner.short(), visit.helper.short(), since.as_millis()))
    }
}
