//! Every target takes its seeds, what was once found, what is kept of long runs, and mutations of them, on every test run.
#![allow(clippy::unwrap_used)]

use overspill_fuzz::{TARGETS, Target, mutate::Mutator};

/// Mutations of each target: a second or two for all of them in a debug build. `OVERSPILL_FUZZ_ROUNDS` sets another number.
const ROUNDS: u64 = 4_000;

fn drive(target: &Target) {
    let start = target.start();
    assert!(!start.is_empty(), "{} has no seeds", target.name);
    start.iter().for_each(|bytes| run(target, bytes));
    let rounds = std::env::var("OVERSPILL_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    // A machine makes signatures: fewer rounds take as long.
    let rounds = if ["machine", "settling"].contains(&target.name) { rounds / 20 } else { rounds };
    for round in 0..rounds {
        run(target, &Mutator::new(round).bend(&start));
    }
}

fn run(target: &Target, bytes: &[u8]) {
    let body = target.body;
    if let Err(panic) = std::panic::catch_unwind(|| body(bytes)) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{} panics on what stands here in hex; once mended, put it into `found`:\n{hex}", target.name);
        std::panic::resume_unwind(panic);
    }
}

macro_rules! drive {
    ($($name:ident)+) => {
        $(#[test] fn $name() { drive(&overspill_fuzz::target(stringify!($name))); })+

        #[test]
        fn every_target_is_driven_and_has_a_program() {
            let driven = [$(stringify!($name),)+];
            let named: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(named, driven);
            let manifest = include_str!("../Cargo.toml");
            assert!(driven.iter().all(|name| manifest.contains(&format!("fuzz_targets/{name}.rs"))));
        }
    };
}

drive! { entry evidence token ledger wire machine settling ticket fill proof gate request connection answer response structured stored page }

#[test]
fn a_body_that_panics_is_noticed() {
    let bad = Target::new("bad", |bytes| assert!(bytes.len() < 5), || vec![b"1234".to_vec()]);
    assert!(std::panic::catch_unwind(|| drive(&bad)).is_err());
}
