//! Strangers: peers that authenticated but belong to no mesh of ours. Few, for a short time, with few words.

use alloc::{collections::BTreeMap, vec::Vec};

use overspill_governance::{planted, site::SiteId, time::Time};

use crate::{
    desk::Desk,
    io::Output,
    limits::{STRANGER_LIFETIME, STRANGER_MESSAGES_MAX, STRANGERS_MAX},
    timer::Reason,
};

/// Who is there without belonging.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strangers(BTreeMap<SiteId, Stranger>);

#[derive(Debug, Clone)]
struct Stranger {
    until: Time,
    messages: u32,
}

impl Strangers {
    /// Lets a stranger stay for a while, or hangs up when there are too many.
    pub(crate) fn on_connected(&mut self, desk: &mut Desk, peer: SiteId) -> bool {
        if self.0.len() >= STRANGERS_MAX && !planted!(KeepsAllStrangers) && !self.0.contains_key(&peer) {
            desk.put(Output::Hang { peer });
            return false;
        }
        self.0.insert(peer, Stranger { until: desk.in_(STRANGER_LIFETIME), messages: 0 });
        desk.wake_in(Reason::Stranger, STRANGER_LIFETIME);
        true
    }

    /// A stranger is gone, or is none any more.
    pub(crate) fn remove(&mut self, peer: &SiteId) -> bool {
        self.0.remove(peer).is_some()
    }

    /// Whether a peer is connected as a stranger.
    pub(crate) fn contains(&self, peer: &SiteId) -> bool {
        self.0.contains_key(peer)
    }

    /// Who is here.
    pub(crate) fn peers(&self) -> Vec<SiteId> {
        self.0.keys().copied().collect()
    }

    /// Whether one more message of a stranger is listened to.
    pub(crate) fn allow(&mut self, peer: &SiteId) -> bool {
        self.0.get_mut(peer).is_some_and(|stranger| {
            stranger.messages = stranger.messages.saturating_add(1);
            stranger.messages <= STRANGER_MESSAGES_MAX
        })
    }

    /// Hangs up on a stranger.
    pub(crate) fn hang(&mut self, desk: &mut Desk, peer: SiteId) {
        self.0.remove(&peer);
        desk.put(Output::Hang { peer });
    }

    /// Hangs up on those who stayed too long; `spared` is our own sponsor while we join.
    pub(crate) fn on_time(&mut self, desk: &mut Desk, spared: impl Fn(&SiteId) -> bool) {
        let now = desk.now.time;
        let late: Vec<SiteId> =
            self.0.iter().filter(|(peer, stranger)| stranger.until <= now && !spared(peer)).map(|(peer, _)| *peer).collect();
        for peer in late {
            self.hang(desk, peer);
        }
        let next = self.0.iter().filter(|(peer, _)| !spared(peer)).map(|(_, stranger)| stranger.until).min();
        if let Some(at) = next {
            desk.timers.set_by(Reason::Stranger, at);
        }
    }
}
