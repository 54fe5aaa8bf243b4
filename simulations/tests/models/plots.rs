//! What is tried: settling a lease, clearing a circle of debts, bringing a vote into force. Each begins where a story of the simulator has led.

use std::sync::Arc;

use overspill_governance::{charter::Charter, entry::Entry, site::SiteId};
use overspill_protocol::io::{Command, Wish as Change};
use overspill_simulations::{
    checkers::{clearing, conservation, keys::Keys, paid},
    story::{Story, brisk},
};

use super::{
    local::{Local, Wish},
    store::{Bug, Store},
    world::{Budget, Mesh, Plot, State},
};

const CALM: Budget = Budget { moments: 0, losses: 0, doubles: 0, deaths: 0, events: 0 };

/// The mesh of a story, begun anew: everybody has met everybody, and heard what there is to hear in calm.
fn mesh(mut story: Story, plot: Plot, bug: Bug) -> Mesh {
    let now = story.world.now_of(0);
    let (store, sites) = Store::new(std::mem::take(&mut story.world.bodies), now, bug);
    let mut first = State { sites, flight: Vec::new(), millis: 0, left: CALM };
    let mesh = Mesh { first: first.clone(), plot, store };
    mesh.introduce(&mut first);
    (0..6).for_each(|_| mesh.pass(&mut first, 1_000, true, None));
    Mesh { first, ..mesh }
}

fn with(charter: Charter, rules: &[(&str, i64)]) -> Charter {
    rules.iter().fold(charter, |charter, (name, value)| charter.with(name, *value).expect("within the bounds"))
}

/// An owner in a crowd takes a lease from a helper, visitors are served, and what they cost becomes receipts.
pub fn settling(left: Budget, bug: Bug) -> Mesh {
    let mut story = Story::settled(with(brisk(), &[("lease_length", 5), ("clearing_pause", 2_592_000)]), 5, 2);
    story.pass(10);
    let plot = Plot {
        name: "lease and settle",
        kinds: &["LeaseTake", "LeaseHeld", "LeaseRefused", "LeaseClosed", "Claim", "ClaimAsk", "ClaimAnswer", "Propose", "Agree"],
        at_once: &["Beat", "Manifest"],
        steps: (800, 4_000),
        done_within: 40,
        struck: Some(0),
        event: Some((1, None)),
        open: |local, now| {
            let report = local.report(now);
            let pending = report.lines.iter().any(|line| line.pending || line.frozen);
            (pending || !report.leases.is_empty()).then(|| format!("{:?} {:?}", report.leases, report.lines))
        },
        judge: |locals| {
            let ledgers = ledgers(locals);
            let unpaid = ledgers.iter().flat_map(|(site, entries)| paid::check(*site, entries, &Keys::default(), |_| true));
            conservation::check(&ledgers, |_| true, |_| true).into_iter().chain(unpaid).collect()
        },
    };
    let mut mesh = mesh(story, plot, bug);
    mesh.first.left = left;
    mesh
}

/// Three members owe each other in a circle, and one of them has found it.
pub fn clearing(left: Budget, bug: Bug) -> Mesh {
    let charter = with(brisk(), &[("clearing_pause", 2_000)]);
    let mut story = Story::settled(charter, 1, 3);
    story.pass(6);
    for debtor in 0..3 {
        story.world.cut(debtor, (debtor + 2) % 3, true);
        story.pass_ms(300);
        story.crowd(debtor, 100, 5);
        story.pass(2);
        story.world.cut(debtor, (debtor + 2) % 3, false);
        story.pass(1);
    }
    story.heal();
    let plot = Plot {
        name: "clearing",
        kinds: &["Lock", "RulingAsk", "Ruled", "Propose", "Agree"],
        at_once: &["Seek"],
        steps: (4_000, 4_000),
        done_within: 12,
        struck: None,
        event: None,
        open: |local, now| {
            let report = local.report(now);
            let held = report.lines.iter().any(|line| line.pending || line.frozen || line.locked.0 != 0);
            (held || !report.rounds.is_empty()).then(|| format!("{:?} {:?}", report.rounds, report.lines))
        },
        judge: |locals| {
            let ledgers = ledgers(locals);
            conservation::check(&ledgers, |_| true, |_| true).into_iter().chain(clearing::check(&ledgers, |_| true)).collect()
        },
    };
    let mut mesh = mesh(story, plot, bug);
    for _ in 0..2_000 {
        if !mesh.first.flight.is_empty() {
            break;
        }
        let mut next = mesh.first.clone();
        mesh.pass(&mut next, 2_000, false, None);
        mesh.first = next;
    }
    assert!(!mesh.first.flight.is_empty(), "nobody found the circle");
    mesh.first.left = left;
    mesh
}

/// Four members decide on a rule, which one of them objects to.
pub fn voting(left: Budget, bug: Bug) -> Mesh {
    let pauses =
        [("vote_discussion", 600), ("vote_cooling", 300), ("vote_epoch", 300), ("vote_transition", 300), ("clearing_pause", 2_592_000)];
    let mut story = Story::settled(with(brisk(), &pauses), 3, 4);
    story.pass(700);
    let change = Change::Amend { parameter: String::from("price_request"), to: 20 };
    story.world.command(1, Command::Propose { wish: change, discuss: String::from("https://forum.example/1") });
    story.pass(20);
    let motion = story.report(2).and_then(|report| report.council.votes.first().map(|vote| vote.motion.to_string())).expect("a motion");
    story.world.command(2, Command::Second { motion: motion.clone() });
    story.pass(540);
    let plot = Plot {
        name: "vote and activation",
        kinds: &["VoteTell"],
        at_once: &[],
        steps: (160_000, 160_000),
        done_within: 24,
        struck: None,
        event: Some((3, Some(Wish::Object(motion)))),
        open: |local, now| {
            let version = local.report(now).council.version;
            (version != 2).then(|| format!("rules of version {version}"))
        },
        judge: |locals| {
            let decided = locals.iter().flat_map(|local| local.ledger.iter()).filter_map(|entry| match entry {
                Entry::Decided(decision) => Some(decision.outcome),
                _ => None,
            });
            let mut outcomes: Vec<_> = decided.collect();
            outcomes.dedup();
            if outcomes.len() == 1 { Vec::new() } else { vec![format!("not one decision: {outcomes:?}")] }
        },
    };
    let mut mesh = mesh(story, plot, bug);
    mesh.first.left = left;
    mesh
}

fn ledgers(locals: &[Arc<Local>]) -> Vec<(SiteId, Vec<Entry>)> {
    locals.iter().map(|local| (local.id(), local.ledger.clone())).collect()
}
