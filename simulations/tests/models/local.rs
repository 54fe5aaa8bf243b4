//! One site of a model: the real machine, its ledger, what its data plane has counted, and who watches it.
//!
//! What happens to it is a function of what it is and what it is told, so that each such step is taken once ([`super::store`]).

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use overspill_governance::{
    codec,
    digest::{Digest, ObjectDigest},
    entry::Entry,
    line::{LineId, LineState},
    payword::{LeaseId, Word},
    site::SiteId,
    time::{Date, Now, Time},
    units::{ByteRate, Bytes},
};
use overspill_protocol::{
    io::{Command, Input, Output},
    message::Message,
    observation::{Hosted, HotObject, Observation, SiteLoad, Spilled},
    plan::Plan,
    site::Site,
    wire,
};
use overspill_simulations::{
    checkers::{Checkers, keys::Keys, sense, single_settlement},
    world::Body,
};

/// Body bytes of the one object that each site has.
pub const OBJECT: u64 = 20_000;
/// Requests in each second that a site can serve by itself, and that a crowd wants.
const BUDGET: u64 = 20;
const CROWD: u64 = 80;
/// A machine that wants to be woken again at the same moment more often than this is stuck.
const WAKES_MAX: usize = 16;

/// What a site may be told at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Told {
    /// Bytes of another site, as a message or as gossip.
    Heard { from: SiteId, bytes: Arc<[u8]>, gossip: bool },
    /// Time has come to here; whether a crowd is at its door.
    Passed { pressed: bool },
    /// Another site's process has ended, and a new one is there.
    Met(SiteId),
    /// Its data plane handed out tickets up to this serial.
    Handed { lease: LeaseId, serial: u32, bytes: u64 },
    /// Its data plane served guests who brought this word.
    Served { lease: LeaseId, serial: u32, word: Word, requests: u32, bytes: u64 },
    /// A person wishes something.
    Wished(Wish),
}

/// What persons wish in models.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wish {
    /// To object to the motion with this name.
    Object(String),
}

/// Something that a site said.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Said {
    /// To whom; `None`: to everybody.
    pub to: Option<SiteId>,
    /// What kind of message it is.
    pub kind: &'static str,
    /// As it is on the wire.
    pub bytes: Arc<[u8]>,
}

/// What a step made of a site.
#[derive(Debug)]
pub struct Step {
    /// What the site is now.
    pub local: Local,
    /// What it said, in order.
    pub said: Vec<Said>,
    /// Entries and messages, together: so many places are there to die at.
    pub places: usize,
}

/// A site.
#[derive(Debug)]
pub struct Local {
    /// What its ledger holds.
    pub ledger: Vec<Entry>,
    /// The states of its lines that the ledger proves, in order.
    pub lines: BTreeMap<LineId, Vec<LineState>>,
    /// The plan that its data plane serves by.
    pub plan: Option<Arc<Plan>>,
    /// What was broken so far, in words.
    pub broken: Vec<String>,
    site: Site,
    checkers: Checkers,
    life: u32,
    /// Stands for the ledger in the site's name.
    written: Digest,
    handed: BTreeMap<LeaseId, Spilled>,
    served: BTreeMap<LeaseId, Hosted>,
}

impl Local {
    /// The site of a simulation's world, begun anew from its ledger; all of `sites` are honest.
    pub fn begin(body: &Body, sites: &[&Body], now: Now) -> Self {
        let ledger = body.disk.read();
        let site = Site::restore(body.config([0; 32]), ledger.iter().cloned(), now).expect("its own ledger");
        let mut checkers = Checkers::default();
        sites.iter().for_each(|site| checkers.on_site(site.id, site.caps));
        let (handed, served, written) = (BTreeMap::new(), BTreeMap::new(), Digest::ZERO);
        let (lines, broken) = (BTreeMap::new(), Vec::new());
        let mut local = Self { ledger: Vec::new(), lines, plan: None, broken, site, checkers, life: 0, written, handed, served };
        ledger.into_iter().for_each(|entry| local.write(entry));
        local.broken = local.checkers.violations().to_vec();
        local
    }

    /// Who it is.
    pub fn id(&self) -> SiteId {
        self.site.id()
    }

    /// What it says of itself.
    pub fn report(&self, now: Now) -> overspill_protocol::report::Report {
        self.site.report(now)
    }

    /// Serial up to which tickets of a lease were handed out by this process.
    pub fn handed(&self, lease: &LeaseId) -> Option<u32> {
        self.handed.get(lease).map(|out| out.serial)
    }

    /// A name for all that it is. Buckets are left out: no model comes near their bounds, and each message would make another site of it.
    pub fn name(&self) -> Digest {
        let mut text = Name::default();
        let plan = self.plan.as_ref().map(|plan| plan.version);
        let Self { site, checkers, broken, life, written, handed, served, .. } = self;
        write!(text, "{:?}", (site, checkers, broken, life, written, handed, served, plan)).expect("a name can always be written");
        Digest(*text.hasher.finalize().as_bytes())
    }

    /// Tells it something. `dies_at`: the process ends before it carries out this entry or message, and a new one begins from the ledger.
    pub fn tell(&self, body: &Body, told: &Told, now: Now, dies_at: Option<usize>) -> Step {
        let mut step = Step { local: self.twin(), said: Vec::new(), places: 0 };
        let died = step.local.hear(told, now, &mut |local, output| {
            let weighty = matches!(output, Output::Persist(_) | Output::Send { .. } | Output::Broadcast(_));
            if weighty && dies_at == Some(step.places) {
                return false;
            }
            step.places += usize::from(weighty);
            step.said.extend(local.carry(output, now));
            true
        });
        if died || dies_at.is_some() {
            step.local.die(body, now);
        }
        let entries = step.local.ledger.len();
        if entries > self.ledger.len() {
            step.local.broken.extend(sense::check(self.id(), &step.local.ledger));
            step.local.broken.extend(single_settlement::check(self.id(), &step.local.ledger, &Keys::default()));
        }
        step.local.broken.extend(step.local.checkers.violations().iter().cloned());
        step
    }

    fn twin(&self) -> Self {
        Self {
            ledger: self.ledger.clone(),
            lines: self.lines.clone(),
            plan: self.plan.clone(),
            broken: Vec::new(),
            site: self.site.twin(),
            checkers: self.checkers.clone(),
            life: self.life,
            written: self.written,
            handed: self.handed.clone(),
            served: self.served.clone(),
        }
    }

    /// Hands the machine what it is told; tells whether it died of it.
    fn hear(&mut self, told: &Told, now: Now, carry: &mut impl FnMut(&mut Self, Output) -> bool) -> bool {
        match told {
            Told::Heard { bytes, gossip: true, .. } => self.input(Input::Gossip { bytes: bytes.to_vec() }, now, carry),
            Told::Heard { from, bytes, .. } => self.input(Input::Message { from: *from, bytes: bytes.to_vec() }, now, carry),
            Told::Met(peer) => {
                self.input(Input::Disconnected { peer: *peer }, now, carry) || self.input(Input::Connected { peer: *peer }, now, carry)
            }
            Told::Passed { pressed } => {
                if self.input(Input::Observed(self.observation(*pressed)), now, carry) {
                    return true;
                }
                for _ in 0..WAKES_MAX {
                    if self.site.deadline().is_none_or(|(at, _)| at > now.time) {
                        return false;
                    }
                    if self.input(Input::Wake, now, carry) {
                        return true;
                    }
                }
                self.checkers.broken(String::from("it never comes to rest"));
                false
            }
            Told::Handed { lease, serial, bytes } => {
                let out = self.handed.entry(*lease).or_insert(Spilled { lease: *lease, serial: 0, bytes: Bytes::ZERO, sent_back: 0 });
                (out.serial, out.bytes) = (*serial, Bytes(out.bytes.0 + bytes));
                self.input(Input::Observed(self.observation(true)), now, carry)
            }
            Told::Served { lease, serial, word, requests, bytes } => {
                let nothing = Hosted { lease: *lease, serial: 0, word: Word([0; 16]), requests: 0, bytes: Bytes::ZERO };
                let hosted = self.served.entry(*lease).or_insert(nothing);
                (hosted.serial, hosted.word) = (*serial, *word);
                (hosted.requests, hosted.bytes) = (hosted.requests + requests, Bytes(hosted.bytes.0 + bytes));
                self.input(Input::Observed(self.observation(false)), now, carry)
            }
            Told::Wished(Wish::Object(motion)) => {
                let command = Command::Object { motion: motion.clone(), reason: String::from("No.") };
                self.input(Input::Command { id: 1, command }, now, carry)
            }
        }
    }

    /// One input with all that follows at once: proofs hold, and fetches succeed.
    fn input(&mut self, input: Input, now: Now, carry: &mut impl FnMut(&mut Self, Output) -> bool) -> bool {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.site.handle(input, now);
            while let Some(output) = self.site.poll() {
                inputs.extend(match &output {
                    Output::Prove { site, host } => Some(Input::Proved { site: *site, host: host.clone(), good: true }),
                    Output::Fetch { want, from } => Some(Input::Fetched { want: want.clone(), from: *from, good: true }),
                    Output::StandBy { want } => Some(Input::Fetched { want: want.clone(), from: want.owner, good: true }),
                    _ => None,
                });
                if !carry(self, output) {
                    return true;
                }
            }
        }
        false
    }

    fn carry(&mut self, output: Output, now: Now) -> Option<Said> {
        let us = self.id();
        let said = |to, message: &Message| Some(Said { to, kind: message.kind(), bytes: wire::encode(message).into() });
        match output {
            Output::Persist(entry) => {
                self.write(*entry);
                None
            }
            Output::Send { to, message } => {
                self.checkers.on_message(us, &to, &message, now.time);
                said(Some(to), &message)
            }
            Output::Broadcast(message) => {
                self.checkers.on_broadcast(us, &message);
                said(None, &message)
            }
            Output::Apply(plan) => {
                self.plan = Some(plan);
                None
            }
            Output::Tell(event) => {
                self.checkers.on_event(us, &event, false, now.time);
                None
            }
            _ => None,
        }
    }

    fn write(&mut self, entry: Entry) {
        self.checkers.on_entry(self.id(), &entry);
        if let Entry::Agreed { receipt, .. } = &entry {
            self.lines.entry(receipt.state.line).or_default().push(receipt.state);
        }
        self.written = Digest::of_parts("model", &[&self.written.0, &codec::encode(&entry)]);
        self.ledger.push(entry);
    }

    /// The process ends, with all that is not in the ledger, and a new one begins.
    fn die(&mut self, body: &Body, now: Now) {
        self.life += 1;
        self.checkers.on_death(self.id());
        (self.plan, self.handed, self.served) = (None, BTreeMap::new(), BTreeMap::new());
        let seed = Digest::of("model", &self.life.to_le_bytes()).0;
        match Site::restore(body.config(seed), self.ledger.iter().cloned(), now) {
            Ok(site) => self.site = site,
            Err(foreign) => self.broken.push(format!("its own ledger is foreign to it: {foreign}")),
        }
    }

    fn observation(&self, pressed: bool) -> Observation {
        let rate = |requests: u64| ByteRate(requests * OBJECT);
        let wanted = if pressed { CROWD } else { 0 };
        let site = SiteLoad {
            sent: rate(wanted.min(BUDGET)),
            wanted: rate(wanted),
            budget: rate(BUDGET),
            requests: u32::try_from(wanted).unwrap_or(u32::MAX),
            under_pressure: pressed,
            ..SiteLoad::default()
        };
        let object = HotObject {
            path: String::from("/a.png"),
            digest: ObjectDigest::of(&self.id().0),
            size: Bytes(OBJECT),
            media_type: String::from("image/png"),
            fresh_until: Date::MAX,
            wanted: Bytes(OBJECT),
        };
        let (spilled, hosted) = (self.handed.values().copied().collect(), self.served.values().copied().collect());
        Observation { site, spilled, hosted, hot: vec![object], ..Observation::default() }
    }
}

/// The moment at which a model stands, so many milliseconds after `begin`.
pub fn moment(begin: Now, millis: u64) -> Now {
    let span = std::time::Duration::from_millis(millis);
    Now { time: Time::from_micros(begin.time.as_micros()).after(span), date: begin.date.after(span) }
}

/// Takes a text, less what stands in buckets, for its hash.
#[derive(Default)]
struct Name {
    hasher: blake3::Hasher,
    skips: bool,
}

impl std::fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        // Derived `Debug` writes the name of a struct in one piece, and its closing brace in another.
        if text.ends_with("Bucket") {
            self.skips = true;
        }
        if !self.skips {
            self.hasher.update(text.as_bytes());
        }
        if text.ends_with('}') {
            self.skips = false;
        }
        Ok(())
    }
}
