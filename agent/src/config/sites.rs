//! Further sites: tables `[sites.NAME]` in the file, each with an address and an origin of its own, and what else differs.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{
    Loaded,
    fault::{Fault, Source},
    file::Given,
    rules,
    table::{Settings, TABLE},
};

/// The section of the file under which further sites have their tables.
pub const SECTION: &str = "sites";
/// Further sites of one agent: each costs some lines of a file and a pool of connections.
const SITES_MAX: usize = 256;
/// What a further site must have of its own; the rest is taken from the agent's settings.
const MUST: &[&str] = &["site", "origin"];
/// All that a further site may have of its own.
const OWN: &[&str] = &[
    "site",
    "hosts",
    "origin",
    "tls.redirect",
    "purge_token",
    "micro_cache",
    "stale_max",
    "stale_error_max",
    "origin_limit.min",
    "origin_limit.initial",
    "origin_limit.max",
    "origin_limit.queue",
    "origin_limit.wait",
    "origin_limit.delay",
    "origin_limit.timeout",
];

/// A further site.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The agent's settings with the site's own in their places.
    pub settings: Settings,
    /// Where those come from.
    pub sources: BTreeMap<&'static str, Source>,
    /// Where its table begins.
    pub at: Source,
}

impl Site {
    /// Where a value comes from: nothing if it is the agent's.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.get(name)
    }
}

/// Tells whether a setting may stand in a site's table.
pub fn is_own(name: &str) -> bool {
    OWN.contains(&name)
}

/// Tells whether a further site may be called so.
pub fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The settings of a site's table, in the order of the one table.
pub fn own() -> impl Iterator<Item = &'static super::table::Setting> {
    TABLE.iter().filter(|setting| is_own(setting.name))
}

/// Makes the further sites of what the file gave them.
pub(super) fn load(loaded: &mut Loaded, named: Vec<(String, Source)>, given: Vec<Given>, faults: &mut Vec<Fault>) {
    for (name, at) in named {
        let mut settings = loaded.settings.clone();
        let defaults = Settings::default();
        (settings.origin, settings.site, settings.hosts) = (defaults.origin, defaults.site, defaults.hosts);
        loaded.sites.insert(name, Site { settings, sources: BTreeMap::new(), at });
    }
    for Given { site, name, text, at } in given {
        let Some((called, site)) = site.and_then(|called| loaded.sites.get_mut(&called).map(|site| (called, site))) else { continue };
        match site.settings.assign(name, &text) {
            Ok(()) => {
                site.sources.insert(name, at);
            }
            Err(misread) => {
                let wrong = format!("{SECTION}.{called}.{name}: {text:?} {}", misread.wrong);
                faults.push(Fault { at, wrong, write: misread.write });
            }
        }
    }
}

/// Adds a fault for each rule that further sites break.
pub(super) fn check(loaded: &Loaded, faults: &mut Vec<Fault>) {
    if let Some(site) = loaded.sites.values().nth(SITES_MAX) {
        let wrong = format!("{} further sites are more than one agent serves", loaded.sites.len());
        faults.push(Fault { at: site.at.clone(), wrong, write: format!("at most {SITES_MAX}") });
    }
    for (name, site) in &loaded.sites {
        for must in MUST.iter().filter(|must| site.source(must).is_none()) {
            let example = if *must == "site" { "https://shop.example" } else { "http://127.0.0.1:8081" };
            let wrong = format!("{SECTION}.{name}: there is no `{must}`");
            faults.push(Fault { at: site.at.clone(), wrong, write: format!("for example {must} = \"{example}\"") });
        }
        for (setting, wrong, write) in rules::check_site(&loaded.settings, &site.settings) {
            let at = site.source(setting).unwrap_or(&site.at).clone();
            faults.push(Fault { at, wrong: format!("{SECTION}.{name}: {wrong}"), write: write.to_owned() });
        }
    }
    check_hosts(loaded, faults);
}

/// Each host is one site's, and with further sites there is no site without a host.
fn check_hosts(loaded: &Loaded, faults: &mut Vec<Fault>) {
    let first = &loaded.settings;
    if !loaded.sites.is_empty() && hosts(first).next().is_none() && loaded.sources.contains_key("origin") {
        faults.push(Fault {
            at: loaded.source("origin"),
            wrong: format!("origin: beside [{SECTION}] no host is left that would be this one's"),
            write: format!("`site` or `hosts` beside it, or a table [{SECTION}.NAME] for it"),
        });
    }
    let mut owners: BTreeMap<String, String> = hosts(first).map(|host| (host, "the agent's first site".to_owned())).collect();
    for (name, site) in &loaded.sites {
        for host in hosts(&site.settings) {
            match owners.entry(host) {
                Entry::Vacant(free) => {
                    free.insert(format!("{SECTION}.{name}"));
                }
                Entry::Occupied(taken) if *taken.get() == format!("{SECTION}.{name}") => {}
                Entry::Occupied(taken) => faults.push(Fault {
                    at: site.source("site").unwrap_or(&site.at).clone(),
                    wrong: format!("{SECTION}.{name}: the host {} is {} already", taken.key(), taken.get()),
                    write: "each host in one place only".to_owned(),
                }),
            }
        }
    }
}

/// The further sites whose files never go to helpers, who send visitors back by way of the first site: a browser takes no such way over http from
/// a page over https.
pub fn without_helpers(loaded: &Loaded) -> impl Iterator<Item = &String> {
    let scheme = |settings: &Settings| settings.site.as_ref().map_or("", |site| if site.scheme == "https" { "https" } else { "http" });
    let first = scheme(&loaded.settings);
    loaded
        .sites
        .iter()
        .filter(move |(_, site)| first.is_empty() || first == "http" && scheme(&site.settings) == "https")
        .map(|(name, _)| name)
}

fn hosts(settings: &Settings) -> impl Iterator<Item = String> {
    settings.site.iter().map(|site| site.authority.clone()).chain(settings.hosts.iter().map(|host| host.0.clone()))
}

#[cfg(test)]
mod tests {
    use super::super::{Loaded, Request, fault::Faults, value::Value as _};

    fn load(text: &str) -> Result<Loaded, Faults> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("overspill.toml");
        std::fs::write(&file, text).unwrap();
        Request { file: Some(file), ..Request::default() }.load()
    }

    fn faults(text: &str) -> String {
        load(text).map_or_else(|faults| faults.to_string(), |_| String::new())
    }

    const SHOP: &str = "[sites.shop]\nsite = \"https://shop.example\"\norigin = \"http://127.0.0.1:8081\"\n";

    #[test]
    fn a_site_has_the_agents_settings_but_for_its_own() {
        let loaded =
            load(&format!("micro_cache = \"9s\"\nstale_max = \"1min\"\nsite = \"https://blog.example\"\n{SHOP}stale_max = \"2min\"\n"));
        let loaded = loaded.unwrap();
        let shop = &loaded.sites["shop"];
        assert_eq!((shop.settings.micro_cache.as_secs(), shop.settings.stale_max.as_secs()), (9, 120));
        assert_eq!((shop.settings.origin.show().as_str(), shop.settings.hosts.len()), ("http://127.0.0.1:8081", 0));
        assert!(shop.source("stale_max").is_some_and(|at| at.to_string().ends_with(":7")) && shop.source("micro_cache").is_none());
        assert_eq!(loaded.settings.stale_max.as_secs(), 60);
    }

    #[test]
    fn what_is_wrong_with_sites_is_told_with_what_to_write() {
        assert_eq!(faults(SHOP), "");
        let told = faults("[sites.shop]\nhosts = \"shop.example\"\n");
        assert!(
            told.contains("overspill.toml:1: sites.shop: there is no `site`; write for example site = \"https://shop.example\""),
            "{told}"
        );
        assert!(told.contains("sites.shop: there is no `origin`"), "{told}");
        let told = faults(&format!("site = \"https://blog.example\"\nhosts = \"shop.example\"\n{SHOP}"));
        assert!(told.contains("the host shop.example is the agent's first site already; write each host in one place only"), "{told}");
        let told = faults(&format!("{SHOP}{}", SHOP.replace("shop]", "other]")));
        assert!(told.contains("sites.shop: the host shop.example is sites.other already"), "{told}");
        let told = faults(&format!("origin = \"http://127.0.0.1:8080\"\n{SHOP}"));
        assert!(told.contains("overspill.toml:1: origin: beside [sites] no host is left that would be this one's"), "{told}");
        let told = faults(&format!("{SHOP}[sites.shop.origin_limit]\nmin = 9\n"));
        assert!(told.contains("sites.shop: origin_limit: min 9, initial 8"), "{told}");
        assert!(faults(&format!("memory = \"1kB\"\n{SHOP}")).matches("holds no page").count() == 1, "what is the agent's is told once");
        assert!(faults(&SHOP.replace("8081", "x")).contains("sites.shop.origin: \"http://127.0.0.1:x\""));
    }

    #[test]
    fn the_agentless_target_is_no_further_sites_host_either() {
        let zone = |scheme: &str, host: &str| format!("spill.agentless = \"{scheme}://{host}{{path}}\"\nsite = \"http://blog.example\"\n");
        let shop = format!("{SHOP}hosts = \"www.shop.example\"\n");
        for own in ["shop.example", "www.shop.example", "Shop.example:443"] {
            let told = faults(&format!("{}{shop}", zone("https", own)));
            assert!(told.contains("sites.shop: spill.agentless: ") && told.contains("is this agent's own name"), "{told}");
        }
        assert_eq!(faults(&format!("{}{shop}", zone("https", "zone.example.net"))), "");
        assert_eq!(faults(&format!("{}{shop}", zone("http", "zone.example.net"))), "", "it serves the first site's pages only");
    }
}
