//! The list as it is looked up in: by host, then by path. What is looked for costs a few comparisons, however long the list is.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound::{Included, Unbounded},
    sync::Arc,
};

use http::uri::Authority;

use super::{
    Denial,
    url::{host_of, parts},
};
use crate::{config::Config, spill::names::split_name};

/// All denials.
#[derive(Debug, Default)]
pub(super) struct Table {
    list: Vec<Denial>,
    hosts: HashMap<Box<str>, Host>,
    /// The first site's host, whose paths are names.
    first: Option<Box<str>>,
}

/// Those of one host, which has all names of its site.
#[derive(Debug, Default)]
struct Host {
    paths: HashMap<Box<[u8]>, AtPath>,
    /// None of them begins with another.
    prefixes: BTreeMap<Box<[u8]>, Arc<Denial>>,
}

/// Those of one path.
#[derive(Debug, Default)]
struct AtPath {
    any: Option<Arc<Denial>>,
    queries: HashMap<Box<[u8]>, Arc<Denial>>,
}

impl Table {
    /// What is said of one name of a site counts for all that are the same site.
    pub(super) fn new(list: &[Denial], config: &Config) -> Self {
        let first = config.canonical.as_ref().map(|canonical| host_of(canonical.authority.as_str()).into());
        let mut table = Self { list: list.to_vec(), hosts: HashMap::new(), first };
        for denial in list {
            let host = canonical_of(denial.url.host(), config).unwrap_or_else(|| denial.url.host().into());
            table.hosts.entry(host).or_default().insert(Arc::new(denial.clone()));
        }
        table
    }

    pub(super) fn list(&self) -> &[Denial] {
        &self.list
    }

    pub(super) fn find(&self, authority: &str, target: &str) -> Option<Arc<Denial>> {
        self.hosts.get(&*host_of(authority))?.find(target).cloned()
    }

    /// Under the name that helpers know it by. Without a canonical address names are paths of any host.
    pub(super) fn find_own(&self, name: &str) -> Option<Arc<Denial>> {
        match (split_name(name), &self.first) {
            (Some((host, path)), _) => self.find(host, path),
            (None, Some(first)) => self.find(first, name),
            (None, None) => self.hosts.values().find_map(|host| host.find(name)).cloned(),
        }
    }

    pub(super) fn find_guest(&self, canonical: Option<&str>, authority: &str, name: &str) -> Option<Arc<Denial>> {
        let at_home = || {
            let (_, home) = canonical?.split_once("://")?;
            let (host, path) = split_name(name).unwrap_or((home, name));
            self.find(host, path)
        };
        at_home().or_else(|| self.find(authority, name))
    }
}

/// The canonical host of the site that has this name.
fn canonical_of(host: &str, config: &Config) -> Option<Box<str>> {
    let host: Authority = host.parse().ok()?;
    let is = |own: &Authority| host_of(own.as_str()) == host_of(host.as_str());
    let further = config.sites.iter().find(|site| is(&site.canonical.authority) || site.hosts.iter().any(is));
    let named = match further {
        Some(site) => &site.canonical,
        None => config.canonical.as_ref().filter(|canonical| is(&canonical.authority) || config.hosts.iter().any(is))?,
    };
    Some(host_of(named.authority.as_str()).into())
}

impl Host {
    fn insert(&mut self, denial: Arc<Denial>) {
        let path: Box<[u8]> = denial.url.path().into();
        if !denial.url.is_prefix() {
            let at = self.paths.entry(path).or_default();
            match denial.url.query() {
                Some(query) => _ = at.queries.insert(query.into(), denial),
                None => at.any = Some(denial),
            }
        } else if prefix_of(&self.prefixes, &path).is_none() {
            // The widest speaks for all that it covers.
            self.prefixes.retain(|narrower, _| !narrower.starts_with(&path));
            self.prefixes.insert(path, denial);
        }
    }

    fn find(&self, target: &str) -> Option<&Arc<Denial>> {
        let (path, query) = parts(target);
        let exact = self.paths.get(&*path).and_then(|at| query.and_then(|query| at.queries.get(&*query)).or(at.any.as_ref()));
        exact.or_else(|| prefix_of(&self.prefixes, &path))
    }
}

/// The prefix with which a path begins. Since none begins with another, it is the last that is not greater than the path.
fn prefix_of<'a>(prefixes: &'a BTreeMap<Box<[u8]>, Arc<Denial>>, path: &[u8]) -> Option<&'a Arc<Denial>> {
    let (prefix, denial) = prefixes.range::<[u8], _>((Unbounded, Included(path))).next_back()?;
    path.starts_with(prefix).then_some(denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deny::DenialStatus;
    use proptest::prelude::*;

    fn denial(url: &str) -> Denial {
        Denial { url: url.parse().unwrap(), status: DenialStatus::Gone, reason: String::new(), blocked_by: None }
    }

    fn config(canonical: &'static str, hosts: &[&'static str]) -> Config {
        let canonical = crate::Canonical { scheme: http::uri::Scheme::HTTPS, authority: Authority::from_static(canonical) };
        let hosts = hosts.iter().map(|host| Authority::from_static(host)).collect();
        Config { canonical: Some(canonical), hosts, ..Config::new(Authority::from_static("127.0.0.1:1")) }
    }

    #[test]
    fn all_names_of_a_site_are_one() {
        let config = config("blog.example", &["www.blog.example"]);
        let table = Table::new(&[denial("https://www.blog.example/a"), denial("https://guest.example/b")], &config);
        assert!(table.find("BLOG.example", "/a?x").is_some() && table.find_own("/a").is_some());
        assert!(table.find("blog.example", "/b").is_none() && table.find("guest.example", "/b").is_some());
        assert!(table.find_guest(Some("https://guest.example"), "g.here.example", "/b").is_some());
        assert!(table.find_guest(Some("https://other.example"), "g.here.example", "/b").is_none());
    }

    #[test]
    fn a_guests_address_here_and_its_further_sites_are_known() {
        let table = Table::new(&[denial("http://g.here.example/b"), denial("https://shop.example/c")], &config("blog.example", &[]));
        assert!(table.find_guest(Some("https://guest.example"), "g.here.example", "/b").is_some());
        assert!(table.find_guest(None, "g.here.example", "/b").is_some());
        let name = "/.well-known/overspill-sites/shop.example/c";
        assert!(table.find_guest(Some("https://guest.example"), "g.here.example", name).is_some());
        assert!(table.find_own(name).is_some() && table.find_own("/c").is_none());
    }

    proptest! {
        /// Against a look at every denial.
        #[test]
        fn what_is_found_is_what_one_of_them_covers(
            urls in prop::collection::vec("/[ab/]{0,6}(\\?[ab]{1,2}|\\*)?", 0..12), target in "/[ab/]{0,8}(\\?[ab]{0,2})?",
        ) {
            let list: Vec<Denial> = urls.iter().map(|url| denial(&format!("https://blog.example{url}"))).collect();
            let table = Table::new(&list, &config("blog.example", &[]));
            let found = table.find("blog.example", &target);
            prop_assert_eq!(found.is_some(), list.iter().any(|denial| denial.url.covers_path(&target)));
            if let Some(found) = found {
                prop_assert!(found.url.covers_path(&target));
            }
        }
    }
}
