//! What a run came to, in a few numbers that can be laid beside those of another.

use overspill_governance::{site::SiteId, units::Credit};
use overspill_protocol::{event::Event, report::LineReport};

use super::{
    gini::gini,
    spill::{Spill, Watch},
};
use crate::{
    scenario::{
        Outcome, Plot,
        play::{Moment, guarded, watched},
    },
    world::World,
};

/// One measured quantity, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    /// Its name in JSON.
    pub name: &'static str,
    /// What it is.
    pub words: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// How many of what is counted are one unit.
    pub scale: i64,
}

macro_rules! measures {
    ($measures:ident, $table:ident; $($name:ident, $words:literal, $unit:literal, $scale:literal;)*) => {
        /// What a run came to. Whole numbers, in units of which the table says how large they are.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $measures {
            $(#[doc = $words] pub $name: i64,)*
        }

        /// All quantities, in the order of the struct.
        pub const $table: &[Quantity] = &[$(Quantity { name: stringify!($name), words: $words, unit: $unit, scale: $scale },)*];

        impl $measures {
            /// The values, in the order of the table.
            pub fn values(&self) -> Vec<i64> {
                vec![$(self.$name,)*]
            }
        }
    };
}

pub(crate) use measures;

measures! {
    Measures, TABLE;
    kept, "Of what visitors wanted, served by its site or sent to helpers.", "%", 10;
    overflow, "Of what was more than its site can serve, sent to helpers.", "%", 10;
    helped, "Of what was more than honest sites can serve, served by helpers or at home after all.", "%", 10;
    refused_spill, "Of what was more than its site can serve, refused though other members had room for it.", "%", 10;
    sent_back, "Of what was sent to helpers, sent back home.", "%", 10;
    refused, "Leases that helpers refused.", "leases", 1;
    moved, "Credit that partners owe each other in the end.", "credits", 1_000_000;
    deepest, "The largest debt of one site with one partner.", "credits", 1_000_000;
    indebted, "Debts of all lines in the end, of the limits of all lines.", "%", 10;
    exposed, "Most that a site would have lost had a partner vanished, of its bound: limit and unsettled cap.", "%", 10;
    burden, "How unequally members help (Gini): 0 all alike, 1 one alone.", "", 1_000;
    messages, "Messages for each site and hour.", "messages", 1;
    bytes, "Bytes of messages for each site and hour.", "kB", 1_000;
    receipts, "Receipts for each thousand requests that helpers served.", "receipts", 1;
}

/// Plays a plot and measures it. What ended early, because a promise was broken, measures nothing.
pub fn measured(plot: &Plot) -> (Outcome, Option<Measures>) {
    let (outcome, found, _) = measured_in_rounds(plot, u64::MAX);
    (outcome, found)
}

/// The same, and what became of wanted spill in each round of so many milliseconds.
pub fn measured_in_rounds(plot: &Plot, round: u64) -> (Outcome, Option<Measures>, Vec<Spill>) {
    let (mut found, mut watch, mut exposed, mut rounds) = (None, Watch::default(), 0, vec![Spill::default()]);
    let end = u64::try_from(plot.length.as_millis()).unwrap_or(u64::MAX);
    let outcome = guarded(|| {
        watched(plot, 0, &mut |world, millis, moment| {
            match moment {
                Moment::Passed => watch.look(world),
                Moment::Rested => found = Some(Measures { exposed, ..Measures::of(world, millis, &watch) }),
                Moment::Acted(_) => {}
            }
            if matches!(moment, Moment::Passed) && millis <= end && millis.is_multiple_of(round) {
                rounds.push(watch.spill);
            }
            if millis.is_multiple_of(1_000) {
                exposed = exposed.max(exposure(world, plot.charter.unsettled_cap));
            }
            Vec::new()
        })
    });
    let rounds = rounds.windows(2).map(|pair| pair[1].since(&pair[0])).collect();
    (outcome, found, rounds)
}

impl Measures {
    /// A world after so many milliseconds.
    fn of(world: &World, millis: u64, watch: &Watch) -> Self {
        let tallies = || world.bodies.iter().map(|body| body.server.tally);
        let sum = |count: fn(crate::server::Tally) -> u64| tallies().map(count).sum::<u64>();
        let (own, spilled, shed) = (sum(|tally| tally.own), sum(|tally| tally.spilled), sum(|tally| tally.shed));
        let (guests, back) = (sum(|tally| tally.guests), sum(|tally| tally.sent_back));
        let (helped, too_much) = helped(world);
        let events = world.bodies.iter().flat_map(|body| &body.events);
        let told = |is: fn(&Event) -> bool| events.clone().filter(|event| is(event)).count() as u64;
        let reports = world.bodies.iter().filter_map(|body| Some(body.agent.as_ref()?.report(body.clock.read(world.now()))));
        let lines: Vec<_> = reports.flat_map(|report| report.lines).collect();
        let balances: Vec<i64> = lines.iter().map(|line| line.balance.0).collect();
        let sizes = |of: fn(&LineReport) -> i64| lines.iter().map(|line| of(line).unsigned_abs()).sum::<u64>();
        let site_millis = (world.bodies.len() as u64).saturating_mul(millis).max(1);
        let hourly = |count: u64| u128::from(count) * 3_600_000 / u128::from(site_millis);
        // Both ends of a line tell of each receipt.
        let receipts = told(|event| matches!(event, Event::Settled { .. })) / 2;
        Self {
            kept: thousandths(own + spilled, own + spilled + shed),
            overflow: thousandths(spilled, spilled + shed),
            helped: thousandths(helped, too_much),
            refused_spill: whole(u128::from(watch.spill.share())),
            sent_back: if spilled == 0 { 0 } else { thousandths(back, spilled) },
            refused: whole(u128::from(told(|event| matches!(event, Event::LeaseRefused { .. })))),
            moved: balances.iter().filter(|balance| **balance > 0).sum(),
            deepest: balances.iter().map(|balance| -balance).max().unwrap_or_default().max(0),
            // A line is seen from both its ends: its balance twice, each of its limits once.
            indebted: thousandths(sizes(|line| line.balance.0), sizes(|line| line.limit_taken.0).max(1)),
            exposed: 0,
            burden: gini(tallies().map(|tally| tally.guests).collect()),
            messages: whole(hourly(world.sent.messages)),
            bytes: whole(hourly(world.sent.bytes)),
            receipts: whole(u128::from(receipts) * 1_000 / u128::from(guests.max(1))),
        }
    }
}

/// Of what honest sites could not serve: what somebody did, and all of it. Whom a helper drops is nobody's.
fn helped(world: &World) -> (u64, u64) {
    let honest = |site: &SiteId| world.checkers.is_honest(site);
    let tallies = || world.bodies.iter().filter(|body| honest(&body.id)).map(|body| body.server.tally);
    let served: u64 =
        world.checkers.truth.leases().filter(|(_, lease)| honest(&lease.owner)).map(|(_, lease)| u64::from(lease.served)).sum();
    (served + tallies().map(|tally| tally.came_home).sum::<u64>(), tallies().map(|tally| tally.spilled + tally.shed + tally.sampled).sum())
}

/// The most that any site would lose if a partner vanished at this moment: what that owes and what of its service is not settled, in
/// thousandths of the line's limit and what may be unsettled.
fn exposure(world: &World, unsettled_cap: Credit) -> i64 {
    let reports = world.bodies.iter().filter_map(|body| Some(body.agent.as_ref()?.report(body.clock.read(world.now()))));
    let part = |line: LineReport| {
        let lost = line.balance.0.max(0).saturating_add(line.unsettled_given.0.max(0));
        thousandths(lost.unsigned_abs(), line.limit_given.0.saturating_add(unsettled_cap.0).unsigned_abs())
    };
    reports.flat_map(|report| report.lines).map(part).max().unwrap_or_default()
}

/// A share in thousandths; all of nothing.
fn thousandths(part: u64, all: u64) -> i64 {
    whole((u128::from(part) * 1_000).checked_div(u128::from(all)).unwrap_or(1_000))
}

fn whole(count: u128) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
