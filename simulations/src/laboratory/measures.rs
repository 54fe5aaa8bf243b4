//! What a run came to, in a few numbers that can be laid beside those of another.

use overspill_protocol::event::Event;

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
    sent_back, "Of what was sent to helpers, sent back home.", "%", 10;
    refused, "Leases that helpers refused.", "leases", 1;
    moved, "Credit that partners owe each other in the end.", "credits", 1_000_000;
    deepest, "The largest debt of one site with one partner.", "credits", 1_000_000;
    messages, "Messages for each site and hour.", "messages", 1;
    bytes, "Bytes of messages for each site and hour.", "kB", 1_000;
    receipts, "Receipts for each thousand requests that helpers served.", "receipts", 1;
}

/// Plays a plot and measures it. What ended early, because a promise was broken, measures nothing.
pub fn measured(plot: &Plot) -> (Outcome, Option<Measures>) {
    let mut found = None;
    let outcome = guarded(|| {
        watched(plot, &mut |world, millis, moment| {
            if matches!(moment, Moment::Rested) {
                found = Some(Measures::of(world, millis));
            }
            Vec::new()
        })
    });
    (outcome, found)
}

impl Measures {
    /// A world after so many milliseconds.
    fn of(world: &World, millis: u64) -> Self {
        let tallies = || world.bodies.iter().map(|body| body.server.tally);
        let sum = |count: fn(crate::server::Tally) -> u64| tallies().map(count).sum::<u64>();
        let (own, spilled, shed) = (sum(|tally| tally.own), sum(|tally| tally.spilled), sum(|tally| tally.shed));
        let (guests, back) = (sum(|tally| tally.guests), sum(|tally| tally.sent_back));
        let events = world.bodies.iter().flat_map(|body| &body.events);
        let told = |is: fn(&Event) -> bool| events.clone().filter(|event| is(event)).count() as u64;
        let reports = world.bodies.iter().filter_map(|body| Some(body.agent.as_ref()?.report(body.clock.read(world.now()))));
        let balances: Vec<i64> = reports.flat_map(|report| report.lines.into_iter().map(|line| line.balance.0)).collect();
        let site_millis = (world.bodies.len() as u64).saturating_mul(millis).max(1);
        let hourly = |count: u64| u128::from(count) * 3_600_000 / u128::from(site_millis);
        // Both ends of a line tell of each receipt.
        let receipts = told(|event| matches!(event, Event::Settled { .. })) / 2;
        Self {
            kept: thousandths(own + spilled, own + spilled + shed),
            overflow: thousandths(spilled, spilled + shed),
            sent_back: if spilled == 0 { 0 } else { thousandths(back, spilled) },
            refused: whole(u128::from(told(|event| matches!(event, Event::LeaseRefused { .. })))),
            moved: balances.iter().filter(|balance| **balance > 0).sum(),
            deepest: balances.iter().map(|balance| -balance).max().unwrap_or_default().max(0),
            messages: whole(hourly(world.sent.messages)),
            bytes: whole(hourly(world.sent.bytes)),
            receipts: whole(u128::from(receipts) * 1_000 / u128::from(guests.max(1))),
        }
    }
}

/// A share in thousandths; all of nothing.
fn thousandths(part: u64, all: u64) -> i64 {
    whole((u128::from(part) * 1_000).checked_div(u128::from(all)).unwrap_or(1_000))
}

fn whole(count: u128) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
