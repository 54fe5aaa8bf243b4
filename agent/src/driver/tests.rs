//! Two whole agents in one process, without command line: founding, joining, dying, a full disk.

use std::path::Path;

use overspill_governance::{
    charter::Charter,
    units::{ByteRate, Bytes, RequestRate},
};
use overspill_protocol::{event::Answer, io::Command, report::Report};
use tempfile::TempDir;

use super::*;

/// Long enough for a loaded machine; reaching it is a failure, not a measurement.
const TEST_PATIENCE: Duration = Duration::from_secs(30);

/// An agent's parts, as `overspill run` puts them together.
struct Agent {
    mesh: MeshHandle,
    ledger: Ledger,
    // Dropped before the edge and the ledger.
    _mesh: Mesh,
    _dir: TempDir,
}

impl Agent {
    fn start(number: u8) -> Self {
        let dir = TempDir::new().unwrap();
        let ledger = open(dir.path(), number);
        let authority = format!("site{number}.localhost:{}", free_port());
        let mut config = overspill_edge::Config::new("127.0.0.1:9".parse().unwrap());
        config.threads = 1;
        config.listen = vec![format!("127.0.0.1:{}", authority.rsplit_once(':').unwrap().1).parse().unwrap()];
        let clock = Clock::new();
        let edge = Arc::new(overspill_edge::start(config, clock.clone()).unwrap());
        let setup = Setup {
            seed: Zeroizing::new([number; 32]),
            canonical: format!("http://{authority}"),
            listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
            announce: Vec::new(),
            guest: None,
            caps: Caps {
                requests: RequestRate(10),
                bytes: ByteRate(10_000),
                month: Bytes(1 << 30),
                storage: Bytes(1 << 20),
                ..Caps::NOTHING
            },
            stopped: Stops::open(&dir.path().join("stopped")),
            reach: Reach::Anywhere,
            ways: Arc::new(crate::samples::Ways::new(Reach::Anywhere, None)),
        };
        let mesh = Mesh::start(setup, clock, edge, ledger.clone()).unwrap();
        Self { mesh: mesh.handle(), ledger, _mesh: mesh, _dir: dir }
    }

    async fn found(&self) {
        let found = Command::Found { name: "Neighbours".into(), charter: Charter::default() };
        assert_eq!(self.mesh.command(found).await, Ok(Answer::Founded));
    }

    async fn invite(&self) -> String {
        match self.mesh.command(Command::Invite { lifetime: Duration::from_secs(3_600) }).await {
            Ok(Answer::Invited { token }) => token,
            other => panic!("a token was expected, not {other:?}"),
        }
    }

    async fn until(&self, what: &str, is_true: impl Fn(&Report) -> bool) {
        let started = Instant::now();
        while !self.mesh.report().await.is_ok_and(|report| is_true(&report)) {
            assert!(started.elapsed() < TEST_PATIENCE, "{what}: {:?}", self.mesh.report().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn open(dir: &Path, number: u8) -> Ledger {
    Ledger::open(&dir.join("ledger"), Key::from_seed([number; 32]).site(), Box::new(|_, _, _| ())).unwrap().0
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn is_meshed(report: &Report) -> bool {
    report.partners.iter().filter(|partner| partner.connected && partner.proved).count() == 1
}

#[tokio::test]
async fn two_sites_meet_and_a_mesh_that_dies_comes_back() {
    let (founder, joiner) = (Agent::start(1), Agent::start(2));
    founder.found().await;
    let token = founder.invite().await;
    assert_eq!(joiner.mesh.command(Command::Join { token: token.clone() }).await, Ok(Answer::Joined));
    founder.until("the founder sees its partner", is_meshed).await;
    joiner.until("the joiner sees its partner", is_meshed).await;

    let before = joiner.ledger.head();
    joiner.mesh.die();
    joiner.until("the mesh is back and its partner too", is_meshed).await;
    founder.until("the founder sees it again", is_meshed).await;
    assert!(joiner.ledger.head().seq >= before.seq, "nothing is forgotten by dying");
    let again = joiner.mesh.command(Command::Join { token }).await;
    assert!(again.as_ref().is_err_and(|reason| reason.contains("already")), "{again:?}");
}

#[tokio::test]
async fn whoever_does_not_belong_listens_to_nobody() {
    let agent = Agent::start(1);
    assert_eq!(agent.mesh.counts().await, Ok(Vec::new()), "no listener before there is a mesh");
    let refused = agent.mesh.command(Command::Join { token: "no token".into() }).await;
    assert!(refused.is_err(), "{refused:?}");
    let started = Instant::now();
    while agent.mesh.counts().await != Ok(Vec::new()) {
        assert!(started.elapsed() < TEST_PATIENCE, "the listener is closed again after a wish that came to nothing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    agent.found().await;
    assert_ne!(agent.mesh.counts().await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_ledger_that_is_closed_signs_nothing_and_says_so() {
    let agent = Agent::start(1);
    agent.found().await;
    let before = agent.ledger.head();
    agent.ledger.clone().close();
    let refused = agent.mesh.command(Command::Invite { lifetime: Duration::from_secs(60) }).await;
    assert!(refused.as_ref().is_err_and(|reason| reason.contains("ledger")), "{refused:?}");
    assert_eq!(agent.ledger.head(), before);
}
