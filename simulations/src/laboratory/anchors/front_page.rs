//! A front page's crowd: six hundred requests a second on a line of 20 Mbit/s.

use super::{
    Anchor, Found, Setting,
    crowd::{Crowd, between, served},
};
use crate::server::{Model, spread::Spread};

pub(super) const ANCHOR: Anchor = Anchor {
    name: "front-page",
    source: "an owner's report of a crowd: 600 requests a second, and from 1 to 60 Mbit/s within 30 minutes, on one machine with WordPress",
    like: "600 requests a second of 12.5 kB each, which is 60 Mbit/s, at one small site; its line carries 20",
    unlike: "ours begins within a tenth of a second and has no half hour to grow; the report says nothing of how many were served, so that shares stand alone",
    play,
};

/// Requests a second, and Mbit a second, in thousandths.
const REQUESTS: u64 = 600_000;
const MEGABITS: u64 = 60_000;
/// Pages with eight files, 12.5 kB each with their heads.
const MODEL: Model = Model { html: 12_200, sizes: (Spread::Constant, 12_200), ..Model::SMALL };
/// Leases are there from here on, in milliseconds.
const STANDS: u64 = 5_000;

fn play(setting: &Setting) -> Option<Found> {
    let (lasts, meshes): (u64, &[usize]) = if setting.small { (10_000, &[0, 4]) } else { (60_000, &[0, 2, 4, 8]) };
    let mut found = Found::new("Served of 600 requests a second on 20 Mbit/s, in per cent, when leases stand");
    for helpers in meshes {
        let views = REQUESTS / (1 + u64::from(MODEL.files));
        let crowd = Crowd { model: MODEL, helpers: *helpers, views, lasts, cold: false, seed: setting.seed };
        let course = crowd.play();
        found.add_course(crowd.sites(), crowd.length(), &course);
        let all = between(&course, 0, lasts);
        if *helpers == 0 {
            let wanted: u64 = all.wanted.iter().map(|wanted| u64::from(*wanted)).sum();
            found.figure("wanted", "requests/s", Some(REQUESTS), wanted * 1_000_000 / lasts);
            let bits = u128::from(wanted) * u128::from(MODEL.view_bytes()) / u128::from(1 + MODEL.files) * 8;
            found.figure("wanted", "Mbit/s", Some(MEGABITS), u64::try_from(bits / u128::from(lasts)).unwrap_or(u64::MAX));
        }
        let stands = served(&between(&course, STANDS, lasts));
        found.figure(format!("served with {helpers} helpers, from the first moment on"), "%", None, served(&all));
        found.figure(format!("served with {helpers} helpers, when leases stand"), "%", None, stands);
        found.bar(format!("{helpers} helpers"), stands);
    }
    Some(found)
}
