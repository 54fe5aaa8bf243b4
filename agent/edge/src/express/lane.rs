//! Which requests the express lane answers, and with what. Every question that it cannot answer at once it leaves to the usual way
//! ([`crate::request`]), untouched and uncounted.

use std::{str, sync::Arc, task::Context, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode, Uri,
    request::Parts,
    uri::{Authority, Scheme},
};
use overspill_governance::time::Now;

use super::{
    Work,
    ask::{self, Ask},
    outgoing::{Answer, Outgoing},
    told::Told,
};
use crate::{
    access::{AccessRecord, Account, CacheUse},
    authority::read_authority,
    body::Payload,
    cache::{key, stored::Stored},
    classes::{RequestClass, is_suspect, of_fields},
    cookies::Cookies,
    early::Early,
    edge::{Edge, Settings},
    request::Peer,
    spill::{
        Course, Redirect, Spiller,
        mark::{Mark, may_be_marked},
    },
    waiting,
};

/// Below this the edge answers for itself, for members and for authorities; none of it is in the cache's way.
const WELL_KNOWN: &str = "/.well-known/";

/// One connection's way past the library.
pub(crate) struct Lane {
    pub(super) edge: Arc<Edge>,
    pub(super) peer: Peer,
    pub(super) early: Arc<Early>,
    pub(super) known: Option<Known>,
    /// What the connection's visitor said of itself last, and what that makes of it.
    named: Option<(Box<[u8]>, RequestClass)>,
    /// The cache key of the request at hand, which begins with the known host's part.
    pub(super) key: String,
    /// The head of the request at hand, if it is being forwarded.
    pub(super) request: Vec<u8>,
}

/// A host that this site answers for, as it was last asked for on this connection.
pub(super) struct Known {
    text: Box<[u8]>,
    host: Authority,
    settings: Arc<Settings>,
    /// The host's own.
    pub(super) site: Arc<Settings>,
    /// What the origin is told of requests to it on this connection.
    pub(super) told: Told,
    /// Its visitors come by https, or should.
    secure: bool,
    /// How much of the key says it.
    prefix: usize,
}

impl Lane {
    pub(crate) fn new(edge: Arc<Edge>, peer: Peer, early: Arc<Early>) -> Self {
        Self { edge, peer, early, known: None, named: None, key: String::new(), request: Vec::new() }
    }

    /// What is done with a request of which this is the head; nothing if it must go the usual way.
    pub(super) fn take(&mut self, bytes: &[u8], cx: &Context<'_>) -> Option<Work> {
        let mut room = ask::room();
        let ask = Ask::read(bytes, &mut room)?;
        self.look_up(&ask)?;
        match self.answer(&ask) {
            Some(outgoing) => Some(Work::Answering(outgoing)),
            None => {
                let forwarding = self.forward(&ask, cx)?;
                self.request.clear();
                self.request.extend_from_slice(bytes);
                Some(Work::Forwarding(forwarding))
            }
        }
    }

    /// Path and query of the request at hand.
    pub(super) fn target(&self) -> &str {
        self.known.as_ref().and_then(|known| self.key.get(known.prefix..)).unwrap_or_default()
    }

    /// The answer, if one is stored that may be used as it is.
    fn answer(&mut self, ask: &Ask<'_>) -> Option<Outgoing> {
        let decided = self.decide(ask, |stored, now| {
            let answer = Answer::of(stored, now);
            let length = answer.head_length() as u64;
            (answer, length)
        })?;
        let account = self.account(&decided, ask);
        let (answer, pause) = match decided.way {
            Way::Stored(answer, pause) => (answer, pause),
            Way::Spilled(redirect) => (Answer::redirect(redirect), Duration::ZERO),
            Way::Made(response) => (Answer::made(response), Duration::ZERO),
        };
        Some(Outgoing::new(Arc::clone(&self.edge), account, answer, pause))
    }

    /// The answer to a request of HTTP/2 without a body, and its open account; nothing if it must go the usual way. `make` is given what is stored.
    pub(crate) fn answer_parts<A>(&mut self, parts: &Parts, make: impl FnOnce(&Arc<Stored>, Now) -> (A, u64)) -> Option<(Way<A>, Account)> {
        let ask = Ask::of_parts(parts)?;
        self.look_up(&ask)?;
        let decided = self.decide(&ask, make)?;
        let account = self.account(&decided, &ask);
        Some((decided.way, account))
    }

    /// Readies the key of a request for what the site, and nobody else, answers.
    fn look_up(&mut self, ask: &Ask<'_>) -> Option<()> {
        self.look_up_host(ask.host)?;
        if may_be_marked(ask.target) || ask.target.starts_with(WELL_KNOWN) {
            return None;
        }
        let (denials, known) = (&self.edge.overflow.denials, self.known.as_ref()?);
        if denials.of_site(&known.site.config, &known.host, ask.target).is_some() {
            return None;
        }
        self.key.push_str(ask.target);
        Some(())
    }

    /// Decides on a plain request. `make` makes the answer out of what is stored, and says how long its head is.
    fn decide<A>(&mut self, ask: &Ask<'_>, make: impl FnOnce(&Arc<Stored>, Now) -> (A, u64)) -> Option<Decided<A>> {
        if ask.cookies != Cookies::Free {
            return None;
        }
        let stored = self.edge.store.find_plain(&self.key, ask.encoding)?;
        let now = self.edge.clock.now();
        if !stored.is_fresh(now.time) || !has_plain_body(stored.status) {
            return None;
        }
        let class = self.class(ask);
        let (way, status, cache) = match stored.spillable() {
            Some(_) => self.asset(&stored, make, (ask, class), now)?,
            None => self.page(&stored, make, now)?,
        };
        Some(Decided { way, status, cache, class, now })
    }

    /// Finds out once, and again after new settings, whether the site answers for this host at all, and readies the key.
    fn look_up_host(&mut self, text: &[u8]) -> Option<()> {
        let settings = self.edge.settings.load();
        if self.known.as_ref().is_none_or(|known| *known.text != *text || !Arc::ptr_eq(&known.settings, &settings)) {
            self.known = None;
            let host = read_authority(text)?;
            let site = settings.of_host(&host)?;
            let config = &site.config;
            let to_elsewhere = config.tls.redirect && !self.peer.secure;
            // Trusted proxies say who asks, and how: that takes reading.
            if to_elsewhere || config.trusted_proxies.contains(&self.peer.address) {
                return None;
            }
            let scheme = config.scheme(self.peer.secure);
            self.key = key::origin(scheme, &host);
            let secure = self.peer.secure || *scheme == Scheme::HTTPS;
            let told = Told::new(&host, &self.peer, scheme, &self.edge.loop_token);
            let (settings, prefix) = (Arc::clone(&settings), self.key.len());
            self.known = Some(Known { text: text.into(), host, told, settings, site, secure, prefix });
        }
        let known = self.known.as_ref()?;
        self.key.truncate(known.prefix);
        // Guests come and go with leases.
        let guests = &self.edge.overflow.guests;
        (!guests.has_any() || str::from_utf8(text).is_ok_and(|host| !guests.is_guest(host))).then_some(())
    }

    /// Who seems to ask. A connection is one program's, mostly, so that its name is read once.
    pub(super) fn class(&mut self, ask: &Ask<'_>) -> RequestClass {
        if is_suspect(ask.target) {
            return RequestClass::Suspect;
        }
        let (agent, has_from) = (ask.fields.value("user-agent"), ask.fields.value("from").is_some());
        match (&self.named, agent) {
            (Some((name, class)), Some(agent)) if **name == *agent && !has_from => *class,
            _ => {
                let class = of_fields(agent, has_from);
                self.named = agent.filter(|_| !has_from).map(|agent| (agent.into(), class));
                class
            }
        }
    }

    /// What helpers may have goes by their rules.
    fn asset<A>(
        &self,
        stored: &Arc<Stored>,
        make: impl FnOnce(&Arc<Stored>, Now) -> (A, u64),
        (ask, class): (&Ask<'_>, RequestClass),
        now: Now,
    ) -> Option<(Way<A>, StatusCode, CacheUse)> {
        let (overflow, known) = (&self.edge.overflow, self.known.as_ref()?);
        if overflow.spiller.awaits_help(now) {
            return None;
        }
        let (answer, head) = make(stored, now);
        let size = stored.length();
        let may_leave = overflow.spiller.asks_who() && Spiller::may_leave(&ask.fields, false, Mark::None, class);
        Some(match overflow.course(&Method::GET, (stored, &known.site.names), (head, size), (may_leave, known.secure), now) {
            Course::Serve => (Way::Stored(answer, overflow.uplink.pause(size, size, now.time)), stored.status, CacheUse::Hit),
            Course::Spill(redirect) => (Way::Spilled(redirect), StatusCode::FOUND, CacheUse::Spilled),
            Course::Shed => Way::made(waiting::overloaded().map(Payload::into_bytes), CacheUse::None),
        })
    }

    /// Everything else is served, unless the link is in a state in which that takes thought.
    fn page<A>(
        &self,
        stored: &Arc<Stored>,
        make: impl FnOnce(&Arc<Stored>, Now) -> (A, u64),
        now: Now,
    ) -> Option<(Way<A>, StatusCode, CacheUse)> {
        let overflow = &self.edge.overflow;
        if overflow.is_drowned(now.time) || overflow.names_others(now) {
            return None;
        }
        let (answer, head) = make(stored, now);
        let size = stored.length();
        overflow.uplink.charge(head + size, now.time);
        Some((Way::Stored(answer, overflow.uplink.pause(size, size, now.time)), stored.status, CacheUse::Hit))
    }

    /// Counts the request, and opens its account.
    fn account<A>(&self, decided: &Decided<A>, ask: &Ask<'_>) -> Account {
        let edge = &self.edge;
        edge.active.rise();
        edge.counters.requests.one();
        edge.counters.of_class(decided.class).one();
        edge.counters.expressed.one();
        edge.count_answer(decided.status, decided.cache);
        Account {
            start: decided.now.time,
            bytes: 0,
            answered: true,
            complete: false,
            prepaid: true,
            visitor: self.peer.address,
            miss_budget: self.known.as_ref().and_then(|known| known.site.config.miss_budget),
            passing: None,
            charged: 0,
            record: edge.keeps_records().then(|| Box::new(self.record((decided.status, decided.cache), ask, decided.class, decided.now))),
        }
    }

    pub(super) fn record(&self, (status, cache): (StatusCode, CacheUse), ask: &Ask<'_>, class: RequestClass, now: Now) -> AccessRecord {
        let field = |name: &str| HeaderValue::from_bytes(ask.fields.value(name)?).ok();
        AccessRecord {
            date: now.date,
            visitor: self.peer.address,
            method: Method::GET,
            target: Uri::try_from(ask.target).unwrap_or_default(),
            version: ask.version,
            host: HeaderValue::from_bytes(ask.host).ok(),
            referer: field("referer"),
            user_agent: field("user-agent"),
            status,
            bytes: 0,
            duration: Duration::ZERO,
            cache,
            class,
            complete: false,
        }
    }
}

/// What is decided about a plain request.
struct Decided<A> {
    way: Way<A>,
    status: StatusCode,
    cache: CacheUse,
    class: RequestClass,
    now: Now,
}

/// What a plain request is answered with.
pub(crate) enum Way<A> {
    /// With what is stored, after a pause if the link is owed so much.
    Stored(A, Duration),
    /// With the way to a helper.
    Spilled(Redirect),
    /// With a response that was made for the occasion.
    Made(Response<Bytes>),
}

impl<A> Way<A> {
    fn made(response: Response<Bytes>, cache: CacheUse) -> (Self, StatusCode, CacheUse) {
        let status = response.status();
        (Self::Made(response), status, cache)
    }
}

/// Responses that say nothing of a body have other rules for its length.
fn has_plain_body(status: StatusCode) -> bool {
    !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}
