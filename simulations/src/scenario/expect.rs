//! What a scenario expects: a quantity of the world compared with a number, at a moment or in the end.

use std::fmt;

use overspill_governance::entry::Entry;

use super::text::words::{kebab, of_kebab, share};
use crate::{sometimes::Sometimes, world::World};

/// What is looked at. Sites by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quantity {
    /// Share of what visitors wanted of a site that was served, by itself or by helpers, in thousandths.
    Kept(usize),
    /// Requests that a site served for its own visitors.
    Own(usize),
    /// Requests that a site sent to helpers.
    Spilled(usize),
    /// Requests that a site served for others.
    Guests(usize),
    /// Requests that a site neither served nor sent to helpers.
    Shed(usize),
    /// What partners owe a site, in micro-credits; what it owes them when negative.
    Balance(usize),
    /// Members that a site knows; none while it is in no mesh or dead.
    Members(usize),
    /// The version of the charter that is in force at a site; 0 without a mesh.
    Rules(usize),
    /// How often a site told people of an event, by its name.
    Told(usize, String),
    /// How often a condition was met anywhere.
    Met(Sometimes),
    /// How often any agent died.
    Deaths,
    /// Receipts in all ledgers.
    Receipts,
}

/// How a quantity compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// It is that much or more.
    AtLeast,
    /// It is that much or less.
    AtMost,
    /// It is that much.
    Exactly,
}

/// Something that must be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// A quantity compared with a number.
    Compared(Quantity, Relation, i64),
    /// A promise is broken whose words contain these. For canaries: without it nothing may be broken.
    Broken(String),
}

/// Names of the events that [`Quantity::Told`] may ask for.
pub const EVENTS: [&str; 36] = [
    "admitted",
    "joiner-refused",
    "departed",
    "partner-up",
    "partner-down",
    "crowd-began",
    "crowd-ended",
    "lease-held",
    "lease-refused",
    "lease-draining",
    "lease-ended",
    "claim-reduced",
    "settled",
    "misspoke",
    "shunned",
    "clocks-apart",
    "unproven",
    "forked",
    "altered",
    "testified",
    "suspended",
    "convicted",
    "moved",
    "decided",
    "lapsed",
    "rules-changed",
    "removed",
    "noted",
    "locked",
    "cleared",
    "ruled-twice",
    "recovered",
    "renewed",
    "rotated",
    "warned",
    "silent",
];

impl Quantity {
    /// How much it is now.
    pub fn measure(&self, world: &World) -> i64 {
        let tally = |site: usize| world.bodies[site].server.tally;
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let report = |site: usize| world.bodies[site].agent.as_ref().map(|agent| agent.report(world.now_of(site)));
        match self {
            Self::Kept(site) => {
                let (kept, shed) = (tally(*site).own + tally(*site).spilled, tally(*site).shed);
                count((kept * 1_000).checked_div(kept + shed).unwrap_or(1_000))
            }
            Self::Own(site) => count(tally(*site).own),
            Self::Spilled(site) => count(tally(*site).spilled),
            Self::Guests(site) => count(tally(*site).guests),
            Self::Shed(site) => count(tally(*site).shed),
            Self::Balance(site) => report(*site).map_or(0, |report| report.lines.iter().map(|line| line.balance.0).sum()),
            Self::Members(site) => report(*site).and_then(|report| report.mesh).map_or(0, |mesh| count(mesh.members as u64)),
            Self::Rules(site) => report(*site).map_or(0, |report| i64::from(report.council.version)),
            Self::Told(site, name) => {
                let events = world.bodies[*site].events.iter();
                count(events.filter(|event| kebab(&format!("{event:?}")) == *name).count() as u64)
            }
            Self::Met(condition) => count(world.met.times(*condition)),
            Self::Deaths => world.bodies.iter().map(|body| i64::from(body.life)).sum(),
            Self::Receipts => {
                let entries = world.bodies.iter().flat_map(|body| body.disk.read());
                count(entries.filter(|entry| matches!(entry, Entry::Agreed { .. })).count() as u64)
            }
        }
    }

    /// The condition of that name.
    pub fn met(name: &str) -> Option<Self> {
        of_kebab(name, Sometimes::ALL).map(Self::Met)
    }
}

impl Relation {
    fn holds(self, found: i64, bound: i64) -> bool {
        match self {
            Self::AtLeast => found >= bound,
            Self::AtMost => found <= bound,
            Self::Exactly => found == bound,
        }
    }
}

impl Expectation {
    /// What was found instead, in words; `None` when it is as expected. Broken promises are for whoever has them.
    pub fn check(&self, world: &World) -> Option<String> {
        let Self::Compared(quantity, ..) = self else { return None };
        self.judge(quantity.measure(world))
    }

    /// The same of an amount that was measured, here or elsewhere.
    pub fn judge(&self, found: i64) -> Option<String> {
        let Self::Compared(quantity, relation, bound) = self else { return None };
        (!relation.holds(found, *bound)).then(|| format!("expected {self}, found {}", amount(quantity, found)))
    }

    /// What it says, and what it is now.
    pub fn told(&self, world: &World) -> String {
        match self {
            Self::Compared(quantity, ..) => format!("{self}: {}", amount(quantity, quantity.measure(world))),
            Self::Broken(_) => self.to_string(),
        }
    }
}

/// A measured amount, in the unit in which it is expected.
fn amount(quantity: &Quantity, amount: i64) -> String {
    match quantity {
        Quantity::Kept(_) => format!("{}.{} %", amount / 10, amount % 10),
        _ => amount.to_string(),
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(site) => write!(f, "kept {site}"),
            Self::Own(site) => write!(f, "own {site}"),
            Self::Spilled(site) => write!(f, "spilled {site}"),
            Self::Guests(site) => write!(f, "guests {site}"),
            Self::Shed(site) => write!(f, "shed {site}"),
            Self::Balance(site) => write!(f, "balance {site}"),
            Self::Members(site) => write!(f, "members {site}"),
            Self::Rules(site) => write!(f, "rules {site}"),
            Self::Told(site, name) => write!(f, "told {site} {name}"),
            Self::Met(condition) => write!(f, "met {}", kebab(&condition.to_string())),
            Self::Deaths => f.write_str("deaths"),
            Self::Receipts => f.write_str("receipts"),
        }
    }
}

impl fmt::Display for Expectation {
    /// As a scenario says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compared(quantity, relation, bound) => {
                let relation = match relation {
                    Relation::AtLeast => "at least",
                    Relation::AtMost => "at most",
                    Relation::Exactly => "exactly",
                };
                let thousandths = matches!(quantity, Quantity::Kept(_));
                let bound = if thousandths { share(*bound * 1_000) } else { bound.to_string() };
                write!(f, "{quantity} {relation} {bound}")
            }
            Self::Broken(words) => write!(f, "broken {words}"),
        }
    }
}
