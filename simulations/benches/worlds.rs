//! What a world costs: events per second, bytes per site, traffic per site, and where the time goes: `cargo bench -p overspill-simulations`.
//!
//! Meshes that are there already run for a while in calm and in a crowd that strikes one site in ten, on one core, with nobody watching:
//! checkers are for short runs. `OVERSPILL_SITES` names other sizes: `OVERSPILL_SITES=10,1000`.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
// A bench measures its own speed; worlds do not read clocks.
#![allow(clippy::disallowed_types)]

use std::time::{Duration, Instant};

use overspill_governance::{
    charter::Charter,
    site::{Key, Signed},
    time::Time,
};
use overspill_protocol::message::Generation;
use overspill_simulations::{dice::Dice, queue::Queue, world::World};

const CALM: Duration = Duration::from_secs(120);
const CROWD: Duration = Duration::from_secs(30);
const PENDING: u64 = 100_000;

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let chosen = std::env::var("OVERSPILL_SITES").unwrap_or_else(|_| String::from("3,10,30,100,200"));
    println!("queue alone, {PENDING} pending: {:.1} million events/s", queue() / 1e6);
    let (sign, verify) = signatures();
    println!("a signature is made in {sign:.0} us and checked in {verify:.0} us\n");
    println!("sites  state  virtual s  events    events/s  us/event  signed messages/s/site  messages/h/site  kB/h/site  kB/site");
    for sites in chosen.split(',').map(|text| text.trim().parse().unwrap()) {
        measure(sites);
    }
}

/// Runs a mesh of `sites` in calm and in a crowd.
fn measure(sites: usize) {
    let before = resident();
    let mut world = World::settled(1, sites, &Charter::default());
    world.checkers.blind = true;
    world.trace.keep(0);
    // Connections, proofs and first adverts are not what a quiet hour is made of.
    world.run(Duration::from_secs(60));
    let bytes = |world: &World| (resident().saturating_sub(before)) / world.bodies.len() as u64;
    phase(&mut world, "calm", CALM, bytes);
    for site in (0..sites).step_by(10) {
        world.want(site, 80);
    }
    phase(&mut world, "crowd", CROWD, bytes);
}

fn phase(world: &mut World, name: &str, span: Duration, bytes: impl Fn(&World) -> u64) {
    let (events, sent, began) = (world.happenings(), world.sent, Instant::now());
    world.run(span);
    let (spent, sites) = (began.elapsed().as_secs_f64(), world.bodies.len());
    let events = (world.happenings() - events) as f64;
    let hourly = 3_600.0 / span.as_secs_f64() / sites as f64;
    println!(
        "{sites:>5}  {name:<5}  {:>9}  {events:>8}  {:>8.0}  {:>8.1}  {:>22.2}  {:>15.0}  {:>9.0}  {:>7.0}",
        span.as_secs(),
        events / spent,
        spent * 1e6 / events,
        (world.sent.signed - sent.signed) as f64 * hourly / 3_600.0,
        (world.sent.messages - sent.messages) as f64 * hourly,
        (world.sent.bytes - sent.bytes) as f64 * hourly / 1e3,
        bytes(world) as f64 / 1e3,
    );
}

/// Events that the queue alone puts in and gives out in a second.
fn queue() -> f64 {
    let (mut queue, mut dice, rounds) = (Queue::default(), Dice::new(1), 2_000_000_u64);
    (0..PENDING).for_each(|nth| queue.put(Time::from_micros(dice.between(0, 1_000_000)), nth));
    let began = Instant::now();
    for _ in 0..rounds {
        let (at, _, nth) = queue.take_until(Time::MAX).unwrap();
        queue.put(at.after(Duration::from_micros(dice.between(0, 1_000_000))), nth);
    }
    rounds as f64 / began.elapsed().as_secs_f64()
}

/// Microseconds to sign a short statement, and to check it.
fn signatures() -> (f64, f64) {
    let (key, rounds) = (Key::from_seed([1; 32]), 2_000);
    let (site, digest) = (key.site(), overspill_governance::digest::Digest::ZERO);
    let body = |newest| Generation { owner: site, newest, floor: 0, manifest: digest, date: Default::default() };
    let began = Instant::now();
    let signed: Vec<Signed<Generation>> = (0..rounds).map(|newest| Signed::new(body(newest), &key)).collect();
    let sign = began.elapsed();
    let began = Instant::now();
    assert!(signed.iter().all(|signed| signed.is_by(&site)));
    let each = |span: Duration| span.as_secs_f64() * 1e6 / rounds as f64;
    (each(sign), each(began.elapsed()))
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}
