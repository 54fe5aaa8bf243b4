//! `overspill config check` and `overspill config show`.

use overspill_edge::Clock;
use serde_json::json;

use super::{
    Settings,
    exit::{Exit, Failure, Outcome},
    out,
};
use crate::{
    certificates,
    config::{
        Loaded, Request,
        fault::Faults,
        table::{Setting, TABLE, Takes},
    },
    named::Named,
};

/// What `overspill config` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Reads the configuration and says what is wrong in it.
    Check {
        /// The flags for settings.
        #[command(flatten)]
        settings: Settings,
    },
    /// Prints every setting as it would take effect, as a file that can be used.
    Show {
        /// Adds where each value comes from and what it does.
        #[arg(long)]
        explain: bool,
        /// Prints one JSON object instead.
        #[arg(long)]
        json: bool,
        /// The flags for settings.
        #[command(flatten)]
        settings: Settings,
    },
}

impl Command {
    /// The flags that it was given.
    pub fn settings(&self) -> Settings {
        match self {
            Self::Check { settings } | Self::Show { settings, .. } => settings.clone(),
        }
    }
}

/// Carries out `overspill config`.
///
/// # Errors
/// When the configuration has faults.
pub fn run(command: &Command, request: &Request) -> Outcome {
    let loaded = load(request)?;
    match command {
        Command::Check { .. } => check(&loaded),
        Command::Show { json: true, .. } => out::line(as_json(&loaded)),
        Command::Show { explain, .. } => out::text(as_toml(&loaded, *explain)),
    }
}

/// Reads what the settings name, too: a certificate that is missing is as bad as a value that is.
fn check(loaded: &Loaded) -> Outcome {
    let identities = Named::read(loaded).map_err(|faults| faulty(&faults))?.identities;
    for doubt in certificates::doubts(&identities, &loaded.settings, Clock::shifted(loaded.settings.clock_offset).date()) {
        out::line(format_args!("warning: {doubt}"))?;
    }
    match &loaded.file {
        Some(path) => {
            let path = path.display();
            out::line(format_args!("{path} is good: {} of {} settings differ from their defaults", loaded.sources.len(), TABLE.len()))
        }
        None => out::line(format_args!("no file is used; {} of {} settings differ from their defaults", loaded.sources.len(), TABLE.len())),
    }
}

/// Reads the configuration for a command.
///
/// # Errors
/// All faults, one in each line, with the exit code for usage.
pub fn load(request: &Request) -> Result<Loaded, Failure> {
    request.load().map_err(|faults| faulty(&faults))
}

fn faulty(faults: &Faults) -> Failure {
    Failure::new(Exit::Usage, faults.to_string(), "nothing was started or changed; `overspill config check` checks again")
}

fn as_toml(loaded: &Loaded, explain: bool) -> String {
    let lines = TABLE.iter().map(|setting| {
        let line = format!("{} = {}", setting.name, toml::Value::String(loaded.settings.show(setting.name)));
        if !explain {
            return format!("{line}\n");
        }
        let takes = match setting.takes {
            Takes::Reload => "at reload",
            Takes::Start => "at start",
        };
        let Setting { sentence, form, default, .. } = setting;
        format!("# {sentence}\n# {form}; default {default}; taken {takes}\n{line} # {}\n\n", loaded.source(setting.name))
    });
    lines.collect()
}

fn as_json(loaded: &Loaded) -> serde_json::Value {
    let rows = TABLE.iter().map(|setting| {
        json!({
            "name": setting.name,
            "value": loaded.settings.show(setting.name),
            "source": loaded.source(setting.name).to_string(),
            "default": setting.default,
            "form": setting.form,
            "taken": match setting.takes { Takes::Reload => "reload", Takes::Start => "start" },
            "sentence": setting.sentence,
        })
    });
    json!({ "schema": "overspill.config/1", "file": loaded.file, "settings": rows.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::flags::Flags;

    #[test]
    fn what_is_shown_can_be_used_as_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let flags = Flags::of(&[("uplink", "20Mbit/s"), ("hosts", "a.example, b.example"), ("access_log.path", "/var/log/a \"b\"")]);
        let loaded = Request { flags, ..Request::default() }.load().unwrap();
        for explain in [false, true] {
            let file = dir.path().join("shown.toml");
            std::fs::write(&file, as_toml(&loaded, explain)).unwrap();
            let again = Request { file: Some(file), ..Request::default() }.load().unwrap();
            assert_eq!(again.settings, loaded.settings);
        }
    }

    #[test]
    fn explaining_names_the_source_of_each_value() {
        let loaded = Request { flags: Flags::of(&[("uplink", "20Mbit/s")]), ..Request::default() }.load().unwrap();
        let shown = as_toml(&loaded, true);
        assert!(shown.contains("uplink = \"20Mbit/s\" # --uplink\n"), "{shown}");
        assert!(shown.contains("grace = \"10s\" # default\n"), "{shown}");
        assert_eq!(as_json(&loaded)["settings"].as_array().unwrap().len(), TABLE.len());
    }
}
