//! The world: time, sites, links and chance, in one queue.

use std::collections::BTreeMap;
use std::time::Duration;

use overspill_governance::{
    codec,
    entry::Entry,
    site::{Key, SiteId},
    time::{Date, Now, Time},
    units::{ByteRate, Bytes, RequestRate},
};
use overspill_protocol::{
    event::{Answer, Event},
    io::{Caps, Command, Config, GuestAddress, Input},
    site::Site,
};

use crate::{
    checkers::Checkers,
    dice::Dice,
    server::{Server, TICK_MICROS, Visit},
    trace::Trace,
};

mod carry;
mod net;

use net::Net;

/// The calendar when worlds begin.
const BEGINNING: Date = Date::from_millis(1_700_000_000_000);

/// What goes wrong, and until when.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Messages lost, in a million.
    pub loss: u32,
    /// Messages doubled, in a million.
    pub doubling: u32,
    /// Longest latency in milliseconds; messages overtake each other when it is above 1.
    pub latency_max: u64,
    /// Crashes between two outputs, in a million.
    pub crash: u32,
    /// Connections that break with a message, in a million.
    pub breaks: u32,
    /// Crashes before an output that matters (an entry, or a message of a lease or of money), in a million.
    pub crash_weighty: u32,
    /// One crash before exactly this weighty output, counted over all sites from when it was set.
    pub crash_at: Option<u64>,
    /// Manifests never arrive at this site, though everything else does.
    pub manifests_lost_at: Option<usize>,
    /// A planted fault: the disk lied about its last entry, which is gone after a crash.
    pub forgetful: bool,
}

/// Something that will happen.
#[derive(Debug)]
enum Happening {
    /// A site is told something, unless it has died in between.
    Tell { site: usize, life: u32, input: Box<Input> },
    /// Bytes arrive, unless their connection is gone.
    Arrive { from: usize, to: usize, session: u64, bytes: Vec<u8> },
    /// A dial arrives.
    Ring { from: usize, to: usize, life: u32 },
    /// A data plane is looked at.
    Tick { site: usize },
    /// Visitors arrive at a helper.
    Visit(Visit),
    /// A deadline comes.
    Wake { site: usize, life: u32 },
    /// An agent starts again.
    Start { site: usize },
}

/// One site: its agent, which may be dead; its disk, which is not; its server.
#[derive(Debug)]
pub struct Body {
    /// Who.
    pub id: SiteId,
    /// The agent; `None` while it is dead.
    pub agent: Option<Site>,
    /// Counts the agent's lives.
    pub life: u32,
    /// The ledger: encoded entries, each durable.
    pub disk: Vec<Vec<u8>>,
    /// The data plane.
    pub server: Server,
    /// The agent's calendar minus the world's, in milliseconds.
    pub clock_offset_ms: i64,
    /// Whether the disk takes entries.
    pub disk_full: bool,
    /// Where guests really reach it.
    pub guest_suffix: String,
    /// Where its agent says that guests reach it.
    pub stated_suffix: String,
    /// Its host name publishes nothing.
    pub mute_host: bool,
    /// Stopped by a signal: it is alive and does nothing.
    pub stopped: bool,
    /// Its control plane does not hear what the data plane counts.
    pub blind: bool,
    /// Answers to commands, the newest last.
    pub answers: Vec<Result<Answer, String>>,
    /// Everything that the agent told, of all its lives.
    pub events: Vec<Event>,
    seed: [u8; 32],
    armed: Option<Time>,
    backlog: Vec<Input>,
}

/// A deterministic world.
#[derive(Debug)]
pub struct World {
    /// What goes wrong.
    pub faults: Faults,
    /// The sites, in the order of their making; not of their keys.
    pub bodies: Vec<Body>,
    /// What happened.
    pub trace: Trace,
    /// Who watches.
    pub checkers: Checkers,
    now: Time,
    number: u64,
    queue: BTreeMap<(Time, u64), Happening>,
    net: Net,
    dice: Dice,
    commands: u64,
    weighty: u64,
}

impl World {
    /// An empty world.
    pub fn new(seed: u64, sites: usize) -> Self {
        let mut world = Self {
            faults: Faults { latency_max: 5, ..Faults::default() },
            bodies: Vec::new(),
            trace: Trace::default(),
            checkers: Checkers::default(),
            now: Time::from_micros(1_000_000),
            number: 0,
            queue: BTreeMap::new(),
            net: Net::default(),
            dice: Dice::new(seed),
            commands: 0,
            weighty: 0,
        };
        for at in 0..sites {
            world.settle_site(at);
        }
        world
    }

    /// One site more, which belongs to nothing yet.
    pub fn add_site(&mut self) {
        self.settle_site(self.bodies.len());
    }

    fn settle_site(&mut self, at: usize) {
        let seed = self.dice.seed();
        let name = u8::try_from(at).unwrap_or(u8::MAX);
        self.bodies.push(Body {
            id: Key::from_seed(seed).site(),
            agent: None,
            life: 0,
            disk: Vec::new(),
            server: Server::new(name, 20_000, 20),
            clock_offset_ms: 0,
            disk_full: false,
            guest_suffix: format!("guests-{at}.example"),
            stated_suffix: format!("guests-{at}.example"),
            mute_host: false,
            stopped: false,
            blind: false,
            answers: Vec::new(),
            events: Vec::new(),
            seed,
            armed: None,
            backlog: Vec::new(),
        });
        self.start(at);
        // No two sites look at the same moment: the golden section spreads them.
        let offset = (at as u64 * 618_034) % 1_000_000 * TICK_MICROS / 1_000_000;
        self.after(Duration::from_micros(TICK_MICROS + offset), Happening::Tick { site: at });
    }

    /// Weighty outputs so far: what [`Faults::crash_at`] counts.
    pub fn weighty(&self) -> u64 {
        self.weighty
    }

    /// The world's running clock.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Lets `span` pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some((&(at, number), _)) = self.queue.first_key_value() {
            if at > end {
                break;
            }
            let Some(happening) = self.queue.remove(&(at, number)) else { break };
            self.now = self.now.max(at);
            self.happen(happening);
        }
        self.now = end;
    }

    /// Gives a site a command; its answer comes to [`Body::answers`].
    pub fn command(&mut self, site: usize, command: Command) {
        self.commands += 1;
        let id = self.commands;
        self.tell(site, Input::Command { id, command });
    }

    /// Kills a site's agent now; it starts again after `pause`.
    pub fn crash(&mut self, site: usize, pause: Duration) {
        let body = &mut self.bodies[site];
        if body.agent.take().is_none() {
            return;
        }
        body.life += 1;
        body.armed = None;
        body.stopped = false;
        body.backlog.clear();
        body.server.die();
        if self.faults.forgetful {
            body.disk.pop();
        }
        self.trace.note(format!("{} site {site} dies", self.now.as_micros()));
        self.hang_all(site);
        self.after(pause, Happening::Start { site });
    }

    /// Stops a site's agent without killing it, or lets it go on: connections stay, nothing moves.
    pub fn stop(&mut self, site: usize, stopped: bool) {
        self.bodies[site].stopped = stopped;
        if !stopped {
            for input in core::mem::take(&mut self.bodies[site].backlog) {
                self.tell(site, input);
            }
            self.tell(site, Input::Wake);
        }
    }

    /// Tells a site garbage, as if `from` had said it.
    pub fn garble(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        let from = self.bodies[from].id;
        self.tell(to, Input::Message { from, bytes });
    }

    /// Starts a site's agent from its disk.
    pub fn start(&mut self, site: usize) {
        let now = self.now_of(site);
        let seed = self.dice.seed();
        let body = &mut self.bodies[site];
        let config = Config {
            key: Key::from_seed(body.seed),
            seed,
            canonical: format!("http://site-{site}.example"),
            addresses: vec![format!("/memory/{site}")],
            guest: Some(GuestAddress { scheme: String::from("http"), suffix: body.stated_suffix.clone() }),
            caps: caps(),
        };
        let entries: Vec<Entry> =
            body.disk.iter().map(|bytes| codec::decode(bytes, 64 * 1024).expect("the disk keeps what it was given")).collect();
        let agent = Site::restore(config, entries, now).expect("a site's own ledger restores");
        body.agent = Some(agent);
        self.trace.note(format!("{} site {site} starts with {} entries", self.now.as_micros(), self.bodies[site].disk.len()));
        self.carry_out(site);
    }

    /// The moment as a site reads it from its clocks.
    pub fn now_of(&self, site: usize) -> Now {
        let millis = BEGINNING.as_millis() + self.now.as_micros() / 1_000;
        Now { time: self.now, date: Date::from_millis(millis.saturating_add_signed(self.bodies[site].clock_offset_ms)) }
    }

    /// The site with this key.
    pub fn index_of(&self, id: &SiteId) -> Option<usize> {
        self.bodies.iter().position(|body| body.id == *id)
    }

    fn after(&mut self, span: Duration, happening: Happening) {
        self.number += 1;
        self.queue.insert((self.now.after(span), self.number), happening);
    }

    fn latency(&mut self) -> Duration {
        Duration::from_micros(self.dice.between(500, 1_000 * self.faults.latency_max.max(1)))
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tell { site, life, input } => {
                if self.bodies[site].life == life {
                    self.tell(site, *input);
                }
            }
            Happening::Arrive { from, to, session, bytes } => self.arrive(from, to, session, bytes),
            Happening::Ring { from, to, life } => self.ring(from, to, life),
            Happening::Tick { site } => self.tick(site),
            Happening::Visit(visit) => self.visit(&visit),
            Happening::Wake { site, life } => {
                if self.bodies[site].life == life {
                    self.bodies[site].armed = None;
                    self.tell(site, Input::Wake);
                }
            }
            Happening::Start { site } => self.start(site),
        }
    }

    fn tick(&mut self, site: usize) {
        self.after(Duration::from_micros(TICK_MICROS), Happening::Tick { site });
        let body = &mut self.bodies[site];
        if body.agent.is_none() {
            return;
        }
        // Read before it moves on: what a control plane sees is a moment old.
        let seen = (!body.blind).then(|| body.server.observe());
        let visits = body.server.tick(body.id, self.now);
        if let Some(seen) = seen {
            self.tell(site, Input::Observed(seen));
        }
        for visit in visits {
            let span = self.latency();
            self.after(span, Happening::Visit(visit));
        }
    }

    fn visit(&mut self, visit: &Visit) {
        let Some(helper) = self.index_of(&visit.helper) else { return };
        if self.bodies[helper].agent.is_none() || self.bodies[helper].stopped {
            return;
        }
        if let Some(want) = self.bodies[helper].server.receive(visit, self.now) {
            self.tell(helper, Input::Wanted(want));
        }
    }
}

/// What every site of these worlds is willing to carry.
pub fn caps() -> Caps {
    Caps { requests: RequestRate(60), bytes: ByteRate(1_200_000), month: Bytes(1 << 40), storage: Bytes(1 << 20) }
}
