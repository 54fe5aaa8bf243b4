//! One life of a site: from the ledger's entries to the end of its task.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use overspill_governance::{chain::Verdict, site::SiteId, time::Now};
use overspill_protocol::{
    event::{Answer, Event},
    fill::FillAnswer,
    io::{Command, Config, Input},
    site::Site,
    wire,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    Ended, World,
    outputs::{Done, Hands, Run},
};
use crate::{
    fills::{self, Fetcher},
    ledger::{AppendError, Health},
    mesh_handle::Ask,
    swarm::{self, Frame, SwarmEvent},
};

/// Between two looks at the edge.
const OBSERVE_PAUSE: Duration = Duration::from_millis(100);
/// Results of fetches and proofs waiting to be told.
const DONE_WAITING_MAX: usize = 256;
/// How long listeners may take to say where they listen.
const LISTEN_PATIENCE: Duration = Duration::from_secs(2);
/// How long further interfaces may take after the first.
const LISTEN_SETTLE: Duration = Duration::from_millis(30);
/// What peers may do before the site is there: those of the last session dial within milliseconds.
const EARLY_MAX: usize = 256;
/// Rounds of "input, outputs" that one input may lead to by failing ledgers: the first fault silences the site.
const ROUNDS_MAX: usize = 4;

/// A deadline that has passed waits this long: a site that does not move its deadline must not spin.
const WAKE_PAUSE_MIN: Duration = Duration::from_millis(1);
/// A site with nothing due is woken all the same: a forgotten timer is a delay then, and not a silence.
const WAKE_PAUSE_MAX: Duration = Duration::from_secs(3_600);

type Waiting = oneshot::Sender<Result<Answer, String>>;

/// What one session leaves to the next.
#[derive(Default)]
pub(super) struct Opening {
    /// A wish that needs the listener open, which the last session had closed.
    wish: Option<(Command, Waiting)>,
}

/// Runs until the agent stops or something has to begin afresh.
pub(super) async fn run(world: &World, opening: &mut Opening) -> Ended {
    let member = world.ledger.head().seq > 0;
    let mut events = None;
    let mut net = None;
    let (mut addresses, mut early) = (Vec::new(), Vec::new());
    if opening.wish.is_some() || member {
        match swarm::start(&world.setup.seed, &world.setup.listen) {
            Ok((handle, mut receiver)) => {
                (addresses, early) = listening(&mut receiver, world.setup.listen.len()).await;
                net = Some((handle.clone(), Fetcher::new(handle)));
                events = Some(receiver);
            }
            Err(error) => {
                opening.refuse(&error.to_string());
                return Ended::Failed(error.to_string());
            }
        }
    }
    let config = match world.setup.config(&addresses) {
        Ok(config) => config,
        Err(error) => return Ended::Failed(error.to_string()),
    };
    let site = match restore(world, config) {
        Ok(site) => site,
        Err(reason) => return Ended::Failed(reason),
    };
    let (done, results) = mpsc::channel(DONE_WAITING_MAX);
    let hands = Hands { edge: world.edge.clone(), reach: world.setup.reach, ways: Arc::clone(&world.setup.ways), net, done };
    let mut session = Session { world, site, hands, waiting: BTreeMap::new(), next_id: 0, member, silent: false };
    // Before anybody can ask for a lease.
    session.tell(Input::Command { id: 0, command: Command::Stop { members: world.setup.stopped.members() } });
    if let Some((command, answer)) = opening.wish.take() {
        session.wish(command, answer);
    }
    for event in early {
        session.settle().await;
        session.on_event(event);
    }
    session.turn(events, results, opening).await
}

/// Makes the site that the ledger remembers.
fn restore(world: &World, config: Config) -> Result<Site, String> {
    let mut records = world.ledger.records().map_err(|error| format!("the ledger cannot be read: {error}"))?;
    let restored = Site::restore_from(config, world.ledger.head().site, records.by_ref().map(|record| record.entry), world.clock.now());
    if let Some(error) = records.failure() {
        return Err(format!("the ledger cannot be read: {error}"));
    }
    match records.finish() {
        Verdict::Whole => restored.map_err(|error| error.to_string()),
        // It was whole when the agent started: a site that forgot what it signed must not sign.
        verdict => Err(format!("the ledger was damaged while the agent ran ({verdict:?}); see `overspill ledger verify`")),
    }
}

impl Opening {
    fn refuse(&mut self, reason: &str) {
        if let Some((_, answer)) = self.wish.take() {
            let _ = answer.send(Err(reason.to_owned()));
        }
    }
}

/// Waits until every listener has said where it listens; one on all interfaces says it several times.
/// What peers did meanwhile comes back with the addresses.
async fn listening(events: &mut mpsc::Receiver<SwarmEvent>, expected: usize) -> (Vec<String>, Vec<SwarmEvent>) {
    let (mut addresses, mut early) = (Vec::new(), Vec::new());
    let started = Instant::now();
    while early.len() < EARLY_MAX {
        let left = LISTEN_PATIENCE.saturating_sub(started.elapsed());
        let patience = if addresses.len() < expected { left } else { LISTEN_SETTLE };
        match timeout(patience, events.recv()).await {
            Ok(Some(SwarmEvent::Listening { address })) => {
                tracing::info!(address, "listening for partners");
                addresses.push(address);
            }
            Ok(Some(event)) => early.push(event),
            Ok(None) | Err(_) => break,
        }
    }
    // Who listens on all interfaces is told of loopback as well, where no partner finds it.
    let is_loopback = |address: &String| address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/");
    if !addresses.iter().all(is_loopback) {
        addresses.retain(|address| !is_loopback(address));
    }
    (addresses, early)
}

struct Session<'a> {
    world: &'a World,
    site: Site,
    hands: Hands,
    waiting: BTreeMap<u64, Waiting>,
    next_id: u64,
    /// There is something in the ledger, or was meant to be.
    member: bool,
    /// The ledger has failed: the site signs nothing until it is opened anew.
    silent: bool,
}

impl Session<'_> {
    async fn turn(
        &mut self,
        mut events: Option<mpsc::Receiver<SwarmEvent>>,
        mut results: mpsc::Receiver<Done>,
        opening: &mut Opening,
    ) -> Ended {
        let world = self.world;
        let mut asks = world.asks.lock().await;
        let mut wants = world.wants.lock().await;
        let mut stop = world.stop.clone();
        let mut observing = interval(OBSERVE_PAUSE);
        observing.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut health = world.ledger.health();
        loop {
            self.settle().await;
            if self.listens_in_vain() {
                return Ended::Afresh;
            }
            let wake = self.until_deadline();
            tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => return Ended::Stopped,
                event = next(&mut events) => match event {
                    Some(event) => self.on_event(event),
                    None => return Ended::Failed("the peer network has stopped".to_owned()),
                },
                ask = asks.recv() => match ask {
                    Some(ask) => if self.on_ask(ask, opening) { return Ended::Afresh },
                    // Nobody can ask any more: the agent is about to stop.
                    None => return Ended::Stopped,
                },
                Some(want) = next(&mut wants) => self.tell(Input::Wanted(want)),
                Some(done) = results.recv() => self.tell(match done {
                    Done::Fetched { want, from, good } => Input::Fetched { want, from, good },
                    Done::Proved { site, host, good } => Input::Proved { site, host, good },
                    Done::Drawn { number, ticket } => Input::Drawn { number, ticket },
                    Done::Sampled { number, answer } => Input::Sampled { number, answer },
                }),
                _ = observing.tick(), if self.hands.net.is_some() => self.tell(Input::Observed(world.edge.observe())),
                () = world.edge.pressed(), if self.hands.net.is_some() => self.tell(Input::Observed(world.edge.observe())),
                // Never again within this process after a failed sync: then this waits for good.
                _ = health.wait_for(|health| *health == Health::Good), if self.silent => {
                    return Ended::Failed("the ledger takes entries again".to_owned());
                }
                () = sleep(wake) => self.tell(Input::Wake),
            }
        }
    }

    fn now(&self) -> Now {
        self.world.clock.now()
    }

    fn tell(&mut self, input: Input) {
        let now = self.now();
        self.site.handle(input, now);
    }

    fn until_deadline(&self) -> Duration {
        let due = self.site.deadline().map_or(WAKE_PAUSE_MAX, |(at, _)| at.since(self.now().time));
        due.clamp(WAKE_PAUSE_MIN, WAKE_PAUSE_MAX)
    }

    /// Carries out what the site asks for, until it asks for nothing more.
    async fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let run = Run::of(std::iter::from_fn(|| self.site.poll()));
            if run.is_empty() {
                return;
            }
            self.carry_out(run.before);
            if !run.entries.is_empty() {
                self.member = true;
                let date = self.now().date;
                if let Err(fault) = self.world.ledger.persist(date, run.entries).await {
                    self.fall_silent(&fault);
                    continue;
                }
            }
            self.carry_out(run.after);
        }
    }

    /// What stood after the lost entries was dropped with them: nothing unlogged leaves the process.
    fn fall_silent(&mut self, fault: &AppendError) {
        tracing::warn!(%fault, "the ledger failed: nothing is signed until it is mended; the site serves on");
        self.silent = true;
        self.tell(Input::LedgerFailed);
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            let _ = waiting.send(Err(format!("the ledger cannot be written: {fault}; nothing was done")));
        }
    }

    /// Tells whether the listener was opened for a wish that came to nothing.
    fn listens_in_vain(&self) -> bool {
        self.hands.net.is_some() && !self.member && self.waiting.is_empty()
    }

    fn carry_out(&mut self, outputs: Vec<overspill_protocol::io::Output>) {
        for output in outputs {
            if let Some(Event::Answered { id, answer }) = self.hands.carry_out(output)
                && let Some(waiting) = self.waiting.remove(&id)
            {
                let _ = waiting.send(answer);
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent) {
        match event {
            SwarmEvent::Listening { address } => tracing::debug!(address, "another interface is listened on"),
            SwarmEvent::Connected { peer } => self.tell(Input::Connected { peer }),
            SwarmEvent::Disconnected { peer } => self.tell(Input::Disconnected { peer }),
            SwarmEvent::DialFailed { peer } => self.tell(Input::DialFailed { peer }),
            SwarmEvent::Message { from, frame } => self.tell(Input::Message { from, bytes: frame.into_bytes() }),
            SwarmEvent::Gossip { from, heard, bytes } => {
                // What cannot be read, or comes from a stranger, goes no further.
                let good = self.site.is_member(&from) && wire::decode_small(&bytes).is_ok();
                if let Some((swarm, _)) = &self.hands.net {
                    swarm.judge(heard, good);
                }
                tracing::trace!(from = %from.short(), good, "gossip heard");
                if good {
                    self.tell(Input::Gossip { bytes });
                }
            }
            SwarmEvent::FillAsked { from, ask, reply } => {
                if let Some(answer) = self.slice_for(from, ask) {
                    reply.send(wire::encode_fill_answer(&answer));
                }
            }
        }
    }

    /// The answer to a request for a slice; garbage gets none.
    fn slice_for(&self, from: SiteId, ask: Frame) -> Option<FillAnswer> {
        let ask = wire::decode_fill_ask(&ask.into_bytes()).ok()?;
        Some(match self.site.admit_fill(&from, &ask, self.now()) {
            Ok(()) => {
                let held = self.world.edge.held(&ask.digest);
                let answer = fills::cut(held.as_ref(), &ask);
                if let FillAnswer::Slice(slice) = &answer {
                    let bytes = slice.bytes.len() as u64;
                    let whole = held.is_some_and(|object| slice.offset + bytes == object.len() as u64);
                    self.world.edge.note_fill(&from, &ask.digest, bytes, whole);
                }
                answer
            }
            Err(refusal) => FillAnswer::Refused(refusal),
        })
    }

    /// Answers, or tells the site. Returns whether the session has to begin afresh with its listener open.
    fn on_ask(&mut self, ask: Ask, opening: &mut Opening) -> bool {
        match ask {
            Ask::Command(command @ (Command::Found { .. } | Command::Join { .. } | Command::Recover { .. }), answer)
                if self.hands.net.is_none() =>
            {
                opening.wish = Some((command, answer));
                return true;
            }
            Ask::Command(command, answer) => self.wish(command, answer),
            Ask::Report(answer) => drop(answer.send(Ok(self.site.report(self.now())))),
            Ask::Members(answer) => drop(answer.send(Ok(self.site.members()))),
            Ask::Counts(answer) => {
                let counts = self.hands.net.as_ref().map(|(swarm, _)| swarm.counts().named().collect());
                let _ = answer.send(counts.unwrap_or_default());
            }
            Ask::Die => panic!("the mesh was asked to die, for a trial"),
        }
        false
    }

    fn wish(&mut self, command: Command, answer: Waiting) {
        self.next_id += 1;
        self.waiting.insert(self.next_id, answer);
        self.tell(Input::Command { id: self.next_id, command });
    }
}

/// The next item of a channel that may not be there; a missing one never brings anything.
async fn next<T>(channel: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match channel {
        Some(channel) => channel.recv().await,
        None => std::future::pending().await,
    }
}
