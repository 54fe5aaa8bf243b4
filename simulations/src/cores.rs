//! Many runs on all cores: each by itself, told in the order in which they were asked for.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Does the same with each of these on all cores; what came of it, in their order.
///
/// # Panics
/// When one of them does.
pub fn on_all<T: Sync, U: Send>(items: &[T], each: impl Fn(&T) -> U + Sync) -> Vec<U> {
    let next = AtomicUsize::new(0);
    let work = || -> Vec<(usize, U)> {
        let turns = core::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        turns.map_while(|at| Some((at, each(items.get(at)?)))).collect()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<(usize, U)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker dies of what it was given")).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, done)| done).collect()
}
