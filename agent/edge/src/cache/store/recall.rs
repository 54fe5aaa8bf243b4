//! From the disk tier back into memory.

use std::{
    cmp::Reverse,
    ptr,
    sync::{Arc, PoisonError},
};

use http::HeaderMap;
use overspill_governance::time::Time;

use super::Store;
use crate::{
    cache::{
        disk::{
            index::Name,
            large::{Draft, Length},
        },
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
        self.disk.load_full()?.draft(Name::of_variant(key.text(), vary, values), Length::Known(length))
    }

    /// The same for a body of which nobody knows how long it will be: as long as may be kept.
    pub(crate) fn draft_late(&self, key: &Key, (vary, values): (&Vary, &[u8])) -> Option<Draft> {
        let disk = self.disk.load_full()?;
        let most = disk.body_max();
        (most > STORED_BODY_BYTES_MAX).then(|| disk.draft(Name::of_variant(key.text(), vary, values), Length::AtMost(most)))?
    }

    /// Waits until what was purged so far stays purged, whatever ends this process.
    pub(crate) async fn settled(&self) {
        if let Some(disk) = self.disk.load_full() {
            disk.settled().await;
        }
    }

    /// Takes in what came from disk, unless it was made obsolete meanwhile or memory has a newer one.
    fn promote(&self, mut stored: Stored, asked: Time) -> Option<Arc<Stored>> {
        stored.share(&self.heads);
        let mut groups = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.forgotten.has(&stored, asked) {
            return None;
        }
        let (key, shelf) = (stored.key(), self.shelf());
        let variants = shelf.variants(key.text());
        drop(shelf);
        if let Some(newer) = variants.iter().find(|other| other.is_variant_of(&stored) && other.is_there()) {
            return Some(Arc::clone(newer));
        }
        let mut kept: Vec<_> = variants.iter().filter(|other| other.is_there()).collect();
        if kept.iter().any(|other| other.vary() != stored.vary()) || !groups.note(&key, &stored.groups(), |key| self.is_held(key)) {
            return None;
        }
        kept.sort_by_key(|other| Reverse(other.came()));
        kept.truncate(VARIANTS_MAX - 1);
        let is_kept = |other: &Stored| kept.iter().any(|kept| ptr::eq(Arc::as_ptr(kept), other));
        let stored = Arc::new(stored);
        let _gone = self.change(|shelf| (shelf.remove(key.text(), |other| !is_kept(other)), shelf.insert(Arc::clone(&stored))));
        Some(stored)
    }
}
