//! The edge's side of the seam: what it tells the control plane, about ten times a second.

use std::sync::{Mutex, PoisonError};

use overspill_governance::{
    time::{Now, Time},
    units::ByteRate,
};
use overspill_protocol::observation::{Observation, OriginLoad, SiteLoad};

use crate::{
    guest::Guests,
    hot::Hot,
    pressure::{self, CpuMeter},
    spill::Spiller,
    uplink::{Smoothed, Uplink},
};

/// Readings of gauges that are not this module's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Readings {
    pub(crate) origin: OriginLoad,
    pub(crate) connections: u32,
    pub(crate) connections_max: u32,
    /// All requests since the start.
    pub(crate) requests: u64,
}

/// Makes observations. Remembers what it needs to tell rates from totals.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    sent: Smoothed,
    wanted: Smoothed,
    requests: Smoothed,
    cpu: CpuMeter,
}

impl Observer {
    /// Looks at everything once. Tells the spiller whether sockets or processor are short.
    pub(crate) fn observe(
        &self,
        readings: Readings,
        (uplink, spiller, guests, hot): (&Uplink, &Spiller, &Guests, &Hot),
        now: Now,
    ) -> Observation {
        let (site, is_short) = self.site(readings, uplink, now.time);
        spiller.set_short(is_short);
        let (hot, generation) = hot.read(now);
        Observation { origin: readings.origin, site, spilled: spiller.spilled(), hosted: guests.hosted(), hot, generation, certified: None }
    }

    fn site(&self, readings: Readings, uplink: &Uplink, now: Time) -> (SiteLoad, bool) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (sent, wanted) = uplink.totals();
        let cpu = memory.cpu.read(now);
        let is_short = pressure::is_short(readings.connections, readings.connections_max, cpu);
        let load = SiteLoad {
            sent: ByteRate(memory.sent.read(sent, now)),
            wanted: ByteRate(memory.wanted.read(wanted, now)),
            budget: uplink.budget(),
            connections: readings.connections,
            connections_max: readings.connections_max,
            cpu_permille: cpu.machine_permille,
            requests: u32::try_from(memory.requests.read(readings.requests, now)).unwrap_or(u32::MAX),
            under_pressure: is_short || uplink.is_pressed(now),
        };
        (load, is_short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use overspill_governance::time::Date;

    #[test]
    fn what_is_wanted_counts_even_if_others_served_it() {
        let uplink = Arc::new(Uplink::new(Some(ByteRate(1_000))));
        let (spiller, hot) = (Spiller::new(Arc::clone(&uplink)), Hot::new(Now::default()));
        let (guests, _wanted) = Guests::new(Arc::clone(&uplink), 0);
        let observer = Observer::default();
        let mut last = Observation::default();
        for tenth in 0..=20_u64 {
            let now = Now { time: Time::from_micros(tenth * 100_000), date: Date::from_millis(tenth * 100) };
            uplink.charge(100, now.time);
            uplink.turn_away(300);
            uplink.note_excess(now.time);
            let readings = Readings { connections: 81, connections_max: 100, requests: tenth * 5, ..Readings::default() };
            last = observer.observe(readings, (&uplink, &spiller, &guests, &hot), now);
        }
        assert!((900..=1_000).contains(&last.site.sent.0), "{:?}", last.site);
        assert!((3_600..=4_000).contains(&last.site.wanted.0), "{:?}", last.site);
        assert!((45..=50).contains(&last.site.requests), "{:?}", last.site);
        assert!(last.site.under_pressure);
    }
}
