//! The flags of the command line, one for each setting of the table.

use std::{collections::BTreeMap, sync::LazyLock};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::table::{Setting, TABLE};

/// What the command line sets, as texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags(BTreeMap<&'static str, String>);

/// The flags' names, in the order of the table: clap keeps references to them.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| TABLE.iter().map(Setting::flag).collect());

/// The one setting that every command takes, and that is therefore not among these flags.
const ELSEWHERE: &str = "state";

/// Settings for trials, which `--help` does not show.
const HIDDEN: &[&str] = &["allow_private_proofs", "clock_offset"];

impl Flags {
    /// Under which heading `--help` shows them.
    pub const HEADING: &str = "Settings";

    /// What the command line gives for a setting.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets what the command line gives for a setting.
    pub fn set(&mut self, name: &'static str, text: String) {
        self.0.insert(name, text);
    }

    /// Gives flags by setting name.
    pub fn of(given: &[(&'static str, &str)]) -> Self {
        Self(given.iter().map(|(name, text)| (*name, (*text).to_owned())).collect())
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        TABLE.iter().zip(NAMES.iter()).filter(|(setting, _)| setting.name != ELSEWHERE).fold(command, |command, (setting, name)| {
            let help = format!("{} [default: {}]", setting.sentence, setting.default);
            let arg = Arg::new(setting.name).long(name.as_str()).value_name(setting.form).help(help).allow_negative_numbers(true);
            command.arg(arg.hide(HIDDEN.contains(&setting.name)).help_heading(Self::HEADING))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in TABLE {
            if let Ok(Some(text)) = matches.try_get_one::<String>(setting.name) {
                self.0.insert(setting.name, text.clone());
            }
        }
        Ok(())
    }
}
