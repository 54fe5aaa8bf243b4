use super::*;
use crate::{
    fixtures::{DAY, charter, key, later, mesh, site, star},
    invite::MeshId,
    units::Seconds,
};
use proptest::prelude::*;

const HELPER: u16 = 1;

fn now() -> Date {
    turn_of(later(2 * DAY)).after(Duration::from_secs(600))
}

fn served(mesh: MeshId, helper: u16, minute: Date) -> Signed<Served> {
    let body =
        Served { mesh, owner: site(0), helper: site(helper), root: Digest::ZERO, path: Digest::ZERO, body: ObjectDigest([1; 32]), minute };
    Signed::new(body, &key(helper))
}

fn testimony(roster: &Roster, auditor: u16, at: Date) -> Signed<Testimony> {
    let body = Testimony { auditor: site(auditor), served: served(roster.mesh(), HELPER, at), body: ObjectDigest([2; 32]) };
    Signed::new(body, &key(auditor))
}

/// Hears every one of these members.
fn said(roster: &Roster, by: impl IntoIterator<Item = u16>) -> Testimonies {
    let mut heard = Testimonies::default();
    by.into_iter().for_each(|auditor| {
        let _ = heard.hear(testimony(roster, auditor, now()), roster, now(), &charter());
    });
    heard
}

fn drawn(roster: &Roster, members: u16) -> Vec<u16> {
    let all = auditors(roster, &site(HELPER), turn_of(now()), &charter());
    (0..members).filter(|member| all.contains(&site(*member))).collect()
}

#[test]
fn as_many_as_the_charter_says_suspend_for_as_long_as_it_says() {
    let roster = star(12);
    let drawn = drawn(&roster, 12);
    assert_eq!(drawn.len(), 6, "twice as many as have to agree");
    let until = turn_of(now()).after(TURN).after(charter().suspension.span());
    let suspended = |by: &[u16], at| said(&roster, by.iter().copied()).suspended(&site(HELPER), &roster, at, &charter());
    assert_eq!(suspended(&drawn[..2], now()), None);
    assert_eq!(suspended(&drawn[..3], now()), Some(until));
    assert_eq!(suspended(&drawn, until), None, "it ends by the calendar");
    let mut heard = said(&roster, drawn);
    heard.forget(until, &charter());
    assert_eq!(heard.iter().count(), 0);
}

#[test]
fn only_who_was_drawn_is_heard_and_once() {
    let roster = star(20);
    let drawn = drawn(&roster, 20);
    let heard = said(&roster, (0..20).chain(0..20));
    assert_eq!(heard.iter().count(), drawn.len());
    assert!(!auditors(&roster, &site(HELPER), turn_of(now()), &charter()).contains(&site(HELPER)));
}

#[test]
fn the_draw_is_another_one_each_hour_and_for_each_helper() {
    let roster = star(60);
    let hours = |helper: u16| (0..40_u64).map(move |hour| (helper, now().after(TURN * hour as u32)));
    let draws: BTreeSet<Vec<SiteId>> = hours(1)
        .chain(hours(2))
        .map(|(helper, at)| auditors(&roster, &site(helper), turn_of(at), &charter()).into_iter().collect())
        .collect();
    assert_eq!(draws.len(), 80);
}

/// A farm behind one sponsor has one voice, however large it is, and none about its own.
#[test]
fn a_farm_suspends_nobody() {
    // Sites 2 to 40 came in by site 2 or by those it brought in; sites 41 to 44 by the founder.
    let sponsors: Vec<u16> = (1..=44).map(|member| if (3..=40).contains(&member) { 2 + (member % 7).min(member - 3) } else { 0 }).collect();
    let roster = mesh(&sponsors);
    for hour in 0..200 {
        let turn = turn_of(now().after(TURN * hour));
        let of_farm = |helper: u16| {
            let drawn = auditors(&roster, &site(helper), turn, &charter());
            (2..=40).filter(|member| drawn.contains(&site(*member))).count()
        };
        assert!(of_farm(HELPER) <= 1);
        assert_eq!(of_farm(20), 0, "its own members are looked at by others");
    }
    assert_eq!(said(&roster, 2..=40).suspended(&site(HELPER), &roster, now(), &charter()), None);
}

#[test]
fn what_is_not_signed_or_says_nothing_is_held_against_its_sender() {
    let roster = star(12);
    let drawn = drawn(&roster, 12);
    let good = testimony(&roster, drawn[0], now());
    let mut heard = Testimonies::default();
    let mut hear = |body: Testimony, by: u16| heard.hear(Signed::new(body, &key(by)), &roster, now(), &charter());
    assert_eq!(hear(good.body.clone(), drawn[1]), Heard::NotGood, "another's word");
    let consistent = Testimony { body: good.body.served.body.body, ..good.body.clone() };
    assert_eq!(hear(consistent, drawn[0]), Heard::NotGood, "nothing was wrong");
    let mut forged = good.body.clone();
    forged.served = Signed::new(forged.served.body, &key(drawn[0]));
    assert_eq!(hear(forged, drawn[0]), Heard::NotGood, "the helper signed no such thing");
    assert_eq!(hear(good.body.clone(), drawn[0]), Heard::New);
    assert_eq!(hear(good.body, drawn[0]), Heard::Nothing);
}

#[test]
fn what_is_out_of_date_or_of_another_mesh_is_passed_over() {
    let (roster, ours) = (star(12), charter());
    let mut heard = Testimonies::default();
    let mut hear = |said: Signed<Testimony>, at| heard.hear(said, &roster, at, &ours);
    let next_hour = now().after(TURN);
    let by = |turn| {
        let drawn = auditors(&roster, &site(HELPER), turn_of(turn), &charter());
        (0..12).find(|member| drawn.contains(&site(*member))).unwrap()
    };
    assert_eq!(hear(testimony(&roster, by(next_hour), next_hour), now()), Heard::Nothing, "that hour has not come");
    let over = turn_of(now()).after(TURN).after(ours.suspension.span());
    assert_eq!(hear(testimony(&roster, by(now()), now()), over), Heard::Nothing, "what would follow is over");
    let mut foreign = testimony(&roster, drawn(&roster, 12)[0], now()).body;
    foreign.served = served(MeshId(Digest::ZERO), HELPER, now());
    let signer = key(drawn(&roster, 12)[0]);
    assert_eq!(hear(Signed::new(foreign, &signer), now()), Heard::Nothing, "another mesh");
}

#[test]
fn one_auditor_fills_no_memory() {
    let roster = star(400);
    let charter = crate::charter::Charter { suspension: Seconds(604_800), auditors_agree: 16, ..charter() };
    let mut heard = Testimonies::default();
    let auditor = 5_u16;
    let mut taken = 0;
    for helper in 6..400_u16 {
        let turn = turn_of(now());
        if !auditors(&roster, &site(helper), turn, &charter).contains(&site(auditor)) {
            continue;
        }
        let body = Testimony { auditor: site(auditor), served: served(roster.mesh(), helper, now()), body: ObjectDigest([2; 32]) };
        taken += usize::from(heard.hear(Signed::new(body, &key(auditor)), &roster, now(), &charter) == Heard::New);
    }
    assert_eq!(taken, TESTIMONIES_PER_AUDITOR);
}

proptest! {
    /// In whatever tree, nobody is suspended unless drawn members of as many branches say so, and the helper's own is none of them.
    #[test]
    fn fewer_branches_than_have_to_agree_suspend_nobody(
        choices in prop::collection::vec(any::<prop::sample::Index>(), 4..20), liars in prop::collection::btree_set(0_u16..20, 0..20), hour in 0_u32..50,
    ) {
        let sponsors: Vec<u16> = choices.iter().enumerate().map(|(at, choice)| choice.index(at + 1) as u16).collect();
        let roster = mesh(&sponsors);
        let at = now().after(TURN * hour);
        let members = sponsors.len() as u16 + 1;
        let liars: BTreeSet<u16> = liars.into_iter().filter(|liar| *liar < members && *liar != HELPER).collect();
        let mut heard = Testimonies::default();
        for liar in &liars {
            let _ = heard.hear(testimony(&roster, *liar, at), &roster, at, &charter());
        }
        let branches: BTreeSet<SiteId> = liars.iter().map(|liar| roster.branch(&site(*liar))).filter(|branch| *branch != roster.branch(&site(HELPER))).collect();
        if heard.suspended(&site(HELPER), &roster, at, &charter()).is_some() {
            prop_assert!(branches.len() >= charter().auditors_agree as usize);
        }
        prop_assert!(heard.iter().count() <= branches.len());
    }
}
