//! Worlds of one lender and many names: who joins, takes, serves, leaves and comes back is drawn.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

use proptest::prelude::*;

use super::*;
use crate::{
    fixtures::{admission, key, later, mesh, site},
    invite::Departure,
    roster::Notice,
    rotation::{Rotation, Succession},
    site::Signed,
    units::Permille,
};

const STAKE: i64 = 1_000;
/// Who lends: brought in by the founder, as is the sponsor whose names there are.
const US: u16 = 1;
const SPONSOR: u16 = 2;

fn rules() -> Charter {
    Charter { sponsor_stake: Credit(STAKE), ..Charter::default() }
}

/// What one lender knows, and what became of those to whom it lent.
struct Lender {
    roster: Roster,
    us: SiteId,
    stakes: Stakes,
    owed: BTreeMap<SiteId, Credit>,
    /// Service that each gave, by our own count.
    gave: BTreeMap<SiteId, i64>,
    names: u16,
}

impl Lender {
    fn new(sponsors: &[u16], us: u16) -> Self {
        let names = u16::try_from(sponsors.len()).unwrap() + 1;
        Self { roster: mesh(sponsors), us: site(us), stakes: Stakes::default(), owed: BTreeMap::new(), gave: BTreeMap::new(), names }
    }

    fn join(&mut self, sponsor: u16) -> u16 {
        let name = self.names;
        self.names += 1;
        let _ = self.roster.receive(admission(sponsor, name, later(60 + u64::from(name))));
        name
    }

    fn leave(&mut self, name: u16) {
        let body = Departure { mesh: self.roster.mesh(), member: site(name), date: later(100_000 + u64::from(name)) };
        let _ = self.roster.receive(Notice::Departed(Signed::new(body, &key(name))));
        self.write_off();
    }

    /// A member goes on under a new name, and its line with it.
    fn rotate(&mut self, name: u16) -> u16 {
        let new = self.names;
        self.names += 1;
        self.succeed(name, new);
        new
    }

    /// Whoever has the key of `name` says that it goes on as `new`.
    fn succeed(&mut self, name: u16, new: u16) {
        let keeps: BTreeSet<SiteId> =
            self.roster.members().filter(|member| member.sponsor == Some(site(name))).map(|member| member.site).collect();
        let (mesh, date) = (self.roster.mesh(), later(100_000 + u64::from(new)));
        let body = Succession { mesh, old: site(name), new: site(new), recovery: None, keeps: keeps.into_iter().collect(), date };
        let _ = self.roster.receive(Notice::Rotated(Rotation::by_key(body, &key(name), &key(new)).into()));
        if self.roster.heir(&site(name)) != site(name) && !self.stakes.is_succeeded(&site(name)) {
            self.stakes.succeed(site(name), site(new));
        }
        if self.stakes.heir(&site(name)) == site(new) && self.owed.contains_key(&site(name)) {
            let owes = self.owed.remove(&site(name)).unwrap_or_default();
            self.owed.insert(site(new), owes);
            let gave = self.gave.remove(&site(name)).unwrap_or_default();
            self.gave.insert(site(new), gave);
        }
        self.write_off();
    }

    fn write_off(&mut self) -> usize {
        let due = self.due();
        due.iter().for_each(|due| self.stakes.write_off(*due));
        due.len()
    }

    fn due(&self) -> Vec<Due> {
        self.stakes.due(&self.roster, self.us, &self.owed, |site| self.roster.has_left(site))
    }

    fn room(&self, name: u16) -> Option<Credit> {
        let mut owed = self.owed.clone();
        let owes = *owed.entry(site(name)).or_default();
        let left = self.stakes.left(&self.roster, self.us, &rules(), &owed, |_| Credit(i64::MAX));
        self.stakes.room(&left, &site(name), owes)
    }

    /// Takes as much as it wants and gets; only members get anything.
    fn take(&mut self, name: u16, wanted: i64) -> i64 {
        self.stakes.know(&self.roster, site(name));
        let room = self.room(name).map_or(i64::MAX, |room| room.0);
        let taken = if self.roster.contains(&site(name)) { wanted.min(room).max(0) } else { 0 };
        self.owed.entry(site(name)).or_default().0 += taken;
        taken
    }

    fn serve(&mut self, name: u16, worth: i64) {
        self.owed.entry(site(name)).or_default().0 -= worth;
        self.stakes.on_service(site(name), Credit(worth));
        *self.gave.entry(site(name)).or_default() += worth;
    }

    /// What these owe beyond as much as each gave, less what they gave to make up for others.
    fn unserved(&self, names: &[u16]) -> i64 {
        let of = |name: &u16| {
            let (owed, gave) = (self.owed.get(&site(*name)).map_or(0, |owed| owed.0), self.gave.get(&site(*name)).copied().unwrap_or(0));
            let served = self.stakes.served(&site(*name)).0;
            (owed - served).max(0) - (gave - served)
        };
        names.iter().map(of).sum()
    }
}

#[derive(Debug, Clone)]
enum Act {
    /// A new name, brought in by one of those before it.
    Join(usize),
    Take(usize, i64),
    Serve(usize, i64),
    Leave(usize),
    /// A new key; and another one beside it, by which neither counts.
    Rotate(usize, bool),
}

fn acts(serves: bool) -> impl Strategy<Value = Vec<Act>> {
    let which = 0_usize..1_000;
    let act = prop_oneof![
        3 => which.clone().prop_map(Act::Join),
        5 => (which.clone(), 1_i64..2_000).prop_map(|(who, worth)| Act::Take(who, worth)),
        u32::from(serves) => (which.clone(), 1_i64..400).prop_map(|(who, worth)| Act::Serve(who, worth)),
        2 => which.clone().prop_map(Act::Leave),
        2 => (which, prop::bool::weighted(0.3)).prop_map(|(who, twice)| Act::Rotate(who, twice)),
    ];
    prop::collection::vec(act, 0..60)
}

/// Plays acts among a sponsor and the names behind it; the sponsor may leave, too.
fn play(lender: &mut Lender, acts: Vec<Act>, mut look: impl FnMut(&Lender, &[u16])) {
    let mut names = vec![SPONSOR];
    for act in acts {
        let of = |at: usize| names[at % names.len()];
        match act {
            Act::Join(by) => {
                let sponsor = of(by);
                names.push(lender.join(sponsor));
            }
            Act::Take(who, worth) => {
                lender.take(of(who), worth);
            }
            Act::Serve(who, worth) => lender.serve(of(who), worth),
            Act::Leave(who) => lender.leave(of(who)),
            Act::Rotate(who, twice) => {
                let old = of(who);
                let new = lender.rotate(old);
                names.push(new);
                if twice {
                    lender.rotate(old);
                }
            }
        }
        look(lender, &names);
    }
}

#[test]
fn ten_names_get_what_one_gets() {
    let mut lender = Lender::new(&[0, 0], US);
    let names: Vec<u16> = (0..10).map(|_| lender.join(SPONSOR)).collect();
    let taken: i64 = names.iter().map(|name| lender.take(*name, 300)).sum();
    assert_eq!(taken, STAKE);
    assert_eq!(lender.room(SPONSOR), Some(Credit::ZERO), "it is one branch with them");
    lender.serve(names[9], 700);
    assert_eq!(lender.take(names[9], 5_000), 1_400, "who served is trusted with as much again: what it is owed, and that");
    assert_eq!(lender.take(names[8], 1), 0);
}

#[test]
fn a_chain_of_names_hides_nobody() {
    let mut lender = Lender::new(&[0, 0], US);
    let (mut last, mut taken) = (SPONSOR, 0);
    for _ in 0..30 {
        last = lender.join(last);
        taken += lender.take(last, 300);
    }
    assert_eq!(taken, STAKE);
}

#[test]
fn who_came_in_by_the_founder_has_its_own_stake_and_the_founder_its_own_limits() {
    let mut lender = Lender::new(&[0, 0, 0, 0], US);
    assert_eq!([2, 3, 4].map(|name| lender.take(name, 5_000)), [STAKE; 3]);
    assert_eq!(lender.take(0, 5_000), 5_000, "nobody stands for the founder; its line has a limit");
    let mut founder = Lender::new(&[0, 0, 0], 0);
    assert_eq!([1, 2, 3].map(|name| founder.take(name, 5_000)), [STAKE; 3], "whom we brought in");
    assert_eq!(founder.room(99), Some(Credit::ZERO), "a stranger gets nothing");
}

#[test]
fn what_was_left_unpaid_uses_the_stake_up_until_it_is_made_up_for() {
    let mut lender = Lender::new(&[0, 0], US);
    let first = lender.join(SPONSOR);
    assert_eq!(lender.take(first, 600), 600);
    lender.leave(first);
    assert_eq!(lender.stakes.answers_for(&site(SPONSOR)), Credit(600));
    let second = lender.join(SPONSOR);
    assert_eq!(lender.take(second, 5_000), 400, "a new name gets what is left");
    lender.leave(second);
    let third = lender.join(SPONSOR);
    assert_eq!((lender.take(third, 1), lender.stakes.answers_for(&site(SPONSOR))), (0, Credit(STAKE)), "then nothing");
    lender.serve(SPONSOR, 700);
    assert_eq!((lender.stakes.answers_for(&site(SPONSOR)), lender.stakes.served(&site(SPONSOR))), (Credit(300), Credit::ZERO));
    assert_eq!(lender.take(third, 5_000), 700);
}

#[test]
fn a_write_off_happens_once_and_passes_on_with_who_answers_for_it() {
    let mut lender = Lender::new(&[0, 0, 2, 3], US);
    assert_eq!(lender.take(4, 300), 300);
    lender.leave(4);
    assert_eq!((lender.write_off(), lender.stakes.answers_for(&site(3))), (0, Credit(300)));
    assert_eq!(lender.take(3, 200), 200);
    lender.leave(3);
    assert_eq!(
        (lender.write_off(), lender.stakes.answers_for(&site(3)), lender.stakes.answers_for(&site(2))),
        (0, Credit::ZERO, Credit(500))
    );
    lender.leave(2);
    assert_eq!(lender.stakes.answers_for(&site(0)), Credit(500));
    let new = lender.join(0);
    assert_eq!(lender.room(new), Some(Credit(500)), "the founder's stake is half used up for everybody whom it brings in");
    lender.leave(0);
    assert_eq!((lender.write_off(), lender.stakes.answers_for(&site(0))), (0, Credit(500)), "nobody is above");
}

#[test]
fn who_comes_back_and_pays_relieves_its_sponsor() {
    let mut lender = Lender::new(&[0, 0, 2], US);
    assert_eq!(lender.take(3, 400), 400);
    // Taken for gone, and back.
    let due = lender.stakes.due(&lender.roster, lender.us, &lender.owed, |gone| *gone == site(3));
    due.iter().for_each(|due| lender.stakes.write_off(*due));
    assert_eq!(lender.stakes.answers_for(&site(2)), Credit(400));
    assert_eq!(lender.take(3, 5_000), 600, "what was written off is not lent again");
    lender.serve(3, 400);
    assert_eq!((lender.stakes.answers_for(&site(2)), lender.stakes.written_off().count()), (Credit::ZERO, 0));
}

#[test]
fn a_sponsor_puts_up_no_more_than_what_it_is_granted_itself() {
    let lender = Lender::new(&[0, 0, 2], US);
    let owed = BTreeMap::from([(site(3), Credit::ZERO)]);
    let left = |granted: i64| lender.stakes.left(&lender.roster, lender.us, &rules(), &owed, |_| Credit(granted)).of(&site(3));
    assert_eq!((left(5_000), left(10), left(0), left(-7)), (Some(Credit(STAKE)), Some(Credit(10)), Some(Credit::ZERO), Some(Credit::ZERO)));
}

#[test]
fn what_a_limit_has_grown_by_shows_service_that_was_forgotten() {
    let (mut stakes, charter) = (Stakes::default(), Charter { limit_growth: Permille(500), ..rules() });
    stakes.on_grown(site(2), Credit(250), &charter);
    assert_eq!(stakes.served(&site(2)), Credit(500));
    stakes.on_grown(site(2), Credit(100), &charter);
    stakes.on_grown(site(2), Credit(-100), &Charter { limit_growth: Permille(0), ..charter });
    assert_eq!(stakes.served(&site(2)), Credit(500), "it shows no less than is known");
}

#[test]
fn who_goes_on_under_a_new_key_keeps_its_place_behind_a_stake_and_its_debts() {
    let mut lender = Lender::new(&[0, 0], US);
    let name = lender.join(SPONSOR);
    assert_eq!(lender.take(name, 600), 600);
    let new = lender.rotate(name);
    assert_eq!((lender.take(new, 5_000), lender.take(name, 1)), (400, 0), "no fresh stake");
    lender.serve(new, 100);
    let newer = lender.rotate(new);
    assert_eq!((lender.stakes.served(&site(newer)), lender.take(newer, 5_000)), (Credit(100), 200));
    lender.leave(newer);
    assert_eq!(lender.stakes.answers_for(&site(SPONSOR)), Credit(1_000), "the debt is written off once, less what its own service covers");
}

#[test]
fn a_sponsor_answers_under_its_new_key_for_what_it_answered_for() {
    let mut lender = Lender::new(&[0, 0], US);
    let first = lender.join(SPONSOR);
    assert_eq!(lender.take(first, 600), 600);
    lender.leave(first);
    let sponsor = lender.rotate(SPONSOR);
    assert_eq!((lender.stakes.answers_for(&site(SPONSOR)), lender.stakes.answers_for(&site(sponsor))), (Credit::ZERO, Credit(600)));
    let second = lender.join(sponsor);
    assert_eq!(lender.take(second, 5_000), 400, "no fresh stake");
    lender.serve(sponsor, 250);
    // Beginning anew shows all service, also what made up for others.
    lender.stakes.on_grown(site(sponsor), Credit(125), &Charter { limit_growth: Permille(500), ..rules() });
    assert_eq!((lender.stakes.answers_for(&site(sponsor)), lender.stakes.served(&site(sponsor))), (Credit(350), Credit::ZERO));
}

#[test]
fn the_founder_has_its_own_limits_under_whatever_key() {
    let mut lender = Lender::new(&[0, 0], US);
    let founder = lender.rotate(0);
    assert_eq!((lender.take(founder, 5_000), lender.take(SPONSOR, 5_000)), (5_000, STAKE));
}

#[test]
fn who_contradicts_its_rotation_is_gone_with_its_debt_on_its_sponsor() {
    let mut lender = Lender::new(&[0, 0], US);
    let name = lender.join(SPONSOR);
    assert_eq!(lender.take(name, 600), 600);
    let new = lender.rotate(name);
    lender.rotate(name);
    assert!(!lender.roster.contains(&site(new)));
    assert_eq!((lender.stakes.answers_for(&site(SPONSOR)), lender.write_off()), (Credit(600), 0));
}

#[test]
fn two_members_who_take_on_one_key_both_leave_their_debts_to_somebody() {
    let mut lender = Lender::new(&[0, 0], US);
    let (one, other) = (lender.join(SPONSOR), lender.join(SPONSOR));
    assert_eq!((lender.take(one, 300), lender.take(other, 400)), (300, 400));
    let new = lender.rotate(one);
    lender.succeed(other, new);
    let next = lender.join(SPONSOR);
    assert_eq!(lender.take(next, 5_000), 300);
}

#[test]
fn a_key_that_only_seemed_to_have_the_place_hands_on_what_is_known() {
    let mut stakes = Stakes::default();
    let [one, thief, heir] = [1, 2, 3].map(site);
    stakes.on_service(one, Credit(500));
    stakes.succeed(one, thief);
    stakes.succeed(one, heir);
    assert_eq!((stakes.served(&thief), stakes.served(&heir), stakes.heir(&one)), (Credit::ZERO, Credit(500), heir));
    // Nothing goes round.
    stakes.succeed(heir, one);
    stakes.succeed(heir, thief);
    assert_eq!((stakes.served(&heir), stakes.heir(&thief)), (Credit(500), heir));
}

proptest! {
    // Admissions are signed, and a case has dozens.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Of names that give nothing, any number, in any order of joining, leaving and coming back, with chains, and with the sponsor gone or not.
    #[test]
    fn all_names_behind_one_sponsor_owe_at_most_its_stake(acts in acts(false), founds: bool) {
        // We are a member beside the sponsor, or the founder, who brought it in.
        let us = if founds { 0 } else { US };
        play(&mut Lender::new(&[0, 0], us), acts, |lender, names| {
            let owed: i64 = names.iter().filter_map(|name| lender.owed.get(&site(*name))).map(|owed| owed.0).sum();
            assert!(owed <= STAKE, "{owed}");
        });
    }

    /// Of names that also serve: beyond as much again as they gave.
    #[test]
    fn beyond_what_they_gave_they_owe_at_most_the_stake(acts in acts(true)) {
        play(&mut Lender::new(&[0, 0], US), acts, |lender, names| {
            let unserved = lender.unserved(names);
            assert!(unserved <= STAKE, "{unserved}");
            assert_eq!(lender.due(), [], "what was made up for is not written off again");
        });
    }

    /// Whoever pays before it leaves costs its sponsor nothing.
    #[test]
    fn an_honest_sponsor_whose_newcomers_pay_loses_nothing(
        acts in prop::collection::vec((0_usize..8, 1_i64..400, any::<bool>()), 0..40),
    ) {
        let mut lender = Lender::new(&[0, 0], US);
        let mut names: Vec<u16> = (0..8).map(|_| lender.join(SPONSOR)).collect();
        for (at, worth, leaves) in acts {
            let name = names[at];
            lender.take(name, worth);
            let owes = lender.owed.get(&site(name)).map_or(0, |owed| owed.0).max(0);
            if leaves {
                lender.serve(name, owes);
                lender.leave(name);
                names[at] = lender.join(SPONSOR);
            }
        }
        prop_assert_eq!(lender.stakes.answers_for(&site(SPONSOR)), Credit::ZERO);
        for name in names {
            let owes = lender.owed.get(&site(name)).map_or(0, |owed| owed.0).max(0);
            lender.serve(name, owes);
        }
        prop_assert_eq!(lender.room(SPONSOR), Some(Credit(STAKE)));
    }

    /// What nobody made up for is what was left, whoever leaves in whatever order, as long as somebody above is left.
    #[test]
    fn each_debt_is_written_off_once(takes in prop::collection::vec(1_i64..300, 1..6), order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let mut lender = Lender::new(&[0, 0], US);
        let mut names = vec![SPONSOR];
        let mut total = 0;
        for worth in takes {
            let name = lender.join(*names.last().unwrap());
            total += lender.take(name, worth);
            names.push(name);
        }
        for at in order.into_iter().filter(|at| *at < names.len()) {
            lender.leave(names[at]);
            assert_eq!(lender.write_off(), 0, "nothing is left to write off");
        }
        prop_assert_eq!(lender.stakes.answers_for(&site(0)), Credit(total));
        prop_assert_eq!(lender.stakes.written_off().map(|(_, written)| written.left.0).sum::<i64>(), total);
    }
}
