//! No plan makes a helper carry more than its hard caps, and no owner's data plane is sent where the words have run out.

use overspill_governance::site::SiteId;
use overspill_protocol::{limits::LEASES_MAX, plan::Plan};

use crate::world::caps;

pub(super) fn check(site: SiteId, plan: &Plan) -> Option<String> {
    let open = plan.host.iter().filter(|host| !host.closed);
    let (requests, bytes) =
        open.fold((0_u64, 0_u64), |(requests, bytes), host| (requests + u64::from(host.requests.0), bytes + host.bytes.0));
    let caps = caps();
    if requests > u64::from(caps.requests.0) || bytes > caps.bytes.0 {
        return Some(format!("{} plans to carry {requests} requests/s and {bytes} bytes/s, beyond its caps", site.short()));
    }
    let spent = plan.spill.iter().find(|spill| spill.serial_from > spill.chain.len() + 1);
    if let Some(spill) = spent {
        return Some(format!("{} plans serials beyond the chain of lease {}", site.short(), spill.lease));
    }
    let many = plan.spill.len() > 2 * LEASES_MAX || plan.host.len() > 2 * LEASES_MAX;
    many.then(|| format!("{} plans more leases than there may be", site.short()))
}
