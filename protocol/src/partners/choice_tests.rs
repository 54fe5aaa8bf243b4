use super::*;
use alloc::{vec, vec::Vec};
use core::time::Duration;
use proptest::prelude::*;

fn site(at: u16) -> SiteId {
    SiteId(*Digest::of("site", &at.to_le_bytes()).0.first_chunk().unwrap_or(&[0; 32]))
}

fn others(us: u16, members: u16) -> Vec<SiteId> {
    (0..members).filter(|at| *at != us).map(site).collect()
}

fn synced(members: u16, used: &[SiteId]) -> Choice {
    let mut choice = Choice::default();
    choice.sync(&site(0), others(0, members), used.iter().copied(), Time::ZERO);
    choice
}

fn hour(hours: u64) -> Time {
    Time::ZERO.after(Duration::from_secs(3_600 * hours))
}

/// What the site of an unused prospect says of itself.
const LARGE: u64 = 1_000_000;

#[test]
fn a_small_mesh_is_everybody_and_a_large_one_is_shared_out_evenly() {
    assert_eq!(synced(20, &[]).sought().count(), 19);
    assert!(!synced(20, &[]).is_to_choose);
    let mut popularity: BTreeMap<SiteId, usize> = BTreeMap::new();
    for us in 0..200 {
        let mut choice = Choice::default();
        choice.sync(&site(us), others(us, 200), core::iter::empty(), Time::ZERO);
        for other in choice.sought() {
            *popularity.entry(*other).or_default() += 1;
        }
    }
    assert_eq!(popularity.values().sum::<usize>(), 200 * PARTNERS_MAX);
    assert!(popularity.values().all(|times| *times < 2 * PARTNERS_MAX), "nobody is everybody's partner");
}

#[test]
fn those_with_whom_lines_are_used_come_before_the_lot() {
    let lot = synced(200, &[]);
    let used: Vec<SiteId> = others(0, 200).into_iter().filter(|site| !lot.is_sought(site)).take(20).collect();
    let choice = synced(200, &used);
    assert_eq!(choice.sought().count(), PARTNERS_MAX);
    assert_eq!(used.iter().filter(|site| choice.is_sought(site)).count(), PARTNERS_MAX - PARTNERS_DRAWN, "and the first of them");
    assert!(lot.drawn == choice.drawn, "half stays as the lot has it");
}

#[test]
fn the_least_gives_way_to_the_best_when_it_had_its_trial() {
    let mut choice = synced(100, &[]);
    let best = others(0, 100).into_iter().find(|site| !choice.is_sought(site)).unwrap();
    choice.prospects.hear(best, LARGE, hour(1));
    let least = *choice.held.keys().next().unwrap();
    let merit = |site: &SiteId| if *site == least { 10 } else { 1_000 };
    let promise = |_: &SiteId, spare: u64| spare;
    assert_eq!(choice.clone().review(hour(0), merit, |_| false, promise), None, "nobody had its trial");
    assert_eq!(choice.clone().review(hour(1), merit, |_| true, promise), None, "all are bound to us");
    assert_eq!(choice.clone().review(hour(1), |_| LARGE, |_| false, promise), None, "it is no better");
    assert_eq!(choice.clone().review(hour(1), |_| LARGE * 3 / 4, |_| false, promise), None, "it is not better by half");
    let exchange = choice.review(hour(1), merit, |_| false, promise);
    assert_eq!(exchange, Some(Exchange { gone: least, taken: Some(best) }));
    assert!(choice.is_sought(&best) && !choice.is_sought(&least));
    choice.prospects.hear(least, LARGE, hour(2));
    assert_eq!(choice.prospects.count(), 0, "who gave up its place does not come back the same day");
    assert_eq!(choice.review(hour(2), merit, |_| false, promise), None);
}

#[test]
fn who_was_drawn_gives_way_to_nobody() {
    let mut choice = synced(100, &[]);
    let drawn = choice.drawn.clone();
    for other in others(0, 100) {
        choice.prospects.hear(other, LARGE, hour(1));
    }
    let mut exchanges = 0;
    for at in 0..200 {
        let now = hour(1).after(Duration::from_secs(600 * at));
        others(0, 100).into_iter().for_each(|other| choice.prospects.hear(other, LARGE, now));
        let exchange = choice.review(now, |_| 0, |_| false, |_, spare| spare);
        exchanges += usize::from(exchange.is_some());
        assert_eq!(choice.sought().count(), PARTNERS_MAX);
    }
    assert!(exchanges > 2 * (PARTNERS_MAX - PARTNERS_DRAWN), "{exchanges}");
    assert_eq!(choice.drawn, drawn);
}

#[test]
fn a_mesh_that_grows_lets_the_lot_have_its_half_and_those_beyond_give_way_one_by_one() {
    let mut choice = synced(31, &[]);
    assert_eq!(choice.sought().count(), PARTNERS_MAX);
    choice.sync(&site(0), others(0, 400), core::iter::empty(), hour(0));
    let beyond = choice.sought().count() - PARTNERS_MAX;
    assert!(beyond > 5, "whom we know is not dropped at once: {beyond}");
    for at in 0..beyond as u64 {
        let now = hour(2).after(Duration::from_secs(at));
        let exchange = choice.review(now, |_| LARGE, |_| false, |_, spare| spare).unwrap();
        assert_eq!(exchange.taken, None);
    }
    assert_eq!(choice.sought().count(), PARTNERS_MAX);
}

#[derive(Debug, Clone)]
enum Event {
    Members(Vec<u16>),
    Hear(u16, u64),
    Review(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        prop::collection::btree_set(1_u16..90, 0..90).prop_map(|members| Event::Members(members.into_iter().collect())),
        (1_u16..90, any::<u64>()).prop_map(|(of, spare)| Event::Hear(of, spare)),
        (1_u64..5_000).prop_map(Event::Review),
    ]
}

proptest! {
    #[test]
    fn whatever_is_heard_places_are_bounded_and_members_only_hold_them(events in prop::collection::vec(event(), 1..60)) {
        let (mut choice, mut now, mut members) = (Choice::default(), Time::ZERO, vec![]);
        for event in events {
            match event {
                Event::Members(of) => {
                    members = of.into_iter().map(site).collect();
                    choice.sync(&site(0), members.clone(), core::iter::empty(), now);
                }
                Event::Hear(of, spare) => {
                    let of = site(of);
                    if members.contains(&of) && !choice.is_sought(&of) {
                        choice.prospects.hear(of, spare, now);
                    }
                }
                Event::Review(seconds) => {
                    now = now.after(Duration::from_secs(seconds));
                    let before: BTreeSet<SiteId> = choice.sought().copied().collect();
                    let exchange = choice.review(now, |site| u64::from(site.0[0]), |site| site.0[1] % 4 == 0, |_, spare| spare);
                    let gone = exchange.map(|exchange| exchange.gone);
                    prop_assert!(gone.is_none_or(|gone| before.contains(&gone) && gone.0[1] % 4 != 0));
                    prop_assert!(before.iter().all(|site| choice.is_sought(site) || gone == Some(*site)));
                }
            }
            prop_assert!(choice.drawn.len() <= PARTNERS_MAX);
            prop_assert!(choice.sought().all(|site| members.contains(site)));
            prop_assert!(choice.sought().count() >= members.len().min(PARTNERS_MAX));
            prop_assert!(choice.prospects.count() <= crate::limits::PROSPECTS_MAX);
            prop_assert!(choice.drawn.iter().all(|site| !choice.held.contains_key(site)));
        }
    }
}
