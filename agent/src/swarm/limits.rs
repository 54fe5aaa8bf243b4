//! Bounds of the transport. What messages may hold is bounded by `overspill_protocol::limits`.

use std::time::Duration;

use overspill_protocol::limits::{FILL_MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX, SMALL_BYTES_MAX};

/// Bytes of one talk message: the largest message class of the protocol.
pub const TALK_BYTES_MAX: usize = MESSAGE_BYTES_MAX;
/// Bytes of a request for a slice: a lease, a digest and two numbers, with room for a later version.
pub const FILL_ASK_BYTES_MAX: usize = SMALL_BYTES_MAX;
/// Bytes of a slice with what is written around it.
pub const FILL_SLICE_BYTES_MAX: usize = FILL_MESSAGE_BYTES_MAX;
/// Bytes of one gossiped message: statements of members are small, and everyone passes them on.
pub const GOSSIP_BYTES_MAX: usize = SMALL_BYTES_MAX;

/// Bytes received and not yet taken by the driver, over all peers: what a crowd of hostile peers can make us hold.
pub const HELD_BYTES_MAX: usize = 32 << 20;
/// Bytes added to a frame's buffer at a time: a peer that announces much and sends little makes us hold little.
pub const READ_STEP: usize = 16 * 1024;

/// Connections that wait to be accepted: every partner, and as many strangers as may come at once, several times over.
pub const LISTEN_BACKLOG: u32 = 128;
/// Talk messages to one peer that it has not yet acknowledged: beyond it the peer is too slow and messages are dropped.
pub const TALK_OUTSTANDING_MAX: usize = 64;
/// Bytes of the same, so that a slow peer pins a bounded part of our memory.
pub const TALK_OUTSTANDING_BYTES_MAX: usize = 2 << 20;
/// Slices asked of one peer and not yet answered: enough to fill a long fat pipe, few enough to buffer whole.
pub const FILLS_OUTSTANDING_MAX: usize = 8;
/// Streams of one protocol on one connection, both ways together. Above twice what we send, as the excess is dropped unheard.
pub const STREAMS_PER_CONNECTION: usize = 4 * TALK_OUTSTANDING_MAX;

/// The same for slices: those that we ask for, and as many of the peer's as the protocol allows it.
pub const FILL_STREAMS_PER_CONNECTION: usize = FILLS_OUTSTANDING_MAX + overspill_protocol::limits::FILLS_OUTSTANDING_MAX;

/// Messages of one peer in a second that are heard: a correct agent says fewer than 20.
pub const HEARD_PER_SECOND: u32 = 200;
/// Bytes of one peer in a second that are heard.
pub const HEARD_BYTES_PER_SECOND: u32 = 4 << 20;

/// Commands waiting for the swarm. Sends beyond it are dropped and counted.
pub const SENDS_WAITING_MAX: usize = 1_024;
/// Dials, hang-ups, judgements and answers waiting for the swarm: they overtake sends.
pub const ORDERS_WAITING_MAX: usize = 512;
/// Events waiting for the driver; when it lags, the swarm reads no more from its sockets.
pub const EVENTS_WAITING_MAX: usize = 1_024;

/// Connections to one peer: one, one more while both ends dial each other, and a stale one that is being closed.
pub const CONNECTIONS_PER_PEER: u32 = 3;
/// Established connections in all: every partner, strangers who join, and room for a roster exchange.
pub const CONNECTIONS_MAX: u32 = 256;
/// Established connections that others opened.
pub const CONNECTIONS_IN_MAX: u32 = 192;
/// Connections that have not yet shown a key, each way.
pub const CONNECTIONS_PENDING_MAX: u32 = 64;
/// Addresses tried for one peer.
pub const ADDRESSES_MAX: usize = 8;

/// How long a connection may take to show a key.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a talk message waits for its acknowledgement.
pub const TALK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a slice may take: at a small site's uplink half a mebibyte takes a second or two when shared.
pub const FILL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last words to a peer may take before it is hung up on without them.
pub const HANG_PATIENCE: Duration = Duration::from_millis(500);
/// An unused connection to a member is kept: opening one when the crowd comes costs the crowd's first second.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(3_600);
/// Two ends that dial each other at once have both connections within this time. A peer that dials us later than that, while a connection
/// to it stands here, has lost that one: it dials only whom it does not reach.
pub const STALE_AFTER: Duration = Duration::from_secs(2 * HANDSHAKE_TIMEOUT.as_secs());
/// How long a socket may take no byte while some are to be sent; after it the connection is broken. Closing politely waits for those bytes
/// as well, so that without this bound a peer that stands still would count as connected for as long as it does.
pub const SEND_PATIENCE: Duration = Duration::from_secs(15);
/// Between two pings: a host that lost power sends no FIN.
pub const PING_INTERVAL: Duration = Duration::from_secs(10);
/// How long a ping may take. The first to fail is forgiven, so a connection is closed 40 s after its other end fell silent at the latest.
pub const PING_TIMEOUT: Duration = Duration::from_secs(10);
