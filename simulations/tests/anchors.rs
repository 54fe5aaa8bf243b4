//! Anchors in their small setting: directions and bounds. `simulate anchors` has the figures.

use overspill_simulations::{
    laboratory::anchors::{ANCHORS, Found, Setting},
    traffic::series::Series,
};

fn play(name: &str, setting: &Setting) -> Option<Found> {
    let anchor = ANCHORS.iter().find(|anchor| anchor.name == name).unwrap_or_else(|| panic!("there is no {name}"));
    let found = (anchor.play)(setting)?;
    assert!(found.failures.is_empty(), "{name}: {:?}", found.failures);
    assert!(!found.bars.is_empty() && found.events > 0, "{name}: {found:?}");
    Some(found)
}

fn small(name: &str) -> Found {
    play(name, &Setting { small: true, seed: 1, ..Setting::default() }).unwrap_or_else(|| panic!("{name} needs no data"))
}

/// The figure whose words begin like this, in thousandths.
fn ours(found: &Found, what: &str) -> u64 {
    let figure = found.figures.iter().find(|figure| figure.what.starts_with(what));
    figure.unwrap_or_else(|| panic!("no figure begins with `{what}`: {:?}", found.figures)).ours
}

#[test]
fn rescuers_carry_what_a_site_cannot() {
    let found = small("dotslash");
    assert_eq!(ours(&found, "most carried with 0"), 0, "twice what it can is too much for it alone");
    assert!(ours(&found, "most carried with 8") >= 5_000 && ours(&found, "most carried with 15") >= 5_000, "{found:?}");
}

#[test]
fn a_file_is_fetched_once_at_its_origin_and_once_by_each_helper() {
    let found = small("coral");
    assert_eq!(ours(&found, "fetches of a file at the origin"), 1_000, "{found:?}");
    assert_eq!(ours(&found, "copies of a file over"), 5_000, "four helpers have it from the owner: {found:?}");
    assert!(ours(&found, "served") > 95_000, "{found:?}");
}

#[test]
fn a_front_pages_crowd_is_mostly_refused_alone_and_served_by_five() {
    let found = small("front-page");
    assert!((540_000..660_000).contains(&ours(&found, "wanted")), "{found:?}");
    assert!(ours(&found, "served with 0 helpers, when") < 45_000 && ours(&found, "served with 4 helpers, when") > 90_000, "{found:?}");
}

#[test]
fn a_stampede_of_previews_is_rendered_at_most_twice_and_one_of_people_more_often() {
    let found = small("previews");
    assert!(ours(&found, "previews within") > 1_000_000, "{found:?}");
    assert!(["renders, a copy at hand", "renders, no copy"].iter().all(|what| (1_000..=2_000).contains(&ours(&found, what))), "{found:?}");
    assert!(ours(&found, "renders, no copy, taken for people") > 2_000, "{found:?}");
}

#[test]
fn a_helper_that_is_gone_gets_no_visitors_after_two_seconds() {
    let found = small("heartbeats");
    assert!(ours(&found, "a helper dies") <= 200, "{found:?}");
    let silent = ours(&found, "a helper falls silent");
    assert!((500..=2_000).contains(&silent), "{found:?}");
    assert!(ours(&found, "a helper is struck") <= 3_000 && ours(&found, "longest that nothing was heard") <= 1_500, "{found:?}");
    let lost: Vec<u64> = found.figures.iter().filter(|figure| figure.what.starts_with("of its guests")).map(|figure| figure.ours).collect();
    assert!(lost[1] > 5_000, "some went to who did not answer any more: {found:?}");
}

#[test]
fn answers_come_many_times_sooner_with_helpers() {
    let found = small("response");
    assert!(ours(&found, "10 s: times shorter with helpers than with the edge alone") > 4_000, "{found:?}");
    assert!(ours(&found, "10 s: times shorter with helpers than without anything") > 25_000, "{found:?}");
    assert!(ours(&found, "10 s: served in time, edge and helpers") > 90_000, "{found:?}");
}

#[test]
fn a_peak_of_a_series_is_kept_with_a_mesh_and_not_alone() {
    let counts = (0..3_000_u64).map(|minute| 100 + minute % 7 + if (2_000..2_060).contains(&minute) { 6_000 } else { 0 }).collect();
    let series = Series { bin_ms: 60_000, counts };
    let setting = Setting { small: true, seed: 1, world_cup: Some(series) };
    let found = play("world-cup", &setting).unwrap();
    assert!(ours(&found, "kept at 3 times, with the mesh") > ours(&found, "kept at 3 times, alone") + 10_000, "{found:?}");
    assert!(play("world-cup", &Setting { world_cup: None, ..setting }).is_none(), "without data it is passed over");
}
