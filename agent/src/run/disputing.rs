//! Disputes, as a person declares them: written down, then told to the other end, then answered.

use overspill_governance::{site::SiteId, time::Date};
use overspill_protocol::{event::Answer, io::Command};
use serde_json::{Value, json};

use super::{
    agent::{Agent, odd},
    carrying::no_member,
};
use crate::cli::exit::Failure;

impl Agent {
    /// Disputes the line with a member, or takes that back when there is no reason.
    ///
    /// # Errors
    /// When the machine refuses: then all is as it was.
    pub(super) async fn dispute(&self, member: &str, reason: Option<String>) -> Result<Value, Failure> {
        let partner: SiteId = member.parse().map_err(|_| no_member(member))?;
        match self.wish(Command::Dispute { partner, reason }).await? {
            Answer::Disputed { partner, until } => Ok(told(partner, until)),
            other => Err(odd(&other)),
        }
    }
}

/// What both forms of the command tell.
pub(crate) fn told(partner: SiteId, until: Option<Date>) -> Value {
    json!({ "schema": "overspill.dispute/1", "partner": partner.to_string(), "until": until.map(|date| date.to_string()) })
}
