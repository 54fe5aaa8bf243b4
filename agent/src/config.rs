//! What can be set, and where each value comes from: flag before environment before file before default.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub mod fault;
pub mod file;
pub mod flags;
pub mod quantity;
pub mod rules;
pub mod sites;
pub mod table;
pub mod value;

use fault::{Fault, Faults, Source};
use flags::Flags;
use sites::Site;
use table::{Settings, TABLE};

/// Read when no file is named, if it is there.
pub const FILE_DEFAULT: &str = "/etc/overspill/overspill.toml";

/// A whole configuration and its story.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The values.
    pub settings: Settings,
    /// Where each value comes from; a setting that is not in here has its default.
    pub sources: BTreeMap<&'static str, Source>,
    /// Further sites by name.
    pub sites: BTreeMap<String, Site>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

impl Loaded {
    /// Where a setting's value comes from.
    pub fn source(&self, name: &str) -> Source {
        self.sources.get(name).cloned().unwrap_or(Source::Default)
    }
}

/// Where a configuration is looked for: what this process was started with. Kept for reloading.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// The other flags.
    pub flags: Flags,
    /// The environment's `OVERSPILL_*` variables.
    pub variables: BTreeMap<String, String>,
}

impl Request {
    /// Takes the variables from this process's environment.
    pub fn new(file: Option<PathBuf>, flags: Flags) -> Self {
        let ours = |(name, value): (std::ffi::OsString, std::ffi::OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let variables = std::env::vars_os().filter_map(ours).filter(|(name, _)| name.starts_with("OVERSPILL_")).collect();
        Self { file, flags, variables }
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// All that is wrong in it; nothing takes effect then.
    pub fn load(&self) -> Result<Loaded, Faults> {
        let file = self.file_named();
        let (found, mut faults) = file.as_deref().map(file::read).unwrap_or_default();
        let mut loaded = Loaded { settings: Settings::default(), sources: BTreeMap::new(), sites: BTreeMap::new(), file };
        let (of_sites, given): (Vec<_>, Vec<_>) = found.given.into_iter().partition(|given| given.site.is_some());
        for given in given {
            assign(&mut loaded, &mut faults, given.name, &given.text, given.at);
        }
        for setting in TABLE {
            let variable = setting.variable();
            if let Some(text) = self.variables.get(&variable) {
                assign(&mut loaded, &mut faults, setting.name, text, Source::Variable(variable));
            }
            if let Some(text) = self.flags.text(setting.name) {
                assign(&mut loaded, &mut faults, setting.name, text, Source::Flag(setting.flag()));
            }
        }
        sites::load(&mut loaded, found.sites, of_sites, &mut faults);
        rules::check(&loaded, &mut faults);
        sites::check(&loaded, &mut faults);
        if faults.is_empty() { Ok(loaded) } else { Err(Faults(faults)) }
    }

    /// Variables that look like ours and are no setting: slips of the fingers, most likely.
    pub fn strange_variables(&self) -> impl Iterator<Item = &str> {
        let known = |name: &str| name == "OVERSPILL_CONFIG" || TABLE.iter().any(|setting| setting.variable() == name);
        self.variables.keys().map(String::as_str).filter(move |name| !known(name))
    }

    fn file_named(&self) -> Option<PathBuf> {
        let named = self.file.clone().or_else(|| self.variables.get("OVERSPILL_CONFIG").map(PathBuf::from));
        named.or_else(|| Some(PathBuf::from(FILE_DEFAULT)).filter(|path| Path::exists(path)))
    }
}

fn assign(loaded: &mut Loaded, faults: &mut Vec<Fault>, name: &'static str, text: &str, at: Source) {
    match loaded.settings.assign(name, text) {
        Ok(()) => {
            loaded.sources.insert(name, at);
        }
        Err(misread) => faults.push(Fault { at, wrong: format!("{name}: {text:?} {}", misread.wrong), write: misread.write }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(file: &Path, flags: &[(&'static str, &str)], variables: &[(&str, &str)]) -> Request {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        Request { file: Some(file.to_owned()), flags: Flags::of(flags), variables: variables.iter().map(owned).collect() }
    }

    #[test]
    fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("overspill.toml");
        std::fs::write(&file, "uplink = \"1Mbit/s\"\nmemory = \"1MiB\"\ngrace = \"1s\"\n").unwrap();
        let variables = [("OVERSPILL_UPLINK", "2Mbit/s"), ("OVERSPILL_MEMORY", "2MiB")];
        let loaded = request(&file, &[("uplink", "3Mbit/s")], &variables).load().unwrap();
        assert_eq!((loaded.settings.show("uplink").as_str(), loaded.source("uplink").to_string().as_str()), ("3Mbit/s", "--uplink"));
        assert_eq!((loaded.settings.show("memory").as_str(), loaded.source("memory").to_string().as_str()), ("2MiB", "OVERSPILL_MEMORY"));
        assert_eq!(loaded.settings.show("grace"), "1s");
        assert!(loaded.source("grace").to_string().ends_with("overspill.toml:3"));
        assert_eq!(loaded.source("threads"), Source::Default);
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("overspill.toml");
        std::fs::write(&file, "uplink = \"20\"\ncolour = \"red\"\n").unwrap();
        let faults = request(&file, &[("grace", "now")], &[]).load().unwrap_err();
        assert_eq!(faults.0.len(), 3, "{faults}");
        let told = faults.to_string();
        assert!(told.contains("overspill.toml:1: uplink: \"20\" has no unit; write for example 20Mbit/s"), "{told}");
        assert!(told.contains("--grace: grace: \"now\" does not begin with a number"), "{told}");
    }

    #[test]
    fn a_slip_in_a_variable_is_noticed() {
        let request =
            request(Path::new("x"), &[], &[("OVERSPILL_UPLNK", "1Mbit/s"), ("OVERSPILL_UPLINK", "1Mbit/s"), ("OVERSPILL_CONFIG", "x")]);
        assert_eq!(request.strange_variables().collect::<Vec<_>>(), ["OVERSPILL_UPLNK"]);
    }

    #[test]
    fn a_file_that_is_not_there_is_a_fault_only_when_it_was_named() {
        let faults = request(Path::new("/nonexistent/overspill.toml"), &[], &[]).load().unwrap_err();
        assert!(faults.to_string().contains("cannot be read"), "{faults}");
    }
}
