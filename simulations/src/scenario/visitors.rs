//! What visitors want while a plot is played: what was wanted last, crowds, loads, and those who come again.

use super::plot::Plot;
use crate::{
    traffic::{load::Demand, retries::Retries},
    world::World,
};

/// How often what is wanted changes, in milliseconds: as often as a busy data plane is looked at.
pub const STEP_MS: u64 = 100;
/// Steps in a second.
const STEPS: u32 = 10;

/// The visitors of all sites.
#[derive(Debug)]
pub struct Visitors<'a> {
    plot: &'a Plot,
    demands: Vec<(usize, Demand)>,
    sites: Vec<Site>,
}

/// Those of one site.
#[derive(Debug, Clone, Default)]
struct Site {
    /// What an action wanted last.
    base: u32,
    /// Nothing else is wanted than that.
    plain: bool,
    /// In the step before this, without those who came again.
    fresh: u32,
    /// Refused so far.
    shed: u64,
    retries: Retries,
}

impl<'a> Visitors<'a> {
    /// The visitors of a plot.
    pub fn of(plot: &'a Plot) -> Self {
        let length = u64::try_from(plot.length.as_millis()).unwrap_or(u64::MAX);
        let demands = plot.loads.iter().map(|(site, load)| (*site, Demand::of(load, length))).collect();
        let plain = |site: usize| {
            let struck = plot.crowds.iter().any(|crowd| crowd.site == site);
            !struck && plot.loads.iter().all(|(loaded, _)| *loaded != site) && plot.patience.is_none()
        };
        let sites = (0..plot.sites()).map(|site| Site { plain: plain(site), ..Site::default() }).collect();
        Self { plot, demands, sites }
    }

    /// From now on visitors want so much of a site, beside its crowds and loads.
    pub fn want(&mut self, world: &mut World, site: usize, requests: u32, millis: u64) {
        self.sites[site].base = requests;
        world.want(site, self.fresh(site, millis));
    }

    /// A step has passed: sets what is wanted from now on.
    pub fn step(&mut self, world: &mut World, millis: u64) {
        for site in (0..self.sites.len()).filter(|site| !self.sites[*site].plain).collect::<Vec<_>>() {
            let again = self.come_again(world, site, millis);
            let fresh = self.fresh(site, millis);
            self.sites[site].fresh = fresh / STEPS;
            let wanted = fresh.saturating_add(again.saturating_mul(STEPS));
            let server = &mut world.bodies[site].server;
            // A data plane that is busy is looked at soon anyway; to look at it more often would serve more than there is time for.
            if server.wanted > 0 && wanted > 0 {
                server.wanted = wanted;
            } else if server.wanted != wanted {
                world.want(site, wanted);
            }
        }
    }

    /// Those who were refused in the last step are remembered; tells how many of former ones come now.
    fn come_again(&mut self, world: &World, site: usize, millis: u64) -> u32 {
        let Some(patience) = self.plot.patience else { return 0 };
        let (shed, visitors) = (world.bodies[site].server.tally.shed, &mut self.sites[site]);
        let refused = u32::try_from(shed - visitors.shed).unwrap_or(u32::MAX);
        visitors.shed = shed;
        visitors.retries.refused(millis, refused, visitors.fresh, patience);
        visitors.retries.come(millis)
    }

    /// Requests in each second of those who come for the first time.
    fn fresh(&self, site: usize, millis: u64) -> u32 {
        let loads = self.demands.iter().filter(|(loaded, _)| *loaded == site).map(|(_, demand)| demand.rate(millis));
        let wanted = self.plot.wanted(site, self.sites[site].base, millis);
        loads.fold(wanted, u32::saturating_add)
    }
}
