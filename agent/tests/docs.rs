//! The documents are held to the code: tables come from it, `console` blocks are typed into the real program, names of tests exist.
//!
//! A block marked `console` shows a session: commands after `$ ` (and `> ` where one goes on), then what they print, standard error last;
//! `...` stands for anything, in a line or for whole lines. The commands of a page run in order in one empty directory. One that fails
//! says its exit code in a comment: `# exit 4`. What needs a network is shown in blocks of another kind.
//!
//! `OVERSPILL_BLESS=1 cargo test -p overspill --test docs` writes the tables anew. Those of settings and commands: `agent/src/cli/reference.rs`.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use overspill_edge::classes::{AGENTS, TARGETS};
use overspill_governance::evidence::Crime;
use overspill_protocol::lease::table::TABLE;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below `folder` that end in `.extension`, sorted.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a folder of the checkout can be read").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn pages() -> Vec<PathBuf> {
    let mut pages = files(&root().join("docs/src"), "md");
    pages.push(root().join("README.md"));
    pages
}

/// Compares the table of `source` on `page` with what the code says, or writes it.
fn compare(page: &str, source: &str, table: &str) {
    let path = root().join("docs/src").join(page);
    let text = read(&path);
    let (begin, end) = (format!("<!-- generated: {source} -->\n"), "<!-- end -->\n");
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{page} has no place for the table of {source}"));
    let (shown, after) = rest.split_once(end).unwrap_or_else(|| panic!("{page}: the table of {source} has no end"));
    if std::env::var_os("OVERSPILL_BLESS").is_some() {
        fs::write(&path, format!("{before}{begin}{table}{end}{after}")).expect("the page can be written");
        return;
    }
    assert!(shown == table, "docs/src/{page} is out of date with {source}: run this test with OVERSPILL_BLESS=1");
}

#[test]
fn the_protocol_page_shows_every_step_of_a_lease() {
    let mut steps = String::from("| phase | when | next |\n|---|---|---|\n");
    for (phase, turn, next) in TABLE {
        writeln!(steps, "| {phase:?} | {turn:?}: {} | {next:?} |", turn.words()).expect("strings take text");
    }
    compare("protocol.md", "protocol/src/lease/table.rs", &steps);
}

#[test]
fn the_page_of_governance_shows_every_crime() {
    let mut table = String::from("| crime | what the convicted did | steps |\n|---|---|--:|\n");
    for crime in Crime::ALL {
        writeln!(table, "| {} | {} | {} |", crime.word(), crime.sentence(), crime.steps()).expect("strings take text");
    }
    compare("governance.md", "governance/src/evidence.rs", &table);
}

#[test]
fn the_page_of_limits_shows_every_limit() {
    for source in [
        "governance/src",
        "protocol/src",
        "agent/src/swarm",
        "agent/src/ledger",
        "agent/src/acme",
        "agent/edge/src",
        "agent/edge/src/spill",
        "agent/edge/src/guest",
        "agent/edge/src/rewrite",
    ] {
        let source = format!("{source}/limits.rs");
        let mut table = String::from("| limit | value | why |\n|---|---|---|\n");
        let mut why = String::new();
        for line in read(&root().join(&source)).lines() {
            if let Some(words) = line.strip_prefix("/// ") {
                why = if why.is_empty() { words.to_owned() } else { format!("{why} {words}") };
            } else if let Some((name, value)) = constant(line) {
                writeln!(table, "| `{name}` | {value} | {} |", why.replace("[`", "`").replace("`]", "`")).expect("strings take text");
                why.clear();
            }
        }
        compare("limits.md", &source, &table);
    }
}

#[test]
fn the_page_of_classes_shows_every_word() {
    let mut agents = String::from("| word | class | who says it |\n|---|---|---|\n");
    for agent in AGENTS {
        writeln!(agents, "| `{}` | `{}` | {} |", agent.word, agent.class.as_str(), agent.who).expect("strings take text");
    }
    compare("classes.md", "agent/edge/src/classes/table.rs, agents", &agents);
    let mut targets = String::from("| part | what for |\n|---|---|\n");
    for (part, what) in TARGETS {
        writeln!(targets, "| `{part}` | {what} |").expect("strings take text");
    }
    compare("classes.md", "agent/edge/src/classes/table.rs, targets", &targets);
}

/// Name and value of a constant, for people.
fn constant(line: &str) -> Option<(&str, String)> {
    let (_, rest) = line.split_once("const ")?;
    let (name, value) = rest.split_once(": ")?;
    let value = value.split_once(" = ")?.1.trim_end_matches(';');
    for (maker, unit) in [("Duration::from_millis(", "ms"), ("Duration::from_secs(", "s"), ("Duration::from_mins(", "min")] {
        if let Some(number) = value.strip_prefix(maker).and_then(|rest| rest.strip_suffix(')')) {
            return Some((name, format!("{} {unit}", number.replace('_', ","))));
        }
    }
    let plain = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    Some((name, if plain { value.replace('_', ",") } else { format!("`{value}`") }))
}

#[test]
fn tests_that_the_pages_name_exist() {
    let sources: String = ["governance", "protocol", "agent", "simulations"]
        .iter()
        .flat_map(|folder| files(&root().join(folder), "rs"))
        .map(|path| read(&path))
        .collect();
    let page = read(&root().join("docs/src/threats.md"));
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    let names =
        rows.iter().filter_map(|row| row.trim_end_matches(" |").rsplit_once("| ")).flat_map(|(_, cell)| cell.split('`').skip(1).step_by(2));
    let lost: Vec<&str> = names.filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(lost.is_empty(), "docs/src/threats.md names tests that do not exist: {lost:?}");
}

#[test]
fn sessions_on_the_pages_go_as_shown() {
    let mut steps = 0;
    for page in pages() {
        let place = tempfile::tempdir().expect("there is room for a directory");
        for step in sessions(&read(&page)) {
            step.take(place.path(), &page);
            steps += 1;
        }
    }
    assert!(steps > 10, "only {steps} commands were found in the pages");
}

/// A command as a page shows it, and what the page says it prints.
#[derive(Debug, Default)]
struct Step {
    command: String,
    expected: Vec<String>,
}

fn sessions(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (line.strip_prefix("```"), inside) {
            (Some(kind), false) => inside = kind == "console",
            (Some(_), true) => inside = false,
            (None, true) => match (line.strip_prefix("$ "), line.strip_prefix('>'), steps.last_mut()) {
                (Some(command), _, _) => steps.push(Step { command: command.to_owned(), expected: Vec::new() }),
                (_, Some(more), Some(step)) if step.expected.is_empty() => {
                    write!(step.command, "\n{}", more.trim_start()).expect("strings take text")
                }
                (_, _, Some(step)) => step.expected.push(line.to_owned()),
                (_, _, None) => panic!("a session begins with a command, not with {line:?}"),
            },
            (None, false) => {}
        }
    }
    steps
}

impl Step {
    fn take(&self, place: &Path, page: &Path) {
        let lasting = ["overspill run", "overspill demo"].iter().find(|lasting| self.command.contains(**lasting));
        assert!(lasting.is_none(), "{}: `{}` does not end by itself; show it in a block of another kind", page.display(), self.command);
        let program = Path::new(env!("CARGO_BIN_EXE_overspill"));
        let path = std::env::join_paths(
            program.parent().map(Path::to_path_buf).into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        )
        .expect("paths join");
        // A page that forgets to name a state directory must not find the one of this machine.
        let output = Command::new("sh")
            .args(["-c", &self.command])
            .current_dir(place)
            .envs([
                ("NO_COLOR", "1".as_ref()),
                ("HOME", place.as_os_str()),
                ("PATH", &path),
                ("OVERSPILL_STATE", place.join("state").as_os_str()),
            ])
            .output()
            .expect("sh runs");
        let shown = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let told = format!("{}: $ {}\n{shown}", page.display(), self.command);
        let code = self.command.rsplit_once("# exit ").map_or(Some(0), |(_, code)| code.trim().parse().ok());
        assert_eq!(output.status.code(), code, "{told}");
        let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
        let expected: Vec<&str> = self.expected.iter().map(|line| line.trim_end()).collect();
        assert!(is_like(&expected, &lines), "{told}\n--- the page says\n{}", expected.join("\n"));
    }
}

/// Whether `lines` are as `expected`, of which a line `...` stands for any number of lines.
fn is_like(expected: &[&str], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((&"...", rest)) => (0..=lines.len()).any(|skipped| is_like(rest, &lines[skipped..])),
        Some((first, rest)) => lines.split_first().is_some_and(|(line, left)| fits(first, line) && is_like(rest, left)),
    }
}

/// Whether `line` is as `pattern`, in which `...` stands for any text.
fn fits(pattern: &str, line: &str) -> bool {
    match pattern.split_once("...") {
        None => pattern == line,
        Some((start, rest)) => line
            .strip_prefix(start)
            .is_some_and(|left| left.char_indices().map(|(at, _)| at).chain([left.len()]).any(|at| fits(rest, &left[at..]))),
    }
}

#[test]
fn a_session_that_differs_is_noticed() {
    assert!(is_like(&["a", "...", "x...z"], &["a", "b", "c", "x y z"]));
    assert!(!is_like(&["a", "..."], &["b"]));
    assert!(!is_like(&["x...z"], &["x y"]));
    assert!(!is_like(&["a"], &["a", "b"]));
}
