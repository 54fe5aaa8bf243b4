//! A coarse recovery map over the real machines. `simulate recovery` has the fine one.

use overspill_simulations::{
    laboratory::{
        course::{Course, Run},
        recovery::{Cell, ENDS, Recovery, TRIGGERS, Trigger, needless, pulses},
    },
    server::{
        Model,
        counts::{ALWAYS, SLOT_MS},
        model::Rule,
        spread::Spread,
    },
};

const PARTNERS: usize = 2;
const SEED: u64 = 1;

fn play(run: &Run) -> Course {
    let course = run.play();
    assert!(course.failures.is_empty(), "{:?}", course.failures);
    course
}

fn recovery(model: Model, cell: Cell) -> Recovery {
    let twin = play(&cell.run(model, PARTNERS, SEED, true));
    Recovery::of(&[play(&cell.run(model, PARTNERS, SEED, false))], &[twin])
}

#[test]
fn a_site_is_itself_again_ten_seconds_after_every_trigger() {
    for (name, trigger) in TRIGGERS {
        for load in [30, 80] {
            let found = recovery(Model::SMALL, Cell { load, trigger, strength: 10 });
            assert!(found.settle <= 10_000 && found.overshoot <= 200, "{name} at {load} %: {found:?}");
            assert!(trigger == Trigger::Cold || found.depth < 950, "{name} at {load} %: it has not been struck: {found:?}");
        }
    }
}

#[test]
fn a_rule_that_remembers_is_found_out() {
    let sticky = Model { rule: Rule::Sticky, ..Model::SMALL };
    let found = recovery(sticky, Cell { load: 60, trigger: Trigger::Crowd, strength: 10 });
    assert!(found.overshoot > 500, "it goes on redirecting: {found:?}");
}

#[test]
fn a_twin_has_the_same_visitors_and_a_run_is_a_function_of_its_seed() {
    let cell = Cell { load: 40, trigger: Trigger::Crowd, strength: 5 };
    let run = cell.run(Model::SMALL, PARTNERS, SEED, false);
    let (one, again, twin) = (play(&run), play(&run), play(&cell.run(Model::SMALL, PARTNERS, SEED, true)));
    assert_eq!((one.trace_hash, &one.slots), (again.trace_hash, &again.slots));
    let always = |course: &Course| course.slots.iter().map(|slot| slot.wanted[ALWAYS]).collect::<Vec<_>>();
    let until = (ENDS / SLOT_MS) as usize;
    assert_eq!(always(&one)[..until], always(&twin)[..until]);
    assert!(one.slots.iter().any(|slot| slot.wanted[1] > 0) && twin.slots.iter().all(|slot| slot.wanted[1] == 0));
}

#[test]
fn no_rhythm_is_worse_than_a_crowd_that_stays() {
    let goodput = |period| pulses::goodput(&[play(&pulses::run(Model::SMALL, PARTNERS, period, SEED))]);
    let stays = goodput(None);
    for period in [500, 4_000] {
        let found = goodput(Some(period));
        assert!(found + 10 >= stays, "pulses of {period} ms: {found}, a crowd that stays: {stays}");
    }
}

#[test]
fn small_files_are_hardly_ever_redirected_without_need() {
    let model = needless::lighter(Model { sizes: (Spread::Constant, Model::SMALL.sizes.1), ..Model::SMALL }, 5);
    let (redirected, failed) = needless::shares(&[play(&needless::run(model, PARTNERS, 70, 20, SEED))]);
    assert!(redirected <= 1_000 && failed <= 1_000, "{redirected} and {failed} in a million");
}
