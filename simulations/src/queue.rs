//! What will happen, ordered by time and then by number: of two things at one moment the one that was put in first comes first.

use std::{cmp::Ordering, collections::BinaryHeap};

use overspill_governance::time::Time;

/// Things to come. Each has a number of its own, so that the order never depends on what the things are.
#[derive(Debug)]
pub struct Queue<T> {
    heap: BinaryHeap<Due<T>>,
    numbers: u64,
}

/// One thing to come.
#[derive(Debug)]
struct Due<T> {
    at: Time,
    number: u64,
    what: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), numbers: 0 }
    }
}

impl<T> Queue<T> {
    /// Puts something in.
    pub fn put(&mut self, at: Time, what: T) {
        self.numbers += 1;
        self.heap.push(Due { at, number: self.numbers, what });
    }

    /// Takes what comes next, with its time and number, unless it comes later than `end`.
    pub fn take_until(&mut self, end: Time) -> Option<(Time, u64, T)> {
        if self.heap.peek()?.at > end {
            return None;
        }
        self.heap.pop().map(|due| (due.at, due.number, due.what))
    }

    /// How much is to come.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing is to come.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Everything that is to come, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.heap.iter().map(|due| &due.what)
    }
}

impl<T> Due<T> {
    fn key(&self) -> (Time, u64) {
        (self.at, self.number)
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Due<T> {}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Due<T> {
    /// The heap gives its greatest first, and that is to be the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn time_orders_and_equal_times_keep_their_order(times in prop::collection::vec(0_u64..20, 0..200)) {
            let mut queue = Queue::default();
            for (nth, at) in times.iter().enumerate() {
                queue.put(Time::from_micros(*at), nth);
            }
            let mut sorted: Vec<(u64, usize)> = times.iter().copied().zip(0..).collect();
            sorted.sort_unstable();
            let early = Time::from_micros(9);
            let mut taken: Vec<(u64, usize)> = Vec::new();
            while let Some((at, _, nth)) = queue.take_until(early) {
                taken.push((at.as_micros(), nth));
            }
            prop_assert!(taken.iter().all(|(at, _)| *at <= 9) && queue.iter().all(|nth| times[*nth] > 9));
            while let Some((at, _, nth)) = queue.take_until(Time::MAX) {
                taken.push((at.as_micros(), nth));
            }
            prop_assert_eq!(taken, sorted);
            prop_assert!(queue.is_empty());
        }
    }
}
