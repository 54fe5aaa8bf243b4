//! Real traffic, where it is there: `OVERSPILL_TEST_DATA` names a folder with a small site's access log, the 1998 World Cup's requests per
//! minute, and 5-minute counts of other crowds. Without it these tests pass over themselves and say so.

use std::{fs, path::PathBuf};

use overspill_simulations::{
    dice::Dice,
    scenario::{Measured, run},
    traffic::{access_log, counts, zipf::Zipf},
};

/// A file of the folder, if there is one.
fn data(name: &str) -> Option<String> {
    let folder = std::env::var_os("OVERSPILL_TEST_DATA").map(PathBuf::from);
    let Some(folder) = folder else {
        println!("passed over: OVERSPILL_TEST_DATA names no folder with measured traffic");
        return None;
    };
    let bytes = fs::read(folder.join(name)).unwrap_or_else(|error| panic!("OVERSPILL_TEST_DATA lacks {name}: {error}"));
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn a_small_sites_log_is_read_to_its_last_line_and_is_as_skewed_as_what_is_drawn() {
    let Some(text) = data("blog-access.log") else { return };
    let log = access_log::read(&text);
    assert_eq!((log.requests.len() + log.odd, log.odd), (10_000, 0));
    let popular = log.popularity();
    // Ten paths have 40 to 45 % of all requests, and so they have in a Zipf distribution of its alpha.
    let ten: u64 = popular[..10].iter().sum();
    let drawn = {
        let (zipf, mut dice) = (Zipf::new(popular.len(), 1_030), Dice::new(1));
        (0..10_000).filter(|_| zipf.draw(&mut dice) < 10).count() as u64
    };
    assert!((3_800..4_600).contains(&ten) && drawn.abs_diff(ten) < 800, "{ten} {drawn} of {} paths", popular.len());
    let series = log.series(60).unwrap();
    assert_eq!(series.counts.iter().sum::<u64>(), 10_000);
}

#[test]
fn minutes_of_the_world_cup_have_their_peak_and_drive_a_mesh() {
    let Some(text) = data("wc98-per-minute.csv") else { return };
    let series = counts::read(&text).unwrap();
    assert_eq!((series.bin_ms, series.counts.iter().max()), (60_000, Some(&229_426)));
    let how = Measured { seed: 1, members: 4, peak: 80, stretch_ms: 6 * 3_600_000, length_ms: 60_000, correlation: 0 };
    let scenario = how.of(&series).unwrap();
    let outcome = run(&scenario.plot);
    assert!(outcome.failures.is_empty(), "{scenario}\n{:?}", outcome.failures);
    assert!(outcome.met.times(overspill_simulations::sometimes::Sometimes::GuestServed) > 0, "{scenario}");
}

#[test]
fn five_minute_counts_are_read_whatever_their_columns() {
    for (name, most) in [("nab/elb_request_count.csv", 600), ("nab/Twitter_volume_AAPL.csv", 10_000)] {
        let Some(text) = data(name) else { return };
        let series = counts::read(&text).unwrap_or_else(|mistake| panic!("{name}: {mistake}"));
        let peak = *series.counts.iter().max().unwrap();
        assert!(series.bin_ms == 300_000 && series.counts.len() > 3_000 && peak > most, "{name}: {} {peak}", series.bin_ms);
    }
}
