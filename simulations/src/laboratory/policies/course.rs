//! What became of a stage under a policy.

use super::{BUDGET, Shared, Stage};
use crate::laboratory::gini::gini;

/// Length of a step, in milliseconds.
pub const STEP_MS: u64 = 100;
/// A site has settled when it has sent nobody away for the rest of this time after its crowd, in milliseconds.
const SETTLED_MS: u64 = 30_000;

/// What one site did in a step, in tenths of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Did {
    /// Wanted by its own visitors.
    pub wanted: u64,
    /// Served of that here.
    pub own: u64,
    /// Sent to helpers.
    pub sent: u64,
    /// Served by helpers.
    pub helped: u64,
    /// Served for others.
    pub given: u64,
}

/// All steps of all sites.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// By step, then by site.
    pub steps: Vec<Vec<Did>>,
    /// Promises that were broken.
    pub failures: Vec<String>,
}

impl Course {
    /// What it came to.
    pub fn measure(&self, stage: &Stage) -> Shared {
        let honest = |site: &usize| !stage.rides(*site);
        let sites = 0..stage.plot.members;
        let sum = |site: usize, what: fn(&Did) -> u64| self.steps.iter().map(|step| what(&step[site])).sum::<u64>();
        let all = |what: fn(&Did) -> u64| sites.clone().filter(honest).map(|site| sum(site, what)).sum::<u64>();
        let wanted = all(|did| did.wanted);
        let good = all(|did| did.own + did.helped).min(wanted);
        let needless = sites.clone().filter(honest).map(|site| self.needless(site)).sum::<u64>();
        let members = sites.clone().filter(honest).count() as u64;
        let helped = sites.clone().map(|site| sum(site, |did| did.helped)).sum::<u64>();
        let rode = sites.clone().filter(|site| !honest(site)).map(|site| sum(site, |did| did.helped)).sum::<u64>();
        let given: Vec<u64> = sites.clone().filter(honest).map(|site| sum(site, |did| did.given)).collect();
        Shared {
            goodput: share(good, wanted),
            refused: share(wanted - good, wanted),
            redirected: share(all(|did| did.sent), wanted),
            needless: share(needless, wanted),
            origin_load: share(all(|did| did.own), members * u64::from(BUDGET) * self.steps.len() as u64),
            settle: self.settle(stage),
            burden: gini(given),
            riders: share(rode, helped),
        }
    }

    /// What a site sent away beyond what it could not serve, by whole seconds: rates seldom divide by ten.
    fn needless(&self, site: usize) -> u64 {
        let second = |steps: &[Vec<Did>]| {
            let sum = |what: fn(&Did) -> u64| steps.iter().map(|step| what(&step[site])).sum::<u64>();
            let spare = sum(|did| did.sent).saturating_sub(sum(|did| did.wanted.saturating_sub(u64::from(BUDGET))));
            // Less than one request is none.
            if spare < 10 { 0 } else { spare }
        };
        self.steps.chunks(10).map(second).sum()
    }

    /// The mean over all crowds, in milliseconds.
    fn settle(&self, stage: &Stage) -> i64 {
        let took = stage.plot.crowds.iter().filter_map(|crowd| {
            let end = usize::try_from(crowd.until() / STEP_MS).ok()?;
            let watched = usize::try_from(SETTLED_MS / STEP_MS).ok()?;
            let after = self.steps.get(end..end + watched)?;
            // Another crowd there is another matter.
            let calm = after.iter().take_while(|step| step[crowd.site].wanted <= u64::from(BUDGET)).count();
            let last = after[..calm].iter().rposition(|step| step[crowd.site].sent > 0).map_or(0, |at| at + 1);
            Some(last as u64 * STEP_MS)
        });
        let took: Vec<u64> = took.collect();
        i64::try_from(took.iter().sum::<u64>() / (took.len() as u64).max(1)).unwrap_or(i64::MAX)
    }
}

/// In thousandths; nothing of nothing.
fn share(part: u64, of: u64) -> i64 {
    (part * 1_000).checked_div(of).and_then(|share| i64::try_from(share).ok()).unwrap_or_default()
}
