use super::*;
use crate::{
    fixtures::{DAY, ballot, charter, dearer, electorate, key, later, motion, objection, outcome, second, site, star},
    limits::EPOCHS_MAX,
};
use alloc::vec;
use proptest::prelude::*;

/// A mesh of equals and one motion in it.
struct Mesh {
    motion: Signed<Motion>,
    electorate: Electorate,
}

fn of(members: u16) -> Mesh {
    let motion = motion(0, dearer());
    Mesh { electorate: electorate(&star(members), &motion), motion }
}

impl Mesh {
    /// What an agent knows that heard of the motion at once, and of its second.
    fn vote(&self) -> Vote {
        let mut vote = self.untold(later(DAY));
        let _ = vote.second(second(&self.motion, 1), &self.electorate).unwrap();
        vote
    }

    fn untold(&self, heard: Date) -> Vote {
        Vote::new(self.motion.clone(), &charter(), heard)
    }

    fn cast(&self, vote: &mut Vote, by: u16, place: (u32, Stage), basis: Option<u32>, outcome: Outcome) {
        let _ = vote.cast(ballot(&self.motion, by, place, basis, outcome), &self.electorate).unwrap();
    }

    /// What site `by` signs next, with what this vote holds.
    fn next(&self, vote: &Vote, by: u16, now: Date) -> Option<Signed<Ballot>> {
        Some(Signed::new(vote.next_ballot(site(by), &self.electorate, now)?, &key(by)))
    }

    /// The first moment of an epoch.
    fn epoch(&self, epoch: u32) -> Date {
        self.vote().schedule.begins(epoch)
    }

    /// All of these sign all they would, seeing everything.
    fn sign(&self, vote: &mut Vote, by: &[u16], now: Date) {
        for stage in [Stage::Prepare, Stage::Commit] {
            for by in by {
                if let Some(ballot) = self.next(vote, *by, now).filter(|ballot| ballot.body.stage == stage) {
                    let _ = vote.cast(ballot, &self.electorate).unwrap();
                }
            }
        }
    }
}

const PREPARE: Stage = Stage::Prepare;
const COMMIT: Stage = Stage::Commit;

#[test]
fn who_is_silent_consents() {
    let mesh = of(4);
    let mut vote = mesh.vote();
    assert_eq!(mesh.next(&vote, 0, vote.schedule.deadline), None, "nobody signs before the time of objections is over");
    mesh.sign(&mut vote, &[0, 1, 2], mesh.epoch(0));
    let decision = vote.decision(&mesh.electorate).unwrap();
    assert_eq!((decision.epoch, decision.outcome, decision.votes.len()), (0, outcome(&[], true), 3));
    assert!(decision.is_good() && decision.is_certified(&mesh.electorate));
}

#[test]
fn enough_objections_stop_a_motion_and_fewer_are_on_record() {
    for (objectors, adopts) in [(vec![3], true), (vec![3, 2], false)] {
        let mesh = of(4);
        let mut vote = mesh.vote();
        for by in &objectors {
            let _ = vote.object(objection(&mesh.motion, *by), &mesh.electorate).unwrap();
        }
        mesh.sign(&mut vote, &[0, 1, 2, 3], mesh.epoch(0));
        assert_eq!(vote.decision(&mesh.electorate).unwrap().outcome, outcome(&objectors, adopts));
    }
}

#[test]
fn without_two_thirds_it_defers_and_is_decided_when_they_are_there() {
    let mesh = of(4);
    let mut vote = mesh.vote();
    mesh.sign(&mut vote, &[0, 1], mesh.epoch(0));
    mesh.sign(&mut vote, &[0, 1], mesh.epoch(1));
    assert_eq!(vote.decision(&mesh.electorate), None);
    mesh.sign(&mut vote, &[0, 1, 3], mesh.epoch(2));
    assert_eq!(vote.decision(&mesh.electorate).unwrap().epoch, 2);
    assert_eq!(mesh.next(&vote, 2, vote.schedule.lapses()), None, "after the last epoch nobody signs");
}

#[test]
fn an_objection_that_half_of_them_saw_defers_until_all_have_seen_it() {
    let mesh = of(4);
    let (mut seen, mut unseen) = (mesh.vote(), mesh.vote());
    let _ = seen.object(objection(&mesh.motion, 3), &mesh.electorate).unwrap();
    let mut all = mesh.vote();
    for (vote, by) in [(&mut seen, [2, 3]), (&mut unseen, [0, 1])] {
        mesh.sign(vote, &by, mesh.epoch(0));
        vote.ballots().cloned().for_each(|ballot| drop(all.cast(ballot, &mesh.electorate)));
    }
    assert_eq!((all.prepared(&mesh.electorate).len(), all.decision(&mesh.electorate)), (0, None));
    let _ = all.object(objection(&mesh.motion, 3), &mesh.electorate).unwrap();
    mesh.sign(&mut all, &[0, 1, 2, 3], mesh.epoch(1));
    assert_eq!(all.decision(&mesh.electorate).unwrap().outcome, outcome(&[3], true));
}

#[test]
fn who_was_not_told_in_time_follows_and_does_not_consent() {
    let mesh = of(4);
    let told_by = mesh.vote().schedule.told_by;
    let late = |seconded: bool| {
        let mut vote = mesh.untold(told_by.after(core::time::Duration::from_secs(1)));
        if seconded {
            let _ = vote.second(second(&mesh.motion, 1), &mesh.electorate).unwrap();
        }
        vote
    };
    assert_eq!(mesh.next(&late(true), 2, mesh.epoch(0)), None);
    assert_eq!(mesh.next(&mesh.untold(told_by), 2, mesh.epoch(0)), None, "nobody seconded it");
    let mut vote = late(true);
    for by in [0, 1, 3] {
        mesh.cast(&mut vote, by, (0, PREPARE), None, outcome(&[], true));
    }
    let follows = mesh.next(&vote, 2, mesh.epoch(0)).unwrap();
    assert_eq!(follows.body.place(), (0, COMMIT), "more than two thirds were told in time");
}

#[test]
fn who_committed_holds_to_it_until_a_later_majority_releases_it() {
    let mesh = of(4);
    let (mut vote, adopts, stops) = (mesh.vote(), outcome(&[], true), outcome(&[2, 3], false));
    for by in [0, 1, 2] {
        mesh.cast(&mut vote, by, (0, PREPARE), None, adopts);
    }
    let commit = mesh.next(&vote, 0, mesh.epoch(0)).unwrap();
    // The process dies; all that it has afterwards is its ledger, and objections that came late.
    let mut after = mesh.vote();
    after.remember(commit.clone());
    for by in [2, 3] {
        let _ = after.object(objection(&mesh.motion, by), &mesh.electorate).unwrap();
    }
    let held = mesh.next(&after, 0, mesh.epoch(1)).unwrap();
    assert_eq!((held.body.outcome, held.body.basis), (adopts, Some(0)));
    assert_eq!(mesh.next(&after, 0, mesh.epoch(0)), None, "what was signed is not signed again");
    for by in [1, 2, 3] {
        mesh.cast(&mut after, by, (1, PREPARE), None, stops);
    }
    let released = mesh.next(&after, 0, mesh.epoch(2)).unwrap();
    assert_eq!((released.body.place(), released.body.basis, released.body.outcome), ((2, PREPARE), Some(1), stops));
    let honest = Equivocation { one: commit, other: released };
    assert!(!honest.convicts());
}

/// A decision is dated from the epoch of its commitments: one that was made long afterwards would change the past.
#[test]
fn nobody_commits_in_an_epoch_that_is_over() {
    let mesh = of(4);
    let mut vote = mesh.vote();
    for by in [0, 1, 3] {
        mesh.cast(&mut vote, by, (0, PREPARE), None, outcome(&[], true));
    }
    let late = mesh.next(&vote, 2, mesh.epoch(1)).unwrap();
    assert_eq!((late.body.place(), late.body.basis), ((1, PREPARE), Some(0)), "it takes up what the others prepared");
    mesh.sign(&mut vote, &[0, 1, 2], mesh.epoch(1));
    assert_eq!(vote.decision(&mesh.electorate).unwrap().epoch, 1);
}

/// A third that lies shows an agent that has started again a majority for something else, of the epoch in which it committed.
#[test]
fn a_majority_of_the_same_epoch_releases_nobody_from_its_commitment() {
    let mesh = of(4);
    let (ours, theirs) = (outcome(&[], true), outcome(&[2, 3], false));
    let mut vote = mesh.vote();
    [PREPARE, COMMIT].into_iter().for_each(|stage| vote.remember(ballot(&mesh.motion, 0, (0, stage), None, ours)));
    [1, 2, 3].into_iter().for_each(|by| mesh.cast(&mut vote, by, (0, PREPARE), None, theirs));
    let next = mesh.next(&vote, 0, mesh.epoch(1)).unwrap();
    assert_eq!((next.body.outcome, next.body.basis), (ours, Some(0)));
}

#[test]
fn a_majority_that_nobody_can_show_moves_nobody() {
    let mesh = of(4);
    let mut vote = mesh.vote();
    for by in [1, 2, 3] {
        mesh.cast(&mut vote, by, (3, PREPARE), Some(2), outcome(&[1, 2], false));
    }
    assert_eq!(vote.prepared(&mesh.electorate).len(), 0, "in epoch 2 nobody prepared anything");
}

/// Two certificates for two outcomes in one epoch, in a mesh of seven: three must sign both, and each of them is convicted by it.
#[test]
fn two_certificates_in_one_epoch_take_a_third_that_convict_themselves() {
    let mesh = of(7);
    let (adopts, stops) = (outcome(&[], true), outcome(&[4, 5, 6], false));
    let signed = |both: &[u16]| {
        let mut vote = mesh.vote();
        let mut convicted = BTreeSet::new();
        let mut sign = |by: u16, outcome| {
            for stage in [PREPARE, COMMIT] {
                if let Taken::Convicts(proof) = vote.cast(ballot(&mesh.motion, by, (0, stage), None, outcome), &mesh.electorate).unwrap() {
                    assert!(proof.convicts());
                    convicted.insert(proof.one.body.voter);
                }
            }
        };
        let honest: Vec<u16> = (0..7).filter(|by| !both.contains(by)).collect();
        let (some, others) = honest.split_at(honest.len() / 2);
        some.iter().chain(both).for_each(|by| sign(*by, adopts));
        others.iter().chain(both).for_each(|by| sign(*by, stops));
        (vote.certified(&mesh.electorate, 0, COMMIT, |_| true), convicted)
    };
    let (outcomes, convicted) = signed(&[0, 1]);
    assert_eq!((outcomes.len(), convicted.len()), (1, 2), "two of seven are too few, and are found out anyway");
    let (outcomes, convicted) = signed(&[0, 1, 2]);
    assert_eq!((outcomes.len(), convicted.len()), (2, 3));
}

/// What a liar signed for one member helps that member to show another what it saw, though the other has two other ballots of the liar's.
#[test]
fn who_prepares_twice_counts_for_whatever_others_saw_of_it() {
    let mesh = of(4);
    let (seen, others) = (outcome(&[2], true), [outcome(&[], true), outcome(&[1], true)]);
    let (mut one, mut other) = (mesh.vote(), mesh.vote());
    for vote in [&mut one, &mut other] {
        [1, 2].into_iter().for_each(|by| mesh.cast(vote, by, (0, PREPARE), None, seen));
    }
    mesh.cast(&mut one, 3, (0, PREPARE), None, seen);
    others.into_iter().for_each(|lie| drop(other.cast(ballot(&mesh.motion, 3, (0, PREPARE), None, lie), &mesh.electorate)));
    assert_eq!(one.prepared(&mesh.electorate), other.prepared(&mesh.electorate));
    assert_eq!(other.prepared(&mesh.electorate), BTreeMap::from([(0, vec![seen])]), "one who lies is not enough for the other two");
}

#[test]
fn of_two_objections_of_one_member_all_keep_the_same() {
    let mesh = of(4);
    let words = |reason: &str| {
        let body = crate::motion::Objection { reason: reason.into(), ..objection(&mesh.motion, 2).body };
        Signed::new(body, &key(2))
    };
    let kept = [["dear", "late"], ["late", "dear"]].map(|order| {
        let mut vote = mesh.vote();
        order.into_iter().for_each(|reason| drop(vote.object(words(reason), &mesh.electorate)));
        vote.objections().cloned().collect::<Vec<_>>()
    });
    assert_eq!((kept[0].len(), &kept[0]), (1, &kept[1]));
}

#[test]
fn what_is_not_the_motions_or_not_signed_is_refused() {
    let mesh = of(4);
    let (mut vote, electorate) = (mesh.vote(), &mesh.electorate);
    let good = ballot(&mesh.motion, 2, (0, PREPARE), None, outcome(&[], true));
    let by_another = Signed { body: good.body.clone(), signature: good.body.sign(&key(3)) };
    let no_seat = ballot(&mesh.motion, 9, (0, PREPARE), None, outcome(&[], true));
    let too_late = ballot(&mesh.motion, 2, (EPOCHS_MAX, PREPARE), None, outcome(&[], true));
    assert_eq!(vote.cast(by_another, electorate), Err(PaperError::NotGood));
    assert_eq!(vote.cast(no_seat, electorate), Err(PaperError::NoPart));
    assert_eq!(vote.cast(too_late, electorate), Err(PaperError::NotGood));
    assert_eq!(vote.cast(good.clone(), electorate), Ok(Taken::New));
    assert_eq!(vote.cast(good, electorate), Ok(Taken::Known));
    assert_eq!(vote.second(second(&mesh.motion, 0), electorate), Err(PaperError::NoPart), "nobody seconds itself");
    assert_eq!(vote.object(objection(&mesh.motion, 9), electorate), Err(PaperError::NoPart));
}

#[test]
fn ballots_of_one_place_are_bounded() {
    let mesh = of(4);
    let mut vote = mesh.vote();
    for objectors in [&[][..], &[1], &[2], &[3]] {
        let _ = vote.cast(ballot(&mesh.motion, 3, (0, PREPARE), None, outcome(objectors, true)), &mesh.electorate);
    }
    assert_eq!(vote.ballots().count(), BALLOTS_KEPT);
}

/// One thing that happens among agents that see what chance lets them see.
#[derive(Debug, Clone)]
enum Step {
    /// Agent `to` comes to know all that `from` knows, or every other paper of it.
    Tell { from: u16, to: u16, half: bool },
    /// A member objects, where its own agent sees it.
    Object { by: u16 },
    /// An honest agent signs what it would.
    Sign { by: u16 },
    /// A dishonest one signs anything, and shows it to one agent.
    Lie { by: u16, to: u16, epoch: u32, commit: bool, basis: Option<u32>, adopts: bool },
    /// An agent dies: it keeps what it signed.
    Crash { by: u16 },
    /// The calendar moves on.
    Pass,
}

const MEMBERS: u16 = 7;
const LIARS: u16 = 2;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let honest = LIARS..MEMBERS;
    let step = prop_oneof![
        8 => (0..MEMBERS, honest.clone(), any::<bool>()).prop_map(|(from, to, half)| Step::Tell { from, to, half }),
        1 => (0..MEMBERS).prop_map(|by| Step::Object { by }),
        8 => honest.clone().prop_map(|by| Step::Sign { by }),
        4 => (0..LIARS, honest.clone(), 0..4_u32, any::<bool>(), prop::option::of(0..3_u32), any::<bool>())
            .prop_map(|(by, to, epoch, commit, basis, adopts)| Step::Lie { by, to, epoch, commit, basis, adopts }),
        1 => honest.prop_map(|by| Step::Crash { by }),
        1 => Just(Step::Pass),
    ];
    prop::collection::vec(step, 0..160)
}

fn copy(from: &Vote, to: &mut Vote, electorate: &Electorate, half: bool) {
    let picked = |at: usize| !half || at.is_multiple_of(2);
    from.objections().enumerate().filter(|(at, _)| picked(*at)).for_each(|(_, objection)| drop(to.object(objection.clone(), electorate)));
    from.ballots().enumerate().filter(|(at, _)| picked(*at)).for_each(|(_, ballot)| drop(to.cast(ballot.clone(), electorate)));
}

proptest! {
    // `PROPTEST_CASES=80000` tries 10,000 schedules.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    /// Fewer than a third lie, the others see anything in any order and die at any time: all decisions are one, nobody honest is convicted.
    #[test]
    fn there_is_one_outcome_whatever_fewer_than_a_third_do(steps in steps()) {
        let mesh = of(MEMBERS);
        let mut agents: Vec<Vote> = (0..MEMBERS).map(|_| mesh.vote()).collect();
        let mut signed: Vec<Vec<Signed<Ballot>>> = vec![Vec::new(); usize::from(MEMBERS)];
        let mut all = mesh.vote();
        let mut epoch = 0;
        for step in steps {
            match step {
                Step::Tell { from, to, half } => {
                    let from = agents[usize::from(from)].clone();
                    copy(&from, &mut agents[usize::from(to)], &mesh.electorate, half);
                }
                Step::Object { by } => drop(agents[usize::from(by)].object(objection(&mesh.motion, by), &mesh.electorate)),
                Step::Sign { by } => {
                    if let Some(ballot) = mesh.next(&agents[usize::from(by)], by, mesh.epoch(epoch)) {
                        prop_assert!(signed[usize::from(by)].iter().all(|before| before.body.place() < ballot.body.place()));
                        signed[usize::from(by)].push(ballot.clone());
                        let _ = agents[usize::from(by)].cast(ballot.clone(), &mesh.electorate).unwrap();
                        let _ = all.cast(ballot, &mesh.electorate).unwrap();
                    }
                }
                Step::Lie { by, to, epoch, commit, basis, adopts } => {
                    let (stage, basis) = if commit { (COMMIT, None) } else { (PREPARE, basis.filter(|basis| *basis < epoch)) };
                    // Lies that fit what honest agents may say are worth most.
                    let seen = agents[usize::from(to)].outcome(&mesh.electorate);
                    let outcome = if adopts { seen } else { outcome(&[], true) };
                    let lie = ballot(&mesh.motion, by, (epoch, stage), basis, outcome);
                    let _ = agents[usize::from(to)].cast(lie.clone(), &mesh.electorate);
                    let _ = all.cast(lie, &mesh.electorate);
                }
                Step::Crash { by } => {
                    agents[usize::from(by)] = mesh.vote();
                    signed[usize::from(by)].iter().for_each(|ballot| agents[usize::from(by)].remember(ballot.clone()));
                }
                Step::Pass => epoch = (epoch + 1).min(EPOCHS_MAX - 1),
            }
        }
        let mut decided: BTreeSet<Outcome> = agents.iter().filter_map(|agent| agent.decision(&mesh.electorate)).map(|decision| decision.outcome).collect();
        decided.extend(all.epochs().flat_map(|epoch| all.certified(&mesh.electorate, epoch, COMMIT, |_| true)));
        prop_assert!(decided.len() <= 1, "{decided:?}");
        prop_assert!(all.prepared(&mesh.electorate).values().all(|outcomes| outcomes.len() == 1));
        for ballots in &signed {
            for (at, one) in ballots.iter().enumerate() {
                for other in &ballots[at + 1..] {
                    let proof = Equivocation { one: one.clone(), other: other.clone() };
                    prop_assert!(!proof.convicts());
                }
            }
        }
        // Once messages flow, it is decided within two epochs, whatever was said before.
        for agent in agents.clone() {
            copy(&agent, &mut all, &mesh.electorate, false);
        }
        for _ in 0..2 {
            epoch += 1;
            if epoch < EPOCHS_MAX {
                mesh.sign(&mut all, &(LIARS..MEMBERS).collect::<Vec<_>>(), mesh.epoch(epoch));
            }
        }
        prop_assert!(epoch >= EPOCHS_MAX || all.decision(&mesh.electorate).is_some());
        let after = all.decision(&mesh.electorate).map(|decision| decision.outcome);
        prop_assert!(after.is_none() || decided.iter().all(|before| Some(*before) == after));
    }

    /// Order and doubling make no difference to what a member sees.
    #[test]
    fn the_view_is_a_function_of_the_set(order in Just((0..40_usize).collect::<Vec<_>>()).prop_shuffle(), doubled in any::<u64>()) {
        let mesh = of(5);
        let mut papers: Vec<(Option<u16>, Option<Signed<Ballot>>)> = (0..5).map(|by| (Some(by), None)).collect();
        for by in 0..5 {
            for (epoch, adopts) in [(0, true), (1, by % 2 == 0)] {
                let seen = outcome(if adopts { &[] } else { &[1, 2] }, adopts);
                papers.push((None, Some(ballot(&mesh.motion, by, (epoch, PREPARE), None, seen))));
                papers.push((None, Some(ballot(&mesh.motion, by, (epoch, COMMIT), None, seen))));
            }
        }
        let take = |vote: &mut Vote, at: usize| match &papers[at % papers.len()] {
            (Some(by), _) => drop(vote.object(objection(&mesh.motion, *by), &mesh.electorate)),
            (_, Some(ballot)) => drop(vote.cast(ballot.clone(), &mesh.electorate)),
            _ => {}
        };
        let (mut one, mut other) = (mesh.vote(), mesh.vote());
        (0..40).for_each(|at| take(&mut one, at));
        for at in order {
            take(&mut other, at);
            if doubled & (1 << at) != 0 {
                take(&mut other, at);
            }
        }
        prop_assert_eq!(one.outcome(&mesh.electorate), other.outcome(&mesh.electorate));
        prop_assert_eq!(one.prepared(&mesh.electorate), other.prepared(&mesh.electorate));
        prop_assert_eq!(one.decision(&mesh.electorate), other.decision(&mesh.electorate));
        prop_assert_eq!(one.ballots().collect::<Vec<_>>(), other.ballots().collect::<Vec<_>>());
    }
}
