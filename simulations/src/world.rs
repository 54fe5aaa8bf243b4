//! The world: time, sites, links and chance, in one queue.
//!
//! A world is a function of its seed: things happen in the order of their time, and at one time in the order in which they were put in;
//! all chance comes from one stream of dice. [`Trace`] hashes every event, so that two runs can be compared.

use std::{collections::BTreeMap, time::Duration};

use overspill_governance::{
    payword::LeaseId,
    site::SiteId,
    time::{Now, Time},
    units::{ByteRate, Bytes, RequestRate},
};
use overspill_protocol::io::{Caps, Command, Input};

use crate::{
    checkers::Checkers,
    conduct::Conduct,
    dice::Dice,
    queue::Queue,
    server::{TICK_MICROS, Visit},
    sometimes::Met,
    trace::{Kind, Trace},
};

mod body;
mod carry;
mod faults;
mod gossip;
mod keys;
mod life;
mod mishaps;
mod net;
mod samples;
mod settled;
mod traffic;

pub use body::Body;
pub use faults::Faults;
use gossip::Gossip;
pub use keys::Signer;
use net::Net;

/// Something that will happen. Small, because the queue moves it often; what is long stands in a box.
#[derive(Debug)]
enum Happening {
    /// A site is told something, unless it has died in between.
    Tell { site: u32, life: u32, input: Box<Input> },
    /// Bytes arrive, unless their connection is gone.
    Arrive(Box<Parcel>),
    /// A dial arrives.
    Ring { from: u32, to: u32, life: u32 },
    /// A data plane is looked at, unless it was looked at since this was put in.
    Tick { site: u32, round: u32 },
    /// Visitors arrive at a helper.
    Visit(Box<Visit>),
    /// Visitors arrive at their owner again.
    Home(Box<Visit>),
    /// A deadline comes.
    Wake { site: u32, life: u32 },
    /// An agent starts again.
    Start { site: u32 },
}

/// Bytes on their way.
#[derive(Debug)]
struct Parcel {
    from: u32,
    to: u32,
    session: u64,
    bytes: Vec<u8>,
}

/// What all sites have said to each other, as it left them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them with a signature that their receiver has to check.
    pub signed: u64,
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
    /// What was met.
    pub met: Met,
    /// What was said.
    pub sent: Sent,
    now: Time,
    happenings: u64,
    queue: Queue<Happening>,
    net: Net,
    gossip: Gossip,
    dice: Dice,
    names: BTreeMap<SiteId, u32>,
    commands: u64,
    weighty: u64,
    /// When tickets were drawn for samples that are not under way yet.
    drawn: BTreeMap<(LeaseId, u32), Time>,
}

impl World {
    /// A world of sites that belong nowhere yet.
    pub fn new(seed: u64, sites: usize) -> Self {
        let mut world = Self::empty(seed);
        for at in 0..sites {
            world.make_site(at);
            world.begin(at);
        }
        world
    }

    fn empty(seed: u64) -> Self {
        Self {
            faults: Faults { latency_max: 5, ..Faults::default() },
            bodies: Vec::new(),
            trace: Trace::default(),
            checkers: Checkers::default(),
            met: Met::default(),
            sent: Sent::default(),
            now: Time::from_micros(1_000_000),
            happenings: 0,
            queue: Queue::default(),
            net: Net::default(),
            gossip: Gossip::default(),
            dice: Dice::new(seed),
            names: BTreeMap::new(),
            commands: 0,
            weighty: 0,
            drawn: BTreeMap::new(),
        }
    }

    fn make_site(&mut self, at: usize) {
        let body = Body::new(at, self.dice.seed());
        self.names.insert(body.id, index(at));
        self.checkers.on_site(body.id, body.caps);
        self.bodies.push(body);
        self.net.grow();
    }

    /// One more site, which belongs nowhere yet; gives its place.
    pub fn add_site(&mut self) -> usize {
        let at = self.bodies.len();
        self.make_site(at);
        self.begin(at);
        at
    }

    /// A member behaves in its own way from now on. What it is guilty of stays with it.
    pub fn behave(&mut self, site: usize, conduct: Conduct) {
        self.bodies[site].conduct = conduct;
        if !conduct.is_honest() {
            self.checkers.on_culprit(self.bodies[site].id);
        }
    }

    /// A site is willing to carry other amounts from now on; its agent, which reads them at its start, begins anew.
    pub fn offer(&mut self, site: usize, caps: Caps) {
        let body = &mut self.bodies[site];
        body.caps = caps;
        self.checkers.on_site(body.id, caps);
        self.crash(site, Duration::from_millis(50));
    }

    /// The site's agent starts, and its data plane is looked at from now on.
    fn begin(&mut self, at: usize) {
        self.start(at);
        // No two sites look at the same moment: the golden section spreads them.
        let offset = (at as u64 * 618_034) % 1_000_000 * TICK_MICROS / 1_000_000;
        self.after(Duration::from_micros(TICK_MICROS + offset), Happening::Tick { site: index(at), round: 0 });
    }

    /// Weighty outputs so far: what [`Faults::crash_at`] counts.
    pub fn weighty(&self) -> u64 {
        self.weighty
    }

    /// The world's running clock.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How much has happened: everything that came out of the queue.
    pub fn happenings(&self) -> u64 {
        self.happenings
    }

    /// How much is to come.
    pub fn to_come(&self) -> usize {
        self.queue.len()
    }

    /// Lets `span` pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some((at, number, happening)) = self.queue.take_until(end) {
            self.now = self.now.max(at);
            self.happenings += 1;
            self.happen(number, happening);
        }
        self.now = end;
    }

    /// Gives a site a command; its answer comes to [`Body::answers`].
    pub fn command(&mut self, site: usize, command: Command) {
        self.commands += 1;
        let id = self.commands;
        self.tell(site, Input::Command { id, command });
    }

    /// The moment as a site reads it from its clocks.
    pub fn now_of(&self, site: usize) -> Now {
        self.bodies[site].clock.read(self.now)
    }

    /// The site with this key, or that had it.
    pub fn index_of(&self, id: &SiteId) -> Option<usize> {
        self.names.get(id).map(|at| *at as usize)
    }

    fn after(&mut self, span: Duration, happening: Happening) {
        self.queue.put(self.now.after(span), happening);
    }

    fn happen(&mut self, number: u64, happening: Happening) {
        let (site, what) = match &happening {
            Happening::Tell { site, .. } => (*site, 0),
            Happening::Arrive(parcel) => (parcel.to, 1),
            Happening::Ring { to, .. } => (*to, 2),
            Happening::Tick { site, .. } => (*site, 3),
            Happening::Visit(_) => (u32::MAX, 4),
            Happening::Home(_) => (u32::MAX, 5),
            Happening::Wake { site, .. } => (*site, 6),
            Happening::Start { site } => (*site, 7),
        };
        self.trace.note(self.now, site as usize, Kind::Comes, number, &[what], String::new);
        match happening {
            Happening::Tell { site, life, input } => {
                if self.bodies[site as usize].life == life {
                    self.tell(site as usize, *input);
                }
            }
            Happening::Arrive(parcel) => self.arrive(*parcel),
            Happening::Ring { from, to, life } => self.ring(from as usize, to as usize, life),
            Happening::Tick { site, round } => self.tick(site as usize, round),
            Happening::Visit(visit) => self.visit(*visit),
            Happening::Home(visit) => self.come_home(&visit),
            Happening::Wake { site, life } => self.wake(site as usize, life),
            Happening::Start { site } => self.start(site as usize),
        }
    }

    /// A site is woken at its deadline; a wake that was put in for a later deadline than was met meanwhile is none.
    fn wake(&mut self, site: usize, life: u32) {
        let body = &mut self.bodies[site];
        if body.life == life && body.armed == Some(self.now) {
            body.armed = None;
            self.tell(site, Input::Wake);
        }
    }
}

/// What every site of these worlds is willing to carry, unless told otherwise.
pub fn caps() -> Caps {
    Caps { requests: RequestRate(60), bytes: ByteRate(1_200_000), month: Bytes(1 << 40), storage: Bytes(1 << 20), ..Caps::NOTHING }
}

/// A site's place as it stands in the queue: half as wide.
fn index(site: usize) -> u32 {
    u32::try_from(site).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million things to come are 48 MB; a box less would be worth nothing, a word more 8 MB.
    #[test]
    fn what_is_to_come_is_small() {
        assert!(size_of::<Happening>() <= 24, "{}", size_of::<Happening>());
    }
}
