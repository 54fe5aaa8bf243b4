//! The program `simulate` as people and scripts meet it: one JSON object, clear words for what is wrong, exit codes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulate")).args(arguments).output().expect("the program can be run")
}

/// Its exit code, what it printed, and what it said aside.
fn said(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = simulate(arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn object(arguments: &[&str]) -> (Option<i32>, Value) {
    let (code, out, aside) = said(arguments);
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?} prints no object: {error}\n{out}\n{aside}")))
}

/// A file of this test.
fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("files can be written");
    path
}

const SHORT: &str = "seed 5\nsites 2\nlength 20s\nat 6s want 0 60\n";

#[test]
fn a_run_is_one_object_and_the_same_object_again() {
    let scenario = file("short.scenario", SHORT);
    let scenario = scenario.to_str().unwrap();
    let (code, first) = object(&["run", scenario, "--json"]);
    assert_eq!(
        (code, first["schema"].as_str(), first["seed"].as_u64(), first["sites"].as_u64()),
        (Some(0), Some("overspill.simulate/1"), Some(5), Some(2))
    );
    for name in ["events", "virtual_seconds", "wall_seconds"] {
        assert!(first[name].as_f64().is_some_and(|value| value > 0.0), "{name}: {first}");
    }
    assert_eq!(first["failures"], serde_json::json!([]));
    assert_eq!(first["trace_hash"], object(&["run", scenario, "--json"]).1["trace_hash"]);
    let elsewhere = object(&["run", scenario, "--seed", "6", "--json"]).1;
    assert_ne!(first["trace_hash"], elsewhere["trace_hash"]);

    let kept = file("short.json", &first.to_string());
    let (code, words, _) = said(&["replay", kept.to_str().unwrap()]);
    assert!(code == Some(0) && words.starts_with("the same run"), "{words}");
    let mut bent = first.clone();
    bent["plot"] = Value::from(SHORT.replace("60", "70"));
    let bent = file("bent.json", &bent.to_string());
    let (code, words, _) = said(&["replay", bent.to_str().unwrap()]);
    assert!(code == Some(1) && words.contains("another run"), "{words}");
}

#[test]
fn a_replay_tells_as_much_of_what_happened_as_is_asked_for() {
    let (_, broken) = object(&["run", "a_lying_disk_is_found_out", "--json"]);
    let kept = file("lying.json", &broken.to_string());
    for lines in ["0", "3", "500"] {
        let (code, words, _) = said(&["replay", kept.to_str().unwrap(), "--tail", lines]);
        assert_eq!((code, (words.lines().count() - 1).to_string().as_str()), (Some(0), lines), "{words}");
    }
}

#[test]
fn people_see_what_was_drawn_what_happened_and_what_it_came_to() {
    let scenario = file("told.scenario", SHORT);
    let (code, words, aside) = said(&["run", scenario.to_str().unwrap()]);
    assert_eq!((code, aside.as_str()), (Some(0), ""));
    for part in [
        "seed 5\nsites 2\nlength 20s\n",
        "at 6s want 0 60\n",
        "     6.0  > want 0 60\n",
        "a crowd began",
        "every promise kept: ",
        "\ntrace hash ",
    ] {
        assert!(words.contains(part), "{part:?} is not in:\n{words}");
    }
    let (code, words, _) = said(&["run", scenario.to_str().unwrap(), "--quiet"]);
    assert!(
        code == Some(0) && words.contains("sites 2\n") && !words.contains("a crowd began") && words.contains("every promise kept"),
        "{words}"
    );
}

#[test]
fn a_seed_can_be_larger_and_longer_than_it_draws() {
    let (code, drawn) = object(&["run", "--seed", "3", "--sites", "6", "--days", "0.0005", "--json"]);
    let plot = drawn["plot"].as_str().unwrap();
    assert!(code == Some(0) && plot.contains("sites 6\n") && plot.contains("length 43s\n"), "{plot}");
}

#[test]
fn what_is_not_as_expected_ends_with_a_code_of_its_own() {
    let scenario = file("wrong.scenario", &format!("{SHORT}expect guests 1 exactly 7\n"));
    let (code, object) = object(&["run", scenario.to_str().unwrap(), "--json"]);
    assert_eq!(code, Some(1));
    assert!(object["failures"][0].as_str().unwrap().starts_with("expected guests 1 exactly 7, found "), "{object}");
}

#[test]
fn seeds_are_played_on_all_cores_and_come_to_one_hash() {
    let (code, two) = object(&["seeds", "2", "--from", "3", "--json"]);
    assert_eq!((code, two["played"].as_u64(), two["seed"].as_u64()), (Some(0), Some(2), Some(3)));
    assert!(two["events"].as_u64().unwrap() > 1_000 && two["failed_seed"].is_null());
    assert_eq!(two["trace_hash"], object(&["seeds", "2", "--from", "3", "--json"]).1["trace_hash"]);
}

#[test]
fn bad_input_is_told_what_to_do_and_plays_nothing() {
    let bad = file("bad.scenario", "sites 2\nlength 20s\nat 6s explode 1\n");
    let no_object = file("bad.json", "{}");
    let table: [(&[&str], &str); 10] = [
        (&["run", bad.to_str().unwrap()], "bad.scenario, line 3: nothing is called `explode` that could happen; there are want, "),
        (&["run", "no_such_thing"], "no_such_thing: neither a scenario that comes along nor a file that can be read"),
        (&["run"], "the following required arguments were not provided"),
        (&["run", "two_sites_one_crowd", "--sites", "5"], "cannot be used with"),
        (&["run", "--seed", "1", "--sites", "1"], "1 is not in 2..=1000"),
        (&["run", "--seed", "1", "--days", "400"], "write a number of days up to 366"),
        (&["run", "--seed", "-1"], "unexpected argument"),
        (&["seeds", "0"], "0 is not in 1.."),
        (&["seeds", "9", "--from", "18446744073709551615"], "the last seed is above 2^64"),
        (&["replay", no_object.to_str().unwrap()], "this is no object of the schema overspill.simulate/1"),
    ];
    for (arguments, words) in table {
        let (code, out, aside) = said(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(aside.contains(words), "{arguments:?}: {aside}");
    }
    let (code, _, aside) = said(&["replay", "/no/such/file"]);
    assert!(code == Some(3) && aside.contains("name a file that can be read"), "{aside}");
}

#[test]
fn help_lists_the_exit_codes_and_the_list_the_scenarios() {
    let (code, help, _) = said(&["--help"]);
    assert!(code == Some(0) && help.contains("  1  A promise or an expectation was broken"), "{help}");
    let (_, list, _) = said(&["list"]);
    assert!(list.lines().count() > 8 && list.contains("two_sites_one_crowd"), "{list}");
}

#[test]
fn a_series_becomes_a_scenario_that_runs() {
    let minute = |at: u64| format!("2024-01-01 {:02}:{:02},{}\n", at / 60, at % 60, if (200..210).contains(&at) { 900 } else { 60 });
    let lines: String = (0..240).map(minute).collect();
    let counts = file("counts.csv", &format!("timestamp,value\n{lines}"));
    let (code, text, aside) = said(&["series", counts.to_str().unwrap(), "--hours", "1", "--minutes", "1", "--sites", "2", "--peak", "60"]);
    assert!(code == Some(0) && text.contains("load at 1 series every 1s "), "{text}{aside}");
    let scenario = file("counts.scenario", &text);
    let (code, object) = object(&["run", scenario.to_str().unwrap(), "--json"]);
    assert!(code == Some(0) && object["met"]["guest-served"].as_u64().is_some_and(|times| times > 0), "{object}");
    let (code, _, aside) = said(&["series", scenario.to_str().unwrap()]);
    assert!(code == Some(2) && aside.contains("neither an access log nor counts: line 2: does not begin with a date"), "{aside}");
}

#[test]
fn a_sweep_lays_values_side_by_side_and_writes_a_report() {
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sweep.html");
    let small = ["--sites", "2", "--minutes", "1", "--events", "1", "--seeds", "1", "--json", "--report", report.to_str().unwrap()];
    let (code, swept) = object(&[&["sweep", "settle_window=2,30"][..], &small].concat());
    let rows = swept["rows"].as_array().unwrap();
    assert_eq!(
        (code, rows.len(), rows[1]["value"].as_str(), swept["schema"].as_str()),
        (Some(0), 2, Some("30"), Some("overspill.simulate/1"))
    );
    let receipts = |row: &Value| row["measures"]["receipts"]["mean"].as_f64().unwrap();
    assert!(receipts(&rows[0]) > receipts(&rows[1]), "fewer receipts when they may wait: {swept}");
    let page = fs::read_to_string(&report).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg") && page.contains("settle_window at 2 values"));
    let (code, _, aside) = said(&["sweep", "colour=3"]);
    assert!(code == Some(2) && aside.contains("there is no parameter `colour`; there are sites, "), "{aside}");
}

#[test]
fn two_parameters_make_a_phase_diagram() {
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join("phase.html");
    let small = ["--sites", "2", "--minutes", "1", "--events", "1", "--seeds", "1", "--json", "--report", report.to_str().unwrap()];
    let (code, swept) = object(&[&["sweep", "newcomer_limit=1000,2000000", "peak=10,100"][..], &small].concat());
    let rows = swept["rows"].as_array().unwrap();
    assert_eq!((code, rows.len(), rows[1]["value"].as_str()), (Some(0), 4, Some("newcomer_limit 1000, peak 100")), "{swept}");
    assert_eq!(swept["axes"][1], serde_json::json!({ "parameter": "peak", "values": [10, 100] }));
    let refused = |at: usize| rows[at]["measures"]["refused_spill"]["mean"].as_f64().unwrap();
    assert!(refused(0) == 0.0 && refused(1) > refused(3) + 30.0, "credit for a thousand is soon used up: {swept}");
    let page = fs::read_to_string(&report).unwrap();
    assert!(
        page.matches("<svg").count() == 5 && page.contains("newcomer_limit by row, peak by column") && page.contains(">2000000<"),
        "{page}"
    );
    let (code, _, aside) = said(&["sweep", "sites=2", "sites=3"]);
    assert!(code == Some(2) && aside.contains("`sites` cannot be changed against itself"), "{aside}");
}

#[test]
fn a_comparison_has_an_arm_without_any_mesh() {
    let scenario = file("compared.scenario", SHORT);
    let (code, compared) = object(&["compare", scenario.to_str().unwrap(), "--seeds", "1", "--from", "5", "--json"]);
    let rows = compared["rows"].as_array().unwrap();
    let kept = |row: &Value| row["measures"]["kept"]["mean"].as_f64().unwrap();
    assert!(code == Some(0) && rows.len() == 2 && rows[0]["value"] == "no mesh", "{compared}");
    assert!(kept(&rows[0]) < 40.0 && kept(&rows[1]) > 80.0, "{compared}");
}

#[test]
fn the_gallery_in_the_docs_is_what_the_command_makes() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gallery");
    fs::create_dir_all(&folder).unwrap();
    let (code, _, aside) = said(&["gallery", folder.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{aside}");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/img/gallery");
    let names = |folder: &Path| -> Vec<_> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&folder), names(&docs), "run `simulate gallery docs/src/img/gallery`");
    for name in names(&docs) {
        let (made, kept) = (fs::read_to_string(folder.join(&name)).unwrap(), fs::read_to_string(docs.join(&name)).unwrap());
        assert!(made == kept, "{} differs: run `simulate gallery docs/src/img/gallery`", name.display());
    }
}

#[test]
fn a_recovery_map_is_one_object_and_a_rule_that_remembers_fails_in_it() {
    let small = ["recovery", "--map-only", "--seeds", "1", "--partners", "1", "--strengths", "10", "--loads", "60", "--json"];
    let (code, shipped) = object(&small);
    let cells = shipped["cells"].as_array().unwrap();
    assert!(code == Some(0) && cells.len() == 4 && shipped["failures"] == serde_json::json!([]), "{shipped}");
    let (code, sticky) = object(&[&small[..], &["--rule", "sticky"]].concat());
    assert!(code == Some(1) && !sticky["failures"].as_array().unwrap().is_empty(), "{sticky}");
}

#[test]
fn policies_are_compared_over_the_same_crowds() {
    let (code, _, aside) = said(&["compare"]);
    assert!(code == Some(2) && aside.contains("required"), "{aside}");
    let (code, _, aside) = said(&["compare", "disk_full", "--policies"]);
    assert!(code == Some(2) && aside.contains("cannot be used with"), "{aside}");
}
