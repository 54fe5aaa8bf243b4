//! What sites of a model have been, and what became of each when it was told something: each step of the real machines is taken once.
//!
//! A state of the world is then a few small numbers, and a million of them cost no more signatures than a few thousand.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use overspill_governance::{digest::Digest, time::Now};
use overspill_simulations::world::Body;

use super::local::{Local, Said, Told};

/// A message on its way: who speaks, who hears, whether by gossip, and what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Parcel {
    pub from: u8,
    pub to: u8,
    pub gossip: bool,
    pub kind: &'static str,
    pub bytes: Arc<[u8]>,
}

/// What became of a site.
#[derive(Debug)]
pub struct Moved {
    /// The site's number.
    pub to: u32,
    /// Numbers of what it said.
    pub said: Vec<u32>,
    /// Places to die at.
    pub places: usize,
}

/// After how many moments a world in which messages flow is at rest, or what is wrong or open then.
pub type Rest = Result<usize, Arc<[String]>>;

/// When, and at which place it dies, if it does.
type Place = (u64, Option<usize>);

#[derive(Debug, Default)]
struct Known {
    locals: Vec<Arc<Local>>,
    names: HashMap<Digest, u32>,
    parcels: Vec<Parcel>,
    numbers: HashMap<Parcel, u32>,
    moves: HashMap<(u32, Told, Place), Arc<Moved>>,
    rests: HashMap<(Vec<u32>, u64), Rest>,
}

/// All of them.
#[derive(Debug)]
pub struct Store {
    bodies: Vec<Body>,
    begin: Now,
    known: RwLock<Known>,
    bug: Bug,
}

#[cfg(feature = "planted")]
pub type Bug = Option<overspill_governance::planted::Bug>;
#[cfg(not(feature = "planted"))]
pub type Bug = Option<std::convert::Infallible>;

impl Store {
    /// The sites of a simulation's world, each begun anew.
    pub fn new(bodies: Vec<Body>, begin: Now, bug: Bug) -> (Self, Vec<u32>) {
        let store = Self { bodies, begin, known: RwLock::default(), bug };
        let all: Vec<&Body> = store.bodies.iter().collect();
        let locals: Vec<Local> = all.iter().map(|body| Local::begin(body, &all, begin)).collect();
        let numbers = locals.into_iter().map(|local| store.number(local)).collect();
        (store, numbers)
    }

    /// A site by its number.
    pub fn local(&self, number: u32) -> Arc<Local> {
        self.read(|known| known.locals[number as usize].clone())
    }

    /// A message by its number.
    pub fn parcel(&self, number: u32) -> Parcel {
        self.read(|known| known.parcels[number as usize].clone())
    }

    /// How many different sites, messages and steps there were.
    pub fn counts(&self) -> [usize; 3] {
        self.read(|known| [known.locals.len(), known.parcels.len(), known.moves.len()])
    }

    /// The moment so many milliseconds after the beginning.
    pub fn moment(&self, millis: u64) -> Now {
        super::local::moment(self.begin, millis)
    }

    /// What becomes of the site `at`, which is `number`, when it is told something.
    pub fn tell(&self, at: usize, number: u32, told: Told, millis: u64, dies_at: Option<usize>) -> Arc<Moved> {
        let key = (number, told, (millis, dies_at));
        if let Some(moved) = self.read(|known| known.moves.get(&key).cloned()) {
            return moved;
        }
        let local = self.local(number);
        switch(self.bug);
        let step = local.tell(&self.bodies[at], &key.1, self.moment(millis), dies_at);
        switch(None);
        let said = step.said.iter().flat_map(|said| self.parcels_of(at, said)).collect();
        let moved = Arc::new(Moved { to: self.number(step.local), said, places: step.places });
        self.write(|known| known.moves.entry(key).or_insert(moved).clone())
    }

    /// What is known of how sites come to rest.
    pub fn rest(&self, sites: &[u32], millis: u64) -> Option<Rest> {
        self.read(|known| known.rests.get(&(sites.to_vec(), millis)).cloned())
    }

    /// How sites come to rest.
    pub fn rests(&self, sites: Vec<u32>, millis: u64, rest: Rest) {
        self.write(|known| known.rests.insert((sites, millis), rest));
    }

    /// One parcel for each who hears it.
    fn parcels_of(&self, from: usize, said: &Said) -> Vec<u32> {
        let hears = |(to, body): &(usize, &Body)| *to != from && said.to.is_none_or(|id| id == body.id);
        let to: Vec<usize> = self.bodies.iter().enumerate().filter(hears).map(|(to, _)| to).collect();
        let small = |at: usize| u8::try_from(at).expect("a handful of sites");
        let parcel =
            |to| Parcel { from: small(from), to: small(to), gossip: said.to.is_none(), kind: said.kind, bytes: said.bytes.clone() };
        to.into_iter().map(|to| self.number_of(parcel(to))).collect()
    }

    fn number_of(&self, parcel: Parcel) -> u32 {
        self.write(|known| {
            let next = u32::try_from(known.parcels.len()).expect("few enough");
            let number = *known.numbers.entry(parcel.clone()).or_insert(next);
            if number == next {
                known.parcels.push(parcel);
            }
            number
        })
    }

    fn number(&self, local: Local) -> u32 {
        let name = local.name();
        self.write(|known| {
            let next = u32::try_from(known.locals.len()).expect("few enough");
            let number = *known.names.entry(name).or_insert(next);
            if number == next {
                known.locals.push(Arc::new(local));
            }
            number
        })
    }

    /// Who is at a place.
    pub fn body(&self, at: usize) -> &Body {
        &self.bodies[at]
    }

    fn read<T>(&self, ask: impl FnOnce(&Known) -> T) -> T {
        ask(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Planted bugs are on for one thread, and models are checked by several.
fn switch(bug: Bug) {
    #[cfg(feature = "planted")]
    overspill_governance::planted::switch(bug);
    #[cfg(not(feature = "planted"))]
    let _ = bug;
}
