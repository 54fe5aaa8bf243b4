//! Credit over many crowds, in meshes that are small enough for a test.

use overspill_simulations::laboratory::{
    economics::crash::{RULES, Stage, Struck},
    spill::Spill,
};

/// Three members of whom one is struck all the time.
const STAGE: Stage = Stage { sites: 3, rounds: 12, struck: Struck::Half, seed: 1 };

/// Refused spill of the first three crowds and of the last three, in thousandths.
fn first_and_last(rounds: &[Spill]) -> [u64; 2] {
    let share = |rounds: &[Spill]| {
        let sum = |of: fn(&Spill) -> u64| rounds.iter().map(of).sum::<u64>();
        sum(|spill| spill.refused) * 1_000 / sum(Spill::wanted)
    };
    [share(&rounds[..3]), share(&rounds[rounds.len() - 3..])]
}

#[test]
fn small_limits_run_dry_while_helpers_have_room_and_those_that_are_usual_do_not() {
    let played = [&RULES[0], &RULES[3]].map(|rules| STAGE.play(rules));
    assert!(played.iter().all(|course| course.outcome.failures.is_empty() && course.rounds.len() == 12), "{played:?}");
    let [dry, usual] = played.each_ref().map(|course| first_and_last(&course.rounds));
    assert!(dry[1] > dry[0] + 300 && dry[1] > 900, "it goes on until nothing is left: {dry:?}");
    assert!(usual[1] < 200, "{usual:?}");
    let [dry, usual] = played.map(|course| course.measures.unwrap());
    assert!(dry.indebted > 400 && usual.indebted < 50, "{dry:?} {usual:?}");
    assert!(dry.exposed <= 1_000 && usual.exposed <= 1_000, "{dry:?} {usual:?}");
}
