use super::*;
use proptest::prelude::*;

const OBJECT: ObjectDigest = ObjectDigest([7; 32]);

fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1_000)
}

/// Of one object that the pages named by `held` hold.
fn holders(held: &[u16]) -> Holders {
    let holding = Holding { held: AtomicU64::new(held.iter().fold(0, |mask, at| mask | 1 << at)), ..Holding::default() };
    Holders(HashMap::from([(OBJECT, holding)]))
}

fn arranged(holders: &Holders, spare: impl Fn(u16) -> u64, now: Time) -> Vec<u16> {
    let mut order: Vec<u16> = (0..6).collect();
    holders.arrange(&OBJECT, &mut order, |at| Duration::from_millis(spare(at)), now);
    order
}

#[test]
fn holders_come_first_and_the_least_busy_of_them_before_the_others() {
    let holders = holders(&[2, 4, 5]);
    assert_eq!(arranged(&holders, |_| 100, at(0)), [2, 4, 5, 0, 1, 3], "among equals the object's own order stands");
    assert_eq!(arranged(&holders, |page| u64::from(page) * 10, at(0)), [5, 4, 2, 0, 1, 3]);
    let mut order = vec![3, 1];
    holders.arrange(&ObjectDigest([8; 32]), &mut order, |_| Duration::ZERO, at(0));
    assert_eq!(order, [3, 1], "nothing is known of it");
}

#[test]
fn few_new_helpers_are_asked_at_a_time_and_few_visitors_wait_for_each() {
    let holders = holders(&[]);
    holders.note_sent(&OBJECT, 3, at(0));
    assert_eq!(arranged(&holders, |_| 0, at(0)), [3], "one fetches it, and who comes meanwhile waits there");
    (1..VISITORS_PER_FETCH).for_each(|_| holders.note_sent(&OBJECT, 3, at(1)));
    assert_eq!(arranged(&holders, |_| 0, at(1)), [0_u16; 0], "but not everybody");
    holders.note_filled(&OBJECT, 3);
    assert_eq!(arranged(&holders, |_| 0, at(2)), [3, 0, 1, 2, 4, 5]);
    holders.note_sent(&OBJECT, 0, at(2));
    assert_eq!(arranged(&holders, |_| 0, at(2)), [3, 0]);
    holders.note_filled(&OBJECT, 0);
    for new in [1, 2] {
        assert!(arranged(&holders, |_| 0, at(3)).contains(&new), "two hold it, so two may fetch it at once");
        holders.note_sent(&OBJECT, new, at(3));
    }
    assert_eq!(arranged(&holders, |_| 0, at(3)), [0, 3, 1, 2]);
}

#[test]
fn a_fetch_that_never_ends_is_forgotten() {
    let holders = holders(&[0]);
    (0..VISITORS_PER_FETCH).for_each(|_| holders.note_sent(&OBJECT, 1, at(5)));
    holders.note_fetching(&OBJECT, 1, at(5));
    assert_eq!(arranged(&holders, |_| 0, at(2_004)), [0]);
    assert_eq!(arranged(&holders, |_| 9, at(2_005)), [0, 1, 2, 3, 4, 5]);
    holders.note_sent(&OBJECT, 4, at(2_005));
    assert_eq!(arranged(&holders, |_| 9, at(2_005)), [0, 4], "the first is as any other that lacks it");
}

#[test]
fn who_gets_visitors_and_asks_for_nothing_holds_it_and_who_asks_does_not() {
    let holders = holders(&[0]);
    (0..VISITORS_PER_FETCH).for_each(|_| holders.note_sent(&OBJECT, 1, at(5)));
    assert_eq!(arranged(&holders, |_| 9, at(504)), [0]);
    assert_eq!(arranged(&holders, |_| 9, at(505)), [0, 1, 2, 3, 4, 5]);
    holders.note_fetching(&OBJECT, 0, at(600));
    assert_eq!(arranged(&holders, |_| 9, at(600)), [1, 0], "it was restarted, say, and lost its copy");
    holders.note_filled(&OBJECT, 0);
    assert_eq!(arranged(&holders, |_| 9, at(600))[..2], [0, 1]);
}

proptest! {
    #[test]
    fn whatever_happens_each_candidate_is_offered_at_most_once_and_holders_always(
        steps in prop::collection::vec((0_u8..4, 0_u16..6, 0_u64..700), 0..100),
    ) {
        let holders = holders(&[]);
        let (mut now, mut held) = (0, std::collections::BTreeSet::new());
        for (what, page, pause) in steps {
            now += pause;
            match what {
                0 => holders.note_sent(&OBJECT, page, at(now)),
                1 => {
                    holders.note_filled(&OBJECT, usize::from(page));
                    held.insert(page);
                }
                2 => {
                    holders.note_fetching(&OBJECT, usize::from(page), at(now));
                    held.remove(&page);
                }
                _ => (),
            }
            let mut order = arranged(&holders, u64::from, at(now));
            prop_assert!(held.iter().all(|page| order.contains(page)));
            order.sort_unstable();
            prop_assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
        }
        prop_assert!(!arranged(&holders, u64::from, at(now + 2_000)).is_empty());
    }
}
