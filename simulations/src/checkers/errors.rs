//! No ERROR line: neither pure crate writes a log, so what they would log are their events. One of that level fails the run.
//!
//! Levels are those of the agent's log (`agent/src/driver/tell.rs`): ERROR means that the site cannot serve its mesh any more.

use overspill_governance::site::SiteId;
use overspill_protocol::event::Event;

/// An ERROR is expected where the disk was made to fail, and nowhere else.
pub(super) fn on_event(site: SiteId, event: &Event, ledger_failed: bool) -> Option<String> {
    let words = match event {
        Event::Silent { reason } if !ledger_failed => reason,
        // A warning of the machine about itself: its two ends disagree, or it left with debts. Nothing in these worlds may lead there.
        Event::Warned { reason } if *reason != "left with service unsettled: the partners did not settle in time" => reason,
        _ => return None,
    };
    Some(format!("{} logs an error: {words}", site.short()))
}
