//! Coral: how often a file is fetched from its origin while a crowd wants it.

use super::{
    Anchor, Found, Setting,
    crowd::{Crowd, between, served},
};
use crate::server::{Model, spread::Spread};

pub(super) const ANCHOR: Anchor = Anchor {
    name: "coral",
    source: "Freedman, Freudenthal and Mazières, \"Democratizing Content Publication with Coral\" (2004)",
    like: "twelve files of 41 kB of which nobody holds a copy when a crowd comes for them",
    unlike: "theirs are 166 nodes that pass files on to each other; of ours each helper fetches from the owner, who signs what it has; and towards helpers \
             a site's files are one object here, so that a copy taken stands for each of them",
    play,
};

const FILES: u64 = 12;
/// Fetches at the origin for twelve files in the first minute, after which there were hardly any.
const ORIGINAL: u64 = 15;
/// One file with each page; pages cost next to nothing, so that the file is what is measured.
const MODEL: Model = Model {
    pages: FILES as usize,
    html: 1_000,
    files: 1,
    sizes: (Spread::Constant, 41_000),
    service: (Spread::Exponential, 20_000),
    own: 0,
    ..Model::SMALL
};

fn play(setting: &Setting) -> Option<Found> {
    let (helpers, lasts) = if setting.small { (4, 10_000) } else { (8, 60_000) };
    let crowd = Crowd { model: MODEL, helpers, views: MODEL.capacity() * 5, lasts, cold: true, seed: setting.seed };
    let course = crowd.play();
    let mut found = Found::new("Fetches of a file from its owner while a crowd wants it");
    found.add_course(crowd.sites(), crowd.length(), &course);
    let original = ORIGINAL * 1_000 / FILES;
    let (origin, helped) = (course.fetched.files * 1_000 / FILES, course.copied * 1_000);
    found.figure("fetches of a file at the origin", "", Some(original), origin);
    found.figure(format!("copies of a file over the owner's line, origin and {helpers} helpers"), "", Some(original), origin + helped);
    let all = between(&course, 0, lasts);
    found.figure("requests for a file for each fetch at the origin", "", None, {
        let wanted: u64 = all.wanted.iter().map(|wanted| u64::from(*wanted)).sum();
        (wanted / 2 * 1_000).checked_div(course.fetched.files).unwrap_or_default()
    });
    found.figure("served of a crowd of 5 times the capacity", "%", None, served(&all));
    found.bar("Coral", original);
    found.bar("ours, at the origin", origin);
    found.bar("ours, over the line", origin + helped);
    Some(found)
}
