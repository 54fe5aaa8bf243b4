//! How a command ends: one table of exit codes, and failures in two lines.

use std::{fmt, io::IsTerminal as _, process::ExitCode};

use serde::{Deserialize, Serialize};

use super::out;
use crate::kept::Unchanged;

macro_rules! exits {
    ($($variant:ident = $code:literal, $sentence:literal;)+) => {
        /// How a command ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Exit {
            $(#[doc = $sentence] $variant,)+
        }

        impl Exit {
            /// Every way to end: code and meaning.
            pub const TABLE: &[(u8, &str)] = &[$(($code, $sentence),)+];

            /// The process's exit code.
            pub fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)+ }
            }
        }
    };
}

exits! {
    Done = 0, "Done.";
    Failed = 1, "Failed; the message says what became of the state.";
    Usage = 2, "The command line or the configuration is wrong; nothing was done.";
    NoAgent = 3, "No agent runs on this state directory.";
    Refused = 4, "The mesh or the agent refused, with its reason.";
    Damaged = 5, "The ledger is damaged; nothing was changed.";
    InUse = 6, "Something is in use or not ours: the state directory, or an address.";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// The table as `overspill --help` shows it.
pub fn table() -> String {
    let rows = Exit::TABLE.iter().map(|(code, sentence)| format!("  {code}  {sentence}"));
    format!("Exit codes:\n{}", rows.collect::<Vec<_>>().join("\n"))
}

/// A command that failed: what happened, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What happened, and what became of the state.
    pub what: String,
    /// What to do.
    pub advice: String,
}

impl Failure {
    /// Says what happened and what to do.
    pub fn new(exit: Exit, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { exit, what: what.into(), advice: advice.into() }
    }

    /// A failure of the machine under us, such as a full disk.
    pub fn of_system(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, format!("{what}: {error}"), "mend what the message names, then try again")
    }

    /// Writes both lines to standard error.
    pub fn tell(&self) {
        let bold = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let (on, off) = if bold { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        out::aside(format_args!("{on}error:{off} {}\n  {}", self.what, self.advice));
    }
}

/// Of a list that stays as it was.
impl From<Unchanged> for Failure {
    fn from(reason: Unchanged) -> Self {
        let exit = if matches!(reason, Unchanged::Full(_)) { Exit::Refused } else { Exit::Failed };
        Self::new(exit, reason.to_string(), reason.advice())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.advice)
    }
}

impl std::error::Error for Failure {}

/// What a command gives back.
pub type Outcome = Result<(), Failure>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_documented_ones() {
        let codes: Vec<u8> = Exit::TABLE.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, (0..7).collect::<Vec<u8>>());
        assert_eq!(Exit::NoAgent.code(), 3);
        assert!(table().contains("  5  The ledger is damaged"));
    }
}
