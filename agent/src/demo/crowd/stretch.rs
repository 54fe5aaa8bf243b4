//! Which stretch of a log is replayed: the one that comes nearest to a crowd, many requests for few pages.

use std::{collections::BTreeMap, ops::Range};

use super::{
    log::Log,
    visits::{LoggedVisit, kind},
};
use crate::demo::content::Kind;

/// What a visit asks of its site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Load {
    requests: u64,
    bytes: u64,
    page: Option<u32>,
}

/// Finds the stretch of `visits` with the most requests that names at most `pages_max` different pages and asks for at most `bytes_max`
/// bytes; the first of several. At least one visit is in it, if there is one.
#[must_use]
pub fn choose(log: &Log, visits: &[LoggedVisit], pages_max: usize, bytes_max: u64) -> Range<usize> {
    let load = |visit: &LoggedVisit| {
        let wants = std::iter::once(visit.first).chain(visit.assets.iter().copied());
        let bytes = wants.map(|path| log.paths[path as usize].1.unwrap_or(0)).sum();
        let page = (kind(&log.paths[visit.first as usize].0) == Kind::Page).then_some(visit.first);
        Load { requests: 1 + visit.assets.len() as u64, bytes, page }
    };
    longest(visits.iter().map(load).collect::<Vec<_>>().as_slice(), pages_max, bytes_max)
}

fn longest(loads: &[Load], pages_max: usize, bytes_max: u64) -> Range<usize> {
    let mut pages: BTreeMap<u32, usize> = BTreeMap::new();
    let (mut from, mut requests, mut bytes) = (0, 0, 0_u64);
    let (mut best, mut most) = (0..0, 0);
    for (at, load) in loads.iter().enumerate() {
        requests += load.requests;
        bytes += load.bytes;
        *pages.entry(load.page.unwrap_or(u32::MAX)).or_default() += 1;
        let named = |pages: &BTreeMap<u32, usize>| pages.len() - usize::from(pages.contains_key(&u32::MAX));
        while from < at && (named(&pages) > pages_max || bytes > bytes_max) {
            let left = loads[from];
            requests -= left.requests;
            bytes -= left.bytes;
            if let std::collections::btree_map::Entry::Occupied(mut count) = pages.entry(left.page.unwrap_or(u32::MAX)) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
            from += 1;
        }
        if requests > most {
            (best, most) = (from..at + 1, requests);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_stretch_within_the_bounds_has_more_requests(
            visits in proptest::collection::vec((1_u64..4, 1_u64..50, proptest::option::of(0_u32..6)), 1..40),
            pages_max in 1_usize..5,
            bytes_max in 50_u64..400,
        ) {
            let loads: Vec<Load> = visits.iter().map(|(requests, bytes, page)| Load { requests: *requests, bytes: *bytes, page: *page }).collect();
            let sum = |range: Range<usize>| loads[range].iter().map(|load| load.requests).sum::<u64>();
            let within = |range: Range<usize>| {
                let pages: std::collections::BTreeSet<u32> = loads[range.clone()].iter().filter_map(|load| load.page).collect();
                pages.len() <= pages_max && loads[range].iter().map(|load| load.bytes).sum::<u64>() <= bytes_max
            };
            let found = longest(&loads, pages_max, bytes_max);
            prop_assert!(within(found.clone()));
            let all = (0..loads.len()).flat_map(|from| (from + 1..=loads.len()).map(move |to| from..to));
            let best = all.filter(|range| within(range.clone())).map(&sum).max().unwrap_or(0);
            prop_assert_eq!(sum(found), best);
        }
    }

    #[test]
    fn one_visit_is_found_however_heavy_it_is() {
        assert_eq!(longest(&[Load { requests: 1, bytes: 9, page: Some(0) }], 1, 1), 0..1);
        assert_eq!(longest(&[], 1, 1), 0..0);
    }
}
