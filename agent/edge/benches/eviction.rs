//! What leaves the disk tier when it is full: the order that it uses beside others, on the requests of an access log.
//!
//! `OVERSPILL_ACCESS_LOG=FILE cargo bench -p overspill-edge --bench eviction` reads a log in the combined format; without it the requests are
//! drawn from Zipf's law with the log's parameters. Each order is also asked with a scan in the midst: ten times the room, each object once.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::collections::{BTreeMap, HashMap, VecDeque};

use overspill_edge::inside::Sieve;
use quick_cache::{OptionsBuilder, Weighter, unsync::Cache};

/// Numbers of objects, in the order in which they are asked for, and their sizes.
struct Trace {
    asks: Vec<u32>,
    sizes: HashMap<u32, u64>,
}

/// Something that holds objects within a bound. `ask` tells whether one was there; then, or after it was fetched, it is.
trait Order {
    fn ask(&mut self, object: u32, size: u64) -> bool;
}

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let trace =
        std::env::var("OVERSPILL_ACCESS_LOG").map_or_else(|_| Trace::drawn(), |path| Trace::read(&std::fs::read_to_string(path).unwrap()));
    let all: u64 = trace.sizes.values().sum();
    println!("{} requests for {} objects of {} MiB", trace.asks.len(), trace.sizes.len(), all >> 20);
    println!("hits among all requests (bytes that came from the cache), in per cent");
    let names = ["FIFO", "LRU", "S3-FIFO", "Clock-PRO", "W-TinyLFU", "SIEVE"].map(|name| format!("{name:>14}"));
    println!("{:>8} {:>6}  {}", "room", "scan", names.join(" "));
    for percent in [1, 3, 10, 30] {
        let room = all * percent / 100;
        for scan in [false, true] {
            let orders: [Box<dyn Order>; 6] = [
                Box::new(Queue::new(room, false)),
                Box::new(Queue::new(room, true)),
                Box::new(S3Fifo::new(room)),
                Box::new(ClockPro::new(room)),
                Box::new(TinyLfu::new(room)),
                Box::new(Ours { sieve: Sieve::default(), held: HashMap::new(), bytes: 0, room }),
            ];
            let told = orders.map(|mut order| format!("{:>14}", trace.play(&mut *order, (room, scan))));
            println!("{percent:>6} % {:>6}  {}", if scan { "yes" } else { "no" }, told.join(" "));
        }
    }
}

impl Trace {
    fn read(log: &str) -> Self {
        let (mut names, mut trace) = (HashMap::new(), Self { asks: Vec::new(), sizes: HashMap::new() });
        for line in log.lines() {
            let mut quoted = line.split('"').skip(1);
            let (Some(request), Some(rest)) = (quoted.next(), quoted.next()) else { continue };
            let (mut words, mut numbers) = (request.split(' '), rest.split_whitespace());
            let (Some("GET"), Some(path), Some("200")) = (words.next(), words.next(), numbers.next()) else { continue };
            let next = u32::try_from(names.len()).unwrap();
            let object = *names.entry(path.to_owned()).or_insert(next);
            let size = numbers.next().and_then(|size| size.parse().ok()).unwrap_or(0_u64).max(1);
            let known = trace.sizes.entry(object).or_default();
            *known = size.max(*known);
            trace.asks.push(object);
        }
        trace
    }

    /// Zipf's law with an exponent of 1.03 over 1,500 objects of 1 KiB to 1 MiB.
    fn drawn() -> Self {
        let mut state = 7_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let sizes: HashMap<u32, u64> = (0..1_500).map(|object| (object, (1024.0 * (draw() * 1024_f64.ln()).exp()) as u64)).collect();
        let weights: Vec<f64> = (1..=1_500).map(|rank| f64::from(rank).powf(-1.03)).collect();
        let all: f64 = weights.iter().sum();
        let asks = (0..10_000).map(|_| {
            let mut at = draw() * all;
            weights.iter().position(|weight| {
                at -= weight;
                at < 0.0
            })
        });
        Self { asks: asks.map(|rank| u32::try_from(rank.unwrap_or(0)).unwrap()).collect(), sizes }
    }

    /// Hits of the trace's own requests; with `scan`, in its midst somebody asks for ten times so many bytes, once each.
    fn play(&self, order: &mut dyn Order, (room, scans): (u64, bool)) -> String {
        let (mut hits, mut hit_bytes, mut bytes) = (0, 0, 0);
        for (at, object) in self.asks.iter().enumerate() {
            if at == self.asks.len() / 2 {
                let scanned = if scans { room * 10 / 20_000 } else { 0 };
                (0..scanned).for_each(|next| assert!(!order.ask(1_000_000 + u32::try_from(next).unwrap(), 20_000)));
            }
            let size = self.sizes[object];
            bytes += size;
            // Neither tier takes in what is longer than an eighth of it.
            if size <= room / 8 && order.ask(*object, size) {
                hits += 1;
                hit_bytes += size;
            }
        }
        format!("{:.1} ({:.1})", 100.0 * f64::from(hits) / self.asks.len() as f64, 100.0 * hit_bytes as f64 / bytes as f64)
    }
}

/// What both tiers use.
struct Ours {
    sieve: Sieve<u32>,
    /// Size, and whether it was asked for.
    held: HashMap<u32, (u64, bool)>,
    bytes: u64,
    room: u64,
}

impl Order for Ours {
    fn ask(&mut self, object: u32, size: u64) -> bool {
        if let Some(held) = self.held.get_mut(&object) {
            held.1 = true;
            return true;
        }
        self.sieve.push(object);
        self.held.insert(object, (size, false));
        self.bytes += size;
        while self.bytes > self.room {
            let held = &mut self.held;
            let (_, gone) = self.sieve.evict(|object, _| held.get_mut(object).is_some_and(|held| std::mem::take(&mut held.1))).unwrap();
            self.bytes -= self.held.remove(&gone).unwrap().0;
        }
        false
    }
}

/// A library's order, which the memory tier once used (Jiang et al., 2005, modified).
struct ClockPro(Cache<u32, u64, BySize>);

#[derive(Clone)]
struct BySize;

impl Weighter<u32, u64> for BySize {
    fn weight(&self, _: &u32, size: &u64) -> u64 {
        *size
    }
}

impl ClockPro {
    fn new(room: u64) -> Self {
        let options = OptionsBuilder::new().estimated_items_capacity(1_024).weight_capacity(room).build().unwrap();
        Self(Cache::with_options(options, BySize, Default::default(), Default::default()))
    }
}

impl Order for ClockPro {
    fn ask(&mut self, object: u32, size: u64) -> bool {
        let hit = self.0.get(&object).is_some();
        if !hit {
            self.0.insert(object, size);
        }
        hit
    }
}

/// Yang et al., SOSP 2023, which the disk tier once used: a small queue, a tenth of the room, and out again unless asked for meanwhile; what left
/// it lately and comes back goes into the main queue at once.
struct S3Fifo {
    /// Size, uses, and whether it is in the small queue.
    held: HashMap<u32, (u64, u8, bool)>,
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    small_bytes: u64,
    main_bytes: u64,
    ghosts: VecDeque<u32>,
    room: u64,
}

impl S3Fifo {
    fn new(room: u64) -> Self {
        let queues = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Self { held: HashMap::new(), small: queues.0, main: queues.1, small_bytes: 0, main_bytes: 0, ghosts: queues.2, room }
    }

    fn evict(&mut self) {
        let from_small = !self.small.is_empty() && (self.small_bytes >= self.room / 10 || self.main.is_empty());
        let object = if from_small { self.small.pop_front() } else { self.main.pop_front() }.unwrap();
        let held = self.held.get_mut(&object).unwrap();
        let size = held.0;
        if from_small {
            self.small_bytes -= size
        } else {
            self.main_bytes -= size
        }
        if held.1 > 0 {
            (held.1, held.2) = (held.1 - 1, false);
            self.main.push_back(object);
            self.main_bytes += size;
            return;
        }
        self.held.remove(&object);
        if from_small {
            self.ghosts.push_back(object);
            while self.ghosts.len() > self.held.len().max(1_024) {
                self.ghosts.pop_front();
            }
        }
    }
}

impl Order for S3Fifo {
    fn ask(&mut self, object: u32, size: u64) -> bool {
        if let Some(held) = self.held.get_mut(&object) {
            held.1 = (held.1 + 1).min(3);
            return true;
        }
        let is_small = !self.ghosts.contains(&object);
        self.ghosts.retain(|ghost| *ghost != object);
        self.held.insert(object, (size, 0, is_small));
        if is_small {
            self.small.push_back(object);
            self.small_bytes += size;
        } else {
            self.main.push_back(object);
            self.main_bytes += size;
        }
        while self.small_bytes + self.main_bytes > self.room {
            self.evict();
        }
        false
    }
}

/// First in, first out; or, with `renewed`, least recently used.
struct Queue {
    held: HashMap<u32, (u64, u64)>,
    by_turn: BTreeMap<u64, u32>,
    turn: u64,
    bytes: u64,
    room: u64,
    renewed: bool,
}

impl Queue {
    fn new(room: u64, renewed: bool) -> Self {
        Self { held: HashMap::new(), by_turn: BTreeMap::new(), turn: 0, bytes: 0, room, renewed }
    }

    fn insert(&mut self, object: u32, size: u64) {
        self.turn += 1;
        self.held.insert(object, (self.turn, size));
        self.by_turn.insert(self.turn, object);
        self.bytes += size;
    }

    fn remove(&mut self, object: u32) -> Option<u64> {
        let (turn, size) = self.held.remove(&object)?;
        self.by_turn.remove(&turn);
        self.bytes -= size;
        Some(size)
    }

    fn oldest(&self) -> Option<u32> {
        self.by_turn.values().next().copied()
    }
}

impl Order for Queue {
    fn ask(&mut self, object: u32, size: u64) -> bool {
        if self.held.contains_key(&object) {
            if self.renewed {
                self.remove(object);
                self.insert(object, size);
            }
            return true;
        }
        self.insert(object, size);
        while self.bytes > self.room {
            let oldest = self.oldest().unwrap();
            self.remove(oldest);
        }
        false
    }
}

/// Einziger et al., 2017: a window of a hundredth by last use; what leaves it stays if it is asked for more often than what it would push out.
/// Counts are exact, and halved now and then.
struct TinyLfu {
    window: Queue,
    main: Queue,
    counts: HashMap<u32, u32>,
    asked: usize,
}

impl TinyLfu {
    fn new(room: u64) -> Self {
        let window = (room / 100).max(1);
        Self { window: Queue::new(window, true), main: Queue::new(room - window, true), counts: HashMap::new(), asked: 0 }
    }

    fn count(&self, object: u32) -> u32 {
        self.counts.get(&object).copied().unwrap_or(0)
    }
}

impl Order for TinyLfu {
    fn ask(&mut self, object: u32, size: u64) -> bool {
        *self.counts.entry(object).or_default() += 1;
        self.asked += 1;
        if self.asked.is_multiple_of(10 * (self.main.held.len() + 100)) {
            self.counts.values_mut().for_each(|count| *count /= 2);
        }
        for queue in [&mut self.window, &mut self.main] {
            if let Some(size) = queue.remove(object) {
                queue.insert(object, size);
                return true;
            }
        }
        self.window.insert(object, size);
        while self.window.bytes > self.window.room {
            let candidate = self.window.oldest().unwrap();
            let size = self.window.remove(candidate).unwrap();
            if size > self.main.room {
                continue;
            }
            let mut wins = true;
            while wins && self.main.bytes + size > self.main.room {
                let victim = self.main.oldest().unwrap();
                wins = self.count(candidate) > self.count(victim);
                if wins {
                    self.main.remove(victim);
                }
            }
            if wins {
                self.main.insert(candidate, size);
            }
        }
        false
    }
}
