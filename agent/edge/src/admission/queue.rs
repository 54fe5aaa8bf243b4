//! Who waits for a place at the origin, and who goes next: the best class, of that the fetch that most visitors wait for, of those who came
//! first.

use std::{
    collections::VecDeque,
    sync::{
        Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use overspill_governance::time::Time;
use tokio::sync::oneshot;

use super::{Class, Permit};

/// Held by everybody who waits for one request.
#[derive(Debug, Default)]
pub(crate) struct Interest(AtomicBool);

impl Interest {
    /// Somebody who need not wait for others wants what a crawler was the first to ask for.
    pub(crate) fn is_a_persons(&self) {
        self.0.store(true, Relaxed);
    }
}

/// One request in the queue.
pub(super) struct Waiter {
    /// In the order of coming.
    pub(super) id: u64,
    pub(super) class: Class,
    pub(super) since: Time,
    /// As many as there are visitors who wait for this request, if more than one can.
    pub(super) interest: Option<Weak<Interest>>,
    pub(super) place: oneshot::Sender<Permit>,
}

impl Waiter {
    /// The best class of those who wait for it.
    fn class(&self) -> Class {
        let interest = self.interest.as_ref().filter(|_| self.class == Class::Later);
        let raised = interest.and_then(Weak::upgrade).is_some_and(|interest| interest.0.load(Relaxed));
        if raised { Class::Visit } else { self.class }
    }

    /// How many wait for it.
    fn visitors(&self) -> usize {
        self.interest.as_ref().map_or(1, Weak::strong_count)
    }

    fn rank(&self) -> (Class, usize, u64) {
        (self.class(), self.visitors(), u64::MAX - self.id)
    }
}

/// The queue.
#[derive(Default)]
pub(super) struct Queue {
    /// What one visitor waits for, by class, first come first: the ranks of those do not change.
    alone: [VecDeque<Waiter>; 3],
    /// What visitors may join, first come first.
    shared: Vec<Waiter>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.shared.len() + self.alone.iter().map(VecDeque::len).sum::<usize>()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether somebody of that class would come before all who wait.
    pub(super) fn yields_to(&self, class: Class) -> bool {
        self.alone[class as usize..].iter().all(VecDeque::is_empty) && self.shared.iter().all(|waiter| waiter.class < class)
    }

    /// Since when the first waits whose wait tells of the origin: those with reserved places wait by other rules.
    pub(super) fn oldest(&self) -> Option<Time> {
        let shared = self.shared.iter().find(|waiter| waiter.class != Class::Reserved);
        let alone = self.alone[..Class::Reserved as usize].iter().filter_map(VecDeque::front);
        alone.chain(shared).map(|waiter| waiter.since).min()
    }

    pub(super) fn push(&mut self, waiter: Waiter) {
        match waiter.interest {
            Some(_) => self.shared.push(waiter),
            None => self.alone[waiter.class as usize].push_back(waiter),
        }
    }

    /// Takes out the next of those classes that have a place.
    pub(super) fn next(&mut self, has_place: impl Fn(Class) -> bool) -> Option<Waiter> {
        let open = [Class::Later, Class::Visit, Class::Reserved].map(has_place);
        let shared = (0..self.shared.len()).filter(|at| open[self.shared[*at].class as usize]);
        let shared = shared.max_by_key(|at| self.shared[*at].rank());
        let alone = (0..self.alone.len()).rev().find(|class| open[*class] && !self.alone[*class].is_empty());
        match (shared, alone) {
            (Some(at), Some(class)) if self.alone[class].front().is_some_and(|alone| alone.rank() > self.shared[at].rank()) => {
                self.alone[class].pop_front()
            }
            (Some(at), _) => Some(self.shared.remove(at)),
            (None, Some(class)) => self.alone[class].pop_front(),
            (None, None) => None,
        }
    }

    /// Takes out somebody who can wait, for the sake of somebody who cannot.
    pub(super) fn give_way(&mut self) -> Option<Waiter> {
        let shared = self.shared.iter().position(|waiter| waiter.class() == Class::Later);
        shared.map(|at| self.shared.remove(at)).or_else(|| self.alone[Class::Later as usize].pop_front())
    }

    /// Takes out whoever stops waiting.
    pub(super) fn leave(&mut self, id: u64) {
        self.shared.retain(|waiter| waiter.id != id);
        for queue in &mut self.alone {
            if let Ok(at) = queue.binary_search_by_key(&id, |waiter| waiter.id) {
                queue.remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        /// Against the definition.
        #[test]
        fn the_best_goes_next(
            waiters in prop::collection::vec((0_usize..3, 0_usize..4), 0..12),
            leaving in prop::collection::vec(0_u64..12, 0..4),
            open in any::<[bool; 3]>(),
        ) {
            let classes = [Class::Later, Class::Visit, Class::Reserved];
            let (mut queue, mut all, mut held) = (Queue::default(), Vec::new(), Vec::new());
            for (id, (class, visitors)) in waiters.into_iter().enumerate() {
                let (id, class, interest) = (id as u64, classes[class], Arc::<Interest>::default());
                let shared = (visitors > 0).then(|| Arc::downgrade(&interest));
                held.extend((0..visitors).map(|_| Arc::clone(&interest)));
                drop(interest);
                queue.push(Waiter { id, class, since: Time::from_micros(id), interest: shared, place: oneshot::channel().0 });
                all.push((class, visitors.max(1), u64::MAX - id));
            }
            for id in leaving {
                queue.leave(id);
                all.retain(|(_, _, rank)| u64::MAX - rank != id);
            }
            let has_place = |class: Class| open[class as usize];
            loop {
                prop_assert_eq!(queue.len(), all.len());
                let waits = all.iter().filter(|(class, ..)| *class != Class::Reserved).map(|(_, _, rank)| Time::from_micros(u64::MAX - rank));
                prop_assert_eq!(queue.oldest(), waits.min());
                for class in classes {
                    prop_assert_eq!(queue.yields_to(class), all.iter().all(|(other, ..)| *other < class));
                }
                let best = all.iter().filter(|(class, ..)| has_place(*class)).max().copied();
                let next = queue.next(has_place);
                prop_assert_eq!(next.map(|waiter| waiter.id), best.map(|(_, _, rank)| u64::MAX - rank));
                let Some(best) = best else { break };
                all.retain(|other| *other != best);
            }
        }
    }
}
