//! Two sites that talk: they meet, help each other through a crowd, and vote. What they said and wrote down is where fuzzing starts from.

use std::{sync::OnceLock, time::Duration};

use overspill_governance::{
    charter::Charter,
    digest::ObjectDigest,
    entry::Entry,
    payword::{Chain, LeaseId},
    site::Key,
    time::{Date, Now, Time},
    units::{ByteRate, Bytes, RequestRate},
};
use overspill_protocol::{
    event::{Answer, Event},
    io::{Caps, Command, Config, GuestAddress, Input, Output, Wish},
    observation::{Hosted, HotObject, Observation, SiteLoad, Spilled},
    site::Site,
    wire,
};

pub(crate) fn now(millis: u64) -> Now {
    Now { time: Time::from_micros(millis * 1_000), date: Date::from_millis(1_795_305_600_000 + millis) }
}

const CAPS: Caps =
    Caps { requests: RequestRate(100), bytes: ByteRate(1 << 20), month: Bytes(1 << 40), storage: Bytes(1 << 30), ..Caps::NOTHING };

pub(crate) fn config(seed: u8) -> Config {
    let (key, canonical) = (Key::from_seed([seed; 32]), format!("http://site-{seed}.example"));
    let guest = Some(GuestAddress { scheme: "http".into(), suffix: "guests.example".into() });
    Config { key, seed: [seed; 32], canonical, addresses: vec![format!("/memory/{seed}")], guest, caps: CAPS }
}

/// What was said so far, and what the first of the two wrote into its ledger.
#[derive(Default)]
struct Talk {
    entries: Vec<Entry>,
    said: Vec<Vec<u8>>,
    /// The chain and the lease of the last plan by which visitors are sent out.
    spill: Option<(LeaseId, std::sync::Arc<Chain>)>,
}

/// A moment at which the first of the two is started anew.
pub(crate) struct Scene {
    /// What stands in its ledger.
    pub(crate) entries: Vec<Entry>,
    /// When it is.
    pub(crate) millis: u64,
}

/// All that is said, each once, and the scenes: in the middle of a vote, and of settling.
struct Told {
    said: Vec<Vec<u8>>,
    vote: Scene,
    settling: Scene,
}

fn told() -> &'static Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    TOLD.get_or_init(|| {
        let vote = Talk::meet();
        let (mut said, vote) = vote.vote();
        let (more, settling) = Talk::meet().crowd();
        said.extend(more);
        said.sort();
        said.dedup();
        Told { said, vote, settling }
    })
}

/// All that was said, each once.
pub(crate) fn said() -> Vec<Vec<u8>> {
    told().said.clone()
}

/// Something was moved and seconded, and nobody has signed yet.
pub(crate) fn vote() -> &'static Scene {
    &told().vote
}

/// Leases run both ways, something was served under both, and not all of it is settled.
pub(crate) fn settling() -> &'static Scene {
    &told().settling
}

/// When the first of the two has moved something and the other has seconded it.
const MOVED: u64 = 800_000;
/// When both agents sign: a week of discussion later.
const VOTING: u64 = 700_000 + 7 * 86_400_000 + 200_000;
/// When visitors come in a crowd.
const CROWD: u64 = 20_000;

/// The two sites, and the talk.
struct Pair(Site, Site, Talk);

impl Talk {
    /// Until both know and have proved each other.
    fn meet() -> Pair {
        let (mut a, mut b) = (Site::new(config(1), now(0)), Site::new(config(2), now(0)));
        let mut talk = Self::default();
        let charter = Charter::default().with("demurrage", 20_000).unwrap();
        a.handle(Input::Command { id: 1, command: Command::Found { name: "mesh".into(), charter } }, now(1));
        a.handle(Input::Command { id: 2, command: Command::Invite { lifetime: Duration::from_secs(600) } }, now(2));
        let mut token = String::new();
        while let Some(output) = a.poll() {
            match output {
                Output::Persist(entry) => talk.entries.push(*entry),
                Output::Tell(Event::Answered { answer: Ok(Answer::Invited { token: given }), .. }) => token = given,
                _ => {}
            }
        }
        a.handle(Input::Connected { peer: b.id() }, now(3));
        b.handle(Input::Connected { peer: a.id() }, now(3));
        b.handle(Input::Command { id: 3, command: Command::Join { token } }, now(4));
        let mut pair = Pair(a, b, talk);
        pair.pass(1_000);
        assert_eq!(pair.0.report(now(9_000)).mesh.unwrap().members, 2);
        pair
    }

    fn carry(&mut self, from: &mut Site, to: &mut Site, first: bool, at: Now) {
        while let Some(output) = from.poll() {
            match output {
                Output::Persist(entry) if first => self.entries.push(*entry),
                Output::Send { message, .. } | Output::Broadcast(message) => {
                    let bytes = wire::encode(&message);
                    self.said.push(bytes.clone());
                    to.handle(Input::Message { from: from.id(), bytes }, at);
                }
                Output::Prove { site, host } => from.handle(Input::Proved { site, host, good: true }, at),
                Output::Apply(plan) => {
                    self.spill = plan.spill.first().map(|spill| (spill.lease, spill.chain.clone())).or(self.spill.take());
                }
                _ => {}
            }
        }
    }
}

/// What a data plane sees of a crowd: one object, of which more is wanted than goes out.
fn crowd() -> Observation {
    let object = HotObject {
        path: "/a.css".into(),
        digest: ObjectDigest::of(b"body { color: black }"),
        size: Bytes(21),
        media_type: "text/css".into(),
        fresh_until: now(CROWD + 900_000).date,
        wanted: Bytes(1 << 24),
    };
    let site = SiteLoad { wanted: ByteRate(3 << 20), budget: ByteRate(1 << 20), under_pressure: true, ..SiteLoad::default() };
    Observation { site, hot: vec![object], generation: 1, ..Observation::default() }
}

impl Pair {
    fn pass(&mut self, from: u64) {
        let Self(a, b, talk) = self;
        for round in 0..60 {
            let at = now(from + round * 100);
            a.handle(Input::Wake, at);
            b.handle(Input::Wake, at);
            talk.carry(a, b, true, at);
            talk.carry(b, a, false, at);
        }
    }

    /// Each is struck once while the other helps. What is written down after the last claim is no part of the scene.
    fn crowd(mut self) -> (Vec<Vec<u8>>, Scene) {
        let mut entries = Vec::new();
        for (turn, struck) in [(0, false), (1, true)] {
            let at = CROWD + turn * 130_000;
            self.observe(struck, crowd(), at);
            self.pass(at + 100);
            let (lease, chain) = self.2.spill.take().expect("the other helps");
            let (serial, bytes) = (40, Bytes(40 << 20));
            let spilled = vec![Spilled { lease, serial, bytes, sent_back: 0 }];
            let hosted = vec![Hosted { lease, serial, word: chain.word(serial).unwrap(), requests: serial, bytes }];
            self.observe(struck, Observation { spilled, ..crowd() }, at + 7_000);
            self.observe(!struck, Observation { hosted, ..Observation::default() }, at + 7_100);
            entries = self.2.entries.clone();
            self.observe(struck, Observation::default(), at + 7_200);
            for later in 1..20 {
                self.pass(at + 7_100 + later * 6_000);
            }
        }
        let agreed = self.2.entries.iter().filter(|entry| matches!(entry, Entry::Agreed { .. })).count();
        assert!(agreed >= 3, "both were paid, and a day has faded: {agreed}");
        let said = |kind: &str| self.2.said.iter().any(|bytes| wire::decode(bytes).is_ok_and(|message| message.kind() == kind));
        for kind in ["LeaseTake", "LeaseHeld", "LeaseClosed", "Manifest", "Claim", "ClaimAnswer", "Propose", "Agree", "FadeAsk", "Head"] {
            assert!(said(kind), "nobody said {kind}");
        }
        (self.2.said, Scene { entries, millis: CROWD + 138_000 })
    }

    fn observe(&mut self, first: bool, seen: Observation, at: u64) {
        let Self(a, b, talk) = self;
        (if first { &mut *a } else { &mut *b }).handle(Input::Observed(seen), now(at));
        talk.carry(a, b, true, now(at));
        talk.carry(b, a, false, now(at));
    }

    /// A motion, a second, an objection that does not stop it, the signatures of both. What is written down after the second is no part of
    /// the scene.
    fn vote(mut self) -> (Vec<Vec<u8>>, Scene) {
        let wish = Wish::Amend { parameter: "price_mib".into(), to: 2_000 };
        self.0
            .handle(Input::Command { id: 4, command: Command::Propose { wish, discuss: "https://forum.example/1".into() } }, now(700_000));
        self.pass(700_100);
        let motion = self.0.report(now(710_000)).council.votes[0].motion.to_string();
        self.1.handle(Input::Command { id: 5, command: Command::Second { motion: motion.clone() } }, now(710_000));
        self.pass(710_100);
        let entries = self.2.entries.clone();
        assert!(entries.iter().any(|entry| matches!(entry, Entry::Moved { .. })));
        self.pass(VOTING);
        self.1.handle(Input::Command { id: 6, command: Command::Object { motion, reason: "Too late.".into() } }, now(VOTING + 9_000));
        self.pass(VOTING + 10_000);
        assert!(self.2.entries.iter().any(|entry| matches!(entry, Entry::Decided(_))), "both have signed");
        (self.2.said, Scene { entries, millis: MOVED })
    }
}
