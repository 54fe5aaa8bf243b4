//! Ways to share a crowd, over one stage that is small enough for a test.

use overspill_simulations::laboratory::policies::{POLICIES, Policy, Shared, Stage};

fn shared(stage: &Stage, policy: Policy) -> Shared {
    let course = stage.play(policy);
    assert!(course.failures.is_empty(), "{:?}", course.failures);
    course.measure(stage)
}

#[test]
fn a_mesh_serves_more_than_none_and_sends_nobody_away_without_need() {
    let stage = Stage::of(1, (6, 0), 2);
    let (ours, alone) = (shared(&stage, Policy::Ours), shared(&stage, Policy::NoMesh));
    assert!(ours.goodput > alone.goodput + 100, "{ours:?} {alone:?}");
    assert_eq!((ours.needless, alone.redirected, alone.riders), (0, 0, 0));
    assert!(ours.settle < 1_000, "{ours:?}");
}

#[test]
fn every_policy_is_a_function_of_its_stage_and_serves_no_more_than_is_wanted() {
    let stage = Stage::of(2, (6, 1), 2);
    for (name, policy) in POLICIES.into_iter().filter(|(_, policy)| *policy != Policy::Ours) {
        let course = stage.play(policy);
        assert_eq!(course.steps, stage.play(policy).steps, "{name}");
        for step in &course.steps {
            assert!(step.iter().all(|did| did.own + did.helped <= did.wanted && did.helped <= did.sent), "{name}: {step:?}");
            let (helped, given) = step.iter().fold((0, 0), |sum, did| (sum.0 + did.helped, sum.1 + did.given));
            assert_eq!(helped, given, "{name}");
        }
    }
}

#[test]
fn each_policy_has_the_flaw_that_it_is_known_for() {
    let stage = Stage::of(1, (6, 0), 2);
    assert!(shared(&stage, Policy::StaticSplit).needless > 100, "a static split sends away what need not go");
    assert!(shared(&stage, Policy::Thresholds).needless > 0, "hysteresis begins with too much and ends late");
    let (tit_for_tat, one_account) = (shared(&stage, Policy::TitForTat), shared(&stage, Policy::OneAccount));
    assert!(tit_for_tat.goodput < one_account.goodput, "who was never struck was never helped: {tit_for_tat:?} {one_account:?}");
    assert!(shared(&stage, Policy::Heartbeats).refused > 50, "crowds come and go between two heartbeats");
}
