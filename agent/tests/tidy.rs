//! House rules that a machine can check. Each failure names the file and says what to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Longest source file, tests included. Longer ones want splitting.
const LINES_MAX: usize = 500;

/// Oldest versions that carry the fixes of the security advisories known when they were chosen.
const FLOORS: [(&str, &str); 7] = [
    ("libp2p", "0.57.1"),
    ("libp2p-gossipsub", "0.50.1"),
    ("h2", "0.4.20"),
    ("hyper", "1.12.0"),
    ("rustls", "0.23.46"),
    ("snow", "0.10.0"),
    ("ed25519-dalek", "3.0.0"),
];

/// Who may depend on whom, of our own packages. Law below speech, speech below body.
const DIRECTIONS: [(&str, &[&str]); 6] = [
    ("governance", &[]),
    ("protocol", &["overspill-governance"]),
    ("agent/edge", &["overspill-governance", "overspill-protocol"]),
    ("agent/fuzz", &["overspill-edge", "overspill-governance", "overspill-protocol"]),
    ("simulations", &["overspill-governance", "overspill-protocol"]),
    ("agent", &["overspill-edge", "overspill-governance", "overspill-protocol", "overspill-simulations"]),
];

/// Packages that the edge and the pure crates must never reach for.
const AGENT_ONLY: [&str; 4] = ["libp2p", "sled", "clap", "axum"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder of the checkout can be read").path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<PathBuf> {
    ["governance", "protocol", "agent", "simulations"].iter().flat_map(|folder| files(folder, "rs")).collect()
}

fn toml_at(path: &str) -> toml::Table {
    read(&root().join(path)).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn complain(failures: &[String]) {
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

#[test]
fn crates_point_one_way() {
    let mut failures = Vec::new();
    for (folder, allowed) in DIRECTIONS {
        let manifest = toml_at(&format!("{folder}/Cargo.toml"));
        let dependencies = manifest["dependencies"].as_table().expect("dependencies are a table");
        for name in dependencies.keys() {
            if name.starts_with("overspill") && !allowed.contains(&name.as_str()) {
                failures.push(format!("{folder} depends on {name}: that arrow points the wrong way"));
            }
            // `simulate` has a command line; that no world reads one is checked below.
            let of_simulate = folder == "simulations" && name == "clap";
            if folder != "agent" && AGENT_ONLY.contains(&name.as_str()) && !of_simulate {
                failures.push(format!("{folder} depends on {name}: only the agent may"));
            }
        }
    }
    for path in files("simulations/src", "rs").iter().filter(|path| !path.components().any(|part| part.as_os_str() == "bin")) {
        let text = read(path);
        let program_only = ["clap::", "serde_json::"].iter().filter(|name| text.contains(**name));
        failures.extend(program_only.map(|name| format!("{}: {name} is for simulations/src/bin alone", path.display())));
    }
    for path in files("agent/src", "rs").iter().filter(|path| !path.ends_with("cli/preview.rs")) {
        if read(path).contains("overspill_simulations") {
            failures.push(format!("{}: worlds are for agent/src/cli/preview.rs alone", path.display()));
        }
    }
    complain(&failures);
}

#[test]
fn versions_stand_once_each_with_a_reason() {
    let mut failures = Vec::new();
    for (folder, _) in DIRECTIONS {
        let manifest = toml_at(&format!("{folder}/Cargo.toml"));
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(table).and_then(toml::Value::as_table) else { continue };
            for (name, value) in table {
                if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                    failures.push(format!("{folder}: {name} states its own version; put it into the root Cargo.toml"));
                }
            }
        }
    }
    let text = read(&root().join("Cargo.toml"));
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.iter().position(|line| *line == "[workspace.dependencies]").expect("the root states the versions");
    for (at, line) in lines.iter().enumerate().skip(start + 1).take_while(|(_, line)| !line.starts_with('[')) {
        let names_a_package = line.contains(" = ") && !line.starts_with('#') && !line.starts_with("overspill");
        if names_a_package && !lines[at - 1].starts_with("# ") {
            failures.push(format!("Cargo.toml:{}: `{line}` has no line of why above it", at + 1));
        }
    }
    complain(&failures);
}

#[test]
fn source_files_stay_small() {
    let failures: Vec<String> = sources()
        .iter()
        .map(|path| (path, read(path).lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("{}: {lines} lines, at most {LINES_MAX}: split it by what its parts do", path.display()))
        .collect();
    complain(&failures);
}

#[test]
fn pure_crates_stay_pure() {
    const BANNED: [(&str, &str); 6] = [
        ("HashMap", "iteration order is random; use BTreeMap"),
        ("HashSet", "iteration order is random; use BTreeSet"),
        ("Instant::now", "time is an argument"),
        ("SystemTime", "time is an argument"),
        ("thread_rng", "randomness is a seed"),
        ("getrandom", "randomness is a seed"),
    ];
    let mut failures = Vec::new();
    for (folder, no_std) in [("governance/src", true), ("protocol/src", true), ("simulations/src", false)] {
        let door = read(&root().join(folder).join("lib.rs"));
        if no_std && !door.contains("#![no_std]") {
            failures.push(format!("{folder}/lib.rs: a pure crate is `#![no_std]`"));
        }
        for path in files(folder, "rs") {
            for (number, line) in read(&path).lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for (word, why) in BANNED {
                    // The simulator's command line measures its own speed; its worlds do not read clocks.
                    let allowed = folder == "simulations/src" && path.components().any(|part| part.as_os_str() == "bin");
                    if code.contains(word) && !allowed {
                        failures.push(format!("{}:{}: {word}: {why}", path.display(), number + 1));
                    }
                }
            }
        }
    }
    complain(&failures);
}

#[test]
fn one_file_makes_and_reads_canonical_bytes() {
    let home = root().join("governance/src/codec.rs");
    let failures: Vec<String> = sources()
        .iter()
        .filter(|path| **path != home && !path.ends_with("tests/tidy.rs"))
        .filter(|path| ["bincode::encode", "bincode::decode", "bincode::config"].iter().any(|call| read(path).contains(call)))
        .map(|path| format!("{}: calls the codec itself; use overspill_governance::codec", path.display()))
        .collect();
    complain(&failures);
}

#[test]
fn no_unfinished_work_is_called_done() {
    let marks = ["TODO", "FIXME", "XXX", "#[ignore", "todo!(", "unimplemented!("];
    let mut failures = Vec::new();
    for path in sources().iter().filter(|path| !path.ends_with("tests/tidy.rs")) {
        for (number, line) in read(path).lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                failures.push(format!("{}:{}: {mark}", path.display(), number + 1));
            }
        }
    }
    complain(&failures);
}

/// Planted bugs exist for the tests of `simulations`. No agent compiles with them (`agent/src/lib.rs`), nobody else asks for them, and
/// their names are not in the program.
#[test]
fn no_shipped_build_has_planted_bugs() {
    let mut failures = Vec::new();
    for (folder, _) in DIRECTIONS {
        let manifest = read(&root().join(folder).join("Cargo.toml"));
        let named = manifest.contains("planted");
        if named && !["governance", "simulations"].contains(&folder) {
            failures.push(format!("{folder}/Cargo.toml names the feature `planted`"));
        }
    }
    let table = read(&root().join("governance/src/planted.rs"));
    let bugs: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(',')).filter(|name| is_a_name(name)).collect();
    assert!(bugs.len() >= 12, "the table of bugs is not read right: {bugs:?}");
    let program = fs::read(env!("CARGO_BIN_EXE_overspill")).expect("the program can be read");
    for bug in bugs {
        if memchr::memmem::find(&program, bug.as_bytes()).is_some() {
            failures.push(format!("the program knows the planted bug {bug}"));
        }
    }
    complain(&failures);
}

fn is_a_name(text: &str) -> bool {
    text.len() > 8 && text.chars().all(char::is_alphabetic)
}

fn version(text: &str) -> Vec<u64> {
    text.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}

#[test]
fn locked_versions_keep_the_security_floors() {
    let lock = toml_at("Cargo.lock");
    let packages = lock["package"].as_array().expect("the lock file lists packages");
    let mut failures = Vec::new();
    for (name, floor) in FLOORS {
        let locked: Vec<&str> = packages
            .iter()
            .filter(|package| package["name"].as_str() == Some(name))
            .filter_map(|package| package["version"].as_str())
            .collect();
        if locked.is_empty() {
            failures.push(format!("{name} is not in Cargo.lock: drop its floor, or find out why it left"));
        }
        failures.extend(
            locked.iter().filter(|found| version(found) < version(floor)).map(|found| format!("{name} {found} is older than {floor}")),
        );
    }
    complain(&failures);
}

#[test]
fn licences_are_on_the_list() {
    let allowed: BTreeSet<String> = toml_at("deny.toml")["licenses"]["allow"]
        .as_array()
        .expect("deny.toml lists licences")
        .iter()
        .filter_map(|licence| licence.as_str().map(str::to_owned))
        .collect();
    let exceptions: BTreeSet<(String, String)> = toml_at("deny.toml")["licenses"]["exceptions"]
        .as_array()
        .expect("deny.toml lists exceptions")
        .iter()
        .flat_map(|exception| {
            let name = exception["crate"].as_str().unwrap_or_default().to_owned();
            let licences = exception["allow"].as_array().cloned().unwrap_or_default();
            licences.into_iter().filter_map(move |licence| Some((name.clone(), licence.as_str()?.to_owned())))
        })
        .collect();
    // The tree, not the lock file: that one also names what no feature of ours turns on.
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--offline", "--locked", "--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let packages: BTreeSet<(&str, &str)> = text.lines().filter_map(|line| line.trim_end_matches(" (*)").split_once('|')).collect();
    assert!(packages.len() > 100, "the tree is not read right: {} packages", packages.len());
    let mut failures = Vec::new();
    for (package, licence) in packages {
        let choices = licence.replace(['(', ')'], " ").replace('/', " OR ");
        // An expression passes when each of its AND-parts offers a choice that is on the list.
        let name = package.split(' ').next().unwrap_or_default();
        let is_allowed = |licence: &str| allowed.contains(licence) || exceptions.contains(&(name.to_owned(), licence.to_owned()));
        let passes = choices.split(" AND ").all(|part| part.split(" OR ").any(|choice| is_allowed(choice.trim())));
        if !passes {
            failures.push(format!("{package}: licence `{licence}` is not in deny.toml"));
        }
    }
    complain(&failures);
}

/// Every module that the architecture page names exists, and every module that exists is named there.
#[test]
fn the_architecture_page_and_the_tree_agree() {
    let page = read(&root().join("docs/src/architecture.md"));
    let mut named: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut section = None;
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            section = DIRECTIONS.iter().map(|(folder, _)| *folder).find(|folder| heading.trim_matches('`') == *folder);
        } else if line.starts_with("## ") {
            section = None;
        }
        let Some(folder) = section else { continue };
        if let Some(cell) = line.strip_prefix("| `").and_then(|rest| rest.split(" |").next()) {
            named
                .entry(folder)
                .or_default()
                .extend(cell.split('`').filter(|part| part.chars().any(char::is_alphabetic)).map(str::to_owned));
        }
    }
    let mut failures = Vec::new();
    for (folder, _) in DIRECTIONS {
        let names = named.remove(folder).unwrap_or_default();
        let source = root().join(folder).join("src");
        let found: BTreeSet<String> = files(&format!("{folder}/src"), "rs")
            .iter()
            .filter(|path| path.parent() == Some(source.as_path()))
            .filter_map(|path| path.file_stem()?.to_str().map(str::to_owned))
            .filter(|name| !["lib", "main"].contains(&name.as_str()))
            .collect();
        failures.extend(names.difference(&found).map(|name| format!("architecture.md names {folder}/src/{name}.rs, which does not exist")));
        failures.extend(found.difference(&names).map(|name| format!("{folder}/src/{name}.rs has no line in docs/src/architecture.md")));
    }
    complain(&failures);
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut failures = Vec::new();
    let mut pages = files("docs", "md");
    pages.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].iter().map(|name| root().join(name)));
    for page in &pages {
        let text = read(page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            if !page.parent().is_some_and(|folder| folder.join(path).exists()) {
                failures.push(format!("{}: leads to {target}, which does not exist", page.display()));
            }
        }
    }
    let summary = read(&root().join("docs/src/SUMMARY.md"));
    for page in files("docs/src", "md") {
        let relative = page.strip_prefix(root().join("docs/src")).expect("pages lie under docs/src").display().to_string();
        if relative != "SUMMARY.md" && !summary.contains(&format!("({relative})")) {
            failures.push(format!("{relative} is not in docs/src/SUMMARY.md"));
        }
    }
    complain(&failures);
}
