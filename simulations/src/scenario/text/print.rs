//! A plot as text: a line for each thing of which it is made.

use std::fmt;

use overspill_governance::charter::PARAMETERS;

use super::words::{kebab, millis, share, span};
use crate::{
    link::{Latency, Link},
    scenario::{Action, Crowd, Plot, Scenario},
    story::brisk,
    traffic::{load::Load, retries::Patience, visits::Visits},
    world::{Faults, Signer},
};

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.about.is_empty() {
            writeln!(f, "# {}", self.about)?;
        }
        write!(f, "{}", self.plot)?;
        for (at, expected) in &self.expected {
            match at {
                Some(at) => writeln!(f, "at {} expect {expected}", millis(*at))?,
                None => writeln!(f, "expect {expected}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Plot {
    /// One line for each thing that was drawn; reading it gives the same plot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "sites {}", self.members)?;
        if self.outside > 0 {
            writeln!(f, "outside {}", self.outside)?;
        }
        writeln!(f, "length {}", span(u64::try_from(self.length.as_micros()).unwrap_or(u64::MAX)))?;
        let ordinary = brisk();
        for ((parameter, value), (_, usual)) in self.charter.values().zip(ordinary.values()).filter(|((_, one), (_, other))| one != other) {
            writeln!(f, "charter {} {value}  # instead of {usual} {}", parameter.name, parameter.unit)?;
        }
        if self.faults != calm() {
            writeln!(f, "faults{}", Weather(self.faults))?;
        }
        for (from, to, link) in &self.links {
            writeln!(f, "link {from} to {to}{}", Way(link))?;
        }
        for (site, conduct) in &self.conducts {
            writeln!(f, "site {site} is {}", kebab(&format!("{conduct:?}")))?;
        }
        for (site, budget) in &self.budgets {
            writeln!(f, "site {site} serves {budget}")?;
        }
        for (site, ppm) in self.drifts.iter().enumerate().filter(|(_, ppm)| **ppm != 0) {
            let way = if *ppm > 0 { "fast" } else { "slow" };
            writeln!(f, "clock {site} {way} {}", share(i64::from(ppm.unsigned_abs())))?;
        }
        for Crowd { site, from, onset, plateau, decay, peak } in &self.crowds {
            let [from, onset, plateau, decay] = [*from, *onset, *plateau, *decay].map(millis);
            writeln!(f, "crowd at {site} from {from} onset {onset} plateau {plateau} decay {decay} peak {peak}")?;
        }
        for (site, load) in &self.loads {
            writeln!(f, "load at {site} {load}")?;
        }
        if let Some(Patience { times, after, share: of }) = self.patience {
            writeln!(f, "retries {times} after {} by {}", millis(after), share(i64::from(of)))?;
        }
        for (at, action) in &self.actions {
            writeln!(f, "at {} {action}", millis(*at))?;
        }
        Ok(())
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days { mean, from } => write!(f, "days mean {mean} from {}", millis(*from)),
            Self::Steady { rate, from, span } => write!(f, "steady rate {rate} from {} for {}", millis(*from), millis(*span)),
            Self::Previews { from, hits, within } => write!(f, "previews hits {hits} from {} within {}", millis(*from), millis(*within)),
            Self::Visits(Visits { seed, pages, per_minute, from, span }) => {
                write!(f, "visits per-minute {per_minute} pages {pages} seed {seed} from {} for {}", millis(*from), millis(*span))
            }
            Self::Series(series) => {
                write!(f, "series every {}", millis(series.bin_ms))?;
                series.counts.iter().try_for_each(|count| write!(f, " {count}"))
            }
        }
    }
}

/// What goes wrong everywhere where nothing is said of it.
pub(super) fn calm() -> Faults {
    Faults { latency_max: 5, ..Faults::default() }
}

struct Weather(Faults);

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults { loss, doubling, latency_max, crash, breaks, crash_weighty, crash_at, manifests_lost_at } = self.0;
        write!(f, " latency {}", millis(u64::from(latency_max)))?;
        let shares = [("loss", loss), ("doubling", doubling), ("crash", crash), ("breaks", breaks), ("crash-weighty", crash_weighty)];
        for (name, ppm) in shares.iter().filter(|(_, ppm)| *ppm > 0) {
            write!(f, " {name} {}", share(i64::from(*ppm)))?;
        }
        crash_at.map_or(Ok(()), |at| write!(f, " crash-at {at}"))?;
        manifests_lost_at.map_or(Ok(()), |site| write!(f, " manifests-lost-at {site}"))
    }
}

struct Way<'a>(&'a Link);

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Link { latency, loss, doubling, breaks, bandwidth, reorders } = self.0;
        match latency {
            Latency::Constant(micros) => write!(f, " latency {}", span(u64::from(*micros)))?,
            Latency::Uniform(low, high) => write!(f, " latency {} to {}", span(u64::from(*low)), span(u64::from(*high)))?,
            Latency::Table(table) => match latency.as_log_normal() {
                Some((median, sigma)) => write!(f, " latency log-normal {} {sigma}", span(u64::from(median)))?,
                None => {
                    f.write_str(" latency measured")?;
                    table.iter().try_for_each(|micros| write!(f, " {}", span(u64::from(*micros))))?;
                }
            },
        }
        for (name, ppm) in [("loss", loss), ("doubling", doubling), ("breaks", breaks)].iter().filter(|(_, ppm)| **ppm > 0) {
            write!(f, " {name} {}", share(i64::from(**ppm)))?;
        }
        if *bandwidth > 0 {
            write!(f, " bandwidth {bandwidth}")?;
        }
        f.write_str(if *reorders { "" } else { " ordered" })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Want(site, requests) => write!(f, "want {site} {requests}"),
            Self::Purge(site) => write!(f, "purge {site}"),
            Self::Crash(site, pause) => write!(f, "crash {site} for {}", millis(pause)),
            Self::Stop(site, true) => write!(f, "stop {site}"),
            Self::Stop(site, false) => write!(f, "continue {site}"),
            Self::Cut(one, other, true) => write!(f, "cut {one} {other}"),
            Self::Cut(one, other, false) => write!(f, "uncut {one} {other}"),
            Self::Mute(from, to, true) => write!(f, "mute {from} to {to}"),
            Self::Mute(from, to, false) => write!(f, "unmute {from} to {to}"),
            Self::Clog(from, to, span) => write!(f, "clog {from} to {to} for {}", millis(span)),
            Self::Full(site, true) => write!(f, "disk {site} full"),
            Self::Full(site, false) => write!(f, "disk {site} free"),
            Self::Broken(site) => write!(f, "disk {site} fails"),
            Self::Lies(site) => write!(f, "disk {site} lies"),
            Self::Rot(site) => write!(f, "disk {site} rots"),
            Self::Copy(site) => write!(f, "disk {site} copied"),
            Self::PutBack(site) => write!(f, "disk {site} put-back"),
            Self::Lose(site) => write!(f, "disk {site} lost"),
            Self::Recover(site, partner) => write!(f, "recover {site} from {partner}"),
            Self::Rotate(site, Signer::OldKey) => write!(f, "rotate {site} by old-key"),
            Self::Rotate(site, Signer::RecoveryKey) => write!(f, "rotate {site} by recovery-key"),
            Self::Knock(site, strangers) => write!(f, "knock {site} by {strangers}"),
            Self::Jump(site, 0) => write!(f, "calendar {site} right"),
            Self::Jump(site, offset) => {
                let way = if offset > 0 { "ahead" } else { "behind" };
                write!(f, "calendar {site} {way} {}", millis(offset.unsigned_abs()))
            }
            Self::Join(sponsor, joiner) => write!(f, "invite {sponsor} to {joiner}"),
            Self::Leave(site) => write!(f, "leave {site}"),
            Self::Amend(site, parameter, to) => write!(f, "propose {site} charter {} {to}", PARAMETERS[parameter].name),
            Self::Expel(mover, member) => write!(f, "propose {mover} remove {member}"),
            Self::Second(site) => write!(f, "second {site}"),
            Self::Object(site) => write!(f, "object {site}"),
            Self::Weather(faults) => write!(f, "weather{}", Weather(faults)),
            Self::Mend => f.write_str("mend"),
        }
    }
}
