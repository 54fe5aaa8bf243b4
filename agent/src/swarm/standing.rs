//! Which connections stand, and which of them only we still believe in.

use std::{collections::HashMap, time::Instant};

use libp2p::{PeerId, swarm::ConnectionId};

use super::limits::STALE_AFTER;

/// Connections to each peer, with the time since which they stand. As many as the swarm's own limits admit.
#[derive(Debug, Default)]
pub(super) struct Standing(HashMap<PeerId, Vec<(ConnectionId, Instant)>>);

impl Standing {
    /// Notes a connection, and hands over those that it shows to be stale: whoever dials us does not reach us by any other.
    ///
    /// A connection that we dialled shows nothing, and neither does one that came while both ends were dialling each other: of two
    /// ends that each closed what the other keeps, neither would have one left.
    pub(super) fn begins(&mut self, peer: PeerId, connection: ConnectionId, dialled_us: bool, now: Instant) -> Vec<ConnectionId> {
        let connections = self.0.entry(peer).or_default();
        let is_stale = |since: Instant| dialled_us && now.saturating_duration_since(since) >= STALE_AFTER;
        let stale = connections.extract_if(.., |(_, since)| is_stale(*since)).map(|(stale, _)| stale).collect();
        connections.push((connection, now));
        stale
    }

    /// Notes a connection's end.
    pub(super) fn ends(&mut self, peer: &PeerId, connection: ConnectionId) {
        if let Some(connections) = self.0.get_mut(peer) {
            connections.retain(|(standing, _)| *standing != connection);
            if connections.is_empty() {
                self.0.remove(peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const JUST_BEFORE: Duration = Duration::from_millis(STALE_AFTER.as_millis() as u64 - 1);

    #[test]
    fn a_peer_that_dials_again_later_has_lost_what_stood() {
        let (peer, start, id) = (PeerId::random(), Instant::now(), ConnectionId::new_unchecked);
        let mut standing = Standing::default();
        assert!(standing.begins(peer, id(1), false, start).is_empty());
        assert!(standing.begins(PeerId::random(), id(2), true, start + STALE_AFTER).is_empty(), "another peer's dial tells nothing");
        assert_eq!(standing.begins(peer, id(3), true, start + STALE_AFTER), [id(1)]);
        assert!(standing.begins(peer, id(4), true, start + STALE_AFTER).is_empty(), "told once, and the new one is young");
    }

    #[test]
    fn of_two_ends_that_dial_each_other_neither_closes_anything() {
        let (peer, start, id) = (PeerId::random(), Instant::now(), ConnectionId::new_unchecked);
        let mut standing = Standing::default();
        standing.begins(peer, id(1), false, start);
        assert!(standing.begins(peer, id(2), true, start + JUST_BEFORE).is_empty());
        assert!(standing.begins(peer, id(3), false, start + 2 * STALE_AFTER).is_empty(), "nor by a dial of our own");
    }

    #[test]
    fn nothing_is_kept_of_what_ended() {
        let (peer, start, id) = (PeerId::random(), Instant::now(), ConnectionId::new_unchecked);
        let mut standing = Standing::default();
        standing.begins(peer, id(1), true, start);
        standing.ends(&peer, id(1));
        standing.ends(&peer, id(1));
        assert!(standing.0.is_empty());
        assert!(standing.begins(peer, id(2), true, start + STALE_AFTER).is_empty());
    }
}
