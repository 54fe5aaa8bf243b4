//! Which libp2p protocols an agent speaks, and with which bounds.

use std::sync::Arc;

use libp2p::{
    StreamProtocol, connection_limits, gossipsub, identify, ping,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
};
use overspill_governance::digest::Digest;

use super::{
    SwarmError,
    counters::Counters,
    frame::{FrameCodec, Room},
    limits::{
        CONNECTIONS_IN_MAX, CONNECTIONS_MAX, CONNECTIONS_PENDING_MAX, CONNECTIONS_PER_PEER, FILL_ASK_BYTES_MAX, FILL_SLICE_BYTES_MAX,
        FILL_STREAMS_PER_CONNECTION, FILL_TIMEOUT, GOSSIP_BYTES_MAX, HELD_BYTES_MAX, PING_INTERVAL, PING_TIMEOUT, STREAMS_PER_CONNECTION,
        TALK_BYTES_MAX, TALK_TIMEOUT,
    },
};

/// Messages between two agents: a request with an empty answer, which is only the transport's acknowledgement.
const TALK: StreamProtocol = StreamProtocol::new("/overspill/talk/1");
/// Slices of objects.
const FILL: StreamProtocol = StreamProtocol::new("/overspill/fill/1");
/// What identify calls us.
const IDENTIFY: &str = "/overspill/1";
/// The one topic: rare statements that concern every member.
const TOPIC: &str = "overspill/mesh/1";

/// Everything that runs on a connection. The limits stand first, so that they refuse before anything else looks.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    pub(super) talk: request_response::Behaviour<FrameCodec>,
    pub(super) fill: request_response::Behaviour<FrameCodec>,
    pub(super) gossip: gossipsub::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

impl Behaviour {
    /// Sets all protocols up for the holder of `key`.
    pub(super) fn new(key: &libp2p::identity::Keypair, counters: &Arc<Counters>) -> Result<Self, SwarmError> {
        let identify = identify::Config::new(IDENTIFY.into(), key.public())
            .with_agent_version(concat!("overspill/", env!("CARGO_PKG_VERSION")).into())
            // Addresses travel in signed adverts; what a peer says of itself here is never dialled.
            .with_hide_listen_addrs(true)
            .with_cache_size(0);
        Ok(Self {
            limits: connection_limits::Behaviour::new(limits()),
            talk: talk(counters.clone()),
            fill: fill(counters.clone()),
            gossip: gossip()?,
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT)),
        })
    }
}

fn limits() -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(CONNECTIONS_PENDING_MAX))
        .with_max_pending_outgoing(Some(CONNECTIONS_PENDING_MAX))
        .with_max_established_incoming(Some(CONNECTIONS_IN_MAX))
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER))
}

fn talk(counters: Arc<Counters>) -> request_response::Behaviour<FrameCodec> {
    let codec = FrameCodec { ask_max: TALK_BYTES_MAX, answer_max: 0, room: Room::new(HELD_BYTES_MAX), counters };
    let config = request_response::Config::default().with_request_timeout(TALK_TIMEOUT).with_max_concurrent_streams(STREAMS_PER_CONNECTION);
    request_response::Behaviour::with_codec(codec, [(TALK, ProtocolSupport::Full)], config)
}

fn fill(counters: Arc<Counters>) -> request_response::Behaviour<FrameCodec> {
    let codec = FrameCodec { ask_max: FILL_ASK_BYTES_MAX, answer_max: FILL_SLICE_BYTES_MAX, room: Room::new(HELD_BYTES_MAX), counters };
    let config =
        request_response::Config::default().with_request_timeout(FILL_TIMEOUT).with_max_concurrent_streams(FILL_STREAMS_PER_CONNECTION);
    request_response::Behaviour::with_codec(codec, [(FILL, ProtocolSupport::Full)], config)
}

/// Gossip without libp2p's signatures: what is gossiped carries our own, checked once after de-duplication. Nothing is passed on
/// before the driver has judged it. The mesh parameters are those that a mesh of three can meet.
fn gossip() -> Result<gossipsub::Behaviour, SwarmError> {
    let mut config = gossipsub::ConfigBuilder::default();
    config
        .mesh_n(4)
        .mesh_n_low(2)
        .mesh_n_high(8)
        .mesh_outbound_min(1)
        .flood_publish(true)
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| Digest::of("overspill gossip v1", &message.data).0.to_vec().into())
        .max_transmit_size(GOSSIP_BYTES_MAX + 256)
        .max_publish_messages(64)
        .max_ihave_messages_heartbeat(64);
    let config = config.build().map_err(|error| SwarmError::Setup(error.to_string()))?;
    let mut gossip = gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config)
        .map_err(|error| SwarmError::Setup(error.to_string()))?;
    gossip.subscribe(&topic()).map_err(|error| SwarmError::Setup(error.to_string()))?;
    Ok(gossip)
}

/// The topic that every agent is subscribed to.
pub(super) fn topic() -> gossipsub::IdentTopic {
    gossipsub::IdentTopic::new(TOPIC)
}
