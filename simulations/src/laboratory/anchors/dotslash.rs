//! DotSlash: how many times its own capacity a struck site serves with rescue servers.

use super::{
    Anchor, Found, Setting,
    crowd::{Crowd, between, served},
};
use crate::server::{Model, spread::Spread};

pub(super) const ANCHOR: Anchor = Anchor {
    name: "dotslash",
    source: "Zhao and Schulzrinne, \"DotSlash: A Self-configuring and Scalable Rescue System for Handling Web Hotspots Effectively\" (2004); \
             \"Enabling On-demand Query Result Caching in DotSlash for Handling Web Hotspots Effectively\" (2006)",
    like: "one site is struck, 8 or 15 others of its size help, and what it cannot serve is redirected by HTTP",
    unlike: "theirs hands out dynamic pages, too, and trusts everybody; ours renders every page itself and redirects files alone, with tickets, leases and credit",
    play,
};

/// All files of one size, as helpers count them: of files of all sizes small ones find room here when large ones do not, and helpers would carry
/// more bytes than they are charged with.
const MODEL: Model = Model { sizes: (Spread::Constant, Model::SMALL.sizes.1), ..Model::SMALL };
/// The same site if copies could stand for all of its pages.
const ALL_COPIED: Model = Model { own: 0, ..MODEL };
/// Helpers, with how many times their own capacity a site served with as many, in thousandths.
const RESCUES: [(usize, u64); 2] = [(8, 5_000), (15, 10_000)];
/// A load is carried if so much of it is served, in thousandths of per cent.
const CARRIED: u64 = 95_000;
/// The crowd is looked at from here on, in milliseconds: leases are taken.
const FROM: u64 = 5_000;
/// How long a crowd of five times the capacity is watched for the end of its credit, in minutes.
const LONG: u64 = 30;
/// Multiples that the picture shows.
const SHOWN: [u64; 4] = [2, 6, 10, 14];

fn crowd(model: Model, helpers: usize, times: u64, lasts: u64, setting: &Setting) -> Crowd {
    Crowd { model, helpers, views: MODEL.capacity() * times, lasts, cold: false, seed: setting.seed }
}

fn play(setting: &Setting) -> Option<Found> {
    let (times, lasts): (&[u64], u64) =
        if setting.small { (&[2, 6], 8_000) } else { (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16], 30_000) };
    let mut found = Found::new("Served of a crowd of so many times a site's capacity, in per cent, by helpers");
    let rescues = RESCUES.map(|(helpers, times)| (helpers, Some(times)));
    for (helpers, original) in [(0, None)].into_iter().chain(rescues) {
        let carried = carried(&mut found, MODEL, helpers, times, lasts, setting);
        found.figure(format!("most carried with {helpers} helpers, of its own capacity"), "times", original, most(&carried));
        let shown = carried.iter().filter(|(times, _)| SHOWN.contains(times));
        shown.for_each(|(times, share)| found.bar(format!("{times} times, {helpers} helpers"), *share));
    }
    if !setting.small {
        let carried = carried(&mut found, ALL_COPIED, 15, times, lasts, setting);
        found.figure("the same with 15, if copies could stand for all pages", "times", None, most(&carried));
        outlast(&mut found, setting);
    }
    Some(found)
}

/// What was served of crowds of so many times the capacity.
fn carried(found: &mut Found, model: Model, helpers: usize, times: &[u64], lasts: u64, setting: &Setting) -> Vec<(u64, u64)> {
    let one = |times: &u64| {
        let crowd = crowd(model, helpers, *times, lasts, setting);
        let course = crowd.play();
        found.add_course(crowd.sites(), crowd.length(), &course);
        (*times, served(&between(&course, FROM, lasts)))
    };
    times.iter().map(one).collect()
}

/// The largest crowd that was carried, as were all smaller ones.
fn most(carried: &[(u64, u64)]) -> u64 {
    carried.iter().take_while(|(_, share)| *share >= CARRIED).last().map_or(0, |(times, _)| times * 1_000)
}

/// How long eight newcomers' credit lasts.
fn outlast(found: &mut Found, setting: &Setting) {
    let crowd = crowd(MODEL, RESCUES[0].0, 5, LONG * 60_000, setting);
    let course = crowd.play();
    found.add_course(crowd.sites(), crowd.length(), &course);
    let minutes: Vec<u64> = (0..LONG).map(|minute| served(&between(&course, minute * 60_000, (minute + 1) * 60_000))).collect();
    let lasted = minutes.iter().take_while(|share| **share >= CARRIED).count() as u64;
    found.figure(format!("a crowd of 5 times is carried by {} newcomers, of {LONG} minutes", RESCUES[0].0), "min", None, lasted * 1_000);
    found.figure("served in the last of these minutes", "%", None, minutes.last().copied().unwrap_or_default());
}
