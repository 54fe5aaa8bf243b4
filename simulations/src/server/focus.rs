//! A site in focus: people, an edge and an origin as queues, where other sites have rates.
//!
//! What decides is the edge's own ([`overspill_protocol::overload`]): the learned limit, the test for pressure, the line's budget. Around it
//! stands a model: [`people`] come and load pages, [`fetching`] takes places at the [origin](super::origin), [`sending`] fills the line.

use std::{collections::BTreeMap, time::Duration};

use overspill_governance::{
    time::Time,
    units::{ByteRate, Bytes},
};
use overspill_protocol::{
    observation::{OriginLoad, SiteLoad},
    overload::{gradient::Gradient, line::Line, queueing::Queueing},
};

use super::{counts::Counts, model::Model, origin::Origin};
use crate::{dice::Dice, queue::Queue};

mod fetching;
mod people;
mod sending;

use fetching::Places;
use people::{Asked, Source};

/// The most that is answered by a redirect's helper at once, or not.
pub struct Help<'a> {
    /// Draws on a lease, or tells that there is none with room.
    pub draw: &'a mut dyn FnMut(Time) -> bool,
    /// Nobody helps yet, but somebody may in a moment.
    pub may_come: bool,
}

/// Something that will happen at the site.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The next visitor of a source comes, unless its rate has changed since.
    Next { source: usize, round: u32 },
    /// Somebody asks for something; who waited for help has looked so many times.
    Ask { asked: Asked, looks: usize },
    /// A worker is done.
    Done { fetch: u64 },
    /// A fetch has waited for a place for too long.
    GiveUp { fetch: u64 },
    /// An answer begins to leave.
    Leave { asked: Asked, bytes: u64 },
}

/// A site in focus.
#[derive(Debug)]
pub struct Focus {
    /// What people got.
    pub counts: Counts,
    model: Model,
    seed: u64,
    steps: Queue<Step>,
    sources: [Source; 2],
    places: Places,
    gradient: Gradient,
    queueing: Queueing,
    origin: Origin,
    /// When each page was fetched last.
    pages: Vec<Option<Time>>,
    /// Of each page, which of its files are held.
    files: Vec<u32>,
    line: Line,
    /// When the line will have carried what it was handed.
    free_at: Time,
    standing: Queueing,
    stuck_until: Time,
    smoothed: BTreeMap<&'static str, (u64, f64)>,
    was_pressed: (bool, bool),
}

/// What of a rate's change is taken over at each look: about all within a second.
const SMOOTHING: f64 = 0.18;
/// Bounds of the learned limit and its first guess, as the edge has them by default.
const LIMITS: (u32, u32, u32) = (2, 8, 128);
/// The least delay that counts as pressure, as the edge has it by default.
const TARGET: Duration = Duration::from_millis(50);

impl Focus {
    /// Nobody comes yet, and everything is held: the site has been there for long.
    pub fn new(model: Model, seed: u64, now: Time) -> Self {
        let all = if model.files >= u32::BITS { u32::MAX } else { (1 << model.files) - 1 };
        Self {
            counts: Counts::new(now),
            seed,
            steps: Queue::default(),
            sources: [0, 1].map(|source| Source::new(Dice::new(seed ^ (0x636f_6d65 + source)))),
            places: Places::default(),
            gradient: Gradient::new(LIMITS.0, LIMITS.1, LIMITS.2),
            queueing: Queueing::default(),
            origin: Origin::new(model.workers, model.thrash.0, model.thrash.1),
            pages: vec![Some(now); model.pages.max(1)],
            files: vec![all; model.pages.max(1)],
            line: Line::new(Some(ByteRate(model.budget()))),
            free_at: now,
            standing: Queueing::default(),
            stuck_until: Time::ZERO,
            smoothed: BTreeMap::new(),
            was_pressed: (false, false),
            model,
        }
    }

    /// The bytes of what a helper serves: a file of mean size.
    pub fn object_size(&self) -> u64 {
        self.model.sizes.1
    }

    /// From now on the origin takes so many thousandths of what it takes at rest.
    pub fn slow(&mut self, thousandths: u32) {
        self.origin.slow(thousandths);
    }

    /// All copies are gone.
    pub fn cool(&mut self) {
        self.pages.fill(None);
        self.files.fill(0);
    }

    /// Lets time pass.
    pub fn advance(&mut self, until: Time, help: &mut Help<'_>) {
        while let Some((now, _, step)) = self.steps.take_until(until) {
            match step {
                Step::Next { source, round } => self.next(source, round, now),
                Step::Ask { asked, looks } if asked.file.is_some() => self.file(asked, looks, now, help),
                Step::Ask { asked, .. } => self.page(asked, now),
                Step::Done { fetch } => self.done(fetch, now),
                Step::GiveUp { fetch } => self.give_up(fetch, now),
                Step::Leave { asked, bytes } => self.leave(asked, bytes, now),
            }
        }
        let pressed = (self.line.is_pressed(until), self.is_strained(until));
        self.counts.turned(u32::from(pressed.0 != self.was_pressed.0) + u32::from(pressed.1 != self.was_pressed.1), until);
        self.was_pressed = pressed;
    }

    /// Whether the origin is under pressure.
    fn is_strained(&mut self, now: Time) -> bool {
        let target = TARGET.max(self.queueing.service_median(now) / 2);
        let oldest = self.oldest();
        self.queueing.under_pressure(target, self.gradient.limit(), oldest, now)
    }

    /// What the agent is told of the origin and of the line.
    pub fn loads(&mut self, now: Time) -> (OriginLoad, SiteLoad) {
        let under_pressure = self.is_strained(now);
        let origin = OriginLoad {
            in_flight: self.places.in_flight,
            limit: self.gradient.limit(),
            queued: u32::try_from(self.places.waiting.len()).unwrap_or(u32::MAX),
            delay_min: self.queueing.delay_min(self.oldest(), now),
            service_median: self.queueing.service_median(now),
            under_pressure,
        };
        let (sent, wanted) = self.line.totals();
        let site = SiteLoad {
            sent: ByteRate(self.smooth("sent", sent)),
            wanted: ByteRate(self.smooth("wanted", wanted)),
            budget: self.line.budget(),
            requests: u32::try_from(self.smooth("requests", self.counts.asked())).unwrap_or(u32::MAX),
            under_pressure: self.line.is_pressed(now),
            ..SiteLoad::default()
        };
        (origin, site)
    }

    /// A rate out of a growing total that is read ten times a second.
    fn smooth(&mut self, name: &'static str, total: u64) -> u64 {
        let (last, rate) = self.smoothed.entry(name).or_insert((total, 0.0));
        let latest = total.saturating_sub(*last) as f64 * f64::from(super::TICKS_IN_A_SECOND);
        *rate += (latest - *rate) * SMOOTHING;
        *last = total;
        *rate as u64
    }

    /// What of the site's files people have wanted so far.
    pub fn wanted(&self) -> Bytes {
        Bytes(self.line.totals().1)
    }
}
