//! What the heads of many stored responses say alike, kept once: the status line, and the fields that rarely differ within a site.
//!
//! Which fields these are goes by name, so that all fields of one name stay together and in their order (RFC 9110 section 5.3). What is left out
//! of the list are names whose values are of one response, such as ETag, or can be chosen by visitors, such as Access-Control-Allow-Origin.
//! A common part is kept from the second time on that it is seen lately: what only looks common does not fill the table.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::stored::allocated;
use crate::limits::{HEADS_MAX, HEADS_SEEN, HEADS_SHARE};

/// Names of fields that say the same in most responses of a site. In order.
const COMMON: [&str; 35] = [
    "accept-ch",
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-expose-headers",
    "access-control-max-age",
    "alt-svc",
    "cache-control",
    "cdn-cache-control",
    "content-encoding",
    "content-language",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-type",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "nel",
    "origin-agent-cluster",
    "permissions-policy",
    "pragma",
    "referrer-policy",
    "server",
    "strict-transport-security",
    "surrogate-control",
    "timing-allow-origin",
    "vary",
    "via",
    "x-content-type-options",
    "x-frame-options",
    "x-generator",
    "x-powered-by",
    "x-ua-compatible",
    "x-xss-protection",
];

/// Tells whether a field of this name is kept with those of other responses.
pub(super) fn is_common(name: &[u8]) -> bool {
    COMMON.binary_search_by(|common| common.as_bytes().cmp(name)).is_ok()
}

/// The common parts that stored responses have, each as long as one has it.
#[derive(Debug)]
pub(crate) struct Heads {
    table: Mutex<Table>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Table {
    commons: HashMap<u64, Listed>,
    bytes: u64,
    bytes_max: u64,
    /// Marks of what was seen lately, each where its hash says.
    seen: Box<[u32]>,
}

#[derive(Debug)]
struct Listed {
    common: Weak<Common>,
    weight: u64,
}

/// Lines that begin the heads of some responses.
#[derive(Debug)]
pub(super) struct Common {
    lines: Box<[u8]>,
    hash: u64,
    /// Where it is listed.
    heads: Weak<Heads>,
}

/// The share of common parts where responses may take so many bytes.
pub(super) fn share(memory: u64) -> u64 {
    memory / HEADS_SHARE
}

impl Heads {
    /// Makes a table of at most so many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        let table = Table { commons: HashMap::new(), bytes: 0, bytes_max, seen: vec![0; HEADS_SEEN].into() };
        Self { table: Mutex::new(table), hasher: RandomState::new() }
    }

    /// Whoever died with the lock left a sum that is off by one entry at most.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The common part of these lines; `None` if they are new, or there is no room.
    pub(super) fn common(self: &Arc<Self>, lines: &[u8]) -> Option<Arc<Common>> {
        let hash = self.hasher.hash_one(lines);
        let listed = self.table().commons.get(&hash).and_then(|listed| listed.common.upgrade());
        // Compared, and let go of, without the lock: whoever holds one last takes it off the list.
        match listed {
            Some(common) => (*common.lines == *lines).then_some(common),
            None => self.list(hash, lines),
        }
    }

    fn list(self: &Arc<Self>, hash: u64, lines: &[u8]) -> Option<Arc<Common>> {
        let weight = weight(lines.len());
        let mut table = self.table();
        let (mark, places) = ((hash >> 32) as u32, table.seen.len() as u64);
        let seen = table.seen.get_mut(usize::try_from(hash % places).ok()?)?;
        let is_new = std::mem::replace(seen, mark) != mark;
        // Another thread may have listed them meanwhile.
        let is_listed = table.commons.get(&hash).is_some_and(|listed| listed.common.strong_count() > 0);
        if is_new || is_listed || table.commons.len() >= HEADS_MAX || table.bytes + weight > table.bytes_max {
            return None;
        }
        let common = Arc::new(Common { lines: lines.into(), hash, heads: Arc::downgrade(self) });
        // In place of one, perhaps, that nobody has any more and that is about to be taken off.
        let before = table.commons.insert(hash, Listed { common: Arc::downgrade(&common), weight });
        table.bytes = table.bytes + weight - before.map_or(0, |before| before.weight);
        Some(common)
    }

    /// Bytes of all that is listed.
    pub(super) fn bytes(&self) -> u64 {
        self.table().bytes
    }

    /// Changes the bound. What is listed stays as long as it is used.
    pub(super) fn set_capacity(&self, bytes_max: u64) {
        self.table().bytes_max = bytes_max;
    }
}

impl Common {
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }
}

/// Nobody has it any more.
impl Drop for Common {
    fn drop(&mut self) {
        let Some(heads) = self.heads.upgrade() else { return };
        let mut table = heads.table();
        if table.commons.get(&self.hash).is_some_and(|listed| listed.common.strong_count() == 0)
            && let Some(listed) = table.commons.remove(&self.hash)
        {
            table.bytes -= listed.weight;
        }
    }
}

/// What a common part of so many bytes takes, with its entry at its emptiest.
fn weight(length: usize) -> u64 {
    let entry = (size_of::<(u64, Listed)>() + 1) * 16 / 7;
    (allocated(size_of::<Common>() + 16) + allocated(length) + entry) as u64
}

#[cfg(test)]
mod tests;
