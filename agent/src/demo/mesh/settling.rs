//! After the crowd: leases drain, what they earned is claimed, and both ends sign.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Mesh;
use crate::demo::{agent::Agent, limits, progress::Display};

/// How a mesh came to rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// From the crowd's end to the end of the last lease, its service settled; `None` when that took too long to wait for.
    pub end_to_last_lease: Option<Duration>,
    /// Leases that are not over at the owner or at a helper, and lines that wait for a signature.
    pub unsettled: usize,
}

/// Waits until neither the owner nor a helper has a lease and no line waits for a signature, but not for ever. `end` is the crowd's.
///
/// # Errors
/// When an agent cannot be asked.
pub(super) async fn wait(mesh: &Mesh, end: Instant, display: &Display) -> anyhow::Result<Settled> {
    let begun = Instant::now();
    loop {
        let partners = mesh.owner.ask(&["partners"]).await?;
        let pending = |partner: &&Value| partner["line"]["pending"] == true;
        let pending = partners["partners"].as_array().map_or(0, |partners| partners.iter().filter(pending).count());
        let mut leases = leases(&mesh.owner).await?;
        // The owner's are the last to go; helpers are asked when it has none.
        if leases == 0 {
            for helper in &mesh.helpers {
                leases += self::leases(helper).await?;
            }
        }
        let (unsettled, passed) = (leases + pending, begun.elapsed());
        if unsettled == 0 {
            return Ok(Settled { end_to_last_lease: Some(end.elapsed()), unsettled });
        }
        if passed > limits::SETTLE_WITHIN {
            return Ok(Settled { end_to_last_lease: None, unsettled });
        }
        display.show(passed.as_secs_f64() / limits::SETTLE_WITHIN.as_secs_f64(), &format!("settling: {leases} leases are not over yet"));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Leases of an agent, those that only wait to be settled included.
async fn leases(agent: &Agent) -> anyhow::Result<usize> {
    let status = agent.ask(&["status"]).await?;
    Ok(status["mesh"]["leases"].as_array().map_or(0, Vec::len))
}
