//! What the cache may answer, and what happens when it may not: collapsing, copies for bad times, and the waiting page at last.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, Response, StatusCode, header, uri::Scheme};
use http_body::Body;

use crate::{
    access::CacheUse,
    admission::{Class, Interest},
    body::Payload,
    cache::{
        admit::{Asked, Kept, admit},
        control::Control,
        decide::{Rules, Use, decide, does_for_preview, helps_failure, helps_overload},
        key::Key,
        stored::Stored,
        validate,
        vary::Encoding,
    },
    cookies::{Cookies, classify},
    early::Open,
    edge::Edge,
    fetch::{Order, fly, patience},
    flight::{Boarding, Course, Flight, Landing, Shared},
    headers,
    limits::PRESSURE_LOOK,
    origin::{Arriving, Fault},
    overflow::Prepaid,
    part, pass,
    paths::{is_asset, is_entrance},
    preview::Preview,
    probe,
    request::{Answer, Visit},
    respond, rewrite,
    spill::{
        Course as Turn, Spiller,
        limits::{ONSET_LOOK, ONSET_LOOKS},
        mark::Mark,
    },
    uplink::head_bytes,
    waiting::{self, Wish},
};

/// Answers a request for the site.
pub(crate) async fn serve(visit: Visit, edge: &Arc<Edge>) -> Answer {
    let cookies = classify(&visit.parts.headers);
    let Some(target) = visit.parts.uri.path_and_query().filter(|_| may_look_up(&visit, cookies)) else {
        return if only_if_cached(&visit) { respond::not_stored() } else { pass::pass(visit, edge, cookies).await };
    };
    let key = Key::new(visit.settings.config.scheme(visit.asker.secure), &visit.host, target);
    let preview = Preview::of(&visit, cookies);
    let encoding = preview.encoding(Encoding::of(&visit.parts.headers));
    let (now, rules) = (edge.clock.time(), rules(&visit));
    let authorized = visit.parts.headers.contains_key(header::AUTHORIZATION);
    let mut copy = edge.store.find(&key, &visit.parts.headers, encoding);
    if copy.is_none() {
        copy = Box::pin(recall(&visit, &key, encoding, edge)).await;
    }
    let copy = copy.filter(|stored| stored.is_for(cookies, authorized));
    if let Some(copy) = &copy
        && copy.is_fresh(now)
    {
        // The hot path: no lock but the store's.
        let spiller = &edge.overflow.spiller;
        if copy.spillable().is_some()
            && spiller.awaits_help(edge.clock.now())
            && Spiller::may_leave(&visit.parts.headers, false, visit.mark, visit.class)
        {
            await_help(edge).await;
        }
        return hit(&visit, copy, CacheUse::Hit, edge);
    }
    if let Some(copy) = copy.as_ref().filter(|copy| does_for_preview(copy, preview.age_max, now)) {
        edge.counters.previews_spared.one();
        return hit(&visit, copy, CacheUse::Hit, edge);
    }
    let pressure = visit.settings.admission.under_pressure(now);
    if !preview.is_granted() {
        visit.settings.admission.wanted(now);
    }
    if copy.is_none() && is_too_late(&visit, edge) {
        return (pass::shed(edge, Wish::new(&visit.parts), &visit.settings), CacheUse::None);
    }
    if let Some(copy) = &copy {
        match decide(copy, pressure, rules, now) {
            Use::Fresh => return hit(&visit, copy, CacheUse::Hit, edge),
            Use::Stale => {
                refresh(&visit, &key, encoding, cookies, copy, edge);
                return hit(&visit, copy, CacheUse::Stale, edge);
            }
            Use::Ask => {}
        }
    }
    if only_if_cached(&visit) {
        return respond::not_stored();
    }
    if copy.is_none() && !preview.whole && part::is_wanted(&visit.parts.method, &visit.parts.headers) {
        return part::part(visit, key, encoding, cookies, edge).await;
    }
    let part_or_head = !preview.whole && (visit.parts.method == Method::HEAD || visit.parts.headers.contains_key(header::RANGE));
    let with_cookies = cookies == Cookies::Unknown;
    let own_terms = authorized && is_conditional(&visit);
    if copy.is_none() && (part_or_head || own_terms || (with_cookies && !is_asset(visit.parts.uri.path()))) {
        return pass::pass(visit, edge, cookies).await;
    }
    if copy.is_none() && edge.store.is_passed(&key, now) {
        return pass_unshared(visit, key, edge, cookies).await;
    }
    if let Some(copy) = copy.as_ref().filter(|_| visit.parts.method == Method::HEAD && !preview.whole) {
        return probe::probe(visit, cookies, Arc::clone(copy), edge).await;
    }
    if copy.is_none()
        && let Some(pause) = pass::pause_of(&visit, edge)
    {
        return (waiting::wasteful(pause), CacheUse::None);
    }
    let course = Course { key, encoding, with_cookies };
    Errand { visit, course, cookies, rules, copy, preview }.run(pressure, edge).await
}

/// Passes on a request for a resource whose answers could not be shared lately: nobody waits for anybody ("hit for pass"). When one could be
/// shared, the next is looked up again.
async fn pass_unshared(visit: Visit, key: Key, edge: &Arc<Edge>, cookies: Cookies) -> Answer {
    let (asked, at) = (visit.parts.headers.clone(), edge.clock.date());
    let heard = |response: &Response<Arriving>| {
        let asked = Asked { path: key.path(), headers: &asked, cookies, at };
        if admit(asked, response.status(), response.headers(), edge.clock.date()).is_some() {
            edge.store.look_again(&key);
        }
        None
    };
    pass::forward(visit, edge, cookies, "fwd=miss", heard).await
}

/// Finds on disk what memory lacks, and offers it to helpers again.
async fn recall(visit: &Visit, key: &Key, encoding: Encoding, edge: &Edge) -> Option<Arc<Stored>> {
    let offer = |stored: &mut Stored| {
        if stored.is_fresh(edge.clock.time()) {
            visit.settings.offer(stored);
        }
    };
    let found = edge.store.recall(key, (&visit.parts.headers, encoding), &edge.clock, offer).await?;
    edge.overflow.hot.register(&found, &visit.settings.names.name(found.path()));
    Some(found)
}

/// Only GET and HEAD, without a session, a body, or conditions that only the origin can judge.
fn may_look_up(visit: &Visit, cookies: Cookies) -> bool {
    let headers = &visit.parts.headers;
    matches!(visit.parts.method, Method::GET | Method::HEAD)
        && cookies != Cookies::Session
        && !headers.contains_key(header::IF_MATCH)
        && !headers.contains_key(header::IF_UNMODIFIED_SINCE)
        && !headers.contains_key(header::UPGRADE)
        && visit.body.is_end_stream()
        && !is_entrance(visit.parts.uri.path())
}

//= RFC 9111 section 5.2.1.7
fn only_if_cached(visit: &Visit) -> bool {
    matches!(visit.parts.method, Method::GET | Method::HEAD) && Control::of(&visit.parts.headers).only_if_cached
}

fn is_conditional(visit: &Visit) -> bool {
    validate::CONDITIONS.iter().any(|name| visit.parts.headers.contains_key(name))
}

pub(crate) fn rules(visit: &Visit) -> Rules {
    let config = &visit.settings.config;
    Rules { micro_cache: config.micro_cache, stale_max: config.stale_max, stale_error_max: config.stale_error_max }
}

/// A crowd strikes in an instant, and the first lease takes a round trip: who would be refused meanwhile waits for it.
async fn await_help(edge: &Edge) {
    for _ in 0..ONSET_LOOKS {
        tokio::time::sleep(ONSET_LOOK).await;
        if !edge.overflow.spiller.awaits_help(edge.clock.now()) {
            return;
        }
    }
}

/// Answers with a stored response, or sends the visitor to a helper that holds it too when the site's own link cannot carry it.
fn hit(visit: &Visit, stored: &Arc<Stored>, cache: CacheUse, edge: &Edge) -> Answer {
    let now = edge.clock.now();
    let request = &visit.parts.headers;
    let (mut response, cache) = respond::from_stored(stored, request, cache, now.time);
    if stored.spillable().is_none() || response.status() == StatusCode::NOT_MODIFIED {
        if response.status() != StatusCode::NOT_MODIFIED && is_too_late(visit, edge) {
            return (pass::shed(edge, Wish::new(&visit.parts), &visit.settings), CacheUse::None);
        }
        return (rewrite::rewritten(visit, stored, &response, edge).unwrap_or(response), cache);
    }
    if visit.mark.stays() {
        // It came over another origin, so that a browser wants to know whether the page may have it; helpers say so of it, too.
        response.headers_mut().entry(header::ACCESS_CONTROL_ALLOW_ORIGIN).or_insert(HeaderValue::from_static("*"));
    }
    let size = if visit.parts.method == Method::HEAD { 0 } else { response.body().size_hint().exact().unwrap_or_default() };
    // Sessions never come this far.
    let may_leave = Spiller::may_leave(request, false, visit.mark, visit.class);
    let secure = visit.asker.secure || *visit.settings.config.scheme(false) == Scheme::HTTPS;
    match edge.overflow.course(
        &visit.parts.method,
        (stored, &visit.settings.names),
        (head_bytes(response.headers()), size),
        (may_leave, secure),
        now,
    ) {
        Turn::Serve => {
            response.extensions_mut().insert(Prepaid);
            (response, cache)
        }
        Turn::Spill(redirect) => {
            let mut redirect = redirect.response().map(Payload::whole);
            redirect.extensions_mut().insert(Prepaid);
            (redirect, CacheUse::Spilled)
        }
        Turn::Shed => (waiting::overloaded(), CacheUse::None),
    }
}

/// Tells whether an answer of some size would only make the site's own link later for everybody. Who was sent here by a helper
/// has waited already.
fn is_too_late(visit: &Visit, edge: &Edge) -> bool {
    visit.mark != Mark::Good && edge.overflow.is_drowned(edge.clock.time())
}

fn order(visit: &Visit, course: Course, cookies: Cookies, copy: Option<&Arc<Stored>>, edge: &Edge) -> Order {
    let parts = &visit.parts;
    let scheme = visit.settings.config.scheme(visit.asker.secure);
    Order {
        settings: Arc::clone(&visit.settings),
        course,
        target: parts.uri.clone(),
        fields: headers::to_origin(parts.headers.clone(), &Method::GET, &visit.host, visit.asker, scheme, &edge.loop_token),
        asked: parts.headers.clone(),
        cookies,
        visitor: visit.asker.visitor,
        copy: copy.filter(|copy| copy.has_validator()).cloned(),
        copy_was_spillable: copy.is_some_and(|copy| copy.spillable().is_some()),
        copy_helps: copy.is_some_and(|copy| !copy.forbids_stale),
        class: pass::class_of(visit, cookies),
        early: None,
        reserved: None,
    }
}

/// Refreshes a copy in the background, if the origin has a place that nobody wants and no fetch is under way.
fn refresh(visit: &Visit, key: &Key, encoding: Encoding, cookies: Cookies, copy: &Arc<Stored>, edge: &Arc<Edge>) {
    let Some(permit) = visit.settings.admission.enter_spare() else { return };
    let course = Course { key: key.clone(), encoding, with_cookies: cookies == Cookies::Unknown };
    let attached = visit.settings.config.timeouts.attached;
    if let Boarding::First(flight) = edge.flights.board(&course, attached, edge.clock.time()) {
        edge.counters.origin_refreshes.one();
        let order = order(visit, course, cookies, Some(copy), edge);
        tokio::spawn(fly(Arc::clone(edge), order, flight, Some(permit)));
    }
}

/// A visitor's errand to the origin, alone or with others.
struct Errand {
    visit: Visit,
    course: Course,
    cookies: Cookies,
    rules: Rules,
    copy: Option<Arc<Stored>>,
    preview: Preview,
}

/// A visitor's part in a fetch.
struct Departed {
    flight: Arc<Flight>,
    /// Held from the beginning: a fetch in which nobody is interested ends.
    interest: Arc<Interest>,
    /// It was begun for this visitor.
    first: bool,
    /// Early hints are for whom it was begun.
    _hints: Option<Open>,
}

/// What waiting for a fetch came to.
enum Waited {
    Landed(Landing),
    /// The copy at hand has to do.
    CopyNeeded,
    /// Nothing came of it for long.
    Stalled,
}

impl Errand {
    async fn run(self, pressure: bool, edge: &Arc<Edge>) -> Answer {
        let now = edge.clock.time();
        // In calm, what must not be shared is not waited for together.
        let unshared = |copy: &Arc<Stored>| copy.kept == Kept::Contract && !self.preview.is_granted();
        let authorized = self.visit.parts.headers.contains_key(header::AUTHORIZATION);
        let alone = authorized || (!pressure && self.copy.as_ref().is_some_and(unshared)) || edge.store.is_passed(&self.course.key, now);
        let mut part = match self.depart(alone, edge).await {
            Ok(part) => part,
            Err(pause) => return (waiting::wasteful(pause), CacheUse::None),
        };
        let mut waited = self.wait(&part, edge).await;
        if matches!(waited, Waited::Stalled) {
            // Its leader is stuck; of those who waited with it, one leads anew.
            part = match self.depart(alone, edge).await {
                Ok(part) => part,
                Err(pause) => return (waiting::wasteful(pause), CacheUse::None),
            };
            waited = self.wait(&part, edge).await;
        }
        let landing = match waited {
            Waited::Landed(landing) => landing,
            Waited::CopyNeeded => return self.with_copy(edge),
            Waited::Stalled => Landing::Failed(Fault::Late),
        };
        let Departed { flight, interest, first, _hints } = part;
        match landing {
            Landing::Shared(shared) => self.share(&shared, interest, first, edge).await,
            // It confirms the first visitor's variant, which may not be this one's.
            Landing::Confirmed(stored) if stored.answers(&self.visit.parts.headers, self.course.encoding) => {
                hit(&self.visit, &stored, CacheUse::Revalidated, edge)
            }
            Landing::Confirmed(_) => pass::pass(self.visit, edge, self.cookies).await,
            // Whoever joined leaves it to the first.
            Landing::Alone => match first.then(|| flight.take_leftover()).flatten() {
                Some((response, permit, reserved)) => {
                    let idle = self.visit.settings.config.timeouts.origin_idle;
                    (pass::passing(response, idle, (Some(Box::new(permit)), None, reserved), "fwd=miss"), CacheUse::Miss)
                }
                None => pass::pass(self.visit, edge, self.cookies).await,
            },
            Landing::Failed(fault) => match self.last_resort(edge, helps_failure) {
                Some(copy) => hit(&self.visit, &copy, CacheUse::Stale, edge),
                None => (pass::failed(fault, Wish::new(&self.visit.parts), &self.visit.settings), CacheUse::Miss),
            },
            Landing::Shed => match self.last_resort(edge, helps_overload) {
                Some(copy) => hit(&self.visit, &copy, CacheUse::Stale, edge),
                None => (pass::shed(edge, Wish::new(&self.visit.parts), &self.visit.settings), CacheUse::Miss),
            },
        }
    }

    /// Joins a fetch that others wait for, or begins one, unless too much was fetched in vain for this visitor: then for how long.
    async fn depart(&self, alone: bool, edge: &Arc<Edge>) -> Result<Departed, Duration> {
        // Whoever has a copy costs the origin a confirmation, mostly.
        let reserved = if self.copy.is_none() { pass::reserve(self.visit.asker.visitor, &self.visit.settings, edge).await? } else { None };
        let (now, attached) = (edge.clock.time(), self.visit.settings.config.timeouts.attached);
        let boarding = if alone { Boarding::First(Flight::new(now)) } else { edge.flights.board(&self.course, attached, now) };
        Ok(match boarding {
            Boarding::First(flight) => {
                let interest = Arc::clone(&flight.interest);
                let hints = match self.visit.early.clone() {
                    Some(early) => Some(Open::new(early).await),
                    None => None,
                };
                let mut order = order(&self.visit, self.course.clone(), self.cookies, self.copy.as_ref(), edge);
                order.early.clone_from(&self.visit.early);
                order.reserved = reserved;
                tokio::spawn(fly(Arc::clone(edge), order, Arc::clone(&flight), None));
                Departed { flight, interest, first: true, _hints: hints }
            }
            Boarding::Joined(flight) => {
                if pass::class_of(&self.visit, self.cookies) != Class::Later {
                    flight.interest.is_a_persons();
                }
                Departed { interest: Arc::clone(&flight.interest), flight, first: false, _hints: None }
            }
        })
    }

    /// Waits for the fetch: with a copy that will do in need, or for a fetch that another began, only for a while.
    async fn wait(&self, part: &Departed, edge: &Edge) -> Waited {
        let helps = self.copy.as_ref().is_some_and(|copy| helps_overload(copy, self.rules, edge.clock.time()));
        let mut landed = std::pin::pin!(part.flight.landed());
        if !helps {
            let stalls = part.flight.began.after(self.visit.settings.config.timeouts.attached).since(edge.clock.time());
            return match tokio::time::timeout(if part.first { Duration::MAX } else { stalls }, landed).await {
                Ok(landing) => Waited::Landed(landing),
                Err(_) => Waited::Stalled,
            };
        }
        let deadline = edge.clock.time().after(patience(&self.visit.settings, edge));
        loop {
            if let Ok(landing) = tokio::time::timeout(PRESSURE_LOOK, landed.as_mut()).await {
                return Waited::Landed(landing);
            }
            let now = edge.clock.time();
            if now >= deadline || self.visit.settings.admission.under_pressure(now) {
                return Waited::CopyNeeded;
            }
        }
    }

    /// Answers with the copy at hand.
    fn with_copy(&self, edge: &Edge) -> Answer {
        match &self.copy {
            Some(copy) => hit(&self.visit, copy, CacheUse::Stale, edge),
            None => (pass::shed(edge, Wish::new(&self.visit.parts), &self.visit.settings), CacheUse::Miss),
        }
    }

    /// The copy at hand, or one that came meanwhile, if it may be shown now.
    fn last_resort(&self, edge: &Edge, helps: fn(&Stored, Rules, overspill_governance::time::Time) -> bool) -> Option<Arc<Stored>> {
        let authorized = self.visit.parts.headers.contains_key(header::AUTHORIZATION);
        let found = edge.store.find(&self.course.key, &self.visit.parts.headers, self.course.encoding);
        let copy = found.filter(|stored| stored.is_for(self.cookies, authorized)).or_else(|| self.copy.clone())?;
        helps(&copy, self.rules, edge.clock.time()).then_some(copy)
    }

    /// Follows a shared answer, if it is an answer to this visitor's request too.
    async fn share(self, shared: &Arc<Shared>, interest: Arc<Interest>, first: bool, edge: &Arc<Edge>) -> Answer {
        let request = &self.visit.parts.headers;
        // RFC 5861 section 4: these four are what stale-if-error speaks of.
        let failed = matches!(
            shared.status,
            StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        );
        if failed && let Some(copy) = self.last_resort(edge, helps_failure) {
            return hit(&self.visit, &copy, CacheUse::Stale, edge);
        }
        let admission = &self.visit.settings.admission;
        let pages_are_shared = || self.preview.is_granted() || admission.is_busy() || admission.under_pressure(edge.clock.time());
        let for_me = first
            || (shared.vary.values(request, self.course.encoding) == shared.values
                && (shared.kept != Some(Kept::Contract) || pages_are_shared()));
        let fits = self.visit.parts.method == Method::GET || shared.kept.is_some();
        if for_me
            && fits
            && let Some(answer) = respond::from_shared(shared, interest, &conditions(&self.visit), (first, self.copy.is_some()))
        {
            return answer;
        }
        pass::pass(self.visit, edge, self.cookies).await
    }
}

/// The request's fields as far as they may decide about an answer that is still coming: ranges need a whole body.
fn conditions(visit: &Visit) -> http::HeaderMap {
    let wanted = |name: &&http::HeaderName| **name != header::RANGE && **name != header::IF_RANGE;
    validate::CONDITIONS
        .iter()
        .filter(wanted)
        .flat_map(|name| visit.parts.headers.get_all(name).iter().map(|value| (name.clone(), value.clone())))
        .collect()
}
