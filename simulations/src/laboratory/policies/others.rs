//! The others: what each site sends to whom in a tenth of a second. All amounts are in tenths of requests.

use super::{
    BUDGET, Course, Policy, ROOM, Stage,
    course::{Did, STEP_MS},
};

/// Steps of [`Policy::Thresholds`]' average, of a [`Policy::Heartbeats`]' pause, and of [`Policy::TitForTat`]'s memory and draws.
const AVERAGED: u64 = 50;
const HEARTBEAT: u64 = 1_200;
const REMEMBERED: usize = 200;
const DRAWN: u64 = 300;
/// Whom a site serves because it was served, beside the one that it draws.
const FAVOURED: usize = 4;
/// What one request of 20,000 bytes costs, in tenths of micro-credits for each tenth of a request.
const BYTES: u64 = 20_000;

struct Others<'a> {
    stage: &'a Stage,
    policy: Policy,
    /// Thousandths of tenths.
    averages: Vec<u64>,
    sends: Vec<bool>,
    /// Of what is wanted, in a million.
    shares: Vec<u64>,
    accounts: Vec<i64>,
    /// Who gave whom, in the last steps.
    gifts: Vec<Vec<(usize, usize, u64)>>,
    price: i64,
}

pub(super) fn play(stage: &Stage, policy: Policy) -> Course {
    let sites = stage.plot.members;
    let charter = &stage.plot.charter;
    let price = charter.price_request.0 + charter.price_mib.0 * BYTES as i64 / (1 << 20);
    let mut others = Others {
        stage,
        policy,
        averages: vec![0; sites],
        sends: vec![false; sites],
        shares: vec![0; sites],
        accounts: vec![0; sites],
        gifts: Vec::new(),
        price,
    };
    let steps = stage.plot.length.as_millis() as u64 / STEP_MS;
    Course { steps: (0..steps).map(|step| others.step(step)).collect(), failures: Vec::new() }
}

impl Others<'_> {
    fn step(&mut self, step: u64) -> Vec<Did> {
        let (sites, budget) = (self.stage.plot.members, u64::from(BUDGET));
        let mut did: Vec<Did> =
            (0..sites).map(|site| Did { wanted: self.stage.wanted(site, step * STEP_MS).into(), ..Did::default() }).collect();
        let room = |site: usize, did: &Did| if self.stage.rides(site) || did.wanted > budget { 0 } else { u64::from(ROOM) };
        let mut rooms: Vec<u64> = did.iter().enumerate().map(|(site, did)| room(site, did)).collect();
        let mut gifts = Vec::new();
        // Nobody is always the first.
        for site in (0..sites).map(|at| (at + step as usize) % sites) {
            let sends = self.sends_away(site, did[site].wanted, step);
            let (sent, helped) = self.hand_out(site, sends, step, &mut rooms, &mut gifts);
            did[site].sent = sent;
            did[site].helped = helped;
            did[site].own = (did[site].wanted - sent).min(budget);
        }
        for (helper, owner, served) in &gifts {
            did[*helper].given += served;
            let price = self.price * i64::try_from(*served).unwrap_or(i64::MAX);
            self.accounts[*helper] += price;
            self.accounts[*owner] -= price;
        }
        self.gifts.push(gifts);
        if self.gifts.len() > REMEMBERED {
            self.gifts.remove(0);
        }
        did
    }

    /// How much a site would have others serve.
    fn sends_away(&mut self, site: usize, wanted: u64, step: u64) -> u64 {
        let (budget, sites) = (u64::from(BUDGET), self.stage.plot.members as u64);
        let excess = wanted.saturating_sub(budget);
        match self.policy {
            Policy::NoMesh => 0,
            Policy::StaticSplit => wanted * (sites - 1) / sites,
            Policy::Thresholds => {
                let average = &mut self.averages[site];
                *average = *average + wanted * 1_000 / AVERAGED - *average / AVERAGED;
                let share = *average / (budget * 10);
                self.sends[site] = share > 90 || (self.sends[site] && share >= 60);
                if self.sends[site] { wanted.saturating_sub(budget * 6 / 10) } else { 0 }
            }
            Policy::Heartbeats => {
                // No two sites have theirs at one moment.
                if (step + site as u64 * HEARTBEAT / sites).is_multiple_of(HEARTBEAT) {
                    self.shares[site] = excess * 1_000_000 / wanted.max(1);
                }
                wanted * self.shares[site] / 1_000_000
            }
            Policy::Ours | Policy::TitForTat | Policy::OneAccount => excess,
        }
    }

    /// Gives it to helpers; tells how much left, and how much was served.
    fn hand_out(&self, site: usize, sends: u64, step: u64, rooms: &mut [u64], gifts: &mut Vec<(usize, usize, u64)>) -> (u64, u64) {
        let sites = self.stage.plot.members;
        // Who has decided once sends equal parts, and does not know who has room.
        let blind = matches!(self.policy, Policy::StaticSplit | Policy::Thresholds | Policy::Heartbeats);
        let part = if blind { sends.div_ceil(sites as u64 - 1) } else { u64::MAX };
        let (mut left, mut helped) = (sends, 0);
        for helper in (1..sites).map(|at| (site + at + step as usize % sites) % sites).filter(|helper| *helper != site) {
            let asked = left.min(part);
            let served = asked.min(rooms[helper]).min(self.allows(helper, site, step));
            rooms[helper] -= served;
            helped += served;
            left -= if blind { asked } else { served };
            if served > 0 {
                gifts.push((helper, site, served));
            }
        }
        (sends - left, helped)
    }

    /// How much a helper serves for an owner, beside what it has room for.
    fn allows(&self, helper: usize, owner: usize, step: u64) -> u64 {
        match self.policy {
            Policy::OneAccount => {
                // As far as all of its lines together would let it.
                let limit = self.stage.plot.charter.newcomer_limit.0 * (self.stage.plot.members as i64 - 1);
                if self.accounts[owner] / 10 > -limit { u64::MAX } else { 0 }
            }
            Policy::TitForTat => {
                let slot = u64::from(ROOM) / (FAVOURED as u64 + 1);
                let drawn = (helper as u64 * 7 + step / DRAWN) as usize % self.stage.plot.members;
                if drawn == owner || self.favoured(helper).contains(&owner) { slot } else { 0 }
            }
            _ => u64::MAX,
        }
    }

    /// Those who served a site most lately.
    fn favoured(&self, site: usize) -> Vec<usize> {
        let mut served: Vec<(u64, usize)> = (0..self.stage.plot.members).map(|one| (0, one)).collect();
        for (helper, owner, amount) in self.gifts.iter().flatten() {
            if *owner == site {
                served[*helper].0 += amount;
            }
        }
        served.retain(|(amount, _)| *amount > 0);
        served.sort_unstable_by_key(|(amount, one)| (core::cmp::Reverse(*amount), *one));
        served.into_iter().take(FAVOURED).map(|(_, one)| one).collect()
    }
}
