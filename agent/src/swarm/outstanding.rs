//! What was said and asked, and not yet answered: bounded for each peer.

use std::collections::HashMap;

use libp2p::{PeerId, request_response::OutboundRequestId};
use tokio::sync::oneshot;

use super::{
    FillFailed, Frame,
    limits::{FILLS_OUTSTANDING_MAX, TALK_OUTSTANDING_BYTES_MAX, TALK_OUTSTANDING_MAX},
};

/// Talk messages on their way.
#[derive(Debug, Default)]
pub(super) struct Talk {
    by_request: HashMap<OutboundRequestId, (PeerId, usize)>,
    by_peer: HashMap<PeerId, (usize, usize)>,
}

impl Talk {
    /// Tells whether the peer keeps up well enough for `len` more bytes.
    pub(super) fn has_room(&self, peer: &PeerId, len: usize) -> bool {
        let (messages, bytes) = self.by_peer.get(peer).copied().unwrap_or_default();
        messages < TALK_OUTSTANDING_MAX && bytes + len <= TALK_OUTSTANDING_BYTES_MAX
    }

    /// Tells whether nothing said to the peer is on its way.
    pub(super) fn is_idle(&self, peer: &PeerId) -> bool {
        !self.by_peer.contains_key(peer)
    }

    /// Notes a message that was handed to the transport.
    pub(super) fn said(&mut self, request: OutboundRequestId, peer: PeerId, len: usize) {
        self.by_request.insert(request, (peer, len));
        let (messages, bytes) = self.by_peer.entry(peer).or_default();
        *messages += 1;
        *bytes += len;
    }

    /// Notes that a message arrived, or never will.
    pub(super) fn ended(&mut self, request: OutboundRequestId) {
        let Some((peer, len)) = self.by_request.remove(&request) else { return };
        if let Some((messages, bytes)) = self.by_peer.get_mut(&peer) {
            *messages -= 1;
            *bytes -= len;
            if *messages == 0 {
                self.by_peer.remove(&peer);
            }
        }
    }
}

type Waiting = oneshot::Sender<Result<Frame, FillFailed>>;

/// Slices on their way.
#[derive(Debug, Default)]
pub(super) struct Fills {
    by_request: HashMap<OutboundRequestId, (PeerId, Waiting)>,
    by_peer: HashMap<PeerId, usize>,
}

impl Fills {
    /// Tells whether one more slice may be asked of the peer.
    pub(super) fn has_room(&self, peer: &PeerId) -> bool {
        self.by_peer.get(peer).copied().unwrap_or_default() < FILLS_OUTSTANDING_MAX
    }

    /// Notes who waits for a slice.
    pub(super) fn asked(&mut self, request: OutboundRequestId, peer: PeerId, waiting: Waiting) {
        self.by_request.insert(request, (peer, waiting));
        *self.by_peer.entry(peer).or_default() += 1;
    }

    /// Hands over who waits for the slice that came, or did not.
    pub(super) fn ended(&mut self, request: OutboundRequestId) -> Option<Waiting> {
        let (peer, waiting) = self.by_request.remove(&request)?;
        if let Some(count) = self.by_peer.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.by_peer.remove(&peer);
            }
        }
        Some(waiting)
    }
}
