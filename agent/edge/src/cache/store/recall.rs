//! From the disk tier back into memory.

use std::sync::{Arc, PoisonError};

use http::HeaderMap;
use overspill_governance::time::Time;

use super::Store;
use crate::{
    cache::{
        disk::{index::Name, large::Draft},
        key::Key,
        stored::Stored,
        vary::{Encoding, Vary},
    },
    clock::Clock,
    limits::{STORED_BODY_BYTES_MAX, VARIANTS_MAX},
};

impl Store {
    /// Finds on disk what answers such a request and memory lacks. `settle` sees it before it is stored in memory again.
    pub(crate) async fn recall(
        &self,
        key: &Key,
        (request, encoding): (&HeaderMap, Encoding),
        clock: &Clock,
        settle: impl FnOnce(&mut Stored),
    ) -> Option<Arc<Stored>> {
        let disk = self.disk.load_full()?;
        let name = disk.find(key, request, encoding)?;
        let asked = clock.time();
        let take_in = |mut stored: Stored| {
            settle(&mut stored);
            self.promote(stored, asked)
        };
        let found = disk.load(name, take_in).await?;
        found.used();
        Some(found)
    }

    /// Tells whether a body of that length can be kept on disk only, and is.
    pub(crate) fn keeps_apart(&self, length: Option<u64>) -> bool {
        let long = length.filter(|length| *length > STORED_BODY_BYTES_MAX);
        long.is_some_and(|length| self.disk.load().as_ref().is_some_and(|disk| length <= disk.body_max()))
    }

    /// Begins to write a body that can be kept on disk only; `None` if it is another, or cannot be kept now.
    pub(crate) fn draft(&self, key: &Key, (vary, values): (&Vary, &[u8]), length: Option<u64>) -> Option<Draft> {
        let length = length.filter(|_| self.keeps_apart(length))?;
        self.disk.load_full()?.draft(Name::of_variant(key, vary, values), length)
    }

    /// Waits until what was purged so far stays purged, whatever ends this process.
    pub(crate) async fn settled(&self) {
        if let Some(disk) = self.disk.load_full() {
            disk.settled().await;
        }
    }

    /// Takes in what came from disk, unless it was made obsolete meanwhile or memory has a newer one.
    fn promote(&self, stored: Stored, asked: Time) -> Option<Arc<Stored>> {
        let mut groups = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.forgotten.has(&stored, asked) {
            return None;
        }
        let slot = self.slots.peek(&stored.key);
        let mut variants: Vec<Arc<Stored>> = slot.iter().flat_map(|slot| slot.iter()).cloned().collect();
        variants.retain(|other| other.is_there());
        if let Some(newer) = variants.iter().find(|other| other.is_variant_of(&stored)) {
            return Some(Arc::clone(newer));
        }
        let same_kind = variants.iter().all(|other| other.vary == stored.vary);
        if !same_kind || !groups.note(&stored.key, &stored.groups, |key| self.is_held(key)) {
            return None;
        }
        let stored = Arc::new(stored);
        variants.truncate(VARIANTS_MAX - 1);
        variants.push(Arc::clone(&stored));
        self.slots.insert(stored.key.clone(), Arc::new(variants));
        Some(stored)
    }
}
