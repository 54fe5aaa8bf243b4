//! Response times in a crowd: how many times shorter they are with help than without.

use super::{
    Anchor, Found, Setting, bare,
    crowd::{Crowd, between, served},
    mean, quantile,
};
use crate::server::{Model, spread::Spread};

pub(super) const ANCHOR: Anchor = Anchor {
    name: "response",
    source: "Ari, Hong, Miller, Brandt and Long, \"Managing Flash Crowds on the Internet\" (2003)",
    like: "response times of one site's visitors in a crowd, with copies elsewhere and without",
    unlike: "theirs are caches on many levels of a simulated network; a site without an edge has a queue that grows while its crowd lasts, so that how much is gained says as \
             much about the crowd's length as about the remedy; distance costs nothing here",
    play,
};

/// As many times shorter, at most.
const ORIGINAL: u64 = 25_000;
/// All files of one size, as helpers count them.
const MODEL: Model = Model { sizes: (Spread::Constant, Model::SMALL.sizes.1), ..Model::SMALL };
/// So many times the capacity.
const STRENGTH: u64 = 5;
const HELPERS: usize = 8;

fn play(setting: &Setting) -> Option<Found> {
    let lengths: &[u64] = if setting.small { &[10_000] } else { &[10_000, 60_000] };
    let mut found = Found::new("Mean response time in a crowd of five times the capacity, in milliseconds");
    for lasts in lengths {
        one(&mut found, *lasts, setting);
    }
    Some(found)
}

/// A crowd of one length, without anything, with an edge alone, and with helpers.
fn one(found: &mut Found, lasts: u64, setting: &Setting) {
    let views = MODEL.capacity() * STRENGTH;
    let crowd = |helpers| Crowd { model: MODEL, helpers, views, lasts, cold: false, seed: setting.seed };
    let without = bare::times(&MODEL, views, lasts, setting.seed);
    let [edge, mesh] = [0, HELPERS].map(|helpers| {
        let (crowd, course) = (crowd(helpers), crowd(helpers).play());
        found.add_course(crowd.sites(), crowd.length(), &course);
        course
    });
    let seconds = lasts / 1_000;
    let gain = |longer: u64| longer.saturating_mul(1_000).checked_div(mean(&mesh.times)).unwrap_or_default();
    found.figure(
        format!("{seconds} s: times shorter with helpers than without anything, mean"),
        "times",
        Some(ORIGINAL),
        gain(mean(&without)),
    );
    found.figure(format!("{seconds} s: times shorter with helpers than with the edge alone, mean"), "times", None, gain(mean(&edge.times)));
    let served = |course| Some(served(&between(course, 0, lasts)));
    let rows = [("no edge", &without, None), ("edge alone", &edge.times, served(&edge)), ("edge and helpers", &mesh.times, served(&mesh))];
    for (name, times, served) in rows {
        found.figure(format!("{seconds} s: mean of what was answered, {name}"), "ms", None, mean(times));
        found.figure(format!("{seconds} s: 95 % of that within, {name}"), "ms", None, quantile(times, 950));
        if let Some(served) = served {
            found.figure(format!("{seconds} s: served in time, {name}"), "%", None, served);
        }
        found.bar(format!("{seconds} s, {name}"), mean(times));
    }
}
