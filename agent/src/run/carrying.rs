//! What is carried for other members, and for whom nothing is: written down, then in force, then answered.

use overspill_governance::site::SiteId;
use overspill_protocol::io::Command;
use serde_json::{Value, json};

use super::agent::Agent;
use crate::{
    admin::carry,
    cli::exit::{Exit, Failure},
};

impl Agent {
    /// What is carried for whom.
    pub(super) async fn carry(&self) -> Value {
        let report = self.report().await.ok();
        let stopped = self.keep.stopped().map(|stopped| stopped.members()).unwrap_or_default();
        carry::carry(report.as_ref(), &self.edge.stored_for_guests(), &stopped)
    }

    /// Carries nothing for a member, or something again.
    ///
    /// # Errors
    /// When that cannot be written down: then all is as it was.
    pub(super) async fn carry_for(&self, member: &str, stopped: bool) -> Result<Value, Failure> {
        let member: SiteId = member.parse().map_err(|_| no_member(member))?;
        let none = || Failure::new(Exit::Failed, "this agent has no place to keep that in", "see its log for the reason");
        let list = self.keep.stopped().ok_or_else(|| self.trouble().cloned().unwrap_or_else(none))?;
        let (stops, set) = (list.clone(), move || list.set(member, stopped).map_err(Failure::from));
        tokio::task::spawn_blocking(set).await.unwrap_or_else(|error| Err(Failure::of_system("the list of who is stopped", error)))?;
        tracing::info!(member = %member, stopped, "what is carried for a member has changed");
        // A mesh that is not there reads the list when it comes.
        if let Some(mesh) = self.mesh() {
            let _ = mesh.command(Command::Stop { members: stops.members() }).await;
        }
        Ok(told(member, stopped))
    }
}

/// What both commands tell.
pub(crate) fn told(member: SiteId, stopped: bool) -> Value {
    let schema = if stopped { "overspill.carry-stop/1" } else { "overspill.carry-resume/1" };
    json!({ "schema": schema, "partner": member.to_string() })
}

/// What is no member's name.
pub(crate) fn no_member(text: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{text:?} is no member's name"), "a name has 52 letters; `overspill partners --json` shows them")
}
