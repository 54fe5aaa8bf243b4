//! Whether the machine kept up: what a scenario expects of rates is asked of a machine that does, and of no other.

use std::{
    fs,
    time::{Duration, Instant},
};

/// How late a step of a tenth of a second may be.
const LATE_MAX: Duration = Duration::from_millis(250);
/// Share of the time in which some process may have waited for a processor, in per cent.
const WAITED_MAX: u64 = 30;
/// Share of processors' time that other machines may have taken, in per cent.
const STOLEN_MAX: u64 = 10;

/// Watches the machine during a run.
#[derive(Debug)]
pub(crate) struct Pace {
    begun: Instant,
    latest: Duration,
    before: Option<Readings>,
}

/// What the kernel has counted since it started; where it counts that.
#[derive(Debug, Clone, Copy)]
struct Readings {
    /// Microseconds in which some process waited for a processor.
    waited: u64,
    /// Ticks of all processors, and those that were taken away.
    ticks: u64,
    stolen: u64,
}

impl Readings {
    fn take() -> Option<Self> {
        let pressure = fs::read_to_string("/proc/pressure/cpu").ok()?;
        let waited = pressure.lines().next()?.rsplit_once("total=")?.1.trim().parse().ok()?;
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let ticks: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|ticks| ticks.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; what follows is counted in these already.
        Some(Self { waited, ticks: ticks.iter().take(8).sum(), stolen: *ticks.get(7)? })
    }
}

impl Pace {
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), latest: Duration::ZERO, before: Readings::take() }
    }

    /// A step began so late.
    pub(crate) fn step(&mut self, late: Duration) {
        self.latest = self.latest.max(late);
    }

    /// In which way the machine did not keep up, if it did not.
    pub(crate) fn fell_behind(&self) -> Option<String> {
        if self.latest > LATE_MAX {
            return Some(format!("a step was {:?} late", self.latest));
        }
        let (before, after) = (self.before?, Readings::take()?);
        let span = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        let waited = after.waited.saturating_sub(before.waited).saturating_mul(100) / span;
        let stolen = after.stolen.saturating_sub(before.stolen) * 100 / after.ticks.saturating_sub(before.ticks).max(1);
        (waited > WAITED_MAX || stolen > STOLEN_MAX)
            .then(|| format!("processes waited for processors in {waited} % of the time, and {stolen} % of it was stolen"))
    }
}
