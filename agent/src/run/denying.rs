//! What the owner denies, while the agent runs: written down, then in force, then answered.

use std::sync::{Arc, PoisonError};

use serde_json::Value;

use super::agent::Agent;
use crate::{
    admin::denials,
    cli::exit::{Exit, Failure},
    denylist::Denylist,
};

impl Agent {
    /// Changes the list on the disk, and then what visitors are shown.
    ///
    /// # Errors
    /// Why the list stays as it was.
    pub(super) async fn change_denied<C>(&self, change: C) -> Result<Value, Failure>
    where
        C: FnOnce(&mut Denylist) -> Result<Value, Failure> + Send + 'static,
    {
        let (list, edge) = (self.denylist()?, Arc::clone(&self.edge));
        let changed = tokio::task::spawn_blocking(move || {
            // Held until visitors are served by it, so that the last list written is the last in force.
            let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
            let told = change(&mut list)?;
            edge.deny(list.items());
            tracing::info!(denials = list.items().len(), "what is denied has changed");
            Ok(told)
        });
        changed.await.unwrap_or_else(|error| Err(Failure::of_system("the list of what is denied", error)))
    }

    /// The whole list.
    ///
    /// # Errors
    /// When there is no directory for it.
    pub(super) fn denied(&self) -> Result<Value, Failure> {
        let list = self.denylist()?;
        let list = list.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(denials::denied(&list))
    }

    fn denylist(&self) -> Result<super::keep::Denied, Failure> {
        let none = || Failure::new(Exit::Failed, "this agent keeps no list of what is denied", "see its log for the reason");
        self.keep.denied().ok_or_else(|| self.trouble().cloned().unwrap_or_else(none))
    }
}
