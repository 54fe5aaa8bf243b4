//! One hop: a visitor is redirected to one helper at most, helpers pass nobody on, and bytes come from their owner alone.

use overspill_governance::site::SiteId;
use overspill_protocol::plan::{FillWanted, Plan};

use crate::server::Visit;

pub(super) fn on_sent(visit: &Visit) -> Option<String> {
    let to_itself = visit.owner == visit.helper;
    (visit.hops > 1 || to_itself)
        .then(|| format!("{} redirects visitors for the {}th time, to {}", visit.owner.short(), visit.hops, visit.helper.short()))
}

pub(super) fn on_plan(site: SiteId, plan: &Plan) -> Option<String> {
    let own = plan.spill.iter().any(|spill| spill.helper == site) || plan.host.iter().any(|host| host.owner == site);
    own.then(|| format!("{} plans to help itself", site.short()))
}

pub(super) fn on_fetch(site: SiteId, want: &FillWanted, from: &SiteId) -> Option<String> {
    (want.owner != *from).then(|| format!("{} fetches what is {}'s from {}", site.short(), want.owner.short(), from.short()))
}
