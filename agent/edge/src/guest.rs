//! Hosting other sites' objects, each under its own host name, for visitors whom their owners sent.
//!
//! A guest's content never mixes with our own: it is found by host name first, lives in its own store, and knows neither our
//! cookies nor our cache. Every visitor either gets the bytes that the owner signed, or is sent back to the owner, once.

mod answer;
mod fill;
mod homes;
mod hosting;
pub mod limits;
mod metrics;
mod replay;
mod serve;
mod store;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use overspill_governance::{digest::ObjectDigest, payword::LeaseId, site::SiteId, time::Time};
use overspill_protocol::{
    limits::{LEASES_MAX, STANDBY_BYTES_MAX},
    observation::Hosted,
    plan::{FillWanted, Plan},
};
use tokio::sync::mpsc;

use self::{
    fill::Fills,
    homes::Homes,
    hosting::Hosting,
    limits::RETIRED_LEASES_MAX,
    metrics::Counters,
    store::{NotStored, Store},
};
use crate::{deny::Denials, uplink::Uplink};

pub use fill::FillFailed;
pub(crate) use homes::lower_case;
pub use metrics::GuestMetrics;
pub use serve::GuestUse;
pub use store::GuestStored;

/// The helper's side of spilling. Shared by all threads.
#[derive(Debug)]
pub struct Guests {
    uplink: Arc<Uplink>,
    table: ArcSwap<Table>,
    store: Store,
    fills: Fills,
    counters: Counters,
    denials: Arc<Denials>,
    /// `.overflow.example:8443` in lower case: names that end so are never our own site's. Empty: there is no such domain.
    suffix: ArcSwap<String>,
    /// There is such a domain, or there are guests: of most sites neither is true, at most times.
    any: AtomicBool,
    /// The most that is stored for one owner, whatever a lease says.
    bytes_each: AtomicU64,
}

/// One plan's guests, and those that left lately.
#[derive(Debug, Default)]
struct Table {
    /// By host name in lower case; oldest lease first.
    names: BTreeMap<String, Vec<Hosting>>,
    /// In the order in which they left.
    retired: Vec<LeaseId>,
    homes: Arc<Homes>,
}

impl Guests {
    /// Makes the guests' rooms, and the channel on which the control plane reads what is to be filled.
    #[must_use]
    pub fn new(uplink: Arc<Uplink>, bytes_max: u64) -> (Self, mpsc::Receiver<FillWanted>) {
        let (fills, wanted) = Fills::new();
        let (table, suffix) = (ArcSwap::default(), ArcSwap::default());
        let (store, counters, denials) = (Store::new(bytes_max), Counters::default(), Arc::default());
        (
            Self {
                uplink,
                table,
                store,
                fills,
                counters,
                denials,
                suffix,
                any: AtomicBool::new(false),
                bytes_each: AtomicU64::new(u64::MAX),
            },
            wanted,
        )
    }

    /// Shows and takes in nothing that these deny.
    pub(crate) fn heed(&mut self, denials: Arc<Denials>) {
        self.denials = denials;
    }

    /// Changes the bound on stored bytes.
    pub fn set_bytes_max(&self, bytes_max: u64) {
        self.store.set_bytes_max(bytes_max);
    }

    /// Changes the bound on what is stored for one owner, from the next object on.
    pub fn set_bytes_each(&self, bytes_each: u64) {
        self.bytes_each.store(bytes_each, Relaxed);
    }

    /// Sets the domain under which guests have their names.
    pub fn set_suffix(&self, suffix: Option<&str>) {
        self.suffix.store(Arc::new(suffix.map(|suffix| format!(".{}", suffix.to_ascii_lowercase())).unwrap_or_default()));
        self.note_any();
    }

    fn note_any(&self) {
        self.any.store(!self.suffix.load().is_empty() || !self.table.load().names.is_empty(), Relaxed);
    }

    /// Takes a new plan. One thread at a time may call this.
    pub fn apply(&self, plan: &Plan) {
        let before = self.table();
        let next = before.next(plan);
        let others = next.owners_with_other_manifests(&before);
        for owner in &others {
            self.store.retain(owner, |digest| {
                next.of_owner(owner).any(|hosting| hosting.host.manifest.objects.iter().any(|object| object.digest == *digest))
            });
        }
        self.table.store(Arc::new(next));
        self.note_any();
        if !others.is_empty() {
            self.bar();
        }
    }

    /// Tells whether any host name could be a guest's.
    pub(crate) fn has_any(&self) -> bool {
        self.any.load(Relaxed)
    }

    /// Tells whether a host name is, or could be, a guest's: then it is not ours. Compared without regard to case (RFC 9110
    /// section 4.2.3).
    #[must_use]
    pub fn is_guest(&self, authority: &str) -> bool {
        let suffix = self.suffix.load();
        let ends = authority.len().checked_sub(suffix.len()).and_then(|at| authority.get(at..));
        (!suffix.is_empty() && ends.is_some_and(|ends| ends.eq_ignore_ascii_case(&suffix))) || !self.table.load().find(authority).is_empty()
    }

    /// Takes the end of a fill: bytes are checked, stored and given to all who wait for them.
    pub fn filled(&self, want: &FillWanted, result: Result<Bytes, FillFailed>, now: Time) {
        let result = result.and_then(|body| self.store_filled(want, body));
        let counter = if result.is_ok() { &self.counters.fills } else { &self.counters.fills_failed };
        counter.fetch_add(1, Relaxed);
        self.fills.end((want.owner, want.digest), result, now);
    }

    /// Whether an object is here already.
    #[must_use]
    pub fn stands_by(&self, want: &FillWanted) -> bool {
        self.store.find(&want.owner, &want.digest).is_some()
    }

    /// Takes a standby copy: checked and stored like a fill, and served only when a lease's manifest names it. Tells whether it was good.
    pub fn stand_by(&self, want: &FillWanted, body: Bytes, now: Time) -> bool {
        // What visitors came for is never evicted by what they may come for.
        let denied = self.denies(&want.owner, &want.digest);
        let most = STANDBY_BYTES_MAX.min(self.bytes_each.load(Relaxed));
        let room = !denied && self.store.used_by(&want.owner).saturating_add(body.len() as u64) <= most;
        let good = room && self.store.insert(want.owner, want.digest, body.clone(), most).is_ok();
        if good {
            self.counters.standby.fetch_add(1, Relaxed);
            // A visitor who came meanwhile need not wait for the same bytes again.
            self.fills.end((want.owner, want.digest), Ok(body), now);
        }
        good
    }

    /// Drops all of an owner's objects but these.
    pub fn keep_standby(&self, owner: &SiteId, digests: &BTreeSet<ObjectDigest>) {
        self.store.retain(owner, |digest| digests.contains(digest));
    }

    fn store_filled(&self, want: &FillWanted, body: Bytes) -> Result<Bytes, FillFailed> {
        let table = self.table();
        // An object that the owner's newest list does not name was purged or replaced while it was on its way.
        let mut naming = table
            .of_owner(&want.owner)
            .filter(|hosting| !hosting.retired && hosting.host.manifest.objects.iter().any(|object| object.digest == want.digest));
        if self.denies(&want.owner, &want.digest) {
            return Err(FillFailed::Gone);
        }
        let storage = naming.next().ok_or(FillFailed::Gone)?.host.storage.0;
        match self.store.insert(want.owner, want.digest, body.clone(), storage) {
            Ok(()) | Err(NotStored::TooLarge) => Ok(body),
            Err(NotStored::WrongBytes) => Err(FillFailed::Wrong),
        }
    }

    /// Drops the copies of what is denied.
    pub(crate) fn bar(&self) {
        if !self.denials.has_any() {
            return;
        }
        let table = self.table();
        let owners: BTreeSet<SiteId> = table.names.values().flatten().map(|hosting| hosting.host.owner).collect();
        for owner in owners {
            let barred = self.barred(&table, &owner);
            if !barred.is_empty() {
                self.store.retain(&owner, |digest| !barred.contains(digest));
            }
        }
    }

    /// Whether these bytes of an owner are denied, by every name that its manifests give them.
    fn denies(&self, owner: &SiteId, digest: &ObjectDigest) -> bool {
        self.denials.has_any() && self.barred(&self.table(), owner).contains(digest)
    }

    /// The bytes of an owner that manifests list under names that are denied, and under no others.
    fn barred(&self, table: &Table, owner: &SiteId) -> BTreeSet<ObjectDigest> {
        let (mut barred, mut shown) = (BTreeSet::new(), BTreeSet::new());
        for Hosting { host, .. } in table.of_owner(owner) {
            for object in &host.manifest.objects {
                let is_denied = self.denials.of_guest((Some(&host.canonical), &host.authority), &object.path).is_some();
                if is_denied { &mut barred } else { &mut shown }.insert(object.digest);
            }
        }
        barred.retain(|digest| !shown.contains(digest));
        barred
    }

    /// Each lease's use so far.
    #[must_use]
    pub fn hosted(&self) -> Vec<Hosted> {
        self.table.load().names.values().flatten().map(Hosting::hosted).collect()
    }

    /// What is held for whom.
    pub(crate) fn by_owner(&self) -> BTreeMap<SiteId, GuestStored> {
        self.store.by_owner()
    }

    /// The counts so far.
    #[must_use]
    pub fn metrics(&self) -> GuestMetrics {
        self.counters.snapshot(self.store.used())
    }

    fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }
}

impl Table {
    /// The leases under a host name.
    fn find(&self, authority: &str) -> &[Hosting] {
        self.names.get(homes::lower_case(authority).as_ref()).map_or(&[], Vec::as_slice)
    }

    fn of_owner(&self, owner: &SiteId) -> impl Iterator<Item = &Hosting> {
        self.names.values().flatten().filter(move |hosting| hosting.host.owner == *owner)
    }

    /// The table of a new plan: leases that it goes on naming keep their tickets, others retire.
    fn next(&self, plan: &Plan) -> Self {
        let known: BTreeMap<LeaseId, &Hosting> = self.names.values().flatten().map(|hosting| (hosting.host.lease, hosting)).collect();
        let named: BTreeSet<LeaseId> = plan.host.iter().map(|host| host.lease).collect();
        let mut retired: Vec<LeaseId> = self.retired.iter().filter(|lease| !named.contains(lease)).copied().collect();
        let leaving = known.values().filter(|hosting| !hosting.retired && !named.contains(&hosting.host.lease));
        retired.extend(leaving.map(|hosting| hosting.host.lease));
        retired.drain(..retired.len().saturating_sub(RETIRED_LEASES_MAX));
        let mut names: BTreeMap<String, Vec<Hosting>> = BTreeMap::new();
        for hosting in retired.iter().filter_map(|lease| known.get(lease)) {
            let mut hosting = Hosting::clone(hosting);
            hosting.retired = true;
            names.entry(hosting.host.authority.to_ascii_lowercase()).or_default().push(hosting);
        }
        for host in plan.host.iter().take(LEASES_MAX) {
            let hosting = Hosting::new(host.clone(), known.get(&host.lease).copied());
            names.entry(host.authority.to_ascii_lowercase()).or_default().push(hosting);
        }
        Self { names, retired, homes: Homes::next(&self.homes, &plan.homes) }
    }

    /// Owners of whom a lease came or brought another manifest.
    fn owners_with_other_manifests(&self, before: &Self) -> BTreeSet<SiteId> {
        let manifests = |table: &Self| -> BTreeSet<(SiteId, LeaseId, usize)> {
            // Before its first manifest has come, a lease says nothing of what stands by.
            let living = table.names.values().flatten().filter(|hosting| !hosting.retired && hosting.host.manifest.generation > 0);
            living.map(|hosting| (hosting.host.owner, hosting.host.lease, Arc::as_ptr(&hosting.host.manifest).addr())).collect()
        };
        manifests(self).difference(&manifests(before)).map(|(owner, ..)| *owner).collect()
    }
}

#[cfg(test)]
#[path = "guest/tests.rs"]
mod tests;
