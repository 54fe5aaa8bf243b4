//! One guest's visitor: every check in order, the cheap before the dear, and the ticket taken last of all.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use overspill_governance::time::Now;
use overspill_protocol::{
    manifest::Object,
    plan::FillWanted,
    ticket::{self, Bound, Ticket, TicketError},
};

use super::{
    Guests, answer,
    hosting::{Hosting, Taken},
    limits::{GUEST_DEBT_MAX, MANIFEST_LOOK, MANIFEST_LOOKS},
    metrics::Refusal,
};
use crate::{
    deny::{self, Denial},
    spill::mark::Target,
    uplink::head_bytes,
};

/// How a guest's visitor was answered, for the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestUse {
    /// From the store.
    Hit,
    /// After a fill.
    Filled,
    /// Not with the object.
    Refused(Refusal),
}

/// What may be served, once it is here.
struct Permit<'a> {
    hosting: &'a Hosting,
    object: &'a Object,
    taken: Taken,
}

impl Guests {
    /// Answers a request for a guest's host name. `path` is path and raw query as received.
    pub async fn serve(&self, authority: &str, method: &Method, path: &str, headers: &HeaderMap, now: Now) -> (Response<Bytes>, GuestUse) {
        let target = Target::of(path);
        self.await_plan().await;
        if let Some(denial) = self.denial(authority, &target) {
            let response = deny::answer(&denial);
            self.counters.refuse(Refusal::Denied);
            self.uplink.charge(head_bytes(response.headers()) + response.body().len() as u64, now.time);
            return (response, GuestUse::Refused(Refusal::Denied));
        }
        self.await_manifest(authority, &target).await;
        let table = self.table();
        let hostings = table.find(authority);
        let refuse = |reason: Refusal, response: Response<Bytes>| {
            self.counters.refuse(reason);
            self.uplink.charge(head_bytes(response.headers()), now.time);
            (response, GuestUse::Refused(reason))
        };
        let home = table.homes.find(authority);
        if hostings.is_empty() && home.is_none() {
            return refuse(Refusal::HostUnknown, answer::page(StatusCode::MISDIRECTED_REQUEST, "No site is served under this name.\n"));
        }
        let method = match *method {
            Method::GET => ticket::Method::Get,
            Method::HEAD => ticket::Method::Head,
            _ => return refuse(Refusal::Method, method_not_allowed()),
        };
        if headers.contains_key("service-worker") {
            return refuse(Refusal::ServiceWorker, answer::page(StatusCode::FORBIDDEN, "No service workers here.\n"));
        }
        let permit = match self.admit(hostings, method, &target, now) {
            Ok(permit) => permit,
            Err(reason) => {
                let marked = hostings.last().map(|newest| answer::send_back(&newest.host, &target.path, now));
                return refuse(reason, marked.unwrap_or_else(|| answer::send_home(home.unwrap_or_default(), &target.path, now)));
            }
        };
        let (body, was_stored) = match self.body(&permit, now).await {
            Some(found) => found,
            None => return refuse(Refusal::FillFailed, answer::send_back(&permit.hosting.host, &target.path, now)),
        };
        let mut response = answer::object(&permit.hosting.host, permit.object, body, headers, was_stored, now.date);
        if method == ticket::Method::Head {
            *response.body_mut() = Bytes::new();
        }
        let sent = response.body().len() as u64;
        permit.taken.served(sent);
        self.uplink.charge(sent + head_bytes(response.headers()), now.time);
        self.counters.bytes.fetch_add(sent, Relaxed);
        let (counter, usage) = if was_stored { (&self.counters.hits, GuestUse::Hit) } else { (&self.counters.misses, GuestUse::Filled) };
        counter.fetch_add(1, Relaxed);
        (response, usage)
    }

    /// What the owner of this site says against showing it.
    fn denial(&self, authority: &str, target: &Target<'_>) -> Option<Arc<Denial>> {
        if !self.denials.has_any() {
            return None;
        }
        let table = self.table();
        let leased = table.find(authority).last().map(|hosting| hosting.host.canonical.as_str());
        self.denials.of_guest((leased.or_else(|| table.homes.find(authority)), authority), &target.path)
    }

    /// Visitors are served a moment before the first plan of a process is made: they wait for it.
    async fn await_plan(&self) {
        for _ in 0..MANIFEST_LOOKS {
            if self.table.load().homes.are_known() {
                return;
            }
            tokio::time::sleep(MANIFEST_LOOK).await;
        }
    }

    /// A redirect may overtake the manifest that lists its object: waits a moment for it, if the ticket names a lease that we hold.
    async fn await_manifest(&self, authority: &str, target: &Target<'_>) {
        let Some(ticket) = target.ticket.and_then(|text| Ticket::from_text(text).ok()) else { return };
        for _ in 0..MANIFEST_LOOKS {
            let table = self.table();
            let hosting = table.find(authority).iter().find(|hosting| hosting.host.lease == ticket.lease);
            if hosting.is_none_or(|hosting| hosting.host.closed || hosting.host.manifest.object(&target.path).is_some()) {
                return;
            }
            drop(table);
            tokio::time::sleep(MANIFEST_LOOK).await;
        }
    }

    fn admit<'a>(&self, hostings: &'a [Hosting], method: ticket::Method, target: &Target<'_>, now: Now) -> Result<Permit<'a>, Refusal> {
        let text = target.ticket.ok_or(Refusal::Ticketless)?;
        let ticket = Ticket::from_text(text).map_err(|_| Refusal::Malformed)?;
        let hosting = hostings.iter().find(|hosting| hosting.host.lease == ticket.lease).ok_or(Refusal::LeaseUnknown)?;
        hosting.is_open(now.time)?;
        let path: &Cow<'_, str> = &target.path;
        let bound = Bound { method, owner: &hosting.host.owner, path };
        ticket.check(&hosting.host.key, bound, now.date).map_err(|error| match error {
            TicketError::Expired => Refusal::Expired,
            TicketError::Forged | TicketError::Malformed => Refusal::Forged,
        })?;
        let object = hosting.host.manifest.object(path).ok_or(Refusal::NotListed)?;
        if object.fresh_until <= now.date {
            return Err(Refusal::NotFresh);
        }
        if self.is_busy(now) {
            return Err(Refusal::UplinkBusy);
        }
        let size = if method == ticket::Method::Head { 0 } else { object.size.0 };
        let taken = hosting.take(&ticket, size, now.time)?;
        Ok(Permit { hosting, object, taken })
    }

    /// Whether our own visitors need the line. While more of them come than it carries, they keep it in debt, at which they are refused themselves
    /// before a calm site refuses guests: so guests then get only what is left when nothing is owed.
    fn is_busy(&self, now: Now) -> bool {
        let debt = self.uplink.debt(now.time);
        debt >= GUEST_DEBT_MAX || (!debt.is_zero() && self.uplink.is_crowded(now.time))
    }

    /// The object's bytes, and whether they were here already. Their digest was checked when they came.
    async fn body(&self, permit: &Permit<'_>, now: Now) -> Option<(Bytes, bool)> {
        let (host, object) = (&permit.hosting.host, permit.object);
        if let Some(body) = self.store.find(&host.owner, &object.digest) {
            return Some((body, true));
        }
        let want = FillWanted { lease: host.lease, owner: host.owner, digest: object.digest, size: object.size };
        let body = self.fills.fetch(want, now.time).await.ok()?;
        Some((body, false))
    }
}

fn method_not_allowed() -> Response<Bytes> {
    let mut response = answer::page(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are answered here.\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
