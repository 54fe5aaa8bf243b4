//! The peer network as an actor: connections, messages, slices and gossip, over libp2p.
//!
//! The swarm authenticates peers by key and bounds what they can make us hold. Who may stay is the site's decision: the driver
//! tells it of every connection and hangs up when told to. Nothing that a peer sends can stop the swarm; the worst is a closed
//! connection and a count.
//!
//! Handing something to the swarm never waits. What does not fit is dropped and counted, as the protocol lives with loss.

mod actor;
mod allowance;
mod behaviour;
mod counters;
mod frame;
pub mod key;
pub mod limits;
mod outstanding;
mod standing;
#[cfg(test)]
mod tests;
mod transport;

use std::sync::Arc;

use libp2p::{
    PeerId,
    gossipsub::MessageId,
    request_response::{OutboundFailure, ResponseChannel},
};
use overspill_governance::site::SiteId;
use tokio::sync::{mpsc, oneshot};

use counters::Counters;

pub use counters::Counts;
pub use frame::Frame;

/// Starts the swarm on the current tokio runtime. It stops when the returned receiver is dropped.
///
/// # Errors
/// [`SwarmError`] when a listen address is malformed or taken; nothing is left running.
pub fn start(seed: &[u8; 32], listen: &[String]) -> Result<(SwarmHandle, mpsc::Receiver<SwarmEvent>), SwarmError> {
    let (send, sends) = mpsc::channel(limits::SENDS_WAITING_MAX);
    let (order, orders) = mpsc::channel(limits::ORDERS_WAITING_MAX);
    let (event, events) = mpsc::channel(limits::EVENTS_WAITING_MAX);
    let counters = Arc::new(Counters::default());
    let handle = SwarmHandle { send, order: order.clone(), counters: counters.clone() };
    let actor = actor::Actor::open(seed, listen, actor::Ends { sends, orders, order: order.downgrade(), event, counters })?;
    tokio::spawn(actor.run());
    Ok((handle, events))
}

/// What the swarm tells its driver.
#[derive(Debug)]
pub enum SwarmEvent {
    /// A listener is open.
    Listening {
        /// At this multiaddr.
        address: String,
    },
    /// The first connection to a peer stands: the other end holds this key.
    Connected {
        /// Who.
        peer: SiteId,
    },
    /// The last connection to a peer is gone.
    Disconnected {
        /// Who.
        peer: SiteId,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Who was dialled.
        peer: SiteId,
    },
    /// A talk message.
    Message {
        /// Who said it.
        from: SiteId,
        /// As received.
        frame: Frame,
    },
    /// A gossiped message that was not seen before. It is not passed on until [`SwarmHandle::judge`] says so.
    Gossip {
        /// Who passed it on to us; not who said it first.
        from: SiteId,
        /// Names it when judging.
        heard: Heard,
        /// As received.
        bytes: Vec<u8>,
    },
    /// A peer asks for a slice of an object.
    FillAsked {
        /// Who.
        from: SiteId,
        /// As received.
        ask: Frame,
        /// Takes the answer; dropping it refuses.
        reply: FillReply,
    },
}

/// A gossiped message that waits to be judged.
#[derive(Debug, Clone)]
pub struct Heard {
    id: MessageId,
    from: PeerId,
}

/// Where the answer to a request for a slice goes.
#[derive(Debug)]
pub struct FillReply {
    channel: ResponseChannel<Frame>,
    order: mpsc::WeakSender<Order>,
}

impl FillReply {
    /// Answers with a slice. Lost when the swarm does not keep up or the peer is gone: it asks again.
    pub fn send(self, slice: Vec<u8>) {
        if let Some(order) = self.order.upgrade() {
            // A full queue drops the channel, which the peer sees as a failed request.
            let _ = order.try_send(Order::Answer { channel: self.channel, slice });
        }
    }
}

/// Orders overtake messages: a hang-up must not queue behind what the peer to be hung up on made us say.
#[derive(Debug)]
enum Order {
    Dial { peer: SiteId, addresses: Vec<String> },
    Hang { peer: SiteId },
    Judge { heard: Heard, good: bool },
    Ask { to: SiteId, ask: Vec<u8>, answer: oneshot::Sender<Result<Frame, FillFailed>> },
    Answer { channel: ResponseChannel<Frame>, slice: Vec<u8> },
}

#[derive(Debug)]
enum Send {
    To { peer: SiteId, bytes: Vec<u8> },
    All { bytes: Vec<u8> },
}

/// Why a slice did not come. The object is still wanted; ask again, elsewhere, or give up.
#[derive(Debug, thiserror::Error)]
pub enum FillFailed {
    /// The peer is not connected.
    #[error("the peer is not connected")]
    NotConnected,
    /// As many slices are outstanding at this peer as may be.
    #[error("too many slices are being asked of this peer")]
    Busy,
    /// The peer does not hand it out: it does not hold it, or not to us.
    #[error("the peer refused the slice")]
    Refused,
    /// The transport, or the peer, failed.
    #[error("the slice did not come: {0}")]
    Transport(OutboundFailure),
    /// The swarm has stopped.
    #[error("the peer network is not running")]
    Stopped,
}

/// Why the swarm did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// The address is not a multiaddr that we can listen on.
    #[error("cannot listen on `{address}` for partners: {reason}\nwrite it as /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT")]
    Address {
        /// As configured.
        address: String,
        /// In words.
        reason: String,
    },
    /// The port is taken, or not ours to take.
    #[error("cannot listen on `{address}` for partners: {reason}\nis another agent running? choose a free port with `mesh.listen`")]
    Listen {
        /// As configured.
        address: String,
        /// The system's words.
        reason: String,
    },
    /// A protocol refused its own settings: a fault of ours.
    #[error("cannot set the peer network up: {0}")]
    Setup(String),
}

/// The driver's end of the swarm. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SwarmHandle {
    send: mpsc::Sender<Send>,
    order: mpsc::Sender<Order>,
    counters: Arc<Counters>,
}

impl SwarmHandle {
    /// Sends a message to a connected peer, or drops it.
    pub fn send(&self, to: SiteId, bytes: Vec<u8>) {
        self.hand(Send::To { peer: to, bytes });
    }

    /// Tells every member that gossip reaches.
    pub fn broadcast(&self, bytes: Vec<u8>) {
        self.hand(Send::All { bytes });
    }

    /// Tries to connect to a peer at any of these multiaddrs.
    pub fn dial(&self, peer: SiteId, addresses: Vec<String>) {
        self.order(Order::Dial { peer, addresses });
    }

    /// Closes all connections to a peer.
    pub fn hang(&self, peer: SiteId) {
        self.order(Order::Hang { peer });
    }

    /// Says whether a gossiped message is worth passing on.
    pub fn judge(&self, heard: Heard, good: bool) {
        self.order(Order::Judge { heard, good });
    }

    /// Asks a connected peer for a slice.
    ///
    /// # Errors
    /// [`FillFailed`]; nothing is retried here.
    pub async fn ask_fill(&self, to: SiteId, ask: Vec<u8>) -> Result<Vec<u8>, FillFailed> {
        let (answer, answered) = oneshot::channel();
        self.order.send(Order::Ask { to, ask, answer }).await.map_err(|_| FillFailed::Stopped)?;
        answered.await.map_err(|_| FillFailed::Stopped)?.map(Frame::into_bytes)
    }

    /// What was done and dropped so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    fn hand(&self, send: Send) {
        if self.send.try_send(send).is_err() {
            Counters::add(&self.counters.dropped_full);
        }
    }

    fn order(&self, order: Order) {
        if self.order.try_send(order).is_err() {
            Counters::add(&self.counters.dropped_full);
            tracing::debug!("an order to the peer network was dropped: its queue is full");
        }
    }
}
