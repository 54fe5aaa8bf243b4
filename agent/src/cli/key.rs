//! `overspill key rotate` and `overspill key recovery`: another key for this site, and one that is kept elsewhere for bad times.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{exit::Outcome, out};
use crate::rotating;

/// What `overspill key` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Gives this site a new key: it stays the same member, with its lines. The agent must not run.
    Rotate {
        /// By this recovery key, where the old key is lost or somebody else has it.
        #[arg(long, value_name = "FILE")]
        recovery: Option<PathBuf>,
        /// Prints one JSON object instead.
        #[arg(long)]
        json: bool,
    },
    /// Makes a recovery key, to be kept away from this machine.
    Recovery {
        /// The file to write it to; none may be there.
        file: PathBuf,
        /// Prints one JSON object instead.
        #[arg(long)]
        json: bool,
    },
}

/// Carries out `overspill key`.
///
/// # Errors
/// When the directory is in use, this site is in no mesh, or a file cannot be used.
pub fn run(command: &Command, directory: &Path) -> Outcome {
    match command {
        Command::Rotate { recovery, json } => {
            let (old, new) = rotating::rotate(directory, recovery.as_deref())?;
            let told = json!({ "schema": "overspill.key/1", "site": new.to_string(), "before": old.to_string() });
            let words = format!(
                "This site goes on as {new}.\nIts partners hear of it when the agent runs. Tokens of before are void, and so is every recovery key: make new ones."
            );
            tell(&told, *json, &words)
        }
        Command::Recovery { file, json } => {
            let (site, recovery) = rotating::commit(directory, file)?;
            let told = json!({ "schema": "overspill.recovery-key/1", "site": site.to_string(), "recovery": recovery.to_string() });
            let words = format!(
                "{} can give this site another key, whoever has it: keep it away from this machine.\nWhen the key is lost or stolen: `overspill key rotate --recovery FILE`.",
                file.display()
            );
            tell(&told, *json, &words)
        }
    }
}

fn tell(told: &Value, json: bool, people: &str) -> Outcome {
    if json { out::line(told) } else { out::line(people) }
}
