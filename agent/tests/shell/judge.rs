//! Evidence at the command line: one verdict on any machine, in words, as JSON and as an exit code.

use std::{fs, path::PathBuf};

use overspill_governance::evidence::Crime;

use crate::support::Place;

/// The evidence that the formats' golden files hold: one of each kind.
fn golden() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../governance/tests/golden");
    let mut found = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if let Some(crime) = name.strip_prefix("evidence-") {
            found.push((crime.to_owned(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

#[test]
fn evidence_is_judged_in_words_and_for_programs() {
    let place = Place::new();
    assert_eq!(golden().len(), Crime::ALL.len(), "one of each kind");
    for (crime, text) in golden() {
        let file = place.write("evidence.txt", &text);
        let file = file.to_str().unwrap();
        let words = place.say(&["judge", file]);
        assert!(words.assert_done().out.starts_with("Convicted: "), "{}", words.out);
        let told = place.say(&["judge", file, "--json"]).assert_done().json();
        assert_eq!(
            (told["schema"].as_str(), told["convicted"].as_bool(), told["crime"].as_str()),
            (Some("overspill.judge/1"), Some(true), Some(&*crime))
        );
        assert!(words.out.contains(told["who"].as_str().unwrap()) && words.out.contains(told["sentence"].as_str().unwrap()));
        // The last digit belongs to a signature or a digest of every kind.
        let digit = text.trim_end().chars().last().unwrap();
        let bent = text.trim_end().strip_suffix(digit).unwrap().to_owned() + if digit == '0' { "1" } else { "0" };
        let file = place.write("bent.txt", &bent);
        place.say(&["judge", file.to_str().unwrap()]).assert_failed(1, "nothing is proven");
        let told = place.say(&["judge", file.to_str().unwrap(), "--json"]);
        assert_eq!((told.code, told.json()["convicted"].as_bool()), (1, Some(false)));
    }
}

#[test]
fn what_is_no_evidence_is_refused() {
    let place = Place::new();
    assert_eq!(place.say(&["judge"]).code, 2);
    place.say(&["judge", "nowhere.txt"]).assert_failed(2, "nowhere.txt");
    for (name, text) in [("empty.txt", String::new()), ("words.txt", "a fork".to_owned()), ("long.txt", "x".repeat(1 << 20))] {
        let file = place.write(name, &text);
        place.say(&["judge", file.to_str().unwrap()]).assert_failed(2, "no evidence of Overspill");
    }
    let newer = golden().remove(0).1.replacen("evidence 1", "evidence 2", 1);
    let file = place.write("newer.txt", &newer);
    place.say(&["judge", file.to_str().unwrap()]).assert_failed(2, "newer version");
}

#[test]
fn a_site_lists_what_its_ledger_holds() {
    let place = Place::new();
    place.say(&["judge", "--list"]).assert_failed(1, "ledger");
    place.say(&["init", "--name", "friends", "--site", "http://blog.localhost"]).assert_done();
    assert!(place.say(&["judge", "--list"]).assert_done().out.contains("no conviction"));
    assert_eq!(place.say(&["judge", "--list", "--json"]).assert_done().json()["convictions"].as_array().map(Vec::len), Some(0));
    place.say(&["judge", "--print", "abcd"]).assert_failed(2, "--list");
}
