//! What is lost on the way: messages given up by their sender, connections of which only one end still knows.

use std::io;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use libp2p::{StreamProtocol, ping, swarm::NetworkBehaviour};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::*;
use crate::swarm::limits::STALE_AFTER;

/// Writes a part of a frame and drops the stream, as a sender does that waited for too long.
#[derive(Debug, Clone)]
struct GivesUp;

impl request_response::Codec for GivesUp {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = ();

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, part: Vec<u8>) -> io::Result<()> {
        io.write_all(&part).await?;
        io.flush().await?;
        Err(io::ErrorKind::TimedOut.into())
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, _: &mut T, (): ()) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// All that such a sender speaks. It answers pings, or it would be hung up on.
#[derive(NetworkBehaviour)]
struct Quitter {
    talk: request_response::Behaviour<GivesUp>,
    ping: ping::Behaviour,
}

/// A peer that gives up every message after so many bytes of it.
async fn give_up(number: u8, to: &Agent, parts: &[&[u8]]) {
    let protocol = (StreamProtocol::new("/overspill/talk/1"), ProtocolSupport::Outbound);
    let talk = request_response::Behaviour::with_codec(GivesUp, [protocol], request_response::Config::default());
    let behaviour = Quitter { talk, ping: ping::Behaviour::default() };
    let mut swarm = SwarmBuilder::with_existing_identity(keypair(&[number; 32]))
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| behaviour)
        .unwrap()
        .build();
    let peer = peer_of(&to.site).unwrap();
    swarm.add_peer_address(peer, to.address.parse::<Multiaddr>().unwrap());
    for part in parts {
        swarm.behaviour_mut().talk.send_request(&peer, part.to_vec());
        loop {
            let happened = timeout(PATIENCE, swarm.select_next_some()).await.expect("the other end reacts");
            if matches!(happened, Happened::Behaviour(QuitterEvent::Talk(Exchange::OutboundFailure { .. }))) {
                break;
            }
        }
    }
    let counted = || to.handle.counts().frames_cut;
    for _ in 0..200 {
        if counted() == parts.len() as u64 {
            return;
        }
        // The end of the last stream may still be on its way.
        let _ = timeout(Duration::from_millis(50), swarm.select_next_some()).await;
    }
    panic!("{} of {} were counted", counted(), parts.len());
}

#[tokio::test]
async fn what_its_sender_gave_up_is_not_heard_as_a_message() {
    let (one, mut two) = two_connected().await;
    give_up(66, &two, &[&[], &[9], &[9, 0, 0], &[9, 0, 0, 0], &[9, 0, 0, 0, 1, 2, 3]]).await;
    let stranger = Key::from_seed([66; 32]).site();
    assert!(matches!(two.next().await, SwarmEvent::Connected { peer } if peer == stranger));
    two.loses(stranger).await;
    one.handle.send(two.site, Vec::new());
    assert_eq!(two.hears().await, (one.site, Vec::new()), "the first that is heard, and it is whole");
}

/// Passes one connection on, until it is told to close the dialler's end and to hold the other one open.
async fn half_open(to: String) -> (String, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
    let (cut, told) = oneshot::channel();
    tokio::spawn(async move {
        let (mut from, _) = listener.accept().await.unwrap();
        let mut to = TcpStream::connect(to).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut from, &mut to) => {},
            _ = told => {},
        }
        drop(from);
        std::future::pending::<()>().await;
    });
    (address, cut)
}

#[tokio::test]
async fn a_peer_that_comes_back_replaces_the_connection_that_it_has_lost() {
    let (mut one, mut two) = (Agent::start(1).await, Agent::start(2).await);
    let (address, cut) = half_open(two.socket()).await;
    one.handle.dial(two.site, vec![address]);
    one.sees(&two).await;
    two.sees(&one).await;
    cut.send(()).unwrap();
    one.loses(two.site).await;

    tokio::time::sleep(STALE_AFTER).await;
    one.dials(&two);
    one.sees(&two).await;
    // It believed in the old one until then; its site has to begin afresh.
    two.loses(one.site).await;
    two.sees(&one).await;

    let mut said = 0_u8;
    while timeout(Duration::from_millis(200), one.events.recv()).await.is_err() {
        assert!(said < 100, "nothing of what is said arrives");
        two.handle.send(one.site, vec![0]);
        said += 1;
    }
    while timeout(Duration::from_millis(300), one.events.recv()).await.is_ok() {}
    for number in 1..=10 {
        two.handle.send(one.site, vec![number]);
        assert_eq!(one.hears().await, (two.site, vec![number]), "nothing goes where nobody hears it");
    }
}
