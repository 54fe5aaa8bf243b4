//! A small pool of page workers with a bounded queue, as PHP-FPM keeps one.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::demo::draw::Draw;

/// Workers, and the requests that wait for one.
pub(super) struct Pool {
    workers: Semaphore,
    present: AtomicUsize,
    present_max: usize,
    mean: Duration,
    draw: Mutex<Draw>,
}

/// No worker is free and the queue is full.
#[derive(Debug)]
pub(super) struct Full;

impl Pool {
    pub(super) fn new(workers: usize, queue: usize, mean: Duration, seed: u64) -> Self {
        let draw = Mutex::new(Draw::new(seed, "service"));
        Self { workers: Semaphore::new(workers), present: AtomicUsize::new(0), present_max: workers + queue, mean, draw }
    }

    /// Waits for a worker, in order of arrival, and keeps it for one service time.
    pub(super) async fn render(&self) -> Result<(), Full> {
        let present = Present::enter(&self.present);
        if present.number > self.present_max {
            return Err(Full);
        }
        let _worker = self.workers.acquire().await.map_err(|_| Full)?;
        tokio::time::sleep(self.service()).await;
        Ok(())
    }

    /// Two kinds of pages, as measured on small sites: most are found in the database's cache, one in five is not.
    fn service(&self) -> Duration {
        let mut draw = self.draw.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let share = if draw.unit() < 0.2 { 2.2 } else { 0.7 };
        self.mean.mul_f64(share * (0.8 + 0.4 * draw.unit()))
    }
}

/// Counts a request as long as it lives.
struct Present<'a> {
    count: &'a AtomicUsize,
    number: usize,
}

impl<'a> Present<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        Self { count, number: count.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn beyond_workers_and_queue_requests_are_refused_and_the_rest_are_served() {
        let pool = Arc::new(Pool::new(2, 3, Duration::from_millis(20), 1));
        let renders: Vec<_> = (0..9)
            .map(|_| {
                tokio::spawn({
                    let pool = Arc::clone(&pool);
                    async move { pool.render().await.is_ok() }
                })
            })
            .collect();
        let mut served = 0;
        for render in renders {
            served += usize::from(render.await.unwrap());
        }
        assert_eq!(served, 5);
        assert!(pool.render().await.is_ok(), "the places are free again");
    }

    #[test]
    fn service_times_have_the_stated_mean() {
        let pool = Pool::new(1, 0, Duration::from_millis(400), 7);
        let mean = (0..4_000).map(|_| pool.service().as_secs_f64()).sum::<f64>() / 4_000.0;
        assert!((0.39..0.41).contains(&mean), "{mean}");
    }
}
