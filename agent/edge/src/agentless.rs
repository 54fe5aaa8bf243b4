//! The agentless target: an address space of somebody who runs no agent (a pull zone of a commercial CDN, say), for what no helper has room for.
//!
//! It costs money, so that a byte is promised only if it was granted before, and the agent grants what it has written down. Only files that
//! browsers compare with the owner's digest go there: nobody has to trust it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwapOption;
use overspill_governance::time::Date;
use overspill_protocol::ticket::TICKET_PARAMETER;
use tokio::sync::Notify;

use crate::{authority::read_authority, spill::mark::with_parameter};

/// What stands for the path in a template.
const PATH: &str = "{path}";
/// The ticket of zeros, which no owner makes: files at the target have it in their addresses, so that whoever comes home with it, the target
/// itself when it fetches, or a browser that could not use it, stays. The same for all, so that the target's cache keeps one copy.
pub(crate) const TICKET: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Scheme and authority of an agentless target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentlessTarget {
    base: String,
}

impl AgentlessTarget {
    /// Reads a template: `https://zone.example.net{path}`. `None` if it is anything else: files keep their paths there, or the way home from a
    /// browser that could not use it would be lost.
    #[must_use]
    pub fn read(template: &str) -> Option<Self> {
        let base = template.strip_suffix(PATH)?;
        let authority = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"))?;
        read_authority(authority.as_bytes()).map(|_| Self { base: base.to_ascii_lowercase() })
    }

    /// Scheme and authority.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Host, and port if one is written.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.base.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The template.
    #[must_use]
    pub fn template(&self) -> String {
        format!("{}{PATH}", self.base)
    }
}

/// Bytes that may be promised until a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Granted {
    bytes: u64,
    until: Date,
}

/// The target, and what may be sent there.
#[derive(Debug)]
pub(crate) struct Agentless {
    target: ArcSwapOption<AgentlessTarget>,
    granted: Mutex<Granted>,
    /// The largest file for which there was not enough; 0: more is wanted, of whatever size.
    short_of: AtomicU64,
    wanted: Notify,
}

impl Agentless {
    pub(crate) fn new(target: Option<AgentlessTarget>) -> Self {
        let granted = Mutex::new(Granted { bytes: 0, until: Date::from_millis(0) });
        let target = ArcSwapOption::new(target.map(Arc::new));
        Self { target, granted, short_of: AtomicU64::new(0), wanted: Notify::new() }
    }

    pub(crate) fn set_target(&self, target: Option<AgentlessTarget>) {
        self.target.store(target.map(Arc::new));
    }

    /// Tells whether there is a target, and its address passes a test.
    pub(crate) fn passes(&self, passes: impl Fn(&str) -> bool) -> bool {
        self.target.load().as_ref().is_some_and(|target| passes(&target.base))
    }

    /// Tells whether something may be sent there.
    pub(crate) fn has_room(&self, now: Date) -> bool {
        self.target.load().is_some() && {
            let granted = self.lock();
            let has_room = granted.bytes > 0 && now < granted.until;
            drop(granted);
            if !has_room {
                self.wanted.notify_one();
            }
            has_room
        }
    }

    /// Promises a file, and tells where it is found; nothing if it may not be sent there. `fits` says of scheme and authority whether they will do.
    pub(crate) fn place(&self, path: &str, size: u64, fits: impl Fn(&str) -> bool, now: Date) -> Option<String> {
        let target = self.target.load_full().filter(|target| fits(&target.base))?;
        self.take(size, now).then(|| with_parameter(&target.base, path, TICKET_PARAMETER, TICKET))
    }

    fn take(&self, bytes: u64, now: Date) -> bool {
        let mut granted = self.lock();
        let left = if now < granted.until { granted.bytes } else { 0 };
        if let Some(rest) = left.checked_sub(bytes) {
            granted.bytes = rest;
            drop(granted);
            // Asked for in time, so that nobody waits while it is written down.
            if rest < bytes.saturating_mul(4) {
                self.wanted.notify_one();
            }
            return true;
        }
        drop(granted);
        self.short_of.fetch_max(bytes, Relaxed);
        self.wanted.notify_one();
        false
    }

    /// Waits until more is wanted, and says for a file of which size at least. One waits at a time.
    pub(crate) async fn wanted(&self) -> u64 {
        self.wanted.notified().await;
        self.short_of.swap(0, Relaxed)
    }

    /// Adds to what may be promised. Another end than before begins anew: what was left has ended, or was never right.
    pub(crate) fn grant(&self, bytes: u64, until: Date) {
        let mut granted = self.lock();
        let left = if granted.until == until { granted.bytes } else { 0 };
        *granted = Granted { bytes: left.saturating_add(bytes), until };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Granted> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_protocol::ticket::Ticket;

    fn date(millis: u64) -> Date {
        Date::from_millis(millis)
    }

    fn agentless() -> Agentless {
        Agentless::new(AgentlessTarget::read("https://zone.example.net{path}"))
    }

    #[test]
    fn a_template_is_scheme_and_authority() {
        let target = AgentlessTarget::read("https://Zone.example.net:8443{path}").unwrap();
        assert_eq!((target.base(), target.authority()), ("https://zone.example.net:8443", "zone.example.net:8443"));
        assert_eq!(AgentlessTarget::read(&target.template()), Some(target));
        for wrong in [
            "https://zone.example.net",
            "https://zone.example.net/{path}",
            "https://zone.example.net/site{path}",
            "https://zone.example.net{path}?x",
            "https://{path}",
            "https://a@zone.example.net{path}",
            "https://zone.example.net\"{path}",
            "ftp://zone.example.net{path}",
            "{path}",
            "",
        ] {
            assert_eq!(AgentlessTarget::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nothing_is_promised_that_was_not_granted() {
        let zone = agentless();
        let place = |size, now| zone.place("/a.js", size, |_| true, date(now));
        assert_eq!(place(1, 0), None, "nothing was granted");
        assert!(!zone.has_room(date(0)));
        zone.grant(100, date(1_000));
        assert_eq!(place(60, 0).as_deref(), Some(&*format!("https://zone.example.net/a.js?overspill-ticket={TICKET}")));
        assert_eq!(place(60, 0), None, "more than is left");
        assert!(place(40, 999).is_some() && place(1, 999).is_none());
        zone.grant(100, date(1_000));
        assert_eq!(place(1, 1_000), None, "the month is over");
        zone.grant(10, date(2_000));
        assert!(place(11, 1_000).is_none(), "what was left of the last month is gone");
        assert!(place(10, 1_000).is_some());
        zone.grant(10, date(2_000));
        assert_eq!(zone.place("/a.js", 1, |_| false, date(1_000)), None);
        zone.set_target(None);
        assert!(place(1, 1_000).is_none() && !zone.has_room(date(1_000)));
    }

    #[tokio::test]
    async fn more_is_wanted_before_it_runs_out_and_for_the_largest_that_was_refused() {
        let zone = agentless();
        zone.grant(1_000, date(1_000));
        assert!(zone.take(300, date(0)));
        assert_eq!(zone.wanted().await, 0, "little is left");
        assert!(!zone.take(5_000, date(0)) && !zone.take(900, date(0)));
        assert_eq!(zone.wanted().await, 5_000);
    }

    #[test]
    fn the_ticket_of_zeros_reads_as_one() {
        assert_eq!(Ticket::from_text(TICKET).unwrap().lease.0, [0; 8]);
    }
}
