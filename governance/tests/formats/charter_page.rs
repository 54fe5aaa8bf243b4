//! The documents' table of charter parameters comes from the code's: `OVERSPILL_GOLDEN=write cargo test -p overspill-governance charter_page`.

use std::{fmt::Write as _, fs, path::PathBuf};

use overspill_governance::charter::PARAMETERS;

const MARK: &str = "<!-- generated from governance/src/charter.rs; a test compares -->\n";

fn table() -> String {
    let mut table =
        String::from("| parameter | least | default | greatest | unit | principle | what it does |\n|---|--:|--:|--:|---|--:|---|\n");
    for parameter in PARAMETERS {
        let (name, unit, sentence) = (parameter.name, parameter.unit, parameter.sentence);
        let (min, default, max, principle) = (parameter.min, parameter.default, parameter.max, parameter.principle);
        writeln!(table, "| `{name}` | {min} | {default} | {max} | {unit} | {principle} | {sentence} |").unwrap();
    }
    table
}

#[test]
fn the_page_shows_the_table_that_the_code_obeys() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/src/charter.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(MARK).unwrap();
    let (shown, after) = rest.split_once("\n\n").unwrap_or((rest, ""));
    if std::env::var_os("OVERSPILL_GOLDEN").is_some() {
        fs::write(&path, format!("{before}{MARK}{}\n{after}", table())).unwrap();
        return;
    }
    assert_eq!(shown.trim_end(), table().trim_end(), "docs/src/charter.md is out of date");
}
