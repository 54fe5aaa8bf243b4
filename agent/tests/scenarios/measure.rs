//! What a scenario expects, measured at real agents: by visitors, by what agents say, by their ledgers and their logs.

use std::sync::atomic::{AtomicU64, Ordering};

use overspill_simulations::scenario::{Expectation, expect::Quantity};

use super::{books, site::Site, visitors::Visitors};

/// How an agent's log has the events that scenarios ask for.
const WORDS: [(&str, &str); 8] = [
    ("crowd-began", "a crowd began:"),
    ("crowd-ended", "the crowd is over"),
    ("partner-up", "partner reachable"),
    ("partner-down", "partner not reachable"),
    ("lease-ended", "lease ended"),
    ("settled", "settled: both ends have signed"),
    ("convicted", "a member is convicted"),
    ("silent", "the ledger cannot be written"),
];

/// What became of an expectation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It holds; what was found.
    Holds(i64),
    /// It does not, in words.
    Broken(String),
    /// Nobody outside a world can see it.
    Unseen,
}

/// Looks whether it is as expected.
pub(crate) fn look(expected: &Expectation, sites: &[Site], visitors: &Visitors) -> Found {
    let Expectation::Compared(quantity, ..) = expected else { return Found::Unseen };
    let Some(found) = measure(quantity, sites, visitors) else { return Found::Unseen };
    expected.judge(found).map_or(Found::Holds(found), Found::Broken)
}

fn measure(quantity: &Quantity, sites: &[Site], visitors: &Visitors) -> Option<i64> {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let tally = |site: &usize| &visitors.tallies[*site];
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Some(match quantity {
        Quantity::Kept(site) => {
            let (kept, shed) = (read(&tally(site).own) + read(&tally(site).spilled), read(&tally(site).shed));
            whole((kept * 1_000).checked_div(kept + shed).unwrap_or(1_000))
        }
        // Whoever comes home is served there whatever the line carries: it is the site's own work too.
        Quantity::Own(site) => whole(read(&tally(site).own) + read(&tally(site).home)),
        Quantity::Spilled(site) => whole(read(&tally(site).spilled)),
        Quantity::Guests(site) => whole(read(&tally(site).guests)),
        Quantity::Shed(site) => whole(read(&tally(site).shed)),
        Quantity::Balance(site) => sites[*site].json(&["statement"])["balance_micro"].as_i64()?,
        Quantity::Members(site) => {
            let members = sites[*site].try_json(&["members"]).unwrap_or_default();
            let here = |members: &Vec<serde_json::Value>| members.iter().filter(|member| member["ended"].is_null()).count();
            whole(members["members"].as_array().map_or(0, here) as u64)
        }
        Quantity::Rules(site) => sites[*site].try_json(&["rules"]).and_then(|rules| rules["version"].as_i64()).unwrap_or(0),
        Quantity::Told(site, event) => {
            let (_, words) = WORDS.iter().find(|(name, _)| name == event)?;
            whole(sites[*site].log().lines().filter(|line| line.contains(words)).count() as u64)
        }
        Quantity::Deaths => sites.iter().map(|site| i64::from(site.deaths)).sum(),
        Quantity::Receipts => whole(sites.iter().map(books::receipts).sum::<usize>() as u64),
        Quantity::Met(_) => return None,
    })
}
