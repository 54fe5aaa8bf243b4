//! What leaves when there is no room: S3-FIFO (Yang et al., SOSP 2023), by bytes.
//!
//! What comes goes through a small queue, a tenth of the room, and out again unless it is asked for meanwhile: whoever asks for everything
//! once pushes out only what others asked for once. What left the small queue lately and comes back goes into the main queue at once.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
};

/// Uses that are counted; more make no difference.
const USES_MAX: u8 = 3;
/// One in so many bytes is for the small queue.
const SMALL_SHARE: u64 = 10;
/// Names of what left that are remembered at least, however little is held.
const GHOSTS_MIN: usize = 1_024;

/// How often something was asked for lately, as far as it matters. Shared by the tiers that hold it.
#[derive(Debug, Clone, Default)]
pub struct Uses(Arc<AtomicU8>);

impl Uses {
    /// Notes one more. For what is asked for often, a look and no more.
    pub fn note(&self) {
        let uses = self.0.load(Relaxed);
        if uses < USES_MAX {
            // Two at once may count as one: that makes no difference either.
            self.0.store(uses + 1, Relaxed);
        }
    }

    /// Takes one away, if there is one.
    fn take(&self) -> bool {
        let uses = self.0.load(Relaxed);
        if uses > 0 {
            self.0.store(uses - 1, Relaxed);
        }
        uses > 0
    }
}

/// The order in which things leave.
#[derive(Debug)]
pub struct Fifo<K> {
    held: HashMap<K, Held>,
    small: VecDeque<(K, u64)>,
    main: VecDeque<(K, u64)>,
    small_bytes: u64,
    main_bytes: u64,
    ghosts: HashSet<K>,
    ghost_order: VecDeque<K>,
    /// Tells an entry of a queue from one of something that left and came back.
    next_turn: u64,
}

#[derive(Debug)]
struct Held {
    turn: u64,
    size: u64,
    is_small: bool,
    uses: Uses,
}

impl<K> Default for Fifo<K> {
    fn default() -> Self {
        Self {
            held: HashMap::new(),
            small: VecDeque::new(),
            main: VecDeque::new(),
            small_bytes: 0,
            main_bytes: 0,
            ghosts: HashSet::new(),
            ghost_order: VecDeque::new(),
            next_turn: 0,
        }
    }
}

impl<K: Copy + Eq + Hash> Fifo<K> {
    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.small_bytes + self.main_bytes
    }

    /// How many things are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The count of the uses of something that is held.
    pub fn uses(&self, key: &K) -> Option<Uses> {
        self.held.get(key).map(|held| held.uses.clone())
    }

    /// Takes something in. What is held already keeps its place, with its new size.
    pub fn insert(&mut self, key: K, size: u64, uses: Uses) {
        if let Some(held) = self.held.get_mut(&key) {
            let bytes = if held.is_small { &mut self.small_bytes } else { &mut self.main_bytes };
            *bytes = *bytes - held.size + size;
            (held.size, held.uses) = (size, uses);
            return;
        }
        let came_back = self.ghosts.remove(&key);
        self.push(key, size, uses, !came_back);
    }

    /// Takes in something that was held by a process before this one.
    pub fn insert_known(&mut self, key: K, size: u64, uses: Uses) {
        self.remove(&key);
        self.push(key, size, uses, false);
    }

    fn push(&mut self, key: K, size: u64, uses: Uses, is_small: bool) {
        let turn = self.next_turn;
        self.next_turn += 1;
        let (queue, bytes) = if is_small { (&mut self.small, &mut self.small_bytes) } else { (&mut self.main, &mut self.main_bytes) };
        queue.push_back((key, turn));
        *bytes += size;
        self.held.insert(key, Held { turn, size, is_small, uses });
        self.tidy();
    }

    /// Forgets something. Its place in a queue is passed over later.
    pub fn remove(&mut self, key: &K) {
        if let Some(held) = self.held.remove(key) {
            let bytes = if held.is_small { &mut self.small_bytes } else { &mut self.main_bytes };
            *bytes -= held.size;
        }
    }

    /// Chooses what leaves, and forgets it. `capacity` is all the room there is.
    pub fn evict(&mut self, capacity: u64) -> Option<K> {
        loop {
            let from_small = self.small_bytes > 0 && (self.small_bytes >= capacity / SMALL_SHARE || self.main_bytes == 0);
            let (queue, is_small) = if from_small { (&mut self.small, true) } else { (&mut self.main, false) };
            let Some((key, turn)) = queue.pop_front() else {
                // Things of no size have no bytes by which to choose.
                let key = *self.held.keys().next()?;
                self.remove(&key);
                return Some(key);
            };
            let Some(held) = self.held.get(&key).filter(|held| held.turn == turn && held.is_small == is_small) else { continue };
            let (size, uses) = (held.size, held.uses.clone());
            if uses.take() {
                self.remove(&key);
                self.push(key, size, uses, false);
                continue;
            }
            self.remove(&key);
            if is_small {
                self.remember(key);
            }
            return Some(key);
        }
    }

    fn remember(&mut self, key: K) {
        if self.ghosts.insert(key) {
            self.ghost_order.push_back(key);
        }
        while self.ghost_order.len() > self.held.len().max(GHOSTS_MIN) {
            let Some(oldest) = self.ghost_order.pop_front() else { break };
            self.ghosts.remove(&oldest);
        }
    }

    /// Drops places of what is gone, when they are most of a queue.
    fn tidy(&mut self) {
        let held = &self.held;
        for (queue, is_small) in [(&mut self.small, true), (&mut self.main, false)] {
            if queue.len() > 2 * held.len() + 64 {
                queue.retain(|(key, turn)| held.get(key).is_some_and(|held| held.turn == *turn && held.is_small == is_small));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A cache of things of one size: tells whether something was there, and takes it in.
    struct Shelf {
        fifo: Fifo<u32>,
        uses: HashMap<u32, Uses>,
        room: u64,
    }

    impl Shelf {
        fn new(room: u64) -> Self {
            Self { fifo: Fifo::default(), uses: HashMap::new(), room }
        }

        fn ask(&mut self, key: u32) -> bool {
            if let Some(uses) = self.uses.get(&key) {
                uses.note();
                return true;
            }
            let uses = Uses::default();
            self.fifo.insert(key, 1, uses.clone());
            self.uses.insert(key, uses);
            while self.fifo.bytes() > self.room {
                let gone = self.fifo.evict(self.room).unwrap();
                self.uses.remove(&gone).unwrap();
            }
            false
        }
    }

    #[test]
    fn a_scan_of_ten_times_the_room_does_not_push_out_what_is_wanted() {
        let mut shelf = Shelf::new(1_000);
        for _ in 0..4 {
            (0..500).for_each(|key| {
                shelf.ask(key);
            });
        }
        (10_000..20_000).for_each(|key| assert!(!shelf.ask(key)));
        let kept = (0..500).filter(|key| shelf.uses.contains_key(key)).count();
        assert_eq!(kept, 500, "of 500 that were asked for four times");
        assert!(shelf.fifo.bytes() <= 1_000);
    }

    #[test]
    fn what_comes_back_soon_stays() {
        let mut shelf = Shelf::new(100);
        (0..200).for_each(|key| {
            shelf.ask(key);
        });
        assert!(!shelf.ask(50), "it had left");
        (1_000..1_090).for_each(|key| {
            shelf.ask(key);
        });
        assert!(shelf.ask(50), "it came into the main queue");
    }

    proptest! {
        #[test]
        fn sums_hold_whatever_happens(steps in prop::collection::vec((0_u32..40, 0_u8..4, 0_u64..50), 1..400)) {
            let mut fifo = Fifo::default();
            let mut sizes: HashMap<u32, u64> = HashMap::new();
            for (key, deed, size) in steps {
                match deed {
                    0 => {
                        fifo.remove(&key);
                        sizes.remove(&key);
                    }
                    1 => fifo.held.get(&key).into_iter().for_each(|held| held.uses.note()),
                    2 => {
                        fifo.insert_known(key, size, Uses::default());
                        sizes.insert(key, size);
                    }
                    _ => {
                        fifo.insert(key, size, Uses::default());
                        sizes.insert(key, size);
                    }
                }
                while fifo.bytes() > 300 {
                    let gone = fifo.evict(300).unwrap();
                    prop_assert!(sizes.remove(&gone).is_some());
                }
                prop_assert_eq!(fifo.bytes(), sizes.values().sum::<u64>());
                prop_assert_eq!(fifo.len(), sizes.len());
                prop_assert!(fifo.small.len() + fifo.main.len() <= 4 * (fifo.len() + 1) + 200);
            }
            while let Some(gone) = fifo.evict(0) {
                prop_assert!(sizes.remove(&gone).is_some());
            }
            prop_assert!(sizes.is_empty() && fifo.is_empty() && fifo.bytes() == 0);
        }
    }
}
