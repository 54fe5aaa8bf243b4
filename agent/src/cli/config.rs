//! `overspill config check` and `overspill config show`.

use std::collections::BTreeMap;

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
        sites::{self, SECTION},
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
    for doubt in certificates::doubts(&identities, loaded, Clock::shifted(loaded.settings.clock_offset).date()) {
        out::line(format_args!("warning: {doubt}"))?;
    }
    for name in sites::without_helpers(loaded).filter(|_| loaded.settings.uplink.is_some()) {
        out::line(format_args!(
            "warning: {SECTION}.{name}: its files never go to helpers, who send visitors back by way of the first site: write `site` with https:// there"
        ))?;
    }
    let differ = format!("{} of {} settings differ from their defaults", loaded.sources.len(), TABLE.len());
    let further = match loaded.sites.len() {
        0 => String::new(),
        1 => ", and 1 further site".to_owned(),
        many => format!(", and {many} further sites"),
    };
    match &loaded.file {
        Some(path) => out::line(format_args!("{} is good: {differ}{further}", path.display())),
        None => out::line(format_args!("no file is used; {differ}")),
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
    let mut text: String = lines.collect();
    for (name, site) in &loaded.sites {
        text.push_str(&format!("\n[{}.{name}]\n", SECTION));
        for setting in sites::own() {
            let line = format!("{} = {}", setting.name, toml::Value::String(site.settings.show(setting.name)));
            match site.source(setting.name) {
                Some(at) if explain => text.push_str(&format!("{line} # {at}\n")),
                None if explain => text.push_str(&format!("{line} # as above\n")),
                _ => text.push_str(&format!("{line}\n")),
            }
        }
    }
    text
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
    let own = |site: &sites::Site| -> BTreeMap<&str, String> {
        sites::own().map(|setting| (setting.name, site.settings.show(setting.name))).collect()
    };
    let sites: BTreeMap<&String, _> = loaded.sites.iter().map(|(name, site)| (name, own(site))).collect();
    json!({ "schema": "overspill.config/1", "file": loaded.file, "settings": rows.collect::<Vec<_>>(), "sites": sites })
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
