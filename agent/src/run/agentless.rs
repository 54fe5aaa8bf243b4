//! The agentless target's bytes: wanted by the edge, written down, then granted.

use std::sync::{Arc, PoisonError};

use super::agent::Agent;
use crate::{
    agentless::{LOOK, Meter},
    state::names,
};

impl Agent {
    /// Grants what the edge wants, as long as the month has it.
    pub(super) async fn keep_agentless(self: Arc<Self>) {
        loop {
            let (wanted, agent) = (self.edge.agentless_wanted().await, Arc::clone(&self));
            let granted = tokio::task::spawn_blocking(move || agent.grant_agentless(wanted)).await;
            if !granted.unwrap_or(false) {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Writes down what the agentless target may be promised next, then lets the edge promise it. Tells whether there was anything left.
    fn grant_agentless(&self, wanted: u64) -> bool {
        let Some(state) = self.keep.state() else { return false };
        let cap = self.loaded.load().settings.agentless_month;
        let mut meter = self.agentless.lock().unwrap_or_else(PoisonError::into_inner);
        let reserve = |meter: &mut Option<Meter>| match meter {
            Some(meter) => meter.reserve(cap, wanted, self.clock.date()),
            None => meter.insert(Meter::open(&state.file(names::AGENTLESS))?).reserve(cap, wanted, self.clock.date()),
        };
        match reserve(&mut meter) {
            Ok(Some(grant)) => self.edge.grant_agentless(grant.bytes, grant.until),
            Ok(None) => {
                tracing::debug!("the agentless target has got all that it may this month");
                return false;
            }
            Err(error) => {
                tracing::warn!(%error, "nothing is sent to the agentless target: what it was promised cannot be read or written down");
                return false;
            }
        }
        true
    }

    /// Bytes that the agentless target was promised this month, as far as is known.
    pub fn agentless_promised(&self) -> u64 {
        let meter = self.agentless.lock().unwrap_or_else(PoisonError::into_inner);
        meter.as_ref().map_or(0, |meter| meter.promised(self.clock.date()))
    }
}
