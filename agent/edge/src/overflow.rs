//! Everything of spilling and hosting that the edge's threads share, and its few places in a request's way.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, Uri, uri::PathAndQuery};
use overspill_governance::{
    digest::ObjectDigest,
    time::{Now, Time},
};
use overspill_protocol::{
    observation::Observation,
    overload::line::SHED_PAGES_DEBT,
    plan::{FillWanted, Plan},
    ticket,
};
use tokio::sync::mpsc;

use crate::{
    agentless::Agentless,
    body::Payload,
    cache::stored::Stored,
    config::Config,
    deny::Denials,
    guest::{FillFailed, GuestUse, Guests},
    hot::Hot,
    observe::{Observer, Readings},
    rewrite,
    spill::{
        Ask, Course, Spiller,
        mark::{Mark, Target},
        names::Names,
    },
    uplink::{Uplink, head_bytes},
};

/// Marks a response whose bytes the uplink was charged for when it was decided on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prepaid;

/// Owner's and helper's side of an overflow, on one uplink.
#[derive(Debug)]
pub(crate) struct Overflow {
    pub(crate) uplink: Arc<Uplink>,
    pub(crate) spiller: Spiller,
    pub(crate) guests: Guests,
    pub(crate) hot: Hot,
    pub(crate) denials: Arc<Denials>,
    pub(crate) agentless: Agentless,
    pub(crate) rewrites: rewrite::Counters,
    observer: Observer,
}

impl Overflow {
    /// By the settings, with nothing stored and no plan; and the channel on which wanted fills are read.
    pub(crate) fn new(config: &Config, now: Now) -> (Self, mpsc::Receiver<FillWanted>) {
        let uplink = Arc::new(Uplink::new(config.uplink));
        let denials = Arc::new(Denials::new(&config.denied, config));
        let (mut guests, wanted) = Guests::new(Arc::clone(&uplink), config.guest_memory.0);
        guests.set_bytes_each(config.guest_memory_each.0);
        guests.heed(Arc::clone(&denials));
        guests.set_suffix(config.guest_suffix.as_deref());
        let spiller = Spiller::new(Arc::clone(&uplink));
        spiller.set_trusted(config.trusted.as_deref());
        let (rewrites, observer) = (rewrite::Counters::default(), Observer::default());
        let agentless = Agentless::new(config.agentless.clone());
        let mut hot = Hot::new(now);
        hot.heed(Arc::clone(&denials));
        (Self { uplink, spiller, guests, hot, denials, agentless, rewrites, observer }, wanted)
    }

    /// Takes new settings.
    pub(crate) fn configure(&self, config: &Config) {
        self.uplink.set_budget(config.uplink);
        self.spiller.set_trusted(config.trusted.as_deref());
        self.agentless.set_target(config.agentless.clone());
        self.guests.set_bytes_max(config.guest_memory.0);
        self.guests.set_bytes_each(config.guest_memory_each.0);
        self.guests.set_suffix(config.guest_suffix.as_deref());
        // Whose names are whose may have changed.
        self.denials.replace(&self.denials.list(), config);
    }

    /// Takes a new plan.
    pub(crate) fn apply(&self, plan: &Plan) {
        self.spiller.apply(plan);
        self.guests.apply(plan);
    }

    /// Looks at everything once.
    pub(crate) fn observe(&self, readings: Readings, now: Now) -> Observation {
        self.observer.observe(readings, (&self.uplink, &self.spiller, &self.guests, &self.hot), now)
    }

    /// Takes the end of a fill.
    pub(crate) fn filled(&self, want: &FillWanted, result: Result<Bytes, FillFailed>, now: Time) {
        self.guests.filled(want, result, now);
    }

    /// The bytes of a spillable object that is held.
    pub(crate) fn held(&self, digest: &ObjectDigest) -> Option<Bytes> {
        self.hot.held(digest)
    }

    /// Answers a request for a guest's host name; nothing if `authority` is not one.
    pub(crate) async fn host(
        &self,
        authority: &str,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
        now: Now,
    ) -> Option<(Response<Bytes>, GuestUse)> {
        if !self.guests.is_guest(authority) {
            return None;
        }
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let (mut response, usage) = self.guests.serve(authority, method, path, headers, now).await;
        response.extensions_mut().insert(Prepaid);
        Some((response, usage))
    }

    /// Takes Overspill's own parameters out of the target of a request to a site whose objects have these names. Returns what its mark said.
    pub(crate) fn unmark(&self, uri: &mut Uri, names: &Names, now: Now) -> Mark {
        let target = Target::of(uri.path_and_query().map_or("/", PathAndQuery::as_str));
        if !target.was_marked() {
            return Mark::None;
        }
        let name = names.name(&target.path);
        let mark = match (target.back, target.ticket) {
            (Some(mark), _) => self.spiller.read_mark(mark, &name, now),
            (None, Some(ticket)) => self.spiller.read_ticket(ticket, &name, now),
            (None, None) => Mark::None,
        };
        if let Ok(path) = PathAndQuery::try_from(target.path.as_ref()) {
            let mut parts = std::mem::take(uri).into_parts();
            parts.path_and_query = Some(path);
            *uri = Uri::from_parts(parts).unwrap_or_default();
        }
        mark
    }

    /// Decides on a request for a held asset, which a response of `head` and `size` bytes would answer here. `names` are its site's; `secure`: its
    /// visitor is here by https.
    pub(crate) fn course(
        &self,
        method: &Method,
        (held, names): (&Stored, &Names),
        (head, size): (u64, u64),
        (may_leave, secure): (bool, bool),
        now: Now,
    ) -> Course {
        let Some(digest) = held.spillable() else { return Course::Serve };
        held.want();
        let path = &names.name(held.path());
        let method = if *method == Method::HEAD { ticket::Method::Head } else { ticket::Method::Get };
        let fresh = held.fresh_until() > now.date;
        self.spiller.course(&Ask { method, path, digest, size, head, may_leave: may_leave && fresh, secure }, now)
    }

    /// Tells whether visitors want more than the uplink carries and there is somebody whom pages could name for it.
    pub(crate) fn names_others(&self, now: Now) -> bool {
        self.spiller.is_pressed(now) && (self.spiller.has_helpers(now) || self.agentless.has_room(now.date))
    }

    /// Tells whether the uplink owes so much that even a page would come too late.
    pub(crate) fn is_drowned(&self, now: Time) -> bool {
        self.uplink.debt(now) >= SHED_PAGES_DEBT
    }

    /// Charges the uplink for an answer that was not paid for when it was decided on. Returns whether its body is paid for too:
    /// what is still coming from the origin is paid for as it leaves.
    pub(crate) fn charge_answer(&self, headers: &HeaderMap, payload: &Payload, size: u64, now: Time) -> bool {
        let is_whole = matches!(payload, Payload::Empty | Payload::Whole(_) | Payload::Pieces(_));
        self.uplink.charge(head_bytes(headers) + if is_whole { size } else { 0 }, now);
        is_whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_parameters_never_reach_key_or_origin() {
        let config = Config::new(http::uri::Authority::from_static("127.0.0.1:1"));
        let (overflow, _wanted) = Overflow::new(&config, Now::default());
        let unmarked = |text: &str| {
            let mut uri = Uri::try_from(text).unwrap();
            assert_eq!(overflow.unmark(&mut uri, &Names::default(), Now::default()), Mark::None, "no lease made these marks");
            uri.to_string()
        };
        assert_eq!(unmarked("/a?x=1&overspill-back=AAAA"), "/a?x=1");
        assert_eq!(unmarked("http://blog.example/a?overspill-ticket=A"), "http://blog.example/a");
        assert_eq!(unmarked("/?overspill-back="), "/");
        assert_eq!(unmarked("/a?b"), "/a?b");
    }
}
