//! How the program ends: its exit codes, and faults in two lines.

use std::process::ExitCode;

use crate::told;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every promise was kept, and all is as expected.
    Kept,
    /// A promise or an expectation was broken, or a replay differs.
    Broken,
    /// The command line, a scenario or an object is wrong; nothing was played.
    Usage,
    /// Something cannot be read or written.
    System,
}

/// Code and meaning of each.
const TABLE: [(Ending, u8, &str); 4] = [
    (Ending::Kept, 0, "Every promise was kept, and all is as expected."),
    (Ending::Broken, 1, "A promise or an expectation was broken, or a replay differs."),
    (Ending::Usage, 2, "The command line, a scenario or an object is wrong; nothing was played."),
    (Ending::System, 3, "Something cannot be read or written; the message names it."),
];

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        TABLE.iter().find(|(one, ..)| *one == ending).map_or(1, |(_, code, _)| *code).into()
    }
}

impl Ending {
    /// By whether anything was broken.
    pub fn of(broken: bool) -> Self {
        if broken { Self::Broken } else { Self::Kept }
    }
}

/// The table as `simulate --help` shows it.
pub fn table() -> String {
    let rows = TABLE.iter().map(|(_, code, meaning)| format!("  {code}  {meaning}"));
    format!("Exit codes:\n{}", rows.collect::<Vec<_>>().join("\n"))
}

/// Why nothing came of it.
#[derive(Debug)]
pub struct Fault {
    pub ending: Ending,
    what: String,
    advice: String,
}

impl Fault {
    /// What is wrong, and what to do.
    pub fn new(ending: Ending, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { ending, what: what.into(), advice: advice.into() }
    }

    /// Says both on standard error.
    pub fn tell(&self) {
        told::aside(format_args!("error: {}\n  {}", self.what, self.advice));
    }
}
