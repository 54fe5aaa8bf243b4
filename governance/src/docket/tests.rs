use super::*;
use crate::{
    ballot::Stage,
    fixtures::{
        DAY, admission, ballot, charter, dearer, electorate, key, later, mesh, minutes, motion, moved, objection, outcome, place, second,
        site, star,
    },
    limits::MOTIONS_OPEN_MAX,
    time::SKEW_MAX,
};
use alloc::vec;
use proptest::prelude::*;

/// When what fixtures move goes to the vote.
fn voting() -> Date {
    Schedule::of(&motion(0, dearer()).body, &charter()).begins(0)
}

fn receive(docket: &mut Docket, paper: Paper, roster: &Roster, now: Date) -> Result<Received, PaperError> {
    let minutes = minutes();
    docket.receive(paper, place(roster, &minutes, now))
}

/// A docket with the motion of site 0, seconded.
fn docket(roster: &Roster) -> Docket {
    let mut docket = Docket::default();
    for paper in [Paper::Moved(motion(0, dearer())), Paper::Seconded(second(&motion(0, dearer()), 1))] {
        assert_eq!(receive(&mut docket, paper, roster, later(DAY)), Ok(Received::New));
    }
    docket
}

fn commits(by: impl Iterator<Item = u16>, adopts: bool) -> Vec<Paper> {
    let motion = motion(0, dearer());
    by.map(|by| Paper::Cast(ballot(&motion, by, (0, Stage::Commit), None, outcome(&[], adopts)))).collect()
}

#[test]
fn what_cannot_be_placed_is_dropped_and_may_come_again() {
    let (roster, mut docket) = (star(4), Docket::default());
    let early = Paper::Seconded(second(&motion(0, dearer()), 1));
    assert_eq!(receive(&mut docket, early.clone(), &roster, later(DAY)), Ok(Received::Nothing));
    let ahead = Paper::Moved(moved(0, dearer(), Digest::ZERO, later(2 * DAY)));
    assert_eq!(receive(&mut docket, ahead, &roster, later(DAY)), Ok(Received::Nothing), "it is dated ahead of every clock");
    let unknown_rules = Paper::Moved(moved(0, dearer(), Digest([2; 32]), later(DAY)));
    assert_eq!(receive(&mut docket, unknown_rules, &roster, later(DAY)), Ok(Received::Nothing));
    assert_eq!(receive(&mut docket, Paper::Moved(motion(0, dearer())), &roster, later(DAY)), Ok(Received::New));
    assert_eq!(receive(&mut docket, early, &roster, later(DAY)), Ok(Received::New));
}

#[test]
fn motions_that_cannot_be_are_not_taken() {
    let (roster, mut docket) = (star(4), Docket::default());
    let amend = |from, to| Change::Amend { parameter: "settle_window".into(), from, to };
    for change in [amend(60, 0), amend(61, 70), Change::Amend { parameter: "nothing".into(), from: 0, to: 1 }] {
        assert_eq!(receive(&mut docket, Paper::Moved(motion(0, change)), &roster, later(DAY)), Ok(Received::Nothing));
    }
    assert_eq!(receive(&mut docket, Paper::Moved(motion(9, dearer())), &roster, later(DAY)), Err(PaperError::NoPart));
}

#[test]
fn a_vote_ends_with_a_decision_that_is_told_once() {
    let roster = star(4);
    let mut docket = docket(&roster);
    for paper in commits(0..3, true) {
        assert_eq!(receive(&mut docket, paper, &roster, voting()), Ok(Received::New));
    }
    let decided = docket.decide(voting());
    assert!(matches!(&decided[..], [decision] if decision.votes.len() == 3));
    assert_eq!((docket.decide(voting()).len(), docket.votes().count()), (0, 0));
}

/// Whoever tells each member something else may have told us first, and the others before the vote was over.
#[test]
fn a_ballot_that_comes_after_the_end_convicts_who_signed_another() {
    let (roster, now) = (star(4), voting());
    let mut docket = docket(&roster);
    for paper in commits(0..4, true) {
        assert_eq!(receive(&mut docket, paper, &roster, now), Ok(Received::New));
    }
    assert_eq!(docket.decide(now).len(), 1);
    for (by, paper) in (0..4).zip(commits(0..4, false)) {
        let Ok(Received::Convicts(proof)) = receive(&mut docket, paper, &roster, now) else { panic!("{by} signed both") };
        assert!(proof.convicts() && proof.one.body.voter == site(by));
    }
    let again = commits(0..4, true).remove(2);
    assert_eq!(receive(&mut docket, again, &roster, now), Ok(Received::Nothing), "what it signed before");
    let mut forged = ballot(&motion(0, dearer()), 2, (0, Stage::Commit), None, outcome(&[], false));
    forged.signature = forged.body.sign(&key(3));
    assert_eq!(receive(&mut docket, Paper::Cast(forged), &roster, now), Ok(Received::Nothing), "what it did not sign");
}

#[test]
fn what_was_stopped_is_remembered_until_nobody_can_revive_it() {
    let roster = star(4);
    let mut docket = docket(&roster);
    commits(0..3, false).into_iter().for_each(|paper| drop(receive(&mut docket, paper, &roster, voting())));
    assert!(!docket.decide(voting())[0].outcome.adopts);
    assert_eq!(receive(&mut docket, Paper::Moved(motion(0, dearer())), &roster, voting()), Ok(Received::Nothing));
    let lapses = Schedule::of(&motion(0, dearer()).body, &charter()).lapses();
    assert_eq!((docket.stopped().count(), docket.forget(lapses).len(), docket.stopped().count()), (1, 0, 0));
    assert_eq!(receive(&mut docket, Paper::Moved(motion(0, dearer())), &roster, lapses), Ok(Received::Nothing), "its time is over");
}

/// A stop has no other use than that its motion does not come back: when that has lapsed, it is told and written down no more.
#[test]
fn a_stop_is_news_once_and_only_while_its_motion_could_come_back() {
    let roster = star(4);
    let mut there = docket(&roster);
    commits(0..3, false).into_iter().for_each(|paper| drop(receive(&mut there, paper, &roster, voting())));
    let decision = there.decide(voting()).remove(0);
    let told = || Paper::Decided(decision.clone().into());
    let lapses = Schedule::of(&motion(0, dearer()).body, &charter()).lapses();
    let mut fresh = Docket::default();
    assert_eq!(receive(&mut fresh, told(), &roster, lapses), Ok(Received::Nothing));
    // What a restart takes back is known from then on.
    let minutes = minutes();
    fresh.close(&decision, place(&roster, &minutes, voting()));
    assert_eq!(receive(&mut fresh, told(), &roster, voting()), Ok(Received::Nothing));
    assert_eq!((fresh.stopped().count(), fresh.forget(lapses).len(), fresh.stopped().count()), (1, 0, 0));
}

#[test]
fn a_newcomer_believes_a_decision_that_enough_members_signed() {
    let mut roster = star(4);
    let _ = roster.receive(admission(0, 9, later(30 * DAY))).unwrap();
    let now = later(40 * DAY);
    let mut there = docket(&roster);
    commits(0..4, true).into_iter().for_each(|paper| drop(receive(&mut there, paper, &roster, voting())));
    let decision = there.decide(voting()).remove(0);
    let with = |votes: &[(SiteId, crate::site::Signature)]| Paper::Decided(Decision { votes: votes.to_vec(), ..decision.clone() }.into());
    let mut fresh = Docket::default();
    assert_eq!(receive(&mut fresh, with(&decision.votes[..2]), &roster, now), Ok(Received::Nothing));
    let mut turned = decision.votes.clone();
    turned.swap(0, 1);
    assert_eq!(receive(&mut fresh, with(&turned), &roster, now), Err(PaperError::NotGood));
    assert_eq!(receive(&mut fresh, with(&decision.votes[..3]), &roster, now), Ok(Received::New));
    let mut minutes = minutes();
    assert!(fresh.decide(now).into_iter().all(|decision| minutes.record(decision)));
    assert_eq!(minutes.versions().len(), 2);
    let again = fresh.receive(with(&decision.votes), place(&roster, &minutes, now));
    assert_eq!(again, Ok(Received::Nothing));
}

#[test]
fn the_largest_decision_fits_an_entry_and_an_answer() {
    let most = vec![(site(1), motion(0, dearer()).signature); crate::limits::SEATS_MAX + 1];
    let too_many = Decision { motion: motion(0, dearer()), epoch: 0, outcome: outcome(&[], true), votes: most };
    assert_eq!(receive(&mut Docket::default(), Paper::Decided(too_many.into()), &star(4), voting()), Err(PaperError::NotGood));
    let largest = crate::charter::PARAMETERS.iter().find(|parameter| parameter.name == "committee_size").unwrap().max;
    let keeps = (0..crate::limits::KEEPS_MAX).map(|at| SiteId([u8::try_from(at).unwrap(); 32])).collect();
    let mut longest = motion(0, Change::Remove { member: site(3), keeps });
    longest.body.discuss = "x".repeat(crate::limits::LINK_BYTES_MAX);
    assert_eq!(usize::try_from(largest), Ok(crate::limits::SEATS_MAX));
    let votes = vec![(site(1), longest.signature); crate::limits::SEATS_MAX];
    let decision = Decision { motion: longest, epoch: 9, outcome: outcome(&[], true), votes };
    let entry = codec::encode(&crate::entry::Entry::Decided(decision.into()));
    assert!(entry.len() < crate::limits::ENTRY_BYTES_MAX - 512, "{}", entry.len());
}

/// A liar's two other commitments fill its place; the end that others saw counts all the same.
#[test]
fn an_end_that_is_shown_counts_whatever_ballots_are_held() {
    let roster = star(4);
    let mut there = docket(&roster);
    commits(0..3, true).into_iter().for_each(|paper| drop(receive(&mut there, paper, &roster, voting())));
    let decision = there.decide(voting()).remove(0);
    let mut here = docket(&roster);
    for objectors in [[1], [2]] {
        let lie = ballot(&motion(0, dearer()), 0, (0, Stage::Commit), None, outcome(&objectors, true));
        let _ = receive(&mut here, Paper::Cast(lie), &roster, voting()).unwrap();
    }
    assert_eq!(receive(&mut here, Paper::Decided(decision.clone().into()), &roster, voting()), Ok(Received::New));
    let mut elsewhere = here.clone();
    assert_eq!(here.decide(voting()), core::slice::from_ref(&decision));
    // A newcomer has every open vote looked at anew; what was shown is not forgotten.
    let (mut grown, minutes) = (roster, minutes());
    let _ = grown.receive(admission(0, 9, later(30 * DAY))).unwrap();
    elsewhere.refresh(place(&grown, &minutes, voting()));
    assert_eq!(elsewhere.decide(voting()), [decision]);
}

/// Four members; the decision names rules of which an earlier change became known meanwhile, so that they have another number here.
#[test]
fn a_decision_is_believed_whatever_number_its_rules_have_here() {
    let roster = star(4);
    let amend = |parameter: &str, from, to| Change::Amend { parameter: parameter.into(), from, to };
    let decided = |motion: Signed<Motion>| {
        let votes = (0..3).map(|by| (site(by), ballot(&motion, by, (0, Stage::Commit), None, outcome(&[], true)).signature));
        let mut votes: Vec<_> = votes.collect();
        votes.sort_by_key(|(by, _)| *by);
        Decision { motion, epoch: 0, outcome: outcome(&[], true), votes }
    };
    let first = moved(0, amend("price_mib", 1_000, 2_000), Digest::ZERO, later(2 * DAY));
    let next = moved(1, amend("price_request", 10, 20), first.body.digest(), later(20 * DAY));
    let earlier = moved(2, amend("settle_window", 60, 70), Digest::ZERO, later(DAY));
    let late = moved(3, amend("lease_length", 60, 70), Digest::ZERO, later(30 * DAY));
    let orders: [[usize; 4]; 3] = [[0, 1, 2, 3], [2, 0, 1, 3], [3, 2, 0, 1]];
    let all = [first, next, earlier, late].map(decided);
    let rules = orders.map(|order| {
        let (mut docket, mut minutes) = (Docket::default(), minutes());
        for decision in order.map(|at| all[at].clone()) {
            let taken = docket.receive(Paper::Decided(decision.into()), place(&roster, &minutes, later(50 * DAY)));
            assert_eq!(taken, Ok(Received::New));
            assert!(docket.decide(later(50 * DAY)).into_iter().all(|decision| minutes.record(decision)));
        }
        minutes.versions().to_vec()
    });
    assert!(rules[0].len() == 5 && rules.iter().all(|versions| *versions == rules[0]));
}

/// Whoever vouches for others after the fact can make its branch a third of the seats at most, and the others are enough.
#[test]
fn members_invented_afterwards_make_no_decision_unbelievable() {
    let mut roster = mesh(&[0, 0, 0, 0, 0, 0, 0]);
    let electorate = electorate(&roster, &motion(0, dearer()));
    let mut there = docket(&roster);
    commits(0..8, true).into_iter().for_each(|paper| drop(receive(&mut there, paper, &roster, voting())));
    let decision = there.decide(voting()).remove(0);
    assert_eq!((decision.votes.len(), electorate.seats()), (8, 8));
    for member in 100..140 {
        let _ = roster.receive(admission(7, member, later(60))).unwrap();
    }
    let mut fresh = Docket::default();
    assert_eq!(receive(&mut fresh, Paper::Decided(decision.into()), &roster, voting()), Ok(Received::New));
}

#[test]
fn who_floods_the_docket_has_one_motion_in_it_and_its_branch_a_share() {
    // Site 1 brought in forty others; each of them moves something, and site 1 moves a hundred things.
    let roster = mesh(&[vec![0; 5], vec![1; 40]].concat());
    let mut docket = Docket::default();
    let cheaper = |to| Change::Amend { parameter: "price_mib".into(), from: 1_000, to };
    for at in 0..100_i64 {
        let _ = receive(&mut docket, Paper::Moved(motion(1, cheaper(at))), &roster, later(DAY));
    }
    assert_eq!(docket.votes().count(), 1);
    for mover in 6..46 {
        let _ = receive(&mut docket, Paper::Moved(motion(mover, dearer())), &roster, later(DAY));
    }
    assert_eq!(docket.votes().count(), MOTIONS_OPEN_MAX);
    let honest = motion(2, dearer());
    assert_eq!(receive(&mut docket, Paper::Moved(honest.clone()), &roster, later(DAY)), Ok(Received::New));
    assert_eq!(docket.votes().count(), MOTIONS_OPEN_MAX);
    for at in 100..200_i64 {
        let _ = receive(&mut docket, Paper::Moved(motion(1, cheaper(at))), &roster, later(DAY));
    }
    assert!(docket.vote(&honest.body.digest()).is_some());
}

/// One seat signs on all that its branch moved; that makes none of it weightier than what others move.
#[test]
fn one_ballot_takes_no_flood_past_the_shares() {
    let roster = mesh(&[vec![0; 5], vec![1; 40]].concat());
    let mut docket = Docket::default();
    for mover in 6..38 {
        let motion = motion(mover, dearer());
        let _ = receive(&mut docket, Paper::Moved(motion.clone()), &roster, later(DAY)).unwrap();
        let seated = |by: &u16| docket.vote(&motion.body.digest()).is_some_and(|(_, electorate)| electorate.has_seat(&site(*by)));
        let by = (6..46).find(seated).unwrap();
        let signed = ballot(&motion, by, (0, Stage::Prepare), None, outcome(&[], true));
        assert_eq!(receive(&mut docket, Paper::Cast(signed), &roster, voting()), Ok(Received::New));
    }
    assert_eq!(docket.votes().count(), MOTIONS_OPEN_MAX);
    assert_eq!(receive(&mut docket, Paper::Moved(motion(2, dearer())), &roster, later(DAY)), Ok(Received::New));
}

#[test]
fn ballots_of_epochs_to_come_are_not_kept() {
    let (roster, motion) = (star(4), motion(0, dearer()));
    let mut docket = docket(&roster);
    let early = Paper::Cast(ballot(&motion, 2, (1, Stage::Prepare), None, outcome(&[], true)));
    assert_eq!(receive(&mut docket, early.clone(), &roster, voting()), Ok(Received::Nothing));
    let soon = Schedule::of(&motion.body, &charter()).begins(1).before(SKEW_MAX);
    assert_eq!(receive(&mut docket, early, &roster, soon), Ok(Received::New), "clocks differ");
}

/// Whose removal becomes known while votes are open has no part in those that were moved after it.
#[test]
fn a_burial_makes_open_votes_anew() {
    let mut roster = star(5);
    let mut docket = docket(&roster);
    let digest = motion(0, dearer()).body.digest();
    let voices = |docket: &Docket| docket.vote(&digest).map(|(_, electorate)| electorate.members());
    assert_eq!(voices(&docket), Some(5));
    roster.bury(site(4), later(DAY / 2), &[]);
    let minutes = minutes();
    docket.refresh(place(&roster, &minutes, later(DAY)));
    assert_eq!(voices(&docket), Some(4));
}

#[test]
fn a_motion_that_nobody_seconds_is_forgotten() {
    let (roster, mut docket) = (star(4), Docket::default());
    let _ = receive(&mut docket, Paper::Moved(motion(0, dearer())), &roster, later(DAY));
    assert_eq!(docket.forget(voting()).len(), 0);
    assert_eq!(docket.forget(voting().after(core::time::Duration::from_millis(1))).len(), 1);
}

/// A clock that is far ahead for a while has a vote forgotten; when it is right again, the agent does not go back behind what it signed.
#[test]
fn a_clock_that_was_wrong_makes_nobody_sign_twice() {
    let roster = star(4);
    let mut docket = docket(&roster);
    let third = Schedule::of(&motion(0, dearer()).body, &charter()).begins(2);
    let ours = |docket: &Docket| {
        let (vote, electorate) = docket.vote(&motion(0, dearer()).body.digest()).unwrap();
        vote.next_ballot(site(2), electorate, third)
    };
    let first = ours(&docket).unwrap();
    docket.remember(Signed::new(first.clone(), &key(2)));
    assert_eq!(docket.forget(Date::MAX).len(), 1);
    let _ = receive(&mut docket, Paper::Moved(motion(0, dearer())), &roster, third);
    for by in [0, 1, 3] {
        let prepared = ballot(&motion(0, dearer()), by, (1, Stage::Prepare), None, outcome(&[], true));
        assert_eq!(receive(&mut docket, Paper::Cast(prepared), &roster, third), Ok(Received::New));
    }
    assert_eq!(ours(&docket), None, "{first:?} was signed, in a later epoch than these");
}

#[test]
fn what_one_docket_has_another_can_be_told() {
    let roster = star(4);
    let (mut one, mut other) = (docket(&roster), Docket::default());
    let _ = receive(&mut one, Paper::Objected(objection(&motion(0, dearer()), 3)), &roster, later(DAY));
    let minutes = minutes();
    let known = other.digests(&minutes);
    for paper in one.unknown_to(&known, &minutes) {
        assert_eq!(receive(&mut other, paper, &roster, later(DAY)), Ok(Received::New), "told in an order in which each can be placed");
    }
    assert_eq!((one.digests(&minutes), one.papers().count()), (other.digests(&minutes), 3));
    assert_eq!(one.unknown_to(&other.digests(&minutes), &minutes).count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Papers in any order, some lost at first and all told again until nothing is new, make the same docket.
    #[test]
    fn any_order_and_loss_ends_in_the_same_docket(order in Just((0..14_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let roster = star(5);
        let mut papers = vec![Paper::Moved(motion(0, dearer())), Paper::Moved(motion(1, dearer()))];
        for by in 1..5 {
            // Of several seconds one is kept, the same everywhere.
            papers.push(Paper::Seconded(second(&motion(0, dearer()), by)));
            papers.push(Paper::Objected(objection(&motion(1, dearer()), by)));
            papers.push(Paper::Cast(ballot(&motion(0, dearer()), by, (0, Stage::Prepare), None, outcome(&[], true))));
        }
        let (mut one, mut other) = (Docket::default(), Docket::default());
        papers.iter().for_each(|paper| drop(receive(&mut one, paper.clone(), &roster, voting())));
        for _ in 0..2 {
            order.iter().for_each(|at| drop(receive(&mut other, papers[*at].clone(), &roster, voting())));
        }
        prop_assert_eq!(one.digests(&minutes()), other.digests(&minutes()));
    }
}
