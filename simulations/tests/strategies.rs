//! Strategies that must not pay, each played beside its twin, with its profit printed; those that do pay, and how much at most.
//!
//! `OVERSPILL_SEEDS` sets how many seeds each is played with. They take too long unoptimised:
//! `cargo test --release -p overspill-simulations --features planted --test strategies -- --nocapture`

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use overspill_simulations::laboratory::strategies::{CROWD, HONEST, Played, Profit, Strategy, play};

/// What a twin has in common with strategies, and its seed.
type Kind = ((usize, u64), u64);
/// The twins that were played.
static TWINS: Mutex<BTreeMap<Kind, Played>> = Mutex::new(BTreeMap::new());

fn seeds() -> u64 {
    std::env::var("OVERSPILL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Plays a strategy, prints what it brought in, and looks at each run.
fn profits(strategy: Strategy, look: impl Fn(&Profit)) {
    for seed in 0..seeds() {
        let twin = {
            let mut twins = TWINS.lock().unwrap_or_else(PoisonError::into_inner);
            twins.entry((strategy.twin(), seed)).or_insert_with(|| play(strategy, seed, CROWD, true)).clone()
        };
        let played = Profit::beside(strategy, seed, CROWD, &twin);
        println!("{strategy:?}, seed {seed}: profit {} micro-credits, {played:?}", played.profit());
        assert!(played.failures.is_empty(), "{:?}", played.failures);
        look(&played);
    }
}

/// It owes what honest members ever let it owe, once, and is helped less than who helps.
fn is_bounded_and_helped_less(profit: &Profit) {
    assert!(profit.strategist.got <= profit.bound, "{profit:?}");
    assert!(profit.strategist.got < profit.twin.got && profit.strategist.shed > profit.twin.shed, "{profit:?}");
}

#[test]
fn a_free_rider_is_helped_up_to_its_limits_and_no_more() {
    profits(Strategy::FreeRider, is_bounded_and_helped_less);
}

#[test]
fn who_withholds_receipts_is_helped_less_than_a_free_rider() {
    profits(Strategy::Withholder, |profit| {
        is_bounded_and_helped_less(profit);
        assert!(profit.strategist.got <= profit.bound / 2 && profit.strategist.signed == 0, "{profit:?}");
    });
}

#[test]
fn who_over_claims_is_helped_less_and_invents_little() {
    profits(Strategy::OverClaimer, |profit| {
        assert!(
            profit.strategist.got + profit.strategist.invented < profit.twin.got && profit.strategist.net() <= profit.bound,
            "{profit:?}"
        );
        // What it invents are guests whom it turned away: their words came, so that it can claim them until it is found out.
        assert!(profit.strategist.invented * 5 < profit.strategist.gave, "{profit:?}");
    });
}

#[test]
fn who_promises_too_much_earns_less_trust() {
    profits(Strategy::CapacityLiar, |profit| {
        // What it gave covers as much again of what it owes.
        assert!(profit.strategist.gave > 0 && profit.strategist.net() <= profit.bound + profit.strategist.gave, "{profit:?}");
        assert!(profit.strategist.got < profit.twin.got && profit.strategist.gave < profit.twin.gave / 2, "{profit:?}");
        assert_eq!(profit.strategist.invented, 0, "{profit:?}");
    });
}

#[test]
fn inflating_each_others_lines_earns_nothing_with_others() {
    profits(Strategy::CollusiveInflation, |profit| {
        assert!(profit.strategist.got <= profit.twin.got && profit.strategist.invented == 0, "{profit:?}");
    });
}

#[test]
fn a_forker_is_convicted_by_all_and_loses() {
    profits(Strategy::Forker, |profit| {
        assert!(profit.strategist.got < profit.twin.got && profit.convicted_by == HONEST, "{profit:?}");
    });
}

#[test]
fn a_vote_farm_changes_no_rule() {
    profits(Strategy::VoteFarm, |profit| {
        assert!(!profit.rules_changed && profit.strategist.got <= profit.twin.got, "{profit:?}");
    });
}

/// Its names share the stake of whom they hang below: the farm owes what one free-rider owes.
#[test]
fn a_sybil_farm_gets_no_more_than_one_name() {
    profits(Strategy::SybilFarm, is_bounded_and_helped_less);
}

/// The old name's debts are off the stake of who lets the new one in, until that one's service has made up for them.
#[test]
fn a_new_name_gets_what_the_one_before_left_of_the_stake_and_what_its_sponsor_made_up_for() {
    profits(Strategy::Whitewasher, |profit| {
        assert!(profit.made_up > 0, "the sponsor served, and made up for nothing: {profit:?}");
        assert!(profit.strategist.got <= profit.bound && profit.strategist.got < profit.twin.got, "{profit:?}");
    });
}

/// A claim is bounded by what was handed out, and not by what was served; what samples find moves who is asked next, not what was earned.
#[test]
fn a_selective_server_is_paid_for_tickets_that_were_handed_out_and_no_more() {
    profits(Strategy::SelectiveServer, |profit| {
        assert!(profit.strategist.gave + profit.strategist.invented <= profit.twin.gave * 11 / 10, "{profit:?}");
    });
}
