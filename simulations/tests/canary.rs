//! Canaries: worlds in which a promise is broken for sure. If one of these runs passes, the checkers are asleep.

use std::panic::{AssertUnwindSafe, catch_unwind};

use overspill_simulations::{story::Story, world::Faults};

/// What a story on disks that lie says when it fails.
fn told(seed: u64, faults: Faults) -> Option<String> {
    let story = || {
        let mut story = Story::of(seed, 3, Faults::default());
        story.world.faults = faults;
        for body in &mut story.world.bodies {
            body.disk.lies = true;
        }
        story.crowd(0, 80, 20);
        story.heal();
        story.check();
    };
    let failed = catch_unwind(AssertUnwindSafe(story)).err()?;
    failed.downcast_ref::<String>().cloned()
}

/// A disk that forgets its last entry loses what was served. That nobody signs twice for it, partners see to.
#[test]
fn a_disk_that_lies_is_found_out() {
    let faults = Faults { loss: 30_000, latency_max: 80, crash_weighty: 60_000, ..Faults::default() };
    let caught = (0..40).filter_map(|seed| told(seed, faults)).any(|words| words.contains("and was paid for"));
    assert!(caught, "forty stories with a lying disk, and nobody noticed");
}
