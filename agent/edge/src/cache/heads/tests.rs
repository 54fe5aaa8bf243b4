use super::*;
use proptest::prelude::*;

fn heads(bytes_max: u64) -> Arc<Heads> {
    Arc::new(Heads::new(bytes_max))
}

fn lines(number: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nserver: a\r\ncache-control: max-age={number}\r\n").into_bytes()
}

fn is_empty(heads: &Heads) -> bool {
    let table = heads.table();
    table.commons.is_empty() && table.bytes == 0
}

#[test]
fn names_are_in_order() {
    assert!(COMMON.is_sorted_by(|one, next| one < next));
    assert!(COMMON.iter().all(|name| is_common(name.as_bytes())));
    for own in ["", "etag", "date", "last-modified", "expires", "set-cookie", "access-control-allow-origin", "x-cache-tags", "servers"] {
        assert!(!is_common(own.as_bytes()), "{own}");
    }
}

#[test]
fn what_comes_again_is_kept_once() {
    let heads = heads(1 << 20);
    assert!(heads.common(&lines(1)).is_none() && is_empty(&heads));
    let first = heads.common(&lines(1)).unwrap();
    let second = heads.common(&lines(1)).unwrap();
    assert!(Arc::ptr_eq(&first, &second) && *first.lines() == *lines(1));
    assert!(heads.common(&lines(2)).is_none());
    assert_eq!(heads.bytes(), weight(lines(1).len()));
    drop(first);
    assert!(!is_empty(&heads));
    drop(second);
    assert!(is_empty(&heads));
    // It was seen lately.
    assert!(heads.common(&lines(1)).is_some());
}

#[test]
fn what_never_comes_again_takes_nothing() {
    let heads = heads(1 << 20);
    let held: Vec<_> = (0..100_000).filter_map(|number| heads.common(&lines(number))).collect();
    assert!(held.is_empty() && is_empty(&heads));
}

#[test]
fn entries_and_bytes_are_bounded() {
    let twice = |heads: &Arc<Heads>, number| heads.common(&lines(number)).or_else(|| heads.common(&lines(number)));
    let (many, few) = (heads(1 << 30), heads(10_000));
    let held: Vec<_> = (0..2 * HEADS_MAX).filter_map(|number| twice(&many, number)).collect();
    assert_eq!((held.len(), many.table().commons.len()), (HEADS_MAX, HEADS_MAX));
    let mut held: Vec<_> = (0..1_000).filter_map(|number| twice(&few, number)).collect();
    assert!(few.bytes() <= 10_000 && held.len() > 10, "{}", held.len());
    assert!(twice(&few, 1_000).is_none(), "no room");
    held.pop();
    assert!(twice(&few, 1_000).is_some(), "room again");
    few.set_capacity(0);
    assert!(twice(&few, 1_001).is_none());
    drop(held);
    assert!(is_empty(&few));
}

#[test]
fn threads_that_take_and_let_go_leave_nothing() {
    let heads = heads(1 << 20);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let heads = &heads;
            scope.spawn(move || {
                for turn in 0..20_000 {
                    let wanted = lines((turn + thread) % 3);
                    let held = [heads.common(&wanted), heads.common(&wanted)];
                    assert!(held.iter().flatten().all(|common| *common.lines() == *wanted));
                }
            });
        }
    });
    assert!(is_empty(&heads));
}

proptest! {
    #[test]
    fn the_sum_is_of_what_is_held(steps in prop::collection::vec((0_usize..12, any::<bool>()), 1..200)) {
        let (heads, mut held) = (heads(1 << 20), Vec::new());
        for (number, takes) in steps {
            if takes {
                held.extend(heads.common(&lines(number)));
            } else if !held.is_empty() {
                held.swap_remove(number % held.len());
            }
            let mut distinct: Vec<_> = held.iter().map(|common| common.lines()).collect();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(heads.bytes(), distinct.iter().map(|lines| weight(lines.len())).sum::<u64>());
        }
        held.clear();
        prop_assert!(is_empty(&heads));
    }
}
