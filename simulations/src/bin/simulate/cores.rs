//! Many runs on all cores.

use std::sync::{
    atomic::{AtomicUsize, Ordering},
    mpsc::channel,
};

use crate::progress::Progress;

/// Does every job; gives what they came to in their order, whoever was ready first.
pub fn on_all_cores<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let (next, (sender, done)) = (AtomicUsize::new(0), channel());
    let worker = |sender: std::sync::mpsc::Sender<(usize, R)>| {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(at) else { return };
            if sender.send((at, work(job))).is_err() {
                return;
            }
        }
    };
    let mut progress = Progress::new();
    let mut found: Vec<(usize, R)> = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let sender = sender.clone();
            scope.spawn(|| worker(sender));
        }
        drop(sender);
        for one in done {
            found.push(one);
            progress.show(|| format!("{} of {} runs", found.len(), jobs.len()));
        }
    });
    progress.clear();
    found.sort_unstable_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, one)| one).collect()
}
