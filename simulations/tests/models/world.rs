//! The world of a model: sites, messages on their way in no order, and so much mischief at most.

use std::sync::Arc;

use stateright::{Model, Property};

use super::{
    local::{Local, OBJECT, Told, Wish},
    store::{Parcel, Rest, Store},
};

/// Messages on their way at most; what is said beyond is lost.
const FLIGHT_MAX: usize = 24;

/// What may happen at most on one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Moments that pass.
    pub moments: u8,
    /// Messages that are lost for good.
    pub losses: u8,
    /// Messages that arrive and are on their way still.
    pub doubles: u8,
    /// Processes that die between any two outputs.
    pub deaths: u8,
    /// Events of the plot.
    pub events: u8,
}

/// What a state is made of: numbers of the [`Store`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub sites: Vec<u32>,
    pub flight: Vec<u32>,
    pub millis: u64,
    pub left: Budget,
}

/// What may happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A message arrives.
    Arrives(u32),
    /// It arrives, and will once more.
    Doubles(u32),
    /// It is lost.
    Vanishes(u32),
    /// It arrives, and its hearer dies at this place of what follows.
    Kills(u32, usize),
    /// Time passes for all.
    Passes,
    /// The same, and one dies at this place of what follows.
    PassesAndKills(usize, usize),
    /// Visitors are served by a helper, or a person wishes something: the plot's event.
    Happens,
}

/// What a model is about.
pub struct Plot {
    /// Its name.
    pub name: &'static str,
    /// Messages whose every order is tried; all others are lost until messages flow.
    pub kinds: &'static [&'static str],
    /// Messages that arrive at once all the same.
    pub at_once: &'static [&'static str],
    /// Milliseconds of one moment, while everything is tried and after that.
    pub steps: (u64, u64),
    /// Moments after which everything is done once messages flow.
    pub done_within: usize,
    /// Who is struck by a crowd, until messages flow.
    pub struck: Option<usize>,
    /// The event: its site and wish, or visitors between the struck site and this helper.
    pub event: Option<(usize, Option<Wish>)>,
    /// What is not done yet at one site.
    pub open: fn(&Local, overspill_governance::time::Now) -> Option<String>,
    /// What is wrong between sites when everything is done.
    pub judge: fn(&[Arc<Local>]) -> Vec<String>,
}

/// A model of real machines.
pub struct Mesh {
    pub plot: Plot,
    pub store: Store,
    pub first: State,
}

impl Mesh {
    /// What sites are in a state.
    pub fn locals(&self, state: &State) -> Vec<Arc<Local>> {
        state.sites.iter().map(|number| self.store.local(*number)).collect()
    }

    /// What happens, in words.
    pub fn words(&self, act: &Act) -> String {
        let parcel = |number: u32| {
            let Parcel { from, to, kind, .. } = self.store.parcel(number);
            format!("{kind} of site {from} for site {to}")
        };
        match *act {
            Act::Arrives(number) => format!("{} arrives", parcel(number)),
            Act::Doubles(number) => format!("{} arrives, and will again", parcel(number)),
            Act::Vanishes(number) => format!("{} is lost", parcel(number)),
            Act::Kills(number, place) => format!("{} arrives, and its hearer dies before output {place}", parcel(number)),
            Act::Passes => String::from("time passes"),
            Act::PassesAndKills(site, place) => format!("time passes, and site {site} dies before output {place}"),
            Act::Happens => String::from("visitors are served, or a person wishes something"),
        }
    }

    /// Everybody meets everybody.
    pub fn introduce(&self, state: &mut State) {
        for at in 0..state.sites.len() {
            for other in (0..state.sites.len()).filter(|other| *other != at) {
                let met = Told::Met(self.store.body(other).id);
                self.tell(state, at, met, None, true);
            }
        }
    }

    /// A site is told something; tells at how many places it could die. `flows`: whatever is said arrives at once.
    fn tell(&self, state: &mut State, at: usize, told: Told, dies_at: Option<usize>, flows: bool) -> usize {
        let moved = self.store.tell(at, state.sites[at], told, state.millis, dies_at);
        state.sites[at] = moved.to;
        let mut said: std::collections::VecDeque<u32> = moved.said.iter().copied().collect();
        if dies_at.is_some() {
            // Connections broke; what was on its way may arrive all the same.
            for other in (0..state.sites.len()).filter(|other| *other != at) {
                for (site, met) in [(at, other), (other, at)] {
                    let met = Told::Met(self.store.body(met).id);
                    let moved = self.store.tell(site, state.sites[site], met, state.millis, None);
                    state.sites[site] = moved.to;
                    said.extend(&moved.said);
                }
            }
        }
        while let Some(number) = said.pop_front() {
            let parcel = self.store.parcel(number);
            if flows || self.plot.at_once.contains(&parcel.kind) {
                said.extend(&self.arrive(state, &parcel).said);
            } else if self.plot.kinds.contains(&parcel.kind)
                && state.flight.len() < FLIGHT_MAX
                && let Err(place) = state.flight.binary_search(&number)
            {
                state.flight.insert(place, number);
            }
        }
        moved.places
    }

    fn arrive(&self, state: &mut State, parcel: &Parcel) -> Arc<super::store::Moved> {
        let to = usize::from(parcel.to);
        let moved = self.store.tell(to, state.sites[to], self.heard(parcel), state.millis, None);
        state.sites[to] = moved.to;
        moved
    }

    fn heard(&self, parcel: &Parcel) -> Told {
        Told::Heard { from: self.store.body(usize::from(parcel.from)).id, bytes: parcel.bytes.clone(), gossip: parcel.gossip }
    }

    /// A moment passes for all; `kills`: who dies, and where.
    pub fn pass(&self, state: &mut State, millis: u64, flows: bool, kills: Option<(usize, usize)>) {
        state.millis += millis;
        for at in 0..state.sites.len() {
            let dies_at = kills.filter(|(site, _)| *site == at).map(|(_, place)| place);
            self.tell(state, at, self.passed(at, flows), dies_at, flows);
        }
    }

    fn passed(&self, at: usize, flows: bool) -> Told {
        Told::Passed { pressed: !flows && self.plot.struck == Some(at) }
    }

    /// The plot's event; `None` when it cannot happen now.
    fn happen(&self, state: &mut State) -> Option<()> {
        let (site, wish) = self.plot.event.as_ref()?;
        if let Some(wish) = wish {
            self.tell(state, *site, Told::Wished(wish.clone()), None, false);
            return Some(());
        }
        let owner_at = self.plot.struck?;
        let (owner, helper) = (self.store.local(state.sites[owner_at]), self.store.local(state.sites[*site]));
        let now = self.store.moment(state.millis).time;
        let plan = owner.plan.clone()?;
        let spill = plan.spill.iter().find(|spill| spill.helper == helper.id() && !spill.held_back && now < spill.until)?;
        let host = helper.plan.clone()?;
        let hosts = |host: &&overspill_protocol::plan::Host| host.lease == spill.lease && !host.closed && now < host.until;
        host.host.iter().find(hosts).filter(|host| now < host.generation_until)?;
        let (lease, requests) = (spill.lease, 3);
        let serial = owner.handed(&lease).unwrap_or(spill.serial_from - 1) + requests;
        let (word, bytes) = (spill.chain.word(serial)?, u64::from(requests) * OBJECT);
        self.tell(state, owner_at, Told::Handed { lease, serial, bytes }, None, false);
        self.tell(state, *site, Told::Served { lease, serial, word, requests, bytes }, None, false);
        Some(())
    }

    /// Messages flow from here on: how many moments it takes until everything is done, or what is wrong then.
    pub fn rest(&self, state: &State) -> Rest {
        let mut state = state.clone();
        for number in std::mem::take(&mut state.flight) {
            let parcel = self.store.parcel(number);
            self.tell(&mut state, usize::from(parcel.to), self.heard(&parcel), None, true);
        }
        let mut way = Vec::new();
        let rest = loop {
            if let Some(known) = self.store.rest(&state.sites, state.millis) {
                break known;
            }
            if let Some(rest) = self.rest_now(&state, way.len() == self.plot.done_within) {
                self.store.rests(state.sites, state.millis, rest.clone());
                break rest;
            }
            way.push((state.sites.clone(), state.millis));
            self.pass(&mut state, self.plot.steps.1, true, None);
        };
        let mut moments = rest;
        for (sites, millis) in way.into_iter().rev() {
            moments = moments.map(|moments| moments + 1);
            self.store.rests(sites, millis, moments.clone());
        }
        moments
    }

    /// What there is to say of a world without messages, if it is at rest, or has to be.
    fn rest_now(&self, state: &State, is_late: bool) -> Option<Rest> {
        let (locals, now) = (self.locals(state), self.store.moment(state.millis));
        let open: Vec<String> = locals.iter().filter_map(|local| (self.plot.open)(local, now)).collect();
        if !open.is_empty() {
            return is_late.then(|| Err(open.into()));
        }
        let mut wrong: Vec<String> = locals.iter().flat_map(|local| local.broken.clone()).collect();
        wrong.extend((self.plot.judge)(&locals));
        Some(if wrong.is_empty() { Ok(0) } else { Err(wrong.into()) })
    }

    /// Whether both ends of every line know the same states, as far as both have them, and neither is ahead by more than one.
    fn ends_agree(&self, state: &State) -> bool {
        let locals = self.locals(state);
        let agree = |one: &Local, other: &Local| {
            one.lines.iter().all(|(line, ours)| {
                let Some(theirs) = other.lines.get(line) else { return true };
                let common = ours.len().min(theirs.len());
                ours[..common] == theirs[..common] && ours.len().abs_diff(theirs.len()) <= 1
            })
        };
        (0..locals.len()).all(|one| (0..locals.len()).all(|other| one == other || agree(&locals[one], &locals[other])))
    }
}

impl Model for Mesh {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        vec![self.first.clone()]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Act>) {
        let left = state.left;
        for &number in &state.flight {
            acts.push(Act::Arrives(number));
            if left.doubles > 0 {
                acts.push(Act::Doubles(number));
            }
            if left.losses > 0 {
                acts.push(Act::Vanishes(number));
            }
            if left.deaths > 0 {
                let parcel = self.store.parcel(number);
                let to = usize::from(parcel.to);
                let places = self.store.tell(to, state.sites[to], self.heard(&parcel), state.millis, None).places;
                acts.extend((0..=places).map(|place| Act::Kills(number, place)));
            }
        }
        if left.moments > 0 {
            acts.push(Act::Passes);
            if left.deaths > 0 {
                let millis = state.millis + self.plot.steps.0;
                for (at, number) in state.sites.iter().enumerate() {
                    let places = self.store.tell(at, *number, self.passed(at, false), millis, None).places;
                    acts.extend((0..=places).map(|place| Act::PassesAndKills(at, place)));
                }
            }
        }
        if left.events > 0 {
            acts.push(Act::Happens);
        }
    }

    fn next_state(&self, last: &State, act: Act) -> Option<State> {
        let mut state = last.clone();
        let take = |state: &mut State, number: u32| state.flight.retain(|other| *other != number);
        match act {
            Act::Arrives(number) | Act::Doubles(number) | Act::Kills(number, _) => {
                let parcel = self.store.parcel(number);
                let dies_at = if let Act::Kills(_, place) = act { Some(place) } else { None };
                state.left.deaths -= u8::from(dies_at.is_some());
                if let Act::Doubles(_) = act {
                    state.left.doubles -= 1;
                } else {
                    take(&mut state, number);
                }
                self.tell(&mut state, usize::from(parcel.to), self.heard(&parcel), dies_at, false);
            }
            Act::Vanishes(number) => {
                take(&mut state, number);
                state.left.losses -= 1;
            }
            Act::Passes | Act::PassesAndKills(..) => {
                state.left.moments -= 1;
                let kills = if let Act::PassesAndKills(site, place) = act { Some((site, place)) } else { None };
                state.left.deaths -= u8::from(kills.is_some());
                self.pass(&mut state, self.plot.steps.0, false, kills);
            }
            Act::Happens => {
                state.left.events -= 1;
                self.happen(&mut state)?;
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no promise is broken", |mesh: &Self, state: &State| {
                mesh.locals(state).iter().all(|local| local.broken.is_empty())
            }),
            Property::always("both ends of a line agree", Self::ends_agree),
            Property::always("done once messages flow", |mesh: &Self, state: &State| {
                mesh.rest(state).is_ok_and(|moments| moments <= mesh.plot.done_within)
            }),
        ]
    }
}
