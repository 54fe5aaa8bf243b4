//! Readings that are taken beside a run: bytes over each uplink, the machine's processor, the agent's learned limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    limits,
    relay::{Traffic, Uplink},
};

/// One reading.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// After the run's start.
    pub at: Duration,
    /// Bytes that have left each site for visitors so far; the owner first.
    pub to_visitors: Vec<u64>,
    /// Bytes that have left each site for other agents so far.
    pub to_peers: Vec<u64>,
    /// Processor time of the whole machine in use since the reading before, in thousandths.
    pub cpu_permille: u32,
    /// The owner's learned limit on requests at its origin, if it was told.
    pub limit: Option<u32>,
}

/// Bytes per second that left the owner's site for visitors and for other agents, from one time to another; 0 where nothing was sampled.
#[must_use]
pub fn owner_line(samples: &[Sample], span: std::ops::Range<Duration>) -> (u64, u64) {
    let mut within = samples.iter().filter(|sample| span.contains(&sample.at));
    let (Some(first), Some(last)) = (within.next(), within.next_back()) else { return (0, 0) };
    let rate = |bytes: fn(&Sample) -> u64| {
        let sent = bytes(last).saturating_sub(bytes(first)) as f64;
        (sent / (last.at - first.at).as_secs_f64()).round() as u64
    };
    (rate(|sample| sample.to_visitors.first().copied().unwrap_or(0)), rate(|sample| sample.to_peers.first().copied().unwrap_or(0)))
}

/// The newest limit that the owner's agent told; 0 while unknown. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Limit(Arc<AtomicU32>);

impl Limit {
    /// Takes note of a limit.
    pub fn tell(&self, limit: u32) {
        self.0.store(limit, Ordering::Relaxed);
    }

    fn known(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }
}

/// Takes a reading every [`limits::SAMPLE_EVERY`] and hands all over when it is stopped.
#[derive(Debug)]
pub struct Sampler(tokio::task::JoinHandle<Vec<Sample>>, tokio::sync::oneshot::Sender<()>);

impl Sampler {
    /// Begins to read; counts of uplinks are taken relative to this moment.
    #[must_use]
    pub fn start(uplinks: Vec<Uplink>, limit: Limit, start: Instant) -> Self {
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let read = |traffic| uplinks.iter().map(|uplink| uplink.sent(traffic)).collect::<Vec<_>>();
            let since = |now: Vec<u64>, base: &[u64]| now.iter().zip(base).map(|(now, base)| now - base).collect();
            let (visitors, peers) = (read(Traffic::Visitors), read(Traffic::Peers));
            let (mut samples, mut cpu) = (Vec::new(), Cpu::default());
            let mut tick = tokio::time::interval(limits::SAMPLE_EVERY);
            loop {
                tokio::select! {
                    _ = tick.tick() => {},
                    _ = &mut stopped => return samples,
                }
                samples.push(Sample {
                    at: start.elapsed(),
                    to_visitors: since(read(Traffic::Visitors), &visitors),
                    to_peers: since(read(Traffic::Peers), &peers),
                    cpu_permille: cpu.read(),
                    limit: limit.known(),
                });
            }
        });
        Self(task, stop)
    }

    /// Ends reading.
    pub async fn stop(self) -> Vec<Sample> {
        let _ = self.1.send(());
        self.0.await.unwrap_or_default()
    }
}

/// Processor time of the machine, from `/proc/stat`; 0 where there is none.
#[derive(Debug, Default)]
struct Cpu {
    busy: u64,
    whole: u64,
}

impl Cpu {
    /// Thousandths in use since the last reading.
    fn read(&mut self) -> u32 {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let Some((busy, whole)) = cpu_times(&text) else { return 0 };
        let (busy_since, whole_since) = (busy.saturating_sub(self.busy), whole.saturating_sub(self.whole));
        let first = self.whole == 0;
        *self = Self { busy, whole };
        if first || whole_since == 0 { 0 } else { u32::try_from(busy_since * 1_000 / whole_since).unwrap_or(1_000) }
    }
}

/// Busy and all ticks of the first line of `/proc/stat` (proc_stat(5)): user nice system idle iowait irq softirq steal.
fn cpu_times(text: &str) -> Option<(u64, u64)> {
    let fields: Vec<u64> =
        text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().map_while(|field| field.parse().ok()).take(8).collect();
    let whole = fields.iter().sum::<u64>();
    let idle = fields.get(3)? + fields.get(4)?;
    Some((whole - idle, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_time_is_read() {
        assert_eq!(cpu_times("cpu  10 0 5 80 5 0 0 0 0 0\ncpu0 1 2\n"), Some((15, 100)));
        assert_eq!(cpu_times(""), None);
        assert_eq!(cpu_times("cpu  1 2"), None);
    }
}
