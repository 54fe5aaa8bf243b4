//! Who seems to ask: a person, a fetcher of link previews, a crawler, or somebody who looks for holes. Read off a request's own words.
//!
//! Anybody can say anything, so that a class only gives or takes favours: copies that are some seconds old, helpers' credit, whose turn it
//! is at the origin. Nobody is refused for one.

mod table;

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, header};
use regex::bytes::{Regex, RegexBuilder};

pub use table::{AGENTS, Agent, TARGETS};

/// What a request's own words say of who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestClass {
    /// Whoever does not say otherwise.
    #[default]
    Person,
    /// A program that shows people what a link leads to: fediverse servers, chats, social networks.
    Preview,
    /// A program that reads the web by itself.
    Crawler,
    /// Asks for what only attackers look for, or says that it is a scanner.
    Suspect,
}

impl RequestClass {
    /// The word for logs, figures and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Preview => "preview",
            Self::Crawler => "crawler",
            Self::Suspect => "suspect",
        }
    }

    /// Whether a helper's credit is spent on it. Crawlers come again when told to; nobody pays for attackers.
    #[must_use]
    pub const fn is_worth_credit(self) -> bool {
        matches!(self, Self::Person | Self::Preview)
    }
}

/// Tells the class of a request for `target`, which is path and query as they were sent.
#[must_use]
pub fn classify(target: &str, headers: &HeaderMap) -> RequestClass {
    let agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes);
    if is_suspect(target) { RequestClass::Suspect } else { of_fields(agent, headers.contains_key(header::FROM)) }
}

/// What the fields of a request say, whatever it asks for: the value of `User-Agent`, and whether there is a `From`.
pub(crate) fn of_fields(agent: Option<&[u8]>, has_from: bool) -> RequestClass {
    let named = agent.map_or(RequestClass::Person, of_agent);
    //= RFC 9110 section 10.1.2: From is what robots say of themselves, and browsers do not.
    if named == RequestClass::Person && has_from { RequestClass::Crawler } else { named }
}

/// Parts of names that hold a word of the table and mean something else: a maker of telephones.
const HARMLESS: [&str; 1] = ["cubot"];

fn of_agent(agent: &[u8]) -> RequestClass {
    static KNOWN: LazyLock<Option<Regex>> = LazyLock::new(|| one_of(AGENTS.iter().map(|agent| agent.word)));
    // Nearly everybody ends here, after one look at the text.
    if KNOWN.as_ref().is_some_and(|known| !known.is_match(agent)) {
        return RequestClass::Person;
    }
    let mut text = String::from_utf8_lossy(agent).to_ascii_lowercase();
    for harmless in HARMLESS {
        text = text.replace(harmless, " ");
    }
    AGENTS.iter().find(|agent| text.contains(agent.word)).map_or(RequestClass::Person, |agent| agent.class)
}

/// Tells whether only an attacker asks for this path and query.
pub(crate) fn is_suspect(target: &str) -> bool {
    static KNOWN: LazyLock<Option<Regex>> = LazyLock::new(|| one_of(TARGETS.iter().map(|(part, _)| *part)));
    match KNOWN.as_ref() {
        Some(known) => known.is_match(target.as_bytes()),
        None => TARGETS.iter().any(|(part, _)| target.to_ascii_lowercase().contains(part)),
    }
}

/// One expression for any of these words, whatever their case. `None` cannot happen; then every word is looked for by itself.
fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> Option<Regex> {
    let words: Vec<String> = words.map(regex::escape).collect();
    RegexBuilder::new(&words.join("|")).case_insensitive(true).unicode(false).build().ok()
}

#[cfg(test)]
mod tests;
