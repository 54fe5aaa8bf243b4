//! Real swarms on loopback: what arrives, what is refused, and that no peer can stop the others.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use libp2p::{
    Multiaddr, StreamProtocol, SwarmBuilder, noise,
    request_response::{self, Event as Exchange, ProtocolSupport},
    swarm::SwarmEvent as Happened,
    tcp, yamux,
};
use overspill_governance::site::{Key, SiteId};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::mpsc, time::timeout};

use super::{
    FillFailed, SwarmError, SwarmEvent, SwarmHandle,
    behaviour::{Behaviour, BehaviourEvent},
    frame::{FrameCodec, Room},
    key::{keypair, peer_of},
    limits::{FILL_SLICE_BYTES_MAX, TALK_BYTES_MAX},
    start,
};

mod lost;

/// Long enough for a loaded machine; reaching it is a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(20);

/// An agent's swarm with what it was told.
struct Agent {
    site: SiteId,
    address: String,
    handle: SwarmHandle,
    events: mpsc::Receiver<SwarmEvent>,
}

impl Agent {
    async fn start(number: u8) -> Self {
        let seed = [number; 32];
        let (handle, mut events) = start(&seed, &["/ip4/127.0.0.1/tcp/0".into()]).unwrap();
        let Some(SwarmEvent::Listening { address }) = timeout(PATIENCE, events.recv()).await.unwrap() else {
            panic!("the first event is the listener's")
        };
        Self { site: Key::from_seed(seed).site(), address, handle, events }
    }

    /// The next event, whatever it is.
    async fn next(&mut self) -> SwarmEvent {
        timeout(PATIENCE, self.events.recv()).await.expect("an event comes in time").expect("the swarm runs")
    }

    async fn sees(&mut self, other: &Self) {
        let event = self.next().await;
        assert!(matches!(event, SwarmEvent::Connected { peer } if peer == other.site), "{event:?}");
    }

    async fn loses(&mut self, site: SiteId) {
        let event = self.next().await;
        assert!(matches!(event, SwarmEvent::Disconnected { peer } if peer == site), "{event:?}");
    }

    async fn hears(&mut self) -> (SiteId, Vec<u8>) {
        match self.next().await {
            SwarmEvent::Message { from, frame } => (from, frame.into_bytes()),
            other => panic!("a message was expected, not {other:?}"),
        }
    }

    fn dials(&self, other: &Self) {
        self.handle.dial(other.site, vec![other.address.clone()]);
    }

    fn socket(&self) -> String {
        let parts: Vec<&str> = self.address.split('/').collect();
        format!("{}:{}", parts[2], parts[4])
    }
}

async fn two_connected() -> (Agent, Agent) {
    let (mut one, mut two) = (Agent::start(1).await, Agent::start(2).await);
    one.dials(&two);
    one.sees(&two).await;
    two.sees(&one).await;
    (one, two)
}

#[tokio::test]
async fn messages_arrive_from_the_key_that_sent_them() {
    let (mut one, mut two) = two_connected().await;
    one.handle.send(two.site, b"good morning".to_vec());
    assert_eq!(two.hears().await, (one.site, b"good morning".to_vec()));
    two.handle.send(one.site, vec![7; TALK_BYTES_MAX]);
    assert_eq!(one.hears().await, (two.site, vec![7; TALK_BYTES_MAX]));
}

#[tokio::test]
async fn a_message_to_nobody_is_dropped_and_counted() {
    let one = Agent::start(1).await;
    one.handle.send(Key::from_seed([9; 32]).site(), b"anyone?".to_vec());
    for _ in 0..1_000 {
        if one.handle.counts().dropped_unconnected == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the message was not counted: {:?}", one.handle.counts());
}

#[tokio::test]
async fn a_dial_that_finds_nobody_or_somebody_else_is_told() {
    let (mut one, two) = (Agent::start(1).await, Agent::start(2).await);
    let nobody = Key::from_seed([9; 32]).site();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // A closed port, no address that we can dial, and an agent with another key.
    for address in [format!("/ip4/127.0.0.1/tcp/{closed}"), "/dns4/nobody.invalid/tcp/1".into(), "no address".into(), two.address.clone()] {
        one.handle.dial(nobody, vec![address.clone()]);
        let event = one.next().await;
        assert!(matches!(event, SwarmEvent::DialFailed { peer } if peer == nobody), "{address}: {event:?}");
    }
    one.dials(&two);
    one.sees(&two).await;
}

#[tokio::test]
async fn a_hang_up_is_seen_at_both_ends_and_a_new_dial_works() {
    let (mut one, mut two) = two_connected().await;
    two.handle.hang(one.site);
    two.loses(one.site).await;
    one.loses(two.site).await;
    one.dials(&two);
    one.sees(&two).await;
    two.sees(&one).await;
}

#[tokio::test]
async fn the_last_words_arrive_before_the_hang_up() {
    let (mut one, mut two) = two_connected().await;
    two.handle.send(one.site, vec![1; 100_000]);
    two.handle.send(one.site, b"no room for you".to_vec());
    two.handle.hang(one.site);
    let mut heard = [one.hears().await.1.len(), one.hears().await.1.len()];
    heard.sort_unstable();
    assert_eq!(heard, [15, 100_000]);
    one.loses(two.site).await;
    two.loses(one.site).await;
}

#[tokio::test]
async fn whoever_holds_another_key_is_not_talked_to() {
    let (one, mut two) = (Agent::start(1).await, Agent::start(2).await);
    let expected = Key::from_seed([3; 32]).site();
    one.handle.dial(expected, vec![two.address.clone()]);
    // The dialler notices during the handshake; the other end may have believed in the connection for a moment.
    let told = timeout(Duration::from_millis(500), two.events.recv()).await;
    if let Ok(Some(SwarmEvent::Connected { .. })) = told {
        two.loses(one.site).await;
    }
    one.handle.send(two.site, b"hello".to_vec());
    one.handle.send(expected, b"hello".to_vec());
    one.dials(&two);
    let event = two.next().await;
    assert!(matches!(event, SwarmEvent::Connected { peer } if peer == one.site), "{event:?}");
}

#[tokio::test]
async fn slices_come_whole_and_an_unanswered_ask_fails() {
    let (one, mut two) = two_connected().await;
    let asker = one.handle.clone();
    let owner = two.site;
    let asked =
        tokio::spawn(async move { (asker.ask_fill(owner, b"first".to_vec()).await, asker.ask_fill(owner, b"second".to_vec()).await) });
    let SwarmEvent::FillAsked { from, ask, reply } = two.next().await else { panic!("an ask was expected") };
    assert_eq!((from, ask.into_bytes()), (one.site, b"first".to_vec()));
    reply.send(vec![3; FILL_SLICE_BYTES_MAX]);
    let SwarmEvent::FillAsked { reply, .. } = two.next().await else { panic!("an ask was expected") };
    drop(reply);
    let (first, second) = timeout(PATIENCE, asked).await.unwrap().unwrap();
    assert_eq!(first.unwrap(), vec![3; FILL_SLICE_BYTES_MAX]);
    assert!(matches!(second, Err(FillFailed::Refused)), "{second:?}");
    assert!(matches!(one.handle.ask_fill(Key::from_seed([9; 32]).site(), Vec::new()).await, Err(FillFailed::NotConnected)));
}

#[tokio::test]
async fn gossip_goes_further_only_when_it_was_judged_good() {
    let (mut one, mut two, mut three) = (Agent::start(1).await, Agent::start(2).await, Agent::start(3).await);
    one.dials(&two);
    one.sees(&two).await;
    two.sees(&one).await;
    two.dials(&three);
    two.sees(&three).await;
    three.sees(&two).await;
    // Subscriptions travel after the connection stands; gossip before it is lost, so it is said again until it is heard.
    let mut said = 0_u8;
    let (bytes, heard) = loop {
        one.handle.broadcast(vec![said; 100]);
        said += 1;
        match timeout(Duration::from_millis(200), two.events.recv()).await {
            Ok(Some(SwarmEvent::Gossip { bytes, heard, .. })) => break (bytes, heard),
            Ok(other) => panic!("gossip was expected, not {other:?}"),
            Err(_) => assert!(said < 100, "gossip never arrived"),
        }
    };
    assert!(timeout(Duration::from_millis(300), three.events.recv()).await.is_err(), "nothing goes further before it is judged");
    two.handle.judge(heard, true);
    let SwarmEvent::Gossip { from, bytes: passed_on, .. } = three.next().await else { panic!("gossip was expected") };
    assert_eq!((from, passed_on), (two.site, bytes));
}

#[tokio::test]
async fn raw_garbage_costs_a_closed_connection_and_a_count() {
    let (mut one, mut two) = two_connected().await;
    let garbage: [&[u8]; 3] =
        [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[0xff; 4_096], b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x00\xff\xff\xff"];
    for bytes in garbage {
        let mut socket = TcpStream::connect(two.socket()).await.unwrap();
        // The other end may close in the middle of it.
        let _ = socket.write_all(bytes).await;
        let _ = socket.shutdown().await;
        let mut rest = Vec::new();
        let closed = timeout(PATIENCE, tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut rest)).await;
        assert!(closed.is_ok(), "the connection is closed");
    }
    one.handle.send(two.site, b"still there?".to_vec());
    assert_eq!(two.hears().await.1, b"still there?");
    two.handle.send(one.site, b"yes".to_vec());
    assert_eq!(one.hears().await.1, b"yes");
    assert!(two.handle.counts().handshakes_failed >= 1);
}

/// A peer that holds a key, speaks all our protocols and keeps no bounds: it sends frames of `len` bytes on the talk protocol.
async fn shout(number: u8, to: SiteId, address: &str, len: usize, times: usize) {
    let key = keypair(&[number; 32]);
    let mut behaviour = Behaviour::new(&key, &Arc::default()).unwrap();
    behaviour.talk = request_response::Behaviour::with_codec(
        FrameCodec { ask_max: 0, answer_max: 0, room: Room::new(0), counters: Arc::default() },
        [(StreamProtocol::new("/overspill/talk/1"), ProtocolSupport::Full)],
        request_response::Config::default().with_max_concurrent_streams(10_000),
    );
    let mut swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| behaviour)
        .unwrap()
        .build();
    let peer = peer_of(&to).unwrap();
    swarm.add_peer_address(peer, address.parse::<Multiaddr>().unwrap());
    // More streams at once would end the connection before anything is heard: yamux has its own bound.
    let (mut said, mut ended) = (0, 0);
    while ended < times {
        while said < times && said < ended + 50 {
            swarm.behaviour_mut().talk.send_request(&peer, vec![1; len].into());
            said += 1;
        }
        let happened = timeout(PATIENCE, swarm.select_next_some()).await.expect("the other end reacts");
        let Happened::Behaviour(BehaviourEvent::Talk(exchange)) = happened else { continue };
        ended += usize::from(matches!(exchange, Exchange::OutboundFailure { .. } | Exchange::Message { .. }));
    }
}

#[tokio::test]
async fn an_oversized_frame_is_refused_and_the_others_are_heard() {
    let (one, mut two) = two_connected().await;
    shout(66, two.site, &two.address, TALK_BYTES_MAX + 1, 1).await;
    assert!(matches!(two.next().await, SwarmEvent::Connected { .. }));
    two.loses(Key::from_seed([66; 32]).site()).await;
    assert_eq!(two.handle.counts().frames_refused, 1);
    one.handle.send(two.site, b"small".to_vec());
    assert_eq!(two.hears().await, (one.site, b"small".to_vec()));
}

#[tokio::test]
async fn a_flood_is_cut_to_the_allowance_and_the_others_are_heard() {
    let (one, mut two) = two_connected().await;
    let (target, address, counts) = (two.site, two.address.clone(), two.handle.clone());
    let listener = tokio::spawn(async move {
        loop {
            match two.next().await {
                SwarmEvent::Message { from, frame } if from == one.site => return frame.into_bytes(),
                _ => {}
            }
        }
    });
    // Sent in far less than the ten seconds for which they would be allowed, unless the machine all but stands still.
    shout(66, target, &address, 16, 2_000).await;
    let counted = counts.counts();
    assert!(counted.unheard > 0 && counted.heard > 0, "{counted:?}");
    one.handle.send(target, b"a modest message".to_vec());
    assert_eq!(timeout(PATIENCE, listener).await.unwrap().unwrap(), b"a modest message");
}

#[tokio::test]
async fn a_taken_port_and_a_malformed_address_are_said_in_words() {
    let one = Agent::start(1).await;
    let taken = start(&[2; 32], std::slice::from_ref(&one.address)).map(|_| ());
    assert!(matches!(&taken, Err(SwarmError::Listen { address, .. }) if *address == one.address), "{taken:?}");
    let malformed = start(&[2; 32], &["localhost:7400".into()]).map(|_| ());
    assert!(matches!(malformed, Err(SwarmError::Address { .. })));
}
