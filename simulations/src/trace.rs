//! What happened, as one hash: two runs with equal hashes did the same things in the same order.
//!
//! Every event goes into the hash as canonical bytes (BLAKE3): when, at which site, what kind, and the bytes that say all of it. The last
//! events are kept in words, too, for a failed test to print.

use std::{collections::VecDeque, fmt::Write as _};

use overspill_governance::{digest::Digest, time::Time};

/// Kinds of events. Their numbers are part of the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Something due has come; the number names it.
    Comes,
    /// An entry is written.
    Writes,
    /// What was written is durable.
    Syncs,
    /// A message leaves.
    Sends,
    /// A message leaves for everybody.
    Broadcasts,
    /// A dial.
    Dials,
    /// A connection is closed.
    HangsUp,
    /// A plan is handed down.
    Plans,
    /// An object is fetched.
    Fetches,
    /// An owner's standby copies are dropped.
    Keeps,
    /// A wanted object will not come.
    Refuses,
    /// A host name is asked about.
    Proves,
    /// People are told.
    Tells,
    /// An agent dies.
    Dies,
    /// An agent starts.
    Starts,
    /// A ledger cannot be opened, or not be written.
    Fails,
    /// A site behaves as no correct agent would.
    Misbehaves,
    /// A site goes on under another key.
    Rotates,
}

/// One event for people.
#[derive(Debug, Clone)]
struct Line {
    at: Time,
    site: u32,
    kind: Kind,
    other: u64,
    words: String,
}

/// The running hash of a world, and its last lines for a failed test to print.
#[derive(Debug)]
pub struct Trace {
    hasher: blake3::Hasher,
    events: u64,
    lines: VecDeque<Line>,
    /// Lines that are kept for people; with none nothing is put into words.
    kept: usize,
}

/// Lines kept for people unless told otherwise.
pub const LINES_KEPT: usize = 400;

impl Default for Trace {
    fn default() -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"overspill trace v2");
        Self { hasher, events: 0, lines: VecDeque::new(), kept: LINES_KEPT }
    }
}

impl Trace {
    /// From now on so many lines are kept, the last ones.
    pub fn keep(&mut self, lines: usize) {
        self.kept = lines;
        self.lines.drain(..self.lines.len().saturating_sub(lines));
    }

    /// Notes one event: `other` and `bytes` say all that there is to say of it; `words` says the same to people.
    pub fn note(&mut self, at: Time, site: usize, kind: Kind, other: u64, bytes: &[u8], words: impl FnOnce() -> String) {
        let site = u32::try_from(site).unwrap_or(u32::MAX);
        let mut head = [0; 29];
        head[..8].copy_from_slice(&at.as_micros().to_le_bytes());
        head[8..12].copy_from_slice(&site.to_le_bytes());
        head[12] = kind as u8;
        head[13..21].copy_from_slice(&other.to_le_bytes());
        head[21..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(&head).update(bytes);
        self.events += 1;
        if self.kept > 0 && kind != Kind::Comes {
            if self.lines.len() >= self.kept {
                self.lines.pop_front();
            }
            self.lines.push_back(Line { at, site, kind, other, words: words() });
        }
    }

    /// The hash so far.
    pub fn hash(&self) -> Digest {
        Digest(*self.hasher.finalize().as_bytes())
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The last lines, oldest first.
    pub fn tail(&self) -> String {
        let mut text = String::new();
        for Line { at, site, kind, other, words } in &self.lines {
            let done = format!("{kind:?}").to_lowercase();
            writeln!(text, "{} site {site} {done} {words} ({other})", at.as_micros()).expect("strings take text");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_event_is_in_the_hash() {
        let of = |at, site, kind, other, bytes: &[u8]| {
            let mut trace = Trace::default();
            trace.note(Time::from_micros(at), site, kind, other, bytes, String::new);
            trace.hash()
        };
        let first = of(1, 2, Kind::Sends, 3, b"x");
        assert_eq!(first, of(1, 2, Kind::Sends, 3, b"x"));
        for other in [of(0, 2, Kind::Sends, 3, b"x"), of(1, 0, Kind::Sends, 3, b"x"), of(1, 2, Kind::Dials, 3, b"x")] {
            assert_ne!(first, other);
        }
        assert_ne!(first, of(1, 2, Kind::Sends, 0, b"x"));
        assert_ne!(first, of(1, 2, Kind::Sends, 3, b"y"));
    }
}
