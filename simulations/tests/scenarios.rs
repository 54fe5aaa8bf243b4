//! Scenarios that come along: each is as it expects, and is told as its transcript tells it.
//!
//! `OVERSPILL_BLESS=1` writes the transcripts anew; what changed in them is for a reviewer to read.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use overspill_simulations::{
    cores,
    scenario::{Expectation, shipped::SHIPPED, text, transcript::perform},
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// Plays one, compares it with its transcript, and says what is wrong.
fn check(name: &str, text: &str) -> Option<String> {
    let scenario = match text::read(text) {
        Ok(scenario) => scenario,
        Err(mistake) => return Some(format!("{name}.scenario, {mistake}")),
    };
    let mut told = String::new();
    let outcome = perform(&scenario, 0, &mut |line| writeln!(told, "{line}").expect("strings take text"));
    if !outcome.failures.is_empty() {
        return Some(format!("{name}: {}\n{told}", outcome.failures.join("\n")));
    }
    let file = folder().join(format!("{name}.transcript"));
    if std::env::var_os("OVERSPILL_BLESS").is_some() {
        fs::write(&file, &told).expect("transcripts can be written");
        return None;
    }
    let golden = fs::read_to_string(&file).unwrap_or_default();
    let differs = golden.lines().zip(told.lines()).position(|(old, new)| old != new).or((golden != told).then_some(golden.lines().count()));
    differs.map(|at| {
        let of = |text: &str| text.lines().nth(at).unwrap_or("the end").to_owned();
        let (old, new) = (of(&golden), of(&told));
        format!("{name} is told otherwise from line {} on: `{old}` is now `{new}`; OVERSPILL_BLESS=1 takes it", at + 1)
    })
}

#[test]
fn every_scenario_is_as_it_expects_and_told_as_before() {
    let wrong: Vec<String> = cores::on_all(SHIPPED, |(name, text)| check(name, text)).into_iter().flatten().collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_list_and_the_folder_agree_and_each_says_what_it_is_about_and_what_it_expects() {
    let files = |extension: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder()).expect("the folder can be read").map(|entry| entry.expect("and its entries").path());
        let named = entries.filter(|path| path.extension().is_some_and(|found| found == extension));
        named.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
    };
    let listed: BTreeSet<String> = SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files("scenario"), listed);
    if std::env::var_os("OVERSPILL_BLESS").is_none() {
        assert_eq!(files("transcript"), listed);
    }
    for (name, text) in SHIPPED {
        let scenario = text::read(text).unwrap_or_else(|mistake| panic!("{name}: {mistake}"));
        assert!(scenario.about.ends_with('.') && !scenario.expected.is_empty(), "{name}");
        assert_eq!(text::read(&scenario.to_string()).as_ref(), Ok(&scenario), "{name}");
    }
    let canaries = SHIPPED.iter().filter(|(_, text)| {
        text::read(text).is_ok_and(|scenario| scenario.expected.iter().any(|(_, expected)| matches!(expected, Expectation::Broken(_))))
    });
    assert_eq!(canaries.count(), 1, "one of them shows that a broken promise is seen");
}
