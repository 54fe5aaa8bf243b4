//! A mesh in which many attack at once, each in its own way: the experiment of `simulate sweep attackers=..`, small.

use std::time::Duration;

use overspill_simulations::laboratory::{Measures, Setting, measured};

fn played(attackers: u32) -> Measures {
    let length = Duration::from_secs(120);
    let setting = Setting { sites: 14, length, events: 4, correlation: 100_000, peak: 80, seeds: (3, 1), attackers: Some(attackers) };
    let (outcome, measures) = measured(&setting.plot(3));
    assert_eq!(outcome.failures, Vec::<String>::new());
    measures.expect("a run that ended")
}

#[test]
fn who_is_honest_is_helped_nearly_as_well_where_many_attack() {
    let (calm, attacked) = (played(0), played(30));
    assert!(calm.helped > 800, "{calm:?}");
    assert!(attacked.helped * 100 >= calm.helped * 95, "{calm:?} {attacked:?}");
}
