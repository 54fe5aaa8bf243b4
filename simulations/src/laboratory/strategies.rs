//! Strategies that must not pay: each is played in a small mesh beside a twin, the same mesh with the same seed and the same crowds in which
//! the same sites are honest.
//!
//! What a strategist *took* is the service that it got from honest members, less the service that it gave them, and what their ledgers
//! say that it gave beyond that. What is signed and what is not counts alike: who took it may never pay. Its *profit* is what it took
//! beyond what its twin took.

use std::collections::BTreeSet;

use overspill_governance::{charter::Charter, entry::Entry, site::SiteId};

use crate::{story::brisk, world::World};

mod play;

pub use play::{CROWD, Played, play};

/// What somebody does who wants more than is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Is helped, and helps nobody.
    FreeRider,
    /// Claims more than it served.
    OverClaimer,
    /// Promises ten times what it can carry.
    CapacityLiar,
    /// Two serve each other visitors that nobody sent, to earn each other's trust.
    CollusiveInflation,
    /// Brings in sites of its own, which are helped and help nobody.
    SybilFarm,
    /// Is helped up to its limits, leaves, and comes back under another name.
    Whitewasher,
    /// Drops four of five guests and claims for all; whoever looks is served.
    SelectiveServer,
    /// Signs two states at one place of its lines.
    Forker,
    /// Is helped, helps nobody, and signs no receipt for what it got.
    Withholder,
    /// Brings in sites of its own, and moves that help costs nothing.
    VoteFarm,
}

/// All of them, with their names.
pub const STRATEGIES: [(&str, Strategy); 10] = [
    ("free-rider", Strategy::FreeRider),
    ("over-claimer", Strategy::OverClaimer),
    ("capacity liar", Strategy::CapacityLiar),
    ("collusive inflation", Strategy::CollusiveInflation),
    ("Sybil farm", Strategy::SybilFarm),
    ("whitewasher", Strategy::Whitewasher),
    ("selective server", Strategy::SelectiveServer),
    ("forker", Strategy::Forker),
    ("withholder", Strategy::Withholder),
    ("vote farm", Strategy::VoteFarm),
];

/// Honest members of each mesh, beside the strategist's sites.
pub const HONEST: usize = 4;

impl Strategy {
    /// How many stakes it can take, each with one honest member: one with each, and one more with whom lets it in again and lends to it itself.
    pub fn stakes(self) -> usize {
        HONEST + usize::from(self == Self::Whitewasher)
    }

    /// What a run of it has in common with its twin: how many sites are brought in, and how long it waits before the first crowd.
    pub fn twin(self) -> (usize, u64) {
        (self.brings(), self.waits())
    }

    /// Seconds that it takes before the first crowd: a vote has its time, in which members also come to know each other.
    pub(super) fn waits(self) -> u64 {
        if self == Self::VoteFarm { play::VOTE } else { 0 }
    }

    /// How many sites it brings in before anything else.
    pub fn brings(self) -> usize {
        match self {
            Self::CollusiveInflation => 1,
            Self::SybilFarm | Self::VoteFarm => 2,
            _ => 0,
        }
    }
}

/// Small limits, so that a short run comes to them.
pub fn rules() -> Charter {
    let values = [
        ("newcomer_limit", 8_000),
        ("unsettled_cap", 2_000),
        ("sponsor_stake", 8_000),
        ("clearing_pause", 2_592_000),
        ("vote_discussion", 600),
        ("vote_cooling", 300),
        ("vote_epoch", 300),
        ("vote_transition", 300),
    ];
    values.into_iter().try_fold(brisk(), |charter, (name, value)| charter.with(name, value)).unwrap_or_default()
}

/// What a strategist's sites and honest members gave each other; values in micro-credits, by the prices of each lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taking {
    /// Service that honest members gave it.
    pub got: i128,
    /// Service that it gave honest members.
    pub gave: i128,
    /// What honest members' ledgers say that it gave, beyond what it did.
    pub invented: i128,
    /// Of what it got, what its receipts cover.
    pub signed: i128,
    /// Body bytes that honest members served for it.
    pub bytes: u64,
    /// Its own visitors whom nobody served.
    pub shed: u64,
}

impl Taking {
    /// What it took.
    pub fn net(&self) -> i128 {
        self.got - self.gave + self.invented
    }

    fn of(world: &World, ours: &BTreeSet<SiteId>) -> Self {
        let truth = &world.checkers.truth;
        let mut taking = Self::default();
        for (lease, did) in truth.leases() {
            let worth = truth.price(lease, did.served, did.bytes);
            match (ours.contains(&did.owner), ours.contains(&did.helper)) {
                (true, false) => (taking.got, taking.bytes) = (taking.got + worth, taking.bytes + did.bytes.0),
                (false, true) => taking.gave += worth,
                _ => {}
            }
        }
        let mut booked = 0;
        for body in world.bodies.iter().filter(|body| !ours.contains(&body.id)) {
            let mut last = std::collections::BTreeMap::new();
            for entry in body.disk.read() {
                if let Entry::Agreed { with, receipt } = entry
                    && ours.contains(&with)
                    && let Some(claim) = receipt.claim
                {
                    last.insert(claim.lease, claim);
                }
            }
            for (lease, claim) in last {
                let worth = truth.price(&lease, claim.requests, claim.bytes);
                let is_theirs = truth.leases().any(|(known, did)| *known == lease && did.owner == body.id);
                *(if is_theirs { &mut booked } else { &mut taking.signed }) += worth;
            }
        }
        taking.invented = (booked - taking.gave).max(0);
        taking.shed = world.bodies.iter().filter(|body| ours.contains(&body.id)).map(|body| body.server.tally.shed).sum();
        taking
    }
}

/// A strategy beside its twin.
#[derive(Debug, Clone)]
pub struct Profit {
    /// What the strategist took.
    pub strategist: Taking,
    /// What the same sites took where they were honest.
    pub twin: Taking,
    /// Most that honest members let it owe that gives nothing: a stake with each and what may be unsettled, however many names it has, and what its
    /// sponsor made up for of what it left unpaid.
    pub bound: i128,
    /// What of that its sponsor made up for.
    pub made_up: i128,
    /// Whether another rule was in force at the end than at the beginning.
    pub rules_changed: bool,
    /// How many honest members hold a conviction of it.
    pub convicted_by: usize,
    /// Promises that were broken in either, in words.
    pub failures: Vec<String>,
}

impl Profit {
    /// Plays a strategy beside its twin's run.
    pub fn beside(strategy: Strategy, seed: u64, crowd: u32, twin: &Played) -> Self {
        let played = play(strategy, seed, crowd, false);
        let rules = rules();
        let stakes = i128::try_from(strategy.stakes()).unwrap_or(i128::MAX);
        // A claim is settled up to the limit; what is on its way when it is reached is served.
        let bound = stakes * i128::from(rules.newcomer_limit.min(rules.sponsor_stake).0 + rules.unsettled_cap.0) + played.made_up;
        Self {
            strategist: played.taking,
            twin: twin.taking,
            bound,
            made_up: played.made_up,
            rules_changed: played.rules_changed,
            convicted_by: played.convicted_by,
            failures: played.failures.into_iter().chain(twin.failures.iter().cloned()).collect(),
        }
    }

    /// What the strategy brought in.
    pub fn profit(&self) -> i128 {
        self.strategist.net() - self.twin.net()
    }
}
