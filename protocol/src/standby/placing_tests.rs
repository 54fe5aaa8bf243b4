use super::*;
use crate::{io::Output, limits::STANDBY_BYTES_MAX};
use alloc::{format, vec};
use core::time::Duration;
use overspill_governance::{
    site::Key,
    time::{Date, Now},
    units::RequestRate,
};
use proptest::prelude::*;

const BUDGET: ByteRate = ByteRate(1_000_000);
const CALENDAR: Date = Date::from_millis(1_000_000);

fn desk() -> Desk {
    Desk::new(Key::from_seed([1; 32]), [2; 32], Now { time: Time::ZERO.after(STANDBY_PAUSE), date: CALENDAR })
}

fn later(desk: &mut Desk) {
    desk.now.time = desk.now.time.after(STANDBY_PAUSE);
}

fn hot(sizes: &[u64]) -> Vec<HotObject> {
    let object = |(name, size): (usize, &u64)| HotObject {
        path: format!("/{name}"),
        digest: ObjectDigest::of(&name.to_le_bytes()),
        size: Bytes(*size),
        media_type: "image/png".into(),
        fresh_until: CALENDAR.after(Duration::from_secs(3_600)),
        wanted: Bytes::ZERO,
    };
    sizes.iter().enumerate().map(object).collect()
}

fn offer(bytes: u64) -> Offer {
    Offer { requests: RequestRate(100), bytes: ByteRate(bytes), storage: Bytes(1 << 30), https: false }
}

fn helper(name: u8) -> SiteId {
    SiteId([name; 32])
}

fn said(desk: &mut Desk) -> Vec<(SiteId, Preposition)> {
    let sent = core::iter::from_fn(|| desk.poll()).filter_map(|output| match output {
        Output::Send { to, message } => match *message {
            Message::Preposition(wish) => Some((to, wish)),
            _ => None,
        },
        _ => None,
    });
    sent.collect()
}

#[test]
fn each_hot_object_stands_by_with_one_partner_in_proportion_to_its_offer() {
    let (mut placing, mut desk) = (Placing::default(), desk());
    placing.on_hot(&mut desk, &hot(&[1_000; 60]), 0);
    placing.look(&mut desk, BUDGET, &[(helper(1), offer(2_000)), (helper(2), offer(1_000))]);
    let wishes: BTreeMap<SiteId, Preposition> = said(&mut desk).into_iter().collect();
    assert_eq!((wishes[&helper(1)].objects.len(), wishes[&helper(2)].objects.len()), (40, 20));
    assert_eq!(placing.held_by(&helper(1)).len(), 40);
    later(&mut desk);
    placing.look(&mut desk, BUDGET, &[(helper(1), offer(2_000)), (helper(2), offer(1_000))]);
    assert_eq!(said(&mut desk), [], "nothing is placed twice");
}

#[test]
fn what_many_want_stands_by_with_several_and_each_partner_gets_its_part_of_the_demand() {
    let (mut placing, mut desk) = (Placing::default(), desk());
    let mut objects = hot(&[1_000; 41]);
    (objects[40].wanted, objects[39].wanted) = (Bytes(60_000), Bytes(20_000));
    objects[..39].iter_mut().for_each(|object| object.wanted = Bytes(1_000));
    let offers: Vec<(SiteId, Offer)> = (1..=8).map(|name| (helper(name), offer(1_000))).collect();
    placing.on_hot(&mut desk, &objects, 0);
    placing.look(&mut desk, BUDGET, &offers);
    let copies = |at: usize| offers.iter().filter(|(helper, _)| placing.held_by(helper).contains(&objects[at].digest)).count();
    // 60 and 20 of 119 parts, of eight partners, with half as much again in reserve.
    assert_eq!((copies(40), copies(39)), (7, 3));
    assert!((0..39).all(|at| copies(at) == 1));
    let loads: Vec<u64> = placing.loads().into_values().collect();
    assert!(loads.iter().all(|load| (13_000..=17_000).contains(load)), "{loads:?}");
}

#[test]
fn the_hottest_go_first_and_no_faster_than_their_share_of_the_line() {
    let (mut placing, mut desk) = (Placing::default(), desk());
    placing.on_hot(&mut desk, &hot(&[100_000, 121_000, 100_000, 1_000]), 0);
    let offers = [(helper(1), offer(1_000))];
    let mut counts = Vec::new();
    for _ in 0..4 {
        placing.look(&mut desk, BUDGET, &offers);
        counts.push(placing.held_by(&helper(1)).len());
        later(&mut desk);
    }
    assert_eq!(counts, [1, 3, 3, 3], "12 % of a megabyte each second; what is larger than that stays at home");
}

#[test]
fn what_is_not_fresh_for_long_is_not_worth_it_and_a_partner_that_is_gone_is_replaced() {
    let (mut placing, mut desk) = (Placing::default(), desk());
    let mut objects = hot(&[1_000, 1_000]);
    objects[0].fresh_until = CALENDAR.after(Duration::from_secs(30));
    placing.on_hot(&mut desk, &objects, 0);
    placing.look(&mut desk, BUDGET, &[(helper(1), offer(1_000))]);
    assert_eq!(placing.held_by(&helper(1)).len(), 1);
    placing.forget(&helper(1));
    later(&mut desk);
    placing.look(&mut desk, BUDGET, &[(helper(2), offer(1_000))]);
    assert_eq!((placing.held_by(&helper(1)).len(), placing.held_by(&helper(2)).len()), (0, 1));
}

#[test]
fn only_the_partner_it_stands_by_with_is_filled_under_the_permit() {
    let (mut placing, mut desk) = (Placing::default(), desk());
    placing.on_hot(&mut desk, &hot(&[7]), 0);
    placing.look(&mut desk, BUDGET, &[(helper(1), offer(1_000))]);
    let (_, wish) = said(&mut desk).remove(0);
    let digest = wish.objects[0].digest;
    assert_eq!(placing.permitted(&helper(1), &wish.permit, &digest), Some(Bytes(7)));
    assert_eq!(placing.permitted(&helper(2), &wish.permit, &digest), None);
    assert_eq!(placing.permitted(&helper(1), &LeaseId([0; 8]), &digest), None);
    assert_eq!(placing.permitted(&helper(1), &wish.permit, &ObjectDigest([9; 32])), None);
}

#[test]
fn a_purge_is_said_at_once_and_only_to_whom_it_concerns() {
    let (mut placing, mut desk) = (Placing::default(), desk());
    let objects = hot(&[1_000, 1_000, 1_000]);
    placing.on_hot(&mut desk, &objects, 0);
    placing.look(&mut desk, BUDGET, &[(helper(1), offer(2_000)), (helper(2), offer(1_000))]);
    said(&mut desk);
    let purged = (0..3).find(|at| placing.held_by(&helper(2)).contains(&objects[*at].digest)).unwrap();
    let left: Vec<HotObject> = objects.iter().enumerate().filter(|(at, _)| *at != purged).map(|(_, object)| object.clone()).collect();
    placing.on_hot(&mut desk, &left, 0);
    assert_eq!(said(&mut desk), [], "what merely cooled may stay");
    placing.on_hot(&mut desk, &left, 1);
    let wishes = said(&mut desk);
    assert_eq!(wishes.iter().map(|(to, wish)| (*to, wish.only, wish.objects.len())).collect::<Vec<_>>(), vec![(helper(2), true, 0)]);
    assert_eq!(placing.held_by(&helper(2)).len(), 0);
}

#[test]
fn partners_that_are_full_make_room_for_what_is_hot_now() {
    let (mut placing, mut desk) = (Placing::default(), desk());
    let offers = [(helper(1), offer(1_000))];
    let yesterday = hot(&[10; STANDBY_OBJECTS_MAX]);
    placing.on_hot(&mut desk, &yesterday, 0);
    placing.look(&mut desk, BUDGET, &offers);
    assert_eq!(placing.held_by(&helper(1)).len(), STANDBY_OBJECTS_MAX);
    said(&mut desk);
    later(&mut desk);
    let today: Vec<HotObject> = hot(&[10; STANDBY_OBJECTS_MAX + 2]).split_off(2);
    placing.on_hot(&mut desk, &today, 0);
    placing.look(&mut desk, BUDGET, &offers);
    let counts: Vec<(bool, usize)> = said(&mut desk).iter().map(|(_, wish)| (wish.only, wish.objects.len())).collect();
    assert_eq!(counts, [(true, STANDBY_OBJECTS_MAX - 2), (false, STANDBY_OBJECTS_MAX)]);
    assert!(today.iter().all(|object| placing.held_by(&helper(1)).contains(&object.digest)));
    later(&mut desk);
    placing.look(&mut desk, BUDGET, &offers);
    assert_eq!(said(&mut desk), [], "and it ends");
}

proptest! {
    #[test]
    fn the_bounds_hold(
        sizes in prop::collection::vec((0_u64..3_000_000, 0_u64..1 << 60), 0..100), offers in prop::collection::vec(0_u64..5_000, 0..5), looks in 1_usize..20,
    ) {
        let (mut placing, mut desk) = (Placing::default(), desk());
        let budget = ByteRate(20_000_000);
        let offers: Vec<(SiteId, Offer)> = offers.iter().zip(1..).map(|(bytes, name)| (helper(name), offer(*bytes))).collect();
        let (sizes, demand): (Vec<u64>, Vec<u64>) = sizes.into_iter().unzip();
        let mut objects = hot(&sizes);
        objects.iter_mut().zip(demand).for_each(|(object, wanted)| object.wanted = Bytes(wanted));
        placing.on_hot(&mut desk, &objects, 0);
        for _ in 0..looks {
            placing.look(&mut desk, budget, &offers);
            later(&mut desk);
        }
        let total: u64 = placing.placed.values().map(|placed| placed.bytes).sum();
        prop_assert!(total <= (looks as u64) * budget.0 / 100 * STANDBY_SHARE_PERCENT);
        for placed in placing.placed.values() {
            prop_assert!(placed.bytes <= STANDBY_BYTES_MAX && placed.objects.len() <= STANDBY_OBJECTS_MAX);
            prop_assert_eq!(placed.bytes, placed.objects.values().map(|size| size.0).sum::<u64>());
        }
        let total = placing.placed.values().map(|placed| placed.objects.len()).sum::<usize>();
        prop_assert!(total <= objects.len() + offers.len() * (100 + STANDBY_RESERVE_PERCENT as usize) / 100, "one each, and the reserve");
    }
}
