//! Pressure on the site's own resources besides the uplink: sockets and processor.

use std::{fs::File, io::Read as _, time::Duration};

use overspill_governance::time::Time;

/// Share of the connection bound from which the site counts as pressed.
const CONNECTIONS_PERMILLE: u64 = 800;
/// Share of the machine's processor time from which the site counts as pressed.
const CPU_PERMILLE: u16 = 900;
/// Share that this process must burn itself: spilling relieves nothing that others burn.
const OWN_CPU_PERMILLE: u16 = 250;
/// How often the processor is looked at; more often, one tick of its clock is noise.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// Bytes read of a file in /proc: the first line is all that matters.
const PROC_BYTES_MAX: usize = 1_024;

/// Tells whether sockets or processor are short.
#[must_use]
pub fn is_short(connections: u32, connections_max: u32, cpu: CpuUse) -> bool {
    let sockets = u64::from(connections) * 1_000 > u64::from(connections_max) * CONNECTIONS_PERMILLE && connections_max > 0;
    sockets || (cpu.machine_permille > CPU_PERMILLE && cpu.own_permille > OWN_CPU_PERMILLE)
}

/// Processor time in use over the last sample, in thousandths of the whole machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuUse {
    /// By everyone.
    pub machine_permille: u16,
    /// By this process.
    pub own_permille: u16,
}

/// Measures [`CpuUse`] from `/proc`; where that cannot be read, the use stays at zero.
#[derive(Debug, Default)]
pub struct CpuMeter {
    last: Option<(Time, Ticks)>,
    usage: CpuUse,
}

/// Readings of the kernel's clock, in its ticks since boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ticks {
    all: u64,
    idle: u64,
    own: u64,
}

impl CpuMeter {
    /// The use over the last quarter of a second.
    pub fn read(&mut self, now: Time) -> CpuUse {
        if self.last.is_none_or(|(at, _)| now.since(at) >= SAMPLE_EVERY)
            && let Some(ticks) = read_ticks()
        {
            if let Some((_, before)) = self.last {
                self.usage = usage(before, ticks);
            }
            self.last = Some((now, ticks));
        }
        self.usage
    }
}

fn usage(before: Ticks, after: Ticks) -> CpuUse {
    let all = after.all.saturating_sub(before.all).max(1);
    let permille = |part: u64| u16::try_from(part.saturating_mul(1_000) / all).unwrap_or(1_000).min(1_000);
    CpuUse {
        machine_permille: permille(all.saturating_sub(after.idle.saturating_sub(before.idle))),
        own_permille: permille(after.own.saturating_sub(before.own)),
    }
}

fn read_ticks() -> Option<Ticks> {
    let (all, idle) = parse_machine(&read_start("/proc/stat")?)?;
    Some(Ticks { all, idle, own: parse_own(&read_start("/proc/self/stat")?)? })
}

fn read_start(path: &str) -> Option<String> {
    let mut start = Vec::with_capacity(PROC_BYTES_MAX);
    File::open(path).ok()?.take(PROC_BYTES_MAX as u64).read_to_end(&mut start).ok()?;
    Some(String::from_utf8_lossy(&start).into_owned())
}

/// Reads `cpu user nice system idle iowait irq softirq steal ..` (proc_stat(5)): all ticks, and those in which nothing ran.
fn parse_machine(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_ascii_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
    let idle = ticks.get(3)?.saturating_add(ticks.get(4).copied().unwrap_or(0));
    Some((ticks.iter().fold(0, |sum: u64, tick| sum.saturating_add(*tick)), idle))
}

/// Reads user and system time, fields 14 and 15 of proc_pid_stat(5). The name before them may hold spaces and parentheses.
fn parse_own(text: &str) -> Option<u64> {
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_kernels_lines_are_read() {
        assert_eq!(parse_machine("cpu  10 1 5 100 4 0 2 0 0 0\ncpu0 1 2 3"), Some((122, 104)));
        assert_eq!(parse_own("17 (a) b) S 1 1 1 0 -1 4 1 0 0 0 30 12 0 0 20"), Some(42));
        assert!(read_ticks().is_some_and(|ticks| ticks.all > ticks.idle));
    }

    #[test]
    fn a_busy_neighbour_is_not_our_pressure() {
        let neighbour = usage(Ticks::default(), Ticks { all: 1_000, idle: 10, own: 20 });
        assert_eq!(neighbour, CpuUse { machine_permille: 990, own_permille: 20 });
        assert!(!is_short(0, 100, neighbour));
        assert!(is_short(0, 100, CpuUse { own_permille: 600, ..neighbour }));
        assert!(!is_short(80, 100, CpuUse::default()));
        assert!(is_short(81, 100, CpuUse::default()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = (parse_machine(&text), parse_own(&text), parse_machine(&format!("cpu {text}")), parse_own(&format!("1 ({text}")));
        }
    }
}
