//! Keys that are rotated.

use alloc::collections::BTreeSet;

use super::*;
use crate::{
    electorate::Electorate,
    limits::ROTATIONS_MAX,
    rotation::{Commitment, Rotation, Succession},
};

fn succession(old: u8, keeps: &[u8], date: Date) -> Succession {
    let keeps: BTreeSet<SiteId> = keeps.iter().map(|kept| site(*kept)).collect();
    let keeps = keeps.into_iter().collect();
    Succession { mesh: founding().body.mesh(), old: site(old), new: site(old), recovery: None, keeps, date }
}

/// `old` goes on as `new`, and keeps these.
fn rotation(old: u8, new: u8, keeps: &[u8], date: Date) -> Notice {
    Notice::Rotated(Rotation::by_key(succession(old, keeps, date), &key(old), &key(new)).into())
}

/// The same, by the recovery key `recovery`.
fn recovery(old: u8, recovery: u8, new: u8, keeps: &[u8], date: Date) -> Notice {
    let body = Commitment { mesh: founding().body.mesh(), member: site(old), recovery: site(recovery), date: day(1) };
    let commitment = Signed::new(body, &key(old));
    Notice::Rotated(Rotation::by_recovery(succession(old, keeps, date), &key(recovery), commitment, &key(new)).into())
}

/// A founder 0, who brought in 1, who brought in 2 and 3.
fn village(more: &[Notice]) -> Roster {
    let mut roster = roster();
    let notices = [admission(0, 1, 1, day(2)), admission(1, 2, 1, day(3)), admission(1, 3, 2, day(3))];
    for notice in notices.iter().chain(more) {
        let _ = roster.receive(notice.clone());
    }
    roster
}

fn members(roster: &Roster) -> Vec<SiteId> {
    roster.members().map(|member| member.site).collect()
}

fn sites(numbers: &[u8]) -> Vec<SiteId> {
    let mut sites: Vec<SiteId> = numbers.iter().map(|number| site(*number)).collect();
    sites.sort();
    sites
}

#[test]
fn a_rotation_names_the_keys_that_sign_it() {
    let said = Succession { recovery: Some(site(7)), ..succession(9, &[], day(5)) };
    let rotation = Rotation::by_key(said.clone(), &key(1), &key(11));
    assert_eq!((rotation.body.old, rotation.body.new, rotation.body.recovery, rotation.is_good()), (site(1), site(11), None, true));
    let commitment = Commitment { mesh: founding().body.mesh(), member: site(1), recovery: site(7), date: day(1) };
    let rotation = Rotation::by_recovery(said, &key(7), Signed::new(commitment, &key(1)), &key(11));
    assert_eq!((rotation.body.old, rotation.body.new, rotation.is_good()), (site(1), site(11), true));
}

#[test]
fn a_member_goes_on_under_its_new_key_in_its_place() {
    let roster = village(&[rotation(1, 11, &[2, 3], day(5)), admission(11, 4, 1, day(6))]);
    assert_eq!(members(&roster), sites(&[0, 2, 3, 4, 11]));
    let heir = roster.member(&site(11)).unwrap();
    assert_eq!((heir.sponsor, heir.succeeds, heir.since), (Some(site(0)), Some(site(1)), day(5)));
    assert_eq!(heir.canonical, "https://b.example");
    assert_eq!(roster.member(&site(2)).unwrap().sponsor, Some(site(11)));
    assert_eq!([2, 4, 11].map(|member| roster.branch(&site(member))), [site(11); 3]);
    assert_eq!((roster.heir(&site(1)), roster.keys_of(&site(11))), (site(11), vec![site(11), site(1)]));
    assert!(roster.has_left(&site(1)) && roster.members_on(day(4)).any(|member| member == site(1)));
    assert!(!roster.members_on(day(5)).any(|member| member == site(1)));
}

#[test]
fn nothing_that_the_old_key_signs_afterwards_counts() {
    let thefts = [
        // Dated back: to when it might.
        admission(1, 5, 3, day(3)),
        admission(1, 6, 4, day(4)),
        // Brought in again, by who fell out.
        admission(5, 7, 1, day(4)),
    ];
    let mut before = thefts.to_vec();
    before.push(rotation(1, 11, &[2, 3], day(5)));
    let mut after = vec![rotation(1, 11, &[2, 3], day(5))];
    after.extend(thefts);
    let (before, after) = (village(&before), village(&after));
    assert_eq!(members(&before), sites(&[0, 2, 3, 11]));
    assert_eq!((members(&before), before.digest()), (members(&after), after.digest()));
    // Nor does an admission bring it back.
    let mut roster = before;
    let _ = roster.receive(admission(0, 1, 9, day(6)));
    let _ = roster.receive(admission(0, 1, 8, day(1)));
    assert!(!roster.contains(&site(1)) && roster.contains(&site(11)));
}

#[test]
fn of_two_by_the_old_key_neither_counts_and_its_holder_gets_nothing() {
    for order in [[11, 12], [12, 11]] {
        let roster = village(&order.map(|new| rotation(1, new, &[2, 3], day(u64::from(new)))));
        assert_eq!(members(&roster), sites(&[0, 2, 3]));
        assert_eq!(roster.end(&site(1)), Some(day(11)));
    }
    // To the same key it is one rotation, said twice.
    let roster = village(&[rotation(1, 11, &[2], day(5)), rotation(1, 11, &[2, 3], day(6))]);
    assert!(roster.contains(&site(11)));
}

#[test]
fn a_recovery_key_overrules_whatever_the_old_key_signs() {
    let thefts = [rotation(1, 12, &[2, 3], day(1)), departure(1, day(1)), rotation(1, 13, &[], day(1)), admission(12, 5, 1, day(4))];
    let mut before = thefts.to_vec();
    before.push(recovery(1, 30, 11, &[2, 3], day(9)));
    let mut after = vec![recovery(1, 30, 11, &[2, 3], day(9))];
    after.extend(thefts);
    let (before, after) = (village(&before), village(&after));
    assert_eq!(members(&before), sites(&[0, 2, 3, 11]));
    assert_eq!((members(&before), before.digest()), (members(&after), after.digest()));
    // Who has the old key can name a recovery key, too. It ends the member, and gets nothing.
    let mut roster = before;
    let _ = roster.receive(recovery(1, 31, 12, &[2, 3], day(1)));
    assert_eq!(members(&roster), sites(&[0, 2, 3]));
}

#[test]
fn what_the_old_key_says_alone_it_can_take_back_by_leaving() {
    for rotated in [day(3), day(9)] {
        let roster = village(&[rotation(1, 11, &[2, 3], rotated), departure(1, day(5))]);
        assert_eq!(members(&roster), sites(&[0, 2, 3]));
    }
}

#[test]
fn a_rotation_wants_both_keys_and_a_commitment() {
    let mesh = founding().body.mesh();
    let good = Rotation::by_key(succession(1, &[2], day(5)), &key(1), &key(11));
    assert!(good.is_good());
    let by_thief = Rotation { by_new: good.body.sign(&key(12)), ..good.clone() };
    let by_stranger = Rotation { by: good.body.sign(&key(12)), ..good.clone() };
    let (body, old) = (succession(1, &[2], day(5)), key(1));
    let commitment = |by: u8, member: u8, recovery: u8| {
        Signed::new(Commitment { mesh, member: site(member), recovery: site(recovery), date: day(1) }, &key(by))
    };
    assert!(Rotation::by_recovery(body.clone(), &key(30), commitment(1, 1, 30), &key(11)).is_good());
    let bad = [
        by_thief,
        by_stranger,
        Rotation::by_key(body.clone(), &old, &old),
        Rotation::by_key(succession(1, &[2, 11], day(5)), &old, &key(11)),
        Rotation::by_recovery(body.clone(), &key(30), commitment(2, 1, 30), &key(11)),
        Rotation::by_recovery(body.clone(), &key(30), commitment(1, 1, 31), &key(11)),
        Rotation { commitment: None, ..Rotation::by_recovery(body.clone(), &key(30), commitment(1, 1, 30), &key(11)) },
        Rotation { commitment: Some(commitment(1, 1, 30).into()), ..good },
        Rotation::by_key(Succession { keeps: vec![site(3), site(3)], ..body.clone() }, &old, &key(11)),
        Rotation::by_key(Succession { mesh: MeshId(Digest::ZERO), ..body }, &old, &key(11)),
    ];
    for rotation in bad {
        assert_eq!(village(&[]).receive(Notice::Rotated(rotation.into())), Err(RosterError::NotGood));
    }
    assert_eq!(village(&[]).receive(rotation(1, 0, &[], day(5))), Err(RosterError::NotGood), "the founder's key is taken");
}

#[test]
fn the_founder_rotates_like_any_member() {
    let roster = village(&[admission(0, 4, 2, day(2)), rotation(0, 10, &[1, 4], day(5)), admission(10, 5, 1, day(6))]);
    assert_eq!(members(&roster), sites(&[1, 2, 3, 4, 5, 10]));
    assert_eq!([2, 4, 5].map(|member| roster.branch(&site(member))), [site(1), site(4), site(5)], "branches are below the founder");
    assert_eq!(roster.branch(&site(0)), site(10));
}

#[test]
fn a_vote_removes_a_member_under_whatever_key() {
    for named in [1, 11] {
        let mut roster = village(&[rotation(1, 11, &[2, 3], day(5))]);
        roster.bury(site(named), day(6), &[site(2)]);
        assert_eq!(members(&roster), sites(&[0, 2]));
        assert!(roster.is_removed(&site(11)) && roster.removed_with(&site(3)) == Some(site(named)));
        assert_eq!(roster.removed_with(&site(11)), Some(site(named)));
        assert_eq!(roster.removed_with(&site(2)), None);
        // Who goes on under another key then is out with it, and who was kept stays.
        let _ = roster.receive(rotation(11, 21, &[2, 3], day(7)));
        let _ = roster.receive(rotation(2, 22, &[], day(7)));
        assert_eq!(members(&roster), sites(&[0, 22]));
    }
}

#[test]
fn a_vote_of_before_has_the_electorate_of_before() {
    let charter = Charter::default();
    let (before, after) = (village(&[]), village(&[rotation(1, 11, &[2, 3], day(5))]));
    let motion = Digest::of("test", b"motion");
    for signed in [[0, 1, 2, 3], [0, 11, 2, 3]] {
        let signed = signed.map(site);
        let snapshot = if signed.contains(&site(1)) { day(4) } else { day(5) };
        let electorate = Electorate::of(&after, snapshot, &motion, &charter);
        assert!(signed.iter().all(|site| electorate.has_voice(site)));
        assert_eq!(electorate.members(), 4);
        if snapshot == day(4) {
            let then = Electorate::of(&before, snapshot, &motion, &charter);
            assert_eq!((electorate.quorum(), electorate.seats()), (then.quorum(), then.seats()));
            assert!((0..4).all(|member| electorate.has_seat(&site(member)) == then.has_seat(&site(member))));
        }
    }
}

#[test]
fn keys_of_one_member_are_bounded() {
    let first = 40_u8;
    let mut roster = village(&[admission(0, first, 2, day(2))]);
    let last = first + u8::try_from(ROTATIONS_MAX).unwrap() - 1;
    for at in first..last {
        let _ = roster.receive(rotation(at, at + 1, &[], day(5)));
        assert!(roster.contains(&site(at + 1)));
    }
    let _ = roster.receive(rotation(last, last + 1, &[], day(5)));
    assert!(!roster.contains(&site(last)) && !roster.contains(&site(last + 1)));
}

/// Rotations among few keys, so that they chain, contradict each other, and meet admissions and departures of the same keys.
fn rotations() -> impl Strategy<Value = Vec<Notice>> {
    let one = (0_u8..6, 1_u8..8, proptest::collection::vec(1_u8..8, 0..4), 1_u64..6, any::<bool>());
    let rotated = one.prop_filter_map("another key", |(old, new, keeps, date, recovered)| {
        let keeps: Vec<u8> = keeps.into_iter().filter(|kept| *kept != new).collect();
        let notice = if recovered { recovery(old, 30, new, &keeps, day(date)) } else { rotation(old, new, &keeps, day(date)) };
        (old != new).then_some(notice)
    });
    (notices(), proptest::collection::vec(rotated, 0..6)).prop_map(|(notices, rotations)| notices.into_iter().chain(rotations).collect())
}

/// What keys stand for members, by the rules of the first lines of [`crate::rotation`] and nothing else.
fn counted(notices: &[Notice]) -> BTreeMap<SiteId, SiteId> {
    let mut counted = BTreeMap::new();
    let rotated = notices.iter().filter_map(|notice| match notice {
        Notice::Rotated(rotation) => Some(&rotation.body),
        _ => None,
    });
    let rotated: Vec<&Succession> = rotated.collect();
    for body in &rotated {
        let same = rotated.iter().filter(|other| other.old == body.old);
        let highest = same.clone().any(|other| other.recovery.is_some());
        let rank: BTreeSet<SiteId> = same.filter(|other| other.recovery.is_some() == highest).map(|other| other.new).collect();
        let gone = notices.iter().any(|notice| matches!(notice, Notice::Departed(departure) if departure.body.member == body.old));
        if rank.len() == 1 && (highest || !gone) {
            counted.extend(rank.first().map(|new| (body.old, *new)));
        }
    }
    counted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_order_of_rotations_makes_the_same_roster(notices in rotations(), seed: u64) {
        let mut shuffled = notices.clone();
        let mut state = seed | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        let (mut one, mut other, mut logged) = (roster(), roster(), Vec::new());
        for notice in notices.iter().chain(&notices) {
            if let Ok(Received::Settled(digests)) = one.receive(notice.clone()) {
                logged.extend(digests.iter().map(|digest| one.notice(digest).unwrap().clone()));
            }
        }
        for notice in shuffled {
            let _ = other.receive(notice);
        }
        prop_assert_eq!(one.digest(), other.digest());
        prop_assert_eq!(one.members().collect::<Vec<_>>(), other.members().collect::<Vec<_>>());
        prop_assert_eq!(one.everybody().collect::<Vec<_>>(), other.everybody().collect::<Vec<_>>());
        prop_assert_eq!(one.heirs().collect::<Vec<_>>(), other.heirs().collect::<Vec<_>>());
        let mut restored = roster();
        for notice in logged {
            let _ = restored.receive(notice);
        }
        prop_assert_eq!(restored.digest(), one.digest());

        let counted = counted(&notices);
        for notice in &notices {
            let Notice::Rotated(rotation) = notice else { continue };
            let known = one.everybody().any(|member| member.site == rotation.body.old);
            prop_assert!(!known || one.has_left(&rotation.body.old), "a key that was rotated is a tombstone");
        }
        for member in one.everybody() {
            if let Some(old) = member.succeeds {
                prop_assert_eq!(counted.get(&old), Some(&member.site));
                prop_assert_eq!(one.branch(&old), one.branch(&member.site));
            }
            prop_assert!(member.sponsor.is_none_or(|sponsor| one.heir(&sponsor) == sponsor), "sponsors go by their keys of now");
        }
    }
}
