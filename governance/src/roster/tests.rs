use super::*;
use crate::{
    invite::{Redeemed, Redemption, token::Token},
    limits::DOUBLE_ADMISSIONS_MAX,
    site::Key,
};
use alloc::vec;
use proptest::prelude::*;

fn key(site: u8) -> Key {
    Key::from_seed([site; 32])
}

fn site(number: u8) -> SiteId {
    key(number).site()
}

fn day(day: u64) -> Date {
    Date::from_millis(day * 86_400_000)
}

fn founding() -> Signed<Founding> {
    let (founder, canonical) = (site(0), "https://a.example".into());
    let body = Founding { name: "Village".into(), charter: Charter::default(), founder, date: day(1), canonical, addresses: vec![] };
    Signed::new(body, &key(0))
}

fn roster() -> Roster {
    Roster::new(founding()).unwrap()
}

/// `sponsor` admits `member` on its invite number `serial`.
fn admission(sponsor: u8, member: u8, serial: u64, date: Date) -> Notice {
    let mut secret = [sponsor; 32];
    secret[0] = serial as u8;
    let token = Token::issue(&key(sponsor), founding().body.mesh(), vec![], Date::MAX, serial, secret);
    let redeemed = Redeemed::new(&token, &key(member), "https://b.example".into(), vec![], date);
    Notice::Admitted(Signed::new(Admission::answering(&redeemed, date), &key(sponsor)))
}

/// The body of an admission, with the member's signature under its redemption.
fn admitting(sponsor: &Key, member: &Key, invite: Digest, date: Date) -> Admission {
    let redemption = Redemption {
        invite,
        sponsor: sponsor.site(),
        joiner: member.site(),
        canonical: "https://b.example".into(),
        addresses: vec![],
        date,
    };
    let (by_joiner, canonical, addresses) = (redemption.sign(member), redemption.canonical.clone(), vec![]);
    let (mesh, member, sponsor) = (founding().body.mesh(), member.site(), sponsor.site());
    Admission { mesh, member, sponsor, invite, redeemed: date, by_joiner, canonical, addresses, date }
}

fn departure(member: u8, date: Date) -> Notice {
    Notice::Departed(Signed::new(Departure { mesh: founding().body.mesh(), member: site(member), date }, &key(member)))
}

fn settled(received: Result<Received, RosterError>) -> usize {
    let Ok(Received::Settled(digests)) = received else { panic!("{received:?}") };
    digests.len()
}

#[test]
fn members_bring_members_whatever_overtakes_what() {
    let mut roster = roster();
    assert_eq!(roster.receive(admission(1, 2, 1, day(3))), Ok(Received::Waiting));
    assert_eq!(roster.receive(departure(2, day(4))), Ok(Received::Waiting));
    assert!(!roster.contains(&site(2)));
    assert_eq!(settled(roster.receive(admission(0, 1, 1, day(2)))), 3);
    assert!(roster.contains(&site(1)) && !roster.contains(&site(2)) && roster.has_left(&site(2)));
    assert_eq!(roster.members().count(), 2);
    assert_eq!(roster.member(&site(1)).unwrap().sponsor, Some(site(0)));
}

#[test]
fn the_departed_do_not_come_back() {
    let mut roster = roster();
    let admitted = admission(0, 1, 1, day(2));
    let _ = roster.receive(admitted.clone());
    let _ = roster.receive(departure(1, day(3)));
    assert_eq!(roster.receive(admitted), Ok(Received::Known));
    assert_eq!(settled(roster.receive(admission(0, 1, 2, day(4)))), 1);
    assert!(!roster.contains(&site(1)));
}

#[test]
fn a_member_is_known_by_its_earliest_admission() {
    for order in [[2, 3], [3, 2]] {
        let mut roster = roster();
        for date in order {
            assert_eq!(settled(roster.receive(admission(0, 1, date, day(date)))), 1);
        }
        assert_eq!(roster.member(&site(1)).unwrap().since, day(2));
    }
}

#[test]
fn who_has_left_admits_nobody_any_more() {
    let mut roster = roster();
    let _ = roster.receive(admission(0, 1, 1, day(2)));
    let _ = roster.receive(admission(1, 2, 1, day(3)));
    let _ = roster.receive(admission(1, 3, 2, day(9)));
    let _ = roster.receive(admission(3, 4, 1, day(10)));
    assert_eq!(settled(roster.receive(departure(1, day(5)))), 1);
    assert!(roster.contains(&site(2)), "admitted before its sponsor left");
    assert!(!roster.contains(&site(3)) && !roster.contains(&site(4)), "admitted after");
}

#[test]
fn one_invite_lets_one_site_in_and_the_second_is_evidence() {
    let (one, other) = (admission(0, 1, 1, day(2)), admission(0, 2, 1, day(2)));
    let (mut ours, mut theirs) = (roster(), roster());
    for notice in [&one, &other] {
        let _ = ours.receive(notice.clone());
    }
    for notice in [&other, &one] {
        let _ = theirs.receive(notice.clone());
    }
    assert_eq!((ours.members().count(), ours.digest()), (2, theirs.digest()));
    for roster in [ours, theirs] {
        let proof = roster.double_admissions().next().unwrap();
        assert!(proof.convicts());
        let framed = DoubleAdmission { one: proof.one.clone(), other: proof.one.clone() };
        assert!(!framed.convicts());
    }
}

#[test]
fn nobody_burns_the_invite_of_another() {
    let mut roster = roster();
    let Notice::Admitted(honest) = admission(0, 1, 1, day(2)) else { panic!("an admission") };
    let _ = roster.receive(admission(0, 2, 2, day(2)));
    // Sites 2 and 3 state an admission that names the founder's invite: it is their own word only.
    let spiteful = admitting(&key(2), &key(3), honest.body.invite, day(2));
    assert_eq!(settled(roster.receive(Notice::Admitted(Signed::new(spiteful, &key(2))))), 1);
    assert_eq!(settled(roster.receive(Notice::Admitted(honest))), 1);
    assert_eq!(roster.double_admissions().count(), 0);
}

#[test]
fn what_is_not_of_this_mesh_or_not_signed_is_refused() {
    let mut roster = roster();
    let Notice::Admitted(good) = admission(0, 1, 1, day(2)) else { panic!("an admission") };
    let foreign = Admission { mesh: MeshId(Digest::ZERO), ..good.body.clone() };
    assert_eq!(roster.receive(Notice::Admitted(Signed::new(foreign, &key(0)))), Err(RosterError::NotGood));
    assert_eq!(roster.receive(Notice::Admitted(Signed::new(good.body.clone(), &key(1)))), Err(RosterError::NotGood));
    let founder_again = admitting(&key(1), &key(0), good.body.invite, day(2));
    assert_eq!(roster.receive(Notice::Admitted(Signed::new(founder_again, &key(1)))), Err(RosterError::NotGood));
}

#[test]
fn nobody_is_named_as_somebodys_who_did_not_ask_for_it() {
    let mut roster = roster();
    for (member, date) in [(1, 2), (2, 3)] {
        let _ = roster.receive(admission(0, member, u64::from(member), day(date)));
    }
    // Site 2 would like site 1 to be one of its own: what site 1 signed names the founder, and what another signed is not site 1's.
    let Notice::Admitted(of_founder) = admission(0, 1, 1, day(2)) else { panic!("an admission") };
    let claimed = Admission { sponsor: site(2), date: day(1), ..of_founder.body };
    let another = Admission { member: site(1), ..admitting(&key(2), &key(3), Digest::ZERO, day(1)) };
    for body in [claimed, another] {
        assert_eq!(roster.receive(Notice::Admitted(Signed::new(body, &key(2)))), Err(RosterError::NotGood));
    }
    assert_eq!(roster.member(&site(1)).unwrap().sponsor, Some(site(0)));
}

#[test]
fn the_places_to_wait_and_to_accuse_are_bounded() {
    let mut roster = roster();
    for serial in 0..ADMISSIONS_WAITING_MAX as u64 {
        assert_eq!(roster.receive(admission(9, 8, serial, day(serial))), Ok(Received::Waiting));
    }
    assert_eq!(roster.receive(admission(9, 8, 1_000, day(3))), Err(RosterError::TooManyWaiting));
    assert_eq!(roster.receive(admission(9, 8, 5, day(5))), Ok(Received::Known));
    assert_eq!(settled(roster.receive(admission(0, 1, 1, day(2)))), 1, "who can be settled at once never waits");
}

#[test]
fn notices_that_lose_their_ground_wait_within_the_bound() {
    let mut roster = roster();
    let _ = roster.receive(admission(0, 1, 1, day(2)));
    let _ = roster.receive(admission(1, 2, 1, day(5)));
    for serial in 0..200 {
        assert_eq!(settled(roster.receive(admission(2, 3, serial, day(6)))), 1);
        assert_eq!(roster.receive(admission(9, 8, serial, day(6))), Ok(Received::Waiting));
    }
    assert_eq!(settled(roster.receive(departure(1, day(3)))), 1, "site 2 was let in after its sponsor had left");
    assert_eq!(roster.members().map(|member| member.site).collect::<Vec<_>>(), [site(0)]);
    assert_eq!(roster.waiting.values().map(BTreeMap::len).sum::<usize>(), ADMISSIONS_WAITING_MAX);
}

#[test]
fn proofs_are_kept_one_for_each_sponsor_and_not_without_end() {
    let mut roster = roster();
    for sponsor in 1..DOUBLE_ADMISSIONS_MAX as u8 + 9 {
        let _ = roster.receive(admission(0, sponsor, u64::from(sponsor), day(2)));
        for member in [100, 101, 102] {
            let _ = roster.receive(admission(sponsor, member, 1, day(2)));
        }
    }
    assert_eq!(roster.double_admissions().count(), DOUBLE_ADMISSIONS_MAX);
}

#[test]
fn a_full_roster_takes_no_more_members_and_still_lets_them_go() {
    let mut roster = roster();
    let numbered = |number: u64| {
        let invite = Digest::of("test", &number.to_le_bytes());
        Notice::Admitted(Signed::new(admitting(&key(0), &Key::from_seed(invite.0), invite, day(2)), &key(0)))
    };
    assert_eq!(settled(roster.receive(admission(0, 1, 1, day(2)))), 1);
    for number in 2..MEMBERS_MAX as u64 {
        assert_eq!(settled(roster.receive(numbered(number))), 1);
    }
    assert_eq!(roster.receive(numbered(0)), Err(RosterError::Full));
    assert_eq!(settled(roster.receive(departure(1, day(3)))), 1);
    assert_eq!(roster.members().count(), MEMBERS_MAX - 1);
}

#[test]
fn a_roster_tells_another_what_it_lacks() {
    let (mut ours, mut theirs) = (roster(), roster());
    for notice in [admission(0, 1, 1, day(2)), admission(1, 2, 1, day(2)), departure(2, day(3)), admission(1, 3, 2, day(3))] {
        let _ = ours.receive(notice);
    }
    let _ = theirs.receive(admission(0, 4, 2, day(2)));
    let digests: Vec<_> = theirs.digests().collect();
    let told: Vec<_> = ours.unknown_to(&digests).cloned().collect();
    for notice in told {
        assert_eq!(settled(theirs.receive(notice)), 1, "told in an order in which nothing waits");
    }
    let asked = ours.missing(&theirs.digests().collect::<Vec<_>>());
    for digest in asked {
        let _ = ours.receive(theirs.notice(&digest).unwrap().clone());
    }
    assert_eq!(ours.digest(), theirs.digest());
}

#[test]
fn a_tombstone_is_final_whatever_comes_before_or_after_it() {
    let notices = [
        admission(0, 1, 1, day(2)),
        admission(1, 2, 1, day(3)),
        admission(1, 3, 2, day(3)),
        admission(3, 4, 1, day(4)),
        admission(0, 1, 2, day(1)),
        // Those who fall vouch for each other.
        admission(4, 3, 2, day(1)),
    ];
    for buried_at in 0..=notices.len() {
        let mut roster = roster();
        for (at, notice) in notices.iter().enumerate() {
            if at == buried_at {
                roster.bury(site(1), day(6), &[site(2)]);
            }
            let _ = roster.receive(notice.clone());
        }
        if buried_at == notices.len() {
            roster.bury(site(1), day(6), &[site(2)]);
        }
        assert_eq!(roster.members().count(), 2, "the founder, and whom the mesh keeps");
        assert!(roster.contains(&site(2)) && roster.is_removed(&site(1)) && roster.is_removed(&site(3)) && roster.is_removed(&site(4)));
        assert!(roster.has_left(&site(4)), "who came in by one who fell is gone with it");
        let with = [0, 1, 2, 3, 4].map(|number| roster.removed_with(&site(number)));
        assert_eq!(with, [None, Some(site(1)), None, Some(site(1)), Some(site(1))]);
        assert_eq!(roster.members_on(day(5)).count(), 5, "until then they were members");
    }
}

#[test]
fn who_was_removed_brings_nobody_in_with_an_old_date() {
    let mut roster = roster();
    let _ = roster.receive(admission(0, 1, 1, day(2)));
    roster.bury(site(1), day(6), &[]);
    assert_eq!(settled(roster.receive(admission(1, 5, 9, day(3)))), 1);
    assert!(!roster.contains(&site(5)));
    assert_eq!(settled(roster.receive(admission(5, 6, 1, day(3)))), 1);
    assert!(!roster.contains(&site(6)));
}

/// Members who hang from each other, and from nobody else.
#[test]
fn a_circle_of_admissions_changes_nobodys_place() {
    let mut roster = roster();
    for (sponsor, member, date) in [(0, 1, 3), (1, 2, 4), (2, 3, 5), (3, 2, 1), (2, 1, 1)] {
        assert_eq!(settled(roster.receive(admission(sponsor, member, u64::from(member), day(date)))), 1);
    }
    let places = |number| roster.member(&site(number)).map(|member| (member.sponsor, member.since)).unwrap();
    assert_eq!([1, 2, 3].map(places), [(Some(site(0)), day(3)), (Some(site(1)), day(4)), (Some(site(2)), day(5))]);
    assert!((1..4).all(|number| roster.branch(&site(number)) == site(1)));
}

#[test]
fn nobody_is_a_member_before_its_sponsor() {
    let mut roster = roster();
    for (sponsor, member, date) in [(0, 1, 5), (1, 2, 2), (2, 3, 7), (0, 3, 9)] {
        let _ = roster.receive(admission(sponsor, member, u64::from(member), day(date))).unwrap();
    }
    let since = [1, 2, 3].map(|number| roster.member(&site(number)).unwrap().since);
    assert_eq!(since, [day(5), day(5), day(7)]);
    assert_eq!(roster.members_on(day(4)).count(), 1, "what a newcomer dates back was not so then");
}

#[test]
fn the_founder_can_be_removed_like_any_member() {
    let mut roster = roster();
    for member in [1, 2, 3] {
        let _ = roster.receive(admission(0, member, u64::from(member), day(2)));
    }
    let mut keeps = vec![site(1), site(2)];
    keeps.sort();
    roster.bury(site(0), day(6), &keeps);
    assert!(!roster.contains(&site(0)) && !roster.contains(&site(3)));
    assert_eq!(roster.members().count(), 2);
}

/// Notices over a few sites, invites and days, so that they collide: double admissions, circles, departures before and after.
fn notices() -> impl Strategy<Value = Vec<Notice>> {
    let one = prop_oneof![
        5 => (0_u8..6, 1_u8..6, 0_u64..3, 1_u64..6).prop_filter_map("not itself", |(sponsor, member, serial, date)| {
            (sponsor != member).then(|| admission(sponsor, member, serial, day(date)))
        }),
        1 => (0_u8..6, 1_u64..6).prop_map(|(member, date)| departure(member, day(date))),
    ];
    proptest::collection::vec(one, 0..14)
}

/// Who belongs, computed the slow way from the rules of the module's first lines.
fn reference(notices: &[Notice]) -> Vec<SiteId> {
    let mut left: BTreeMap<SiteId, Date> = BTreeMap::new();
    let mut winners: BTreeMap<(SiteId, Digest), &Signed<Admission>> = BTreeMap::new();
    for notice in notices {
        match notice {
            Notice::Departed(Signed { body, .. }) => {
                let date = left.entry(body.member).or_insert(body.date);
                *date = body.date.min(*date);
            }
            Notice::Rotated(_) => {}
            // Nobody introduces the founder.
            Notice::Admitted(admission) if admission.body.member == site(0) => {}
            Notice::Admitted(admission) => {
                let winner = winners.entry((admission.body.sponsor, admission.body.invite)).or_insert(admission);
                *winner = if admission.body.digest() < winner.body.digest() { admission } else { winner };
            }
        }
    }
    let mut known = vec![site(0)];
    for _ in 0..=notices.len() {
        for Admission { member, sponsor, date, .. } in winners.values().map(|admission| &admission.body) {
            let in_time = left.get(sponsor).is_none_or(|gone| date <= gone);
            if known.contains(sponsor) && !known.contains(member) && in_time {
                known.push(*member);
            }
        }
    }
    known.retain(|site| !left.contains_key(site));
    known.sort();
    known
}

mod rotations;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn any_order_makes_the_same_roster(notices in notices(), seed: u64) {
        let mut shuffled = notices.clone();
        let mut state = seed | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        let (mut one, mut other) = (roster(), roster());
        for notice in notices.iter().chain(&notices) {
            let _ = one.receive(notice.clone());
        }
        for notice in shuffled {
            let _ = other.receive(notice);
        }
        prop_assert_eq!(one.digest(), other.digest());
        prop_assert_eq!(one.members().collect::<Vec<_>>(), other.members().collect::<Vec<_>>());
        prop_assert_eq!(one.members().map(|member| member.site).collect::<Vec<_>>(), reference(&notices));
        prop_assert!(one.double_admissions().all(DoubleAdmission::convicts));
    }

    /// Whoever hangs from the mesh by one member alone goes with it, whatever those sign for each other.
    #[test]
    fn nobody_who_came_by_a_removed_member_alone_stays(notices in notices(), removed in 1_u8..6) {
        let mut roster = roster();
        roster.bury(site(removed), day(9), &[]);
        for notice in &notices {
            let _ = roster.receive(notice.clone());
        }
        let without = |notice: &&Notice| !matches!(notice, Notice::Admitted(admission) if admission.body.sponsor == site(removed));
        let others = reference(&notices.iter().filter(without).cloned().collect::<Vec<_>>());
        prop_assert!(roster.members().all(|member| member.site != site(removed) && others.contains(&member.site)));
    }

    #[test]
    fn what_was_settled_restores_the_roster(notices in notices()) {
        let mut roster = roster();
        let mut logged = Vec::new();
        for notice in notices {
            if let Ok(Received::Settled(digests)) = roster.receive(notice) {
                logged.extend(digests.iter().map(|digest| roster.notice(digest).unwrap().clone()));
            }
        }
        let mut restored = Roster::new(roster.founding().clone()).unwrap();
        for notice in logged {
            let _ = restored.receive(notice);
        }
        prop_assert_eq!(restored.digest(), roster.digest());
    }
}
