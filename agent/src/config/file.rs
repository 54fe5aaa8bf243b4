//! The file: TOML, read into named texts with their lines.

use std::{path::Path, path::PathBuf, sync::Arc};

use toml::{Spanned, de::DeTable, de::DeValue};

use super::{
    fault::{Fault, Source},
    sites,
    table::TABLE,
};

/// Bytes of a configuration file; a real one has a few hundred.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// A setting as the file gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The table `[sites.NAME]` in which it stands; nothing for the first site and the agent.
    pub site: Option<String>,
    /// Its name in the table.
    pub name: &'static str,
    /// Its text.
    pub text: String,
    /// Where it stands.
    pub at: Source,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Found {
    /// Its settings.
    pub given: Vec<Given>,
    /// The further sites that it names, and where.
    pub sites: Vec<(String, Source)>,
}

/// Reads the file at `path`. What can be read is returned beside all faults.
pub fn read(path: &Path) -> (Found, Vec<Fault>) {
    let path = Arc::new(path.to_path_buf());
    let unreadable = |wrong: String| {
        let write = "a file that this user may read, or leave --config away".to_owned();
        (Found::default(), vec![Fault { at: Source::File { path: path.clone(), line: 0 }, wrong, write }])
    };
    match std::fs::metadata(path.as_path()) {
        Ok(found) if found.len() > FILE_BYTES_MAX => return unreadable(format!("{} bytes are more than a configuration has", found.len())),
        Ok(_) => {}
        Err(error) => return unreadable(format!("cannot be read ({error})")),
    }
    match std::fs::read_to_string(path.as_path()) {
        Ok(text) => parse(&text, &path),
        Err(error) => unreadable(format!("cannot be read ({error})")),
    }
}

/// Reads TOML text that came from `path`.
pub fn parse(text: &str, path: &Arc<PathBuf>) -> (Found, Vec<Fault>) {
    let mut reader = Reader { text, path, found: Found::default(), faults: Vec::new() };
    match DeTable::parse(text) {
        Ok(table) => reader.walk(None, "", table.get_ref()),
        Err(error) => {
            let at = reader.at(error.span().map_or(0, |span| span.start));
            reader.faults.push(Fault {
                at,
                wrong: format!("this is not TOML ({})", error.message()),
                write: "name = \"value\"".to_owned(),
            });
        }
    }
    (reader.found, reader.faults)
}

struct Reader<'a> {
    text: &'a str,
    path: &'a Arc<PathBuf>,
    found: Found,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn at(&self, offset: usize) -> Source {
        let before = self.text.get(..offset).unwrap_or(self.text);
        Source::File { path: self.path.clone(), line: 1 + before.bytes().filter(|byte| *byte == b'\n').count() }
    }

    fn walk(&mut self, site: Option<&str>, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let at = self.at(key.span().start);
            if site.is_none() && name == sites::SECTION {
                self.walk_sites(value, &at);
            } else if let Some(site) = site.filter(|_| is_setting(&name) && !sites::is_own(&name)) {
                let wrong = format!("`{name}` is the agent's and not one site's");
                self.faults.push(Fault { at, wrong, write: format!("it above [{}.{site}]", sites::SECTION) });
            } else if let Some(setting) = TABLE.iter().find(|setting| setting.name == name) {
                match text_of(value) {
                    Some(text) => self.found.given.push(Given { site: site.map(str::to_owned), name: setting.name, text, at }),
                    None => {
                        let wrong = format!("{name} is a {}", value.get_ref().type_str());
                        self.faults.push(Fault { at, wrong, write: format!("{name} = \"{}\"", setting.default) });
                    }
                }
            } else if let (true, Some(inner)) = (prefix.is_empty() && is_section(&name), value.get_ref().as_table()) {
                self.walk(site, &format!("{name}."), inner);
            } else {
                let write =
                    nearest(&name).map_or_else(|| "a name of `overspill config show --explain`".to_owned(), |near| format!("`{near}`"));
                self.faults.push(Fault { at, wrong: format!("`{name}` is not a setting"), write });
            }
        }
    }

    fn walk_sites(&mut self, value: &Spanned<DeValue<'_>>, at: &Source) {
        let write = format!("a table for each further site, such as [{}.shop]", sites::SECTION);
        let Some(tables) = value.get_ref().as_table() else {
            let wrong = format!("`{}` is a {}", sites::SECTION, value.get_ref().type_str());
            self.faults.push(Fault { at: at.clone(), wrong, write });
            return;
        };
        for (name, table) in tables {
            let at = self.at(name.span().start);
            match table.get_ref().as_table() {
                Some(_) if !sites::is_name(name.get_ref()) => {
                    let wrong = format!("{:?} is no name for a site", name.get_ref());
                    self.faults.push(Fault { at, wrong, write: "1 to 32 lower-case letters, digits and dashes".to_owned() });
                }
                Some(table) => {
                    self.found.sites.push((name.get_ref().to_string(), at));
                    self.walk(Some(name.get_ref()), "", table);
                }
                None => self.faults.push(Fault { at, wrong: format!("`{}` is no table", name.get_ref()), write: write.clone() }),
            }
        }
    }
}

fn is_setting(name: &str) -> bool {
    TABLE.iter().any(|setting| setting.name == name)
}

fn is_section(name: &str) -> bool {
    TABLE.iter().any(|setting| setting.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// The value as the text that a flag would carry; `None` for tables, dates and nested lists.
fn text_of(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Array(list) => {
            let parts: Option<Vec<_>> = list.iter().map(|part| part.get_ref().as_str().map(str::to_owned)).collect();
            parts.map(|parts| parts.join(", "))
        }
        _ => None,
    }
}

/// The setting whose name is closest to `name`, if it could be a slip of the fingers.
pub fn nearest(name: &str) -> Option<&'static str> {
    let scored = TABLE.iter().map(|setting| (distance(name, setting.name), setting.name));
    scored.min().filter(|(distance, found)| *distance <= 1 + found.len() / 4).map(|(_, found)| found)
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_text(text: &str) -> (Vec<Given>, Vec<Fault>) {
        let (found, faults) = parse(text, &Arc::new(PathBuf::from("overspill.toml")));
        (found.given, faults)
    }

    #[test]
    fn sections_lists_and_bare_numbers_are_taken() {
        let (given, faults) = read_text("origin = \"http://a\"\nlisten = [\"1.2.3.4:80\", \"[::]:80\"]\n\n[caps]\nmonth = 5\n");
        assert_eq!(faults, []);
        let texts: Vec<_> = given.iter().map(|given| (given.name, given.text.as_str(), given.at.to_string())).collect();
        assert!(texts.contains(&("listen", "1.2.3.4:80, [::]:80", "overspill.toml:2".to_owned())));
        assert!(texts.contains(&("caps.month", "5", "overspill.toml:5".to_owned())));
    }

    #[test]
    fn a_slip_is_answered_with_the_right_name() {
        let (_, faults) = read_text("\n\nuplnk = \"20Mbit/s\"\n");
        assert_eq!(faults[0].to_string(), "overspill.toml:3: `uplnk` is not a setting; write `uplink`");
        let (_, faults) = read_text("[access_log]\nfromat = \"json\"\n");
        assert_eq!(faults[0].to_string(), "overspill.toml:2: `access_log.fromat` is not a setting; write `access_log.format`");
    }

    #[test]
    fn what_is_not_toml_is_shown_with_its_line() {
        let (given, faults) = read_text("origin = \"http://a\"\nlisten = = 5\n");
        assert!(given.is_empty());
        assert!(faults[0].to_string().starts_with("overspill.toml:2: this is not TOML"), "{}", faults[0]);
    }

    #[test]
    fn tables_of_sites_hold_what_is_a_sites_own() {
        let text = "[sites.shop]\norigin = \"http://a\"\n[sites.shop.origin_limit]\nmax = 4\n";
        let (given, faults) = read_text(text);
        assert_eq!(faults, []);
        let of_shop: Vec<_> = given.iter().map(|given| (given.site.as_deref(), given.name, given.text.as_str())).collect();
        assert_eq!(of_shop, [(Some("shop"), "origin", "http://a"), (Some("shop"), "origin_limit.max", "4")]);
        let told = |text| read_text(text).1[0].to_string();
        assert_eq!(
            told("sites = 3\n"),
            "overspill.toml:1: `sites` is a integer; write a table for each further site, such as [sites.shop]"
        );
        assert_eq!(
            told("[sites.shop]\nlisten = \"0.0.0.0:80\"\n"),
            "overspill.toml:2: `listen` is the agent's and not one site's; write it above [sites.shop]"
        );
        assert_eq!(told("[sites.shop]\norigine = \"x\"\n"), "overspill.toml:2: `origine` is not a setting; write `origin`");
        assert!(told("[sites.\"a b\"]\n").contains("is no name for a site"));
    }

    proptest! {
        #[test]
        fn no_file_panics(text in "\\PC{0,200}", lines in proptest::collection::vec("[a-z_.]{1,12} = [\\[\\]\"0-9a-z, ]{0,12}", 0..6)) {
            let _ = read_text(&text);
            let _ = read_text(&lines.join("\n"));
        }
    }
}
