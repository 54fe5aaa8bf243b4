//! What leaves when there is no room: SIEVE (Zhang et al., NSDI 2024).
//!
//! Things stand in the order in which they came. A hand goes from the oldest to the newest: what was asked for since it last came by stays, and
//! is asked about anew the next time; the first that was not leaves. Who asks for everything once pushes out only what others asked for once:
//! the hand goes along with the strangers and does not come back to the rest while they come.

/// No place.
const NONE: u32 = u32::MAX;

/// The order in which things leave. Whoever holds them holds their places as well.
#[derive(Debug)]
pub struct Sieve<T> {
    places: Vec<Place<T>>,
    /// The first of the places that nothing stands in.
    free: u32,
    oldest: u32,
    newest: u32,
    /// The next to be looked at.
    hand: u32,
    held: usize,
}

#[derive(Debug)]
struct Place<T> {
    /// Nothing, if the place is free; then `newer` is the next free one.
    thing: Option<T>,
    older: u32,
    newer: u32,
}

impl<T> Default for Sieve<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: NONE, oldest: NONE, newest: NONE, hand: NONE, held: 0 }
    }
}

impl<T> Sieve<T> {
    /// How many things are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held
    }

    /// Nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes something in and says where it stands; it is not moved until it leaves.
    pub fn push(&mut self, thing: T) -> u32 {
        let place = Place { thing: Some(thing), older: self.newest, newer: NONE };
        let at = self.free;
        let at = if let Some(free) = self.at(at) {
            let next = free.newer;
            *free = place;
            self.free = next;
            at
        } else {
            self.places.push(place);
            u32::try_from(self.places.len() - 1).unwrap_or(NONE)
        };
        self.link(self.newest, at);
        (self.newest, self.held) = (at, self.held + 1);
        if self.oldest == NONE {
            self.oldest = at;
        }
        at
    }

    /// Takes out what stands at a place.
    pub fn remove(&mut self, at: u32) -> Option<T> {
        let place = self.at(at)?;
        let thing = place.thing.take()?;
        let (older, newer) = (place.older, place.newer);
        self.link(older, newer);
        if let Some(place) = self.at(newer) {
            place.older = older;
        }
        if self.oldest == at {
            self.oldest = newer;
        }
        if self.newest == at {
            self.newest = older;
        }
        if self.hand == at {
            self.hand = newer;
        }
        let free = self.free;
        if let Some(place) = self.at(at) {
            place.newer = free;
        }
        (self.free, self.held) = (at, self.held - 1);
        Some(thing)
    }

    /// What stands at a place.
    pub fn thing_mut(&mut self, at: u32) -> Option<&mut T> {
        self.at(at)?.thing.as_mut()
    }

    /// Chooses what leaves, and takes it out. `was_used` tells whether a thing was asked for since it told so last;
    /// it is given the place as well. The newest leaves only if
    /// there is nothing else: it had no time to be asked for.
    pub fn evict(&mut self, mut was_used: impl FnMut(&T, u32) -> bool) -> Option<(u32, T)> {
        loop {
            if self.hand == NONE || (self.hand == self.newest && self.held > 1) {
                self.hand = self.oldest;
            }
            let hand = self.hand;
            let place = self.at(hand)?;
            let newer = place.newer;
            // Alone, it has to go whatever it was.
            if place.thing.as_ref().is_some_and(|thing| was_used(thing, hand)) && self.held > 1 {
                self.hand = newer;
                continue;
            }
            return self.remove(hand).map(|thing| (hand, thing));
        }
    }

    fn at(&mut self, at: u32) -> Option<&mut Place<T>> {
        self.places.get_mut(usize::try_from(at).ok()?)
    }

    fn link(&mut self, older: u32, newer: u32) {
        if let Some(place) = self.at(older) {
            place.newer = newer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    /// A cache of things of one size: tells whether something was there, and takes it in.
    #[derive(Default)]
    struct Shelf {
        sieve: Sieve<u32>,
        held: HashMap<u32, u32>,
        used: HashSet<u32>,
    }

    impl Shelf {
        fn ask(&mut self, thing: u32, room: usize) -> bool {
            if self.held.contains_key(&thing) {
                self.used.insert(thing);
                return true;
            }
            let place = self.sieve.push(thing);
            self.held.insert(thing, place);
            while self.sieve.len() > room {
                let (place, gone) = self.sieve.evict(|thing, _| self.used.remove(thing)).unwrap();
                assert_eq!(self.held.remove(&gone), Some(place));
            }
            false
        }
    }

    #[test]
    fn a_scan_of_ten_times_the_room_does_not_push_out_what_is_wanted() {
        let mut shelf = Shelf::default();
        for _ in 0..2 {
            (0..500).for_each(|thing| {
                shelf.ask(thing, 1_000);
            });
        }
        (10_000..20_000).for_each(|thing| assert!(!shelf.ask(thing, 1_000)));
        assert_eq!((0..500).filter(|thing| shelf.held.contains_key(thing)).count(), 500, "of 500 that were asked for twice");
        assert_eq!(shelf.sieve.len(), 1_000);
    }

    #[test]
    fn what_is_not_wanted_any_more_makes_way() {
        let mut shelf = Shelf::default();
        for _ in 0..2 {
            (0..100).for_each(|thing| {
                shelf.ask(thing, 100);
            });
        }
        for _ in 0..3 {
            (1_000..1_100).for_each(|thing| {
                shelf.ask(thing, 100);
            });
        }
        assert_eq!((1_000..1_100).filter(|thing| shelf.held.contains_key(thing)).count(), 100);
    }

    proptest! {
        #[test]
        fn it_holds_what_was_put_into_it(steps in prop::collection::vec((0_u32..40, 0_u8..4), 1..400)) {
            let (mut sieve, mut held, mut used) = (Sieve::default(), HashMap::new(), HashSet::new());
            for (thing, deed) in steps {
                match (deed, held.get(&thing).copied()) {
                    (0, Some(place)) => {
                        held.remove(&thing);
                        prop_assert_eq!(sieve.remove(place), Some(thing));
                        prop_assert_eq!(sieve.remove(place), None);
                    }
                    (1, Some(_)) => {
                        used.insert(thing);
                    }
                    (2, Some(_)) => {
                        let newest = held.len() > 1 && sieve.thing_mut(sieve.newest) == Some(&mut thing.clone());
                        let (place, gone) = sieve.evict(|thing, _| used.remove(thing)).unwrap();
                        prop_assert!(!newest || gone != thing);
                        prop_assert_eq!(held.remove(&gone), Some(place));
                    }
                    (_, None) => {
                        held.insert(thing, sieve.push(thing));
                    }
                    _ => {}
                }
                prop_assert_eq!(sieve.len(), held.len());
                prop_assert!(sieve.places.len() <= 40);
            }
            while let Some((place, gone)) = sieve.evict(|thing, _| used.remove(thing)) {
                prop_assert_eq!(held.remove(&gone), Some(place));
            }
            prop_assert!(held.is_empty() && sieve.is_empty());
        }
    }
}
