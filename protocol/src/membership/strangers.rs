//! Strangers: peers that authenticated but belong to no mesh of ours. Few, for a short time, with few words.

use alloc::{collections::BTreeMap, vec::Vec};

use overspill_governance::{planted, site::SiteId, time::Time};

use crate::{
    bucket::Bucket,
    desk::Desk,
    io::Output,
    limits::{MESSAGES_BURST, MESSAGES_PER_SECOND, STRANGER_LIFETIME, STRANGER_MESSAGES_MAX, STRANGERS_MAX},
    timer::Reason,
};

/// Who is there without belonging.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strangers(BTreeMap<SiteId, Stranger>);

#[derive(Debug, Clone)]
struct Stranger {
    until: Time,
    messages: u32,
    /// As much as a partner may say, for the one whom we asked to let us in.
    asked: Bucket,
}

/// What becomes of a stranger's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ear {
    Hears,
    Misses,
    HangsUp,
}

impl Strangers {
    /// Lets a stranger stay for a while, or hangs up when there are too many. Whom we `asked` to let us in gets the place of who is here longest.
    pub(crate) fn on_connected(&mut self, desk: &mut Desk, peer: SiteId, asked: bool) -> bool {
        if self.0.len() >= STRANGERS_MAX && !planted!(KeepsAllStrangers) && !self.0.contains_key(&peer) {
            let longest = self.0.iter().min_by_key(|(_, stranger)| stranger.until).map(|(longest, _)| *longest);
            let Some(longest) = longest.filter(|_| asked) else {
                desk.put(Output::Hang { peer });
                return false;
            };
            self.hang(desk, longest);
        }
        self.0.insert(
            peer,
            Stranger {
                until: desk.in_(STRANGER_LIFETIME),
                messages: 0,
                asked: Bucket::new(MESSAGES_PER_SECOND, MESSAGES_BURST, desk.now.time),
            },
        );
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

    /// Whether one more message of a stranger is listened to. The one whom we `asked` to let us in may know us as a partner and have much to say
    /// before it answers, of leases and debts; it is heard like one.
    pub(crate) fn hear(&mut self, peer: &SiteId, asked: bool, now: Time) -> Ear {
        let Some(stranger) = self.0.get_mut(peer) else { return Ear::Misses };
        if asked {
            return if stranger.asked.takes(now) { Ear::Hears } else { Ear::Misses };
        }
        stranger.messages = stranger.messages.saturating_add(1);
        if stranger.messages <= STRANGER_MESSAGES_MAX { Ear::Hears } else { Ear::HangsUp }
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
