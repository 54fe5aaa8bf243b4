//! The loop that owns the libp2p swarm.

use std::{
    collections::{HashMap, hash_map::Entry},
    io::ErrorKind,
    net::{IpAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use libp2p::{
    Multiaddr, PeerId, SwarmBuilder, TransportError, gossipsub,
    multiaddr::Protocol,
    ping,
    request_response::{Event as Exchange, InboundFailure, Message, OutboundFailure},
    swarm::{
        ConnectionId, DialError, SwarmEvent as Happened,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use overspill_governance::site::SiteId;
use tokio::sync::mpsc;

use super::{
    FillFailed, FillReply, Frame, Heard, Order, Send, SwarmError, SwarmEvent,
    allowance::Allowance,
    behaviour::{self, Behaviour, BehaviourEvent},
    counters::Counters,
    key::{keypair, peer_of, site_of},
    limits::{ADDRESSES_MAX, GOSSIP_BYTES_MAX, HANDSHAKE_TIMEOUT, HANG_PATIENCE, IDLE_TIMEOUT, SEND_PATIENCE, TALK_BYTES_MAX},
    outstanding,
    standing::Standing,
    transport,
};

/// Binds the address once without sharing: libp2p listens with SO_REUSEPORT, so that two agents would share a port in silence,
/// each of them seeing half of its partners.
fn probe(address: &Multiaddr) -> std::io::Result<()> {
    let mut parts = address.iter();
    let ip = match parts.next() {
        Some(Protocol::Ip4(ip)) => IpAddr::from(ip),
        Some(Protocol::Ip6(ip)) => IpAddr::from(ip),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) if port != 0 => TcpListener::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

/// The actor's ends of the channels.
pub(super) struct Ends {
    pub(super) sends: mpsc::Receiver<Send>,
    pub(super) orders: mpsc::Receiver<Order>,
    /// Weak, so that the actor sees when the last handle is gone.
    pub(super) order: mpsc::WeakSender<Order>,
    pub(super) event: mpsc::Sender<SwarmEvent>,
    pub(super) counters: Arc<Counters>,
}

/// Owns the libp2p swarm and everything that is counted for each peer.
pub(super) struct Actor {
    swarm: libp2p::Swarm<Behaviour>,
    ends: Ends,
    talk: outstanding::Talk,
    fills: outstanding::Fills,
    /// One for each connected peer.
    heard: HashMap<PeerId, (SiteId, Allowance)>,
    /// Connections that stand.
    standing: Standing,
    /// Hung up on as soon as what was said to them is out, or at this time. Not heard any more.
    hanging: HashMap<PeerId, Instant>,
}

impl Actor {
    /// Builds the swarm and opens its listeners.
    pub(super) fn open(seed: &[u8; 32], listen: &[String], ends: Ends) -> Result<Self, SwarmError> {
        let setup = |error: &dyn std::fmt::Display| SwarmError::Setup(error.to_string());
        let key = keypair(seed);
        let behaviour = Behaviour::new(&key, &ends.counters)?;
        let mut swarm = SwarmBuilder::with_existing_identity(key)
            .with_tokio()
            .with_other_transport(|key| transport::open(key, SEND_PATIENCE))
            .map_err(|error| setup(&error))?
            .with_behaviour(|_| behaviour)
            .map_err(|error| setup(&error))?
            .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_TIMEOUT))
            .with_connection_timeout(HANDSHAKE_TIMEOUT)
            .build();
        for address in listen {
            let parsed: Multiaddr =
                address.parse().map_err(|error| SwarmError::Address { address: address.clone(), reason: format!("{error}") })?;
            probe(&parsed).map_err(|error| SwarmError::Listen { address: address.clone(), reason: error.to_string() })?;
            swarm.listen_on(parsed).map_err(|error| match error {
                TransportError::MultiaddrNotSupported(_) => {
                    SwarmError::Address { address: address.clone(), reason: "only TCP addresses are supported".into() }
                }
                TransportError::Other(error) => SwarmError::Listen { address: address.clone(), reason: error.to_string() },
            })?;
        }
        Ok(Self {
            swarm,
            ends,
            talk: outstanding::Talk::default(),
            fills: outstanding::Fills::default(),
            heard: HashMap::new(),
            standing: Standing::default(),
            hanging: HashMap::new(),
        })
    }

    /// Runs until the driver is gone.
    pub(super) async fn run(mut self) {
        let mut hang_up = tokio::time::interval(HANG_PATIENCE / 2);
        loop {
            tokio::select! {
                biased;
                () = self.ends.event.closed() => return,
                order = self.ends.orders.recv() => match order {
                    Some(order) => self.carry_out(order),
                    None => return,
                },
                // Before what others say: no flood of theirs may hold our heartbeats back.
                Some(send) = self.ends.sends.recv() => self.say(send),
                _ = hang_up.tick(), if !self.hanging.is_empty() => self.hang_up_late(),
                happened = self.swarm.select_next_some() => self.on_happened(happened).await,
            }
        }
    }

    fn say(&mut self, send: Send) {
        match send {
            Send::To { peer, bytes } => self.say_to(&peer, bytes),
            Send::All { bytes } => {
                debug_assert!(bytes.len() <= GOSSIP_BYTES_MAX, "gossip is small");
                // Nobody listening is no failure: the exchange between partners repairs it.
                if let Err(error) = self.swarm.behaviour_mut().gossip.publish(behaviour::topic(), bytes) {
                    tracing::debug!(%error, "nothing gossiped");
                }
            }
        }
    }

    fn say_to(&mut self, to: &SiteId, bytes: Vec<u8>) {
        let counters = &self.ends.counters;
        let connected = peer_of(to).filter(|peer| self.swarm.is_connected(peer));
        let Some(peer) = connected else { return Counters::add(&counters.dropped_unconnected) };
        let len = bytes.len();
        if len > TALK_BYTES_MAX || !self.talk.has_room(&peer, len) {
            tracing::debug!(peer = %to.short(), len, "message dropped: the peer does not keep up");
            return Counters::add(&counters.dropped_full);
        }
        Counters::add(&counters.sent);
        let request = self.swarm.behaviour_mut().talk.send_request(&peer, bytes.into());
        self.talk.said(request, peer, len);
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Dial { peer, addresses } => self.dial(&peer, &addresses),
            Order::Hang { peer } => {
                // Orders overtake messages, and the last word to a peer says why it is hung up on.
                while let Ok(send) = self.ends.sends.try_recv() {
                    self.say(send);
                }
                if let Some(peer) = peer_of(&peer).filter(|peer| self.swarm.is_connected(peer)) {
                    self.hanging.insert(peer, Instant::now() + HANG_PATIENCE);
                    self.hang_up_said(&peer);
                }
            }
            Order::Judge { heard, good } => {
                let verdict = if good { gossipsub::MessageAcceptance::Accept } else { gossipsub::MessageAcceptance::Reject };
                self.swarm.behaviour_mut().gossip.report_message_validation_result(&heard.id, &heard.from, verdict);
            }
            Order::Ask { to, ask, answer } => {
                let connected = peer_of(&to).filter(|peer| self.swarm.is_connected(peer));
                let Some(peer) = connected else { return drop(answer.send(Err(FillFailed::NotConnected))) };
                if !self.fills.has_room(&peer) {
                    return drop(answer.send(Err(FillFailed::Busy)));
                }
                Counters::add(&self.ends.counters.fills_asked);
                let request = self.swarm.behaviour_mut().fill.send_request(&peer, ask.into());
                self.fills.asked(request, peer, answer);
            }
            Order::Answer { channel, slice } => {
                // The peer may be gone by now; it asks again when it comes back.
                let _ = self.swarm.behaviour_mut().fill.send_response(channel, slice.into());
            }
        }
    }

    /// Closes the connections of a peer that is to be hung up on, once nothing said to it is on its way.
    fn hang_up_said(&mut self, peer: &PeerId) {
        if self.hanging.contains_key(peer) && self.talk.is_idle(peer) {
            self.hang_up(*peer);
        }
    }

    fn hang_up_late(&mut self) {
        let now = Instant::now();
        let late: Vec<PeerId> = self.hanging.iter().filter(|(_, at)| **at <= now).map(|(peer, _)| *peer).collect();
        late.into_iter().for_each(|peer| self.hang_up(peer));
    }

    fn hang_up(&mut self, peer: PeerId) {
        self.hanging.remove(&peer);
        // Not connected is what was wanted.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    fn dial(&mut self, to: &SiteId, addresses: &[String]) {
        let Some(peer) = peer_of(to) else { return self.not_dialled(to, "its name is no key") };
        if self.swarm.is_connected(&peer) {
            // Whoever asks does not know of the connection. Saying it twice does no harm.
            let _ = self.ends.event.try_send(SwarmEvent::Connected { peer: *to });
            return;
        }
        let addresses: Vec<Multiaddr> = addresses.iter().take(ADDRESSES_MAX).filter_map(|text| text.parse().ok()).collect();
        if addresses.is_empty() {
            return self.not_dialled(to, "no address to dial");
        }
        let dial = DialOpts::peer_id(peer).addresses(addresses).condition(PeerCondition::DisconnectedAndNotDialing).build();
        match self.swarm.dial(dial) {
            // A dial that is under way already will tell its own end.
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => self.not_dialled(to, &error.to_string()),
        }
    }

    /// Lost when the driver lags: then a dial of which nothing is heard counts as failed after a while.
    fn not_dialled(&self, to: &SiteId, reason: &str) {
        tracing::debug!(peer = %to.short(), reason, "not dialled");
        let _ = self.ends.event.try_send(SwarmEvent::DialFailed { peer: *to });
    }

    async fn on_happened(&mut self, happened: Happened<BehaviourEvent>) {
        let counters = &self.ends.counters;
        match happened {
            Happened::Behaviour(event) => self.on_event(event).await,
            Happened::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, endpoint.is_listener()).await;
            }
            Happened::ConnectionClosed { peer_id, connection_id, num_established, cause, .. } => {
                self.standing.ends(&peer_id, connection_id);
                if num_established == 0 {
                    self.hanging.remove(&peer_id);
                    self.on_lost(peer_id, cause.map(|cause| cause.to_string())).await;
                }
            }
            Happened::IncomingConnectionError { error, .. } => {
                Counters::add(&counters.handshakes_failed);
                tracing::debug!(%error, "a connection was closed before it showed a key");
            }
            Happened::OutgoingConnectionError { peer_id, error, .. } => {
                let dialled = peer_id.as_ref().and_then(site_of);
                tracing::debug!(peer = dialled.map(|site| site.short()), %error, "could not connect");
                // Both ends dial at times, and one of the two may fail after the other stood.
                if let Some(peer) = dialled.filter(|_| !peer_id.is_some_and(|peer| self.swarm.is_connected(&peer))) {
                    self.tell(SwarmEvent::DialFailed { peer }).await;
                }
            }
            Happened::NewListenAddr { address, .. } => self.tell(SwarmEvent::Listening { address: address.to_string() }).await,
            Happened::ListenerClosed { reason: Err(error), .. } => {
                tracing::error!(%error, "the listener for partners closed: no partner can reach this site until a restart");
            }
            Happened::ListenerError { error, .. } => {
                // Out of file descriptors, most likely: without the pause the loop would spin on it.
                tracing::warn!(%error, "a partner's connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            _ => {}
        }
    }

    async fn on_lost(&mut self, peer_id: PeerId, cause: Option<String>) {
        if let Some((peer, _)) = self.heard.remove(&peer_id) {
            tracing::debug!(peer = %peer.short(), cause, "disconnected");
            self.tell(SwarmEvent::Disconnected { peer }).await;
        }
    }

    async fn on_connected(&mut self, peer_id: PeerId, connection: ConnectionId, dialled_us: bool) {
        let Some(peer) = site_of(&peer_id) else {
            Counters::add(&self.ends.counters.foreign_keys);
            tracing::debug!("a peer with a kind of key that no agent has was hung up on");
            self.swarm.close_connection(connection);
            return;
        };
        let stale = self.standing.begins(peer_id, connection, dialled_us, Instant::now());
        if !stale.is_empty() {
            // What was said on them is lost, and the peer may have been restarted: the site has to begin afresh with it.
            self.on_lost(peer_id, Some("the peer has dialled again".into())).await;
            for stale in stale {
                self.swarm.close_connection(stale);
            }
        }
        if let Entry::Vacant(place) = self.heard.entry(peer_id) {
            place.insert((peer, Allowance::new(Instant::now())));
            self.tell(SwarmEvent::Connected { peer }).await;
        }
    }

    async fn on_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Talk(exchange) => self.on_talk(exchange).await,
            BehaviourEvent::Fill(exchange) => self.on_fill(exchange).await,
            BehaviourEvent::Gossip(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                let heard = Heard { id: message_id, from: propagation_source };
                match self.admits(&propagation_source, message.data.len()) {
                    Some(from) if message.data.len() <= GOSSIP_BYTES_MAX => {
                        Counters::add(&self.ends.counters.gossip_heard);
                        self.tell(SwarmEvent::Gossip { from, heard, bytes: message.data }).await;
                    }
                    _ => self.carry_out(Order::Judge { heard, good: false }),
                }
            }
            BehaviourEvent::Ping(ping::Event { connection, result: Err(error), .. }) => {
                tracing::debug!(%error, "a peer does not answer pings: the connection is closed");
                self.swarm.close_connection(connection);
            }
            BehaviourEvent::Ping(_) | BehaviourEvent::Identify(_) | BehaviourEvent::Gossip(_) => {}
        }
    }

    async fn on_talk(&mut self, exchange: Exchange<Frame, Frame>) {
        match exchange {
            Exchange::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                // Acknowledged in any case: a peer that says too much does not learn where the bound is by its timeouts.
                let _ = self.swarm.behaviour_mut().talk.send_response(channel, Vec::new().into());
                if let Some(from) = self.admits(&peer, request.len()) {
                    Counters::add(&self.ends.counters.heard);
                    self.tell(SwarmEvent::Message { from, frame: request }).await;
                }
            }
            Exchange::Message { peer, message: Message::Response { request_id, .. }, .. } => {
                self.talk.ended(request_id);
                self.hang_up_said(&peer);
            }
            Exchange::OutboundFailure { peer, request_id, error, .. } => {
                self.talk.ended(request_id);
                self.hang_up_said(&peer);
                Counters::add(&self.ends.counters.send_failed);
                tracing::trace!(peer = site_of(&peer).map(|site| site.short()), %error, "message not delivered");
            }
            Exchange::InboundFailure { peer, error, .. } => self.on_broken(&peer, &error),
            Exchange::ResponseSent { .. } => {}
        }
    }

    async fn on_fill(&mut self, exchange: Exchange<Frame, Frame>) {
        match exchange {
            Exchange::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                if let Some(from) = self.admits(&peer, request.len()) {
                    Counters::add(&self.ends.counters.fills_wanted);
                    let reply = FillReply { channel, order: self.ends.order.clone() };
                    self.tell(SwarmEvent::FillAsked { from, ask: request, reply }).await;
                }
            }
            Exchange::Message { message: Message::Response { request_id, response }, .. } => {
                if let Some(waiting) = self.fills.ended(request_id) {
                    let _ = waiting.send(Ok(response));
                }
            }
            Exchange::OutboundFailure { request_id, error, .. } => {
                Counters::add(&self.ends.counters.fills_failed);
                if let Some(waiting) = self.fills.ended(request_id) {
                    let _ = waiting.send(Err(match error {
                        // A peer that drops a request closes the stream without a byte.
                        OutboundFailure::Io(error) if error.kind() == ErrorKind::UnexpectedEof => FillFailed::Refused,
                        error => FillFailed::Transport(error),
                    }));
                }
            }
            Exchange::InboundFailure { error: InboundFailure::ResponseOmission, .. } | Exchange::ResponseSent { .. } => {}
            Exchange::InboundFailure { peer, error, .. } => self.on_broken(&peer, &error),
        }
    }

    /// A stream that breaks with its connection is nobody's fault; one that breaks by itself is counted.
    fn on_broken(&self, peer: &PeerId, error: &InboundFailure) {
        if !matches!(error, InboundFailure::ConnectionClosed) {
            Counters::add(&self.ends.counters.streams_failed);
            tracing::debug!(peer = site_of(peer).map(|site| site.short()), %error, "a stream of a peer failed");
        }
    }

    fn admits(&mut self, peer: &PeerId, len: usize) -> Option<SiteId> {
        if self.hanging.contains_key(peer) {
            return None;
        }
        let (site, allowance) = self.heard.get_mut(peer)?;
        if allowance.admits(len, Instant::now()) {
            return Some(*site);
        }
        Counters::add(&self.ends.counters.unheard);
        tracing::trace!(peer = %site.short(), "a message was not heard: the peer says too much");
        None
    }

    /// Waits while the driver lags: what is not read from the sockets holds its sender back.
    async fn tell(&mut self, event: SwarmEvent) {
        let _ = self.ends.event.send(event).await;
    }
}
