//! Which requests the express lane answers, and with what. Every question that it cannot answer at once it leaves to the usual way
//! ([`crate::request`]), untouched and uncounted.

use std::{str, sync::Arc, task::Context, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, Uri, Version, uri::Scheme};
use httparse::{EMPTY_HEADER, Header};
use overspill_governance::time::Now;

use super::{
    Work,
    ask::Ask,
    frozen::{Tail, head},
    outgoing::Outgoing,
    told::Told,
};
use crate::{
    access::{AccessRecord, Account, CacheUse},
    body::Payload,
    cache::{key, stored::Stored},
    classes::{RequestClass, is_suspect, of_fields},
    cookies::Cookies,
    early::Early,
    edge::{Edge, Settings},
    gate,
    limits::EXPRESS_FIELDS_MAX,
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
}

/// A host that this site answers for, as it was last asked for on this connection.
pub(super) struct Known {
    text: Box<[u8]>,
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
        Self { edge, peer, early, known: None, named: None, key: String::new() }
    }

    /// What is done with a request of which this is the head; nothing if it must go the usual way.
    pub(super) fn take(&mut self, bytes: &[u8], cx: &Context<'_>) -> Option<Work> {
        let mut fields = [EMPTY_HEADER; EXPRESS_FIELDS_MAX];
        let (ask, fields) = Ask::read(bytes, &mut fields)?;
        self.look_up_host(ask.host)?;
        if may_be_marked(ask.target) || ask.target.starts_with(WELL_KNOWN) {
            return None;
        }
        self.key.push_str(ask.target);
        match self.answer(&ask, fields) {
            Some(outgoing) => Some(Work::Answering(outgoing)),
            None => self.forward(&ask, fields, bytes, cx).map(Work::Forwarding),
        }
    }

    /// The answer, if one is stored that may be used as it is.
    fn answer(&mut self, ask: &Ask<'_>, fields: &[Header<'_>]) -> Option<Outgoing> {
        if ask.cookies != Cookies::Free {
            return None;
        }
        let stored = self.edge.store.find_plain(&self.key, ask.encoding)?;
        let now = self.edge.clock.now();
        if !stored.is_fresh(now.time) || !has_plain_body(stored.status) {
            return None;
        }
        let class = self.class(ask.target, fields);
        let answer = match stored.spillable() {
            Some(_) => self.asset(&stored, fields, class, now)?,
            None => self.page(&stored, now)?,
        };
        Some(self.send(answer, ask, (fields, class), now))
    }

    /// Finds out once, and again after new settings, whether the site answers for this host at all, and readies the key.
    fn look_up_host(&mut self, text: &[u8]) -> Option<()> {
        let settings = self.edge.settings.load();
        if self.known.as_ref().is_none_or(|known| *known.text != *text || !Arc::ptr_eq(&known.settings, &settings)) {
            self.known = None;
            let host = gate::authority(text).ok()?;
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
            self.known = Some(Known { text: text.into(), told, settings: Arc::clone(&settings), site, secure, prefix: self.key.len() });
        }
        let known = self.known.as_ref()?;
        self.key.truncate(known.prefix);
        // Guests come and go with leases.
        str::from_utf8(text).ok().filter(|host| !self.edge.overflow.guests.is_guest(host)).map(|_| ())
    }

    /// Who seems to ask. A connection is one program's, mostly, so that its name is read once.
    pub(super) fn class(&mut self, target: &str, fields: &[Header<'_>]) -> RequestClass {
        if is_suspect(target) {
            return RequestClass::Suspect;
        }
        let value = |name: &str| fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value);
        let (agent, has_from) = (value("user-agent"), value("from").is_some());
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
    fn asset(&self, stored: &Arc<Stored>, fields: &[Header<'_>], class: RequestClass, now: Now) -> Option<Answer> {
        let overflow = &self.edge.overflow;
        if overflow.spiller.awaits_help(now) {
            return None;
        }
        let answer = Answer::of(stored, now);
        let size = answer.body.len() as u64;
        let secure = self.known.as_ref().is_some_and(|known| known.secure);
        let names = &self.known.as_ref()?.site.names;
        let may_leave = overflow.spiller.asks_who() && Spiller::may_leave(fields, false, Mark::None, class);
        match overflow.course(&Method::GET, (stored, names), (answer.head_length(), size), (may_leave, secure), now) {
            Course::Serve => Some(Answer { pause: overflow.uplink.pause(size, size, now.time), ..answer }),
            Course::Spill(redirect) => Some(Answer::redirect(redirect)),
            Course::Shed => Some(Answer::made(waiting::overloaded().map(Payload::into_bytes), CacheUse::None)),
        }
    }

    /// Everything else is served, unless the link is in a state in which that takes thought.
    fn page(&self, stored: &Arc<Stored>, now: Now) -> Option<Answer> {
        let overflow = &self.edge.overflow;
        if overflow.is_drowned(now.time) || overflow.names_others(now) {
            return None;
        }
        let answer = Answer::of(stored, now);
        let size = answer.body.len() as u64;
        overflow.uplink.charge(answer.head_length() + size, now.time);
        let pause = overflow.uplink.pause(size, size, now.time);
        Some(Answer { pause, ..answer })
    }

    /// Opens the account and puts the answer on its way.
    fn send(&self, answer: Answer, ask: &Ask<'_>, (fields, class): (&[Header<'_>], RequestClass), now: Now) -> Outgoing {
        let edge = &self.edge;
        edge.active.rise();
        edge.counters.requests.one();
        edge.counters.of_class(class).one();
        edge.counters.expressed.one();
        edge.count_answer(answer.status, answer.cache);
        let account = Account {
            start: now.time,
            bytes: 0,
            answered: true,
            complete: false,
            prepaid: true,
            visitor: self.peer.address,
            miss_budget: self.known.as_ref().and_then(|known| known.site.config.miss_budget),
            passing: None,
            charged: 0,
            record: edge.keeps_records().then(|| Box::new(self.record((answer.status, answer.cache), ask, (fields, class), now))),
        };
        Outgoing::new(Arc::clone(edge), account, (answer.head, answer.tail), answer.body, answer.pause)
    }

    pub(super) fn record(
        &self,
        (status, cache): (StatusCode, CacheUse),
        ask: &Ask<'_>,
        (fields, class): (&[Header<'_>], RequestClass),
        now: Now,
    ) -> AccessRecord {
        let field = |name: &str| {
            let named = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
            HeaderValue::from_bytes(named.value).ok()
        };
        AccessRecord {
            date: now.date,
            visitor: self.peer.address,
            method: Method::GET,
            target: Uri::try_from(ask.target).unwrap_or_default(),
            version: Version::HTTP_11,
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

/// An answer, ready to leave.
struct Answer {
    status: StatusCode,
    cache: CacheUse,
    head: Bytes,
    tail: Tail,
    body: Bytes,
    pause: Duration,
}

impl Answer {
    /// With a stored response.
    fn of(stored: &Stored, now: Now) -> Self {
        Self {
            status: stored.status,
            cache: CacheUse::Hit,
            head: stored.head(),
            tail: Tail::of_hit(stored.length(), stored.age(now.time).as_secs(), stored.time_to_live(now.time)),
            body: stored.body(),
            pause: Duration::ZERO,
        }
    }

    /// With the way to a helper.
    fn redirect(redirect: Redirect) -> Self {
        let (status, cache) = (StatusCode::FOUND, CacheUse::Spilled);
        Self { status, cache, head: redirect.into_head(), tail: Tail::END, body: Bytes::new(), pause: Duration::ZERO }
    }

    /// With a response that was made for the occasion.
    fn made(response: Response<Bytes>, cache: CacheUse) -> Self {
        let (parts, body) = response.into_parts();
        let head = head(parts.status, &parts.headers, body.len()).into();
        Self { status: parts.status, cache, head, tail: Tail::END, body, pause: Duration::ZERO }
    }

    fn head_length(&self) -> u64 {
        (self.head.len() + self.tail.as_bytes().len()) as u64
    }
}

/// Responses that say nothing of a body have other rules for its length.
fn has_plain_body(status: StatusCode) -> bool {
    !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}
