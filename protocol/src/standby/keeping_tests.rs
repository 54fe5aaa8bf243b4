use super::*;
use crate::message::StandbyObject;
use alloc::vec::Vec;
use overspill_governance::{
    payword::LeaseId,
    site::Key,
    time::{Date, Now},
};

const OWNER: SiteId = SiteId([7; 32]);
const STORAGE: Bytes = Bytes(1 << 30);

fn desk() -> Desk {
    Desk::new(Key::from_seed([1; 32]), [2; 32], Now { time: Time::ZERO, date: Date::from_millis(1_000_000) })
}

fn digest(name: usize) -> ObjectDigest {
    ObjectDigest::of(&name.to_le_bytes())
}

fn wish(names: core::ops::Range<usize>, size: u64, only: bool) -> Preposition {
    let objects = names.map(|name| StandbyObject { digest: digest(name), size: Bytes(size) }).collect();
    Preposition { permit: LeaseId([3; 8]), objects, only }
}

/// What is to be fetched, and what is to be kept, since the last look.
fn asked(desk: &mut Desk) -> (Vec<FillWanted>, Vec<usize>) {
    let (mut wants, mut keeps) = (Vec::new(), Vec::new());
    while let Some(output) = desk.poll() {
        match output {
            Output::StandBy { want } => wants.push(want),
            Output::Keep { digests, .. } => keeps.push(digests.len()),
            other => panic!("unexpected {other:?}"),
        }
    }
    (wants, keeps)
}

#[test]
fn few_are_fetched_at_a_time_each_once_and_a_failure_may_be_asked_for_again() {
    let (mut keeping, mut desk) = (Keeping::default(), desk());
    keeping.on_preposition(&mut desk, OWNER, &wish(0..10, 10, false), STORAGE, false).unwrap();
    keeping.on_preposition(&mut desk, OWNER, &wish(0..10, 10, false), STORAGE, false).unwrap();
    let mut fetched = 0;
    loop {
        let (wants, _) = asked(&mut desk);
        assert!(wants.len() <= STANDBY_FETCHES_MAX);
        if wants.is_empty() {
            break;
        }
        for want in wants {
            assert!(keeping.on_fetched(&mut desk, &want, want.digest != digest(4)));
            assert!(!keeping.on_fetched(&mut desk, &want, true), "a stranger's fetch is none of ours");
            fetched += 1;
        }
    }
    assert_eq!(fetched, 10);
    keeping.on_preposition(&mut desk, OWNER, &wish(0..10, 10, false), STORAGE, false).unwrap();
    assert_eq!(asked(&mut desk).0.iter().map(|want| want.digest).collect::<Vec<_>>(), [digest(4)]);
}

#[test]
fn a_visitors_fetch_of_the_same_object_is_another() {
    let (mut keeping, mut desk) = (Keeping::default(), desk());
    keeping.on_preposition(&mut desk, OWNER, &wish(0..1, 10, false), STORAGE, false).unwrap();
    let (wants, _) = asked(&mut desk);
    let visitors = FillWanted { lease: LeaseId([4; 8]), ..wants[0] };
    assert!(!keeping.on_fetched(&mut desk, &visitors, false));
    assert!(keeping.on_fetched(&mut desk, &wants[0], true));
}

#[test]
fn nothing_comes_for_an_owner_that_is_not_welcome_and_too_much_is_a_fault() {
    let (mut keeping, mut desk) = (Keeping::default(), desk());
    keeping.on_preposition(&mut desk, OWNER, &wish(0..3, 10, false), Bytes::ZERO, false).unwrap();
    assert!(keeping.on_preposition(&mut desk, OWNER, &wish(0..STANDBY_OBJECTS_MAX + 1, 1, false), STORAGE, false).is_err());
    assert!(keeping.on_preposition(&mut desk, OWNER, &wish(0..1, OBJECT_BYTES_MAX + 1, false), STORAGE, false).is_err());
    assert!(keeping.on_preposition(&mut desk, OWNER, &wish(0..5, OBJECT_BYTES_MAX, false), STORAGE, false).is_err());
    assert_eq!(asked(&mut desk), (Vec::new(), Vec::new()));
}

#[test]
fn an_owner_that_changes_its_mind_all_the_time_is_bounded_by_the_hour() {
    let (mut keeping, mut desk) = (Keeping::default(), desk());
    let mut bytes = 0;
    let mut round = |keeping: &mut Keeping, desk: &mut Desk, name: usize| {
        keeping.on_preposition(desk, OWNER, &wish(name..name + 1, OBJECT_BYTES_MAX, true), STORAGE, false).unwrap();
        for want in asked(desk).0 {
            bytes += want.size.0;
            keeping.on_fetched(desk, &want, true);
        }
        bytes
    };
    let first_hour = (0..50).map(|name| round(&mut keeping, &mut desk, name)).last();
    assert_eq!(first_hour, Some(STANDBY_INBOUND_MAX));
    desk.now.time = desk.now.time.after(STANDBY_INBOUND_WINDOW);
    assert_eq!((50..99).map(|name| round(&mut keeping, &mut desk, name)).last(), Some(2 * STANDBY_INBOUND_MAX));
}

#[test]
fn a_purge_drops_the_rest_unless_a_lease_says_what_stays() {
    let (mut keeping, mut desk) = (Keeping::default(), desk());
    keeping.on_preposition(&mut desk, OWNER, &wish(0..3, 10, false), STORAGE, false).unwrap();
    for want in asked(&mut desk).0 {
        keeping.on_fetched(&mut desk, &want, true);
    }
    keeping.on_preposition(&mut desk, OWNER, &wish(0..2, 10, true), STORAGE, true).unwrap();
    assert_eq!(asked(&mut desk), (Vec::new(), Vec::new()));
    keeping.on_preposition(&mut desk, OWNER, &wish(0..2, 10, true), STORAGE, false).unwrap();
    assert_eq!(asked(&mut desk), (Vec::new(), [2].into()));
    keeping.on_preposition(&mut desk, OWNER, &wish(0..3, 10, false), STORAGE, false).unwrap();
    assert_eq!(asked(&mut desk).0.len(), 1, "what was dropped is fetched when it is wished for again");
}

#[test]
fn an_owner_that_is_gone_is_not_waited_for() {
    let (mut keeping, mut desk) = (Keeping::default(), desk());
    keeping.on_preposition(&mut desk, OWNER, &wish(0..10, 10, false), STORAGE, false).unwrap();
    let (under_way, _) = asked(&mut desk);
    keeping.forget(&OWNER);
    for want in under_way {
        keeping.on_fetched(&mut desk, &want, false);
    }
    assert_eq!(asked(&mut desk).0, []);
    keeping.on_preposition(&mut desk, OWNER, &wish(0..10, 10, false), STORAGE, false).unwrap();
    assert_eq!(asked(&mut desk).0.len(), STANDBY_FETCHES_MAX);
}
