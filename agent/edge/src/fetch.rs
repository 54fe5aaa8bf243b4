//! One fetch from the origin for the cache: a task of its own, so that it outlives the visitor who began it.

use std::{future::poll_fn, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use memchr::memchr;
use overspill_governance::{
    digest::ObjectDigest,
    time::{Now, Time},
};
use overspill_protocol::{limits::OBJECT_BYTES_MAX, overload::gradient::Work};
use sha2::{Digest, Sha256};

use crate::{
    admission::{Class, Permit},
    body::Passing,
    cache::{
        admit::{Admitted, Asked, Kept, admit},
        disk::large::Draft,
        growing::{Ending, Growing},
        key::Key,
        status,
        stored::Stored,
        targeted::Governing,
        validate,
        vary::{Encoding, Vary},
    },
    cookies::Cookies,
    debts::Reservation,
    early::{Early, relay},
    edge::{Edge, Settings},
    flight::{Closing, Course, Flight, Landing, Shared},
    headers,
    limits::{FINISHED_ALONE_BYTES, PATIENCE_MIN, PRESSURE_LOOK, STORED_BODY_BYTES_MAX, UNSEEN_BYTES},
    origin::{Arriving, Fault, nothing},
    paths::{is_asset, is_passive_type},
};

/// What is to be fetched, for whom, and what is stored of it already.
pub(crate) struct Order {
    pub(crate) settings: Arc<Settings>,
    pub(crate) course: Course,
    pub(crate) target: Uri,
    /// Fields of the request to the origin, without conditions.
    pub(crate) fields: HeaderMap,
    /// Fields of the visitor's request: what Vary speaks of.
    pub(crate) asked: HeaderMap,
    pub(crate) cookies: Cookies,
    /// For whom it is fetched.
    pub(crate) visitor: IpAddr,
    /// Has a validator.
    pub(crate) copy: Option<Arc<Stored>>,
    pub(crate) copy_was_spillable: bool,
    /// May be shown while the origin fails.
    pub(crate) copy_helps: bool,
    pub(crate) class: Class,
    /// Where the first visitor hears early hints.
    pub(crate) early: Option<Arc<Early>>,
    /// What its visitor owes for it, until that is known.
    pub(crate) reserved: Option<Reservation>,
}

/// What a fetch holds until its answer is there: a place at the origin, and what its visitor is taken to owe for it.
type Taken = (Permit, Option<Reservation>);

/// Tells what kind of work a target is for the origin.
pub(crate) fn work_of(target: &str) -> Work {
    let path = memchr(b'?', target.as_bytes()).map_or(target, |at| &target[..at]);
    if is_asset(path) { Work::Asset } else { Work::Page }
}

/// Runs the fetch. `permit` is the place at the origin if it was taken already, by a background refresh.
pub(crate) async fn fly(edge: Arc<Edge>, mut order: Order, flight: Arc<Flight>, permit: Option<Permit>) {
    let background = permit.is_some();
    let _closing = Closing { flights: &edge.flights, course: &order.course, flight: &flight };
    let permit = match permit {
        Some(permit) => permit,
        None => {
            let entered = tokio::select! {
                entered = order.settings.admission.enter(order.class, &flight.interest) => entered.map_err(|_| Landing::Shed),
                // Whoever joins it in its last moment fetches alone.
                () = deserted(&flight) => Err(Landing::Alone),
            };
            match entered {
                Ok(permit) => permit,
                Err(landing) => {
                    edge.flights.close(&order.course, &flight);
                    flight.land(landing);
                    return;
                }
            }
        }
    };
    let reserved = order.reserved.take();
    fetch(&edge, &order, &flight, (permit, reserved), background).await;
}

/// Waits until nobody wants the answer any more: then it needs no place in the queue.
async fn deserted(flight: &Flight) {
    while !flight.is_deserted() {
        tokio::time::sleep(PRESSURE_LOOK).await;
    }
}

async fn fetch(edge: &Arc<Edge>, order: &Order, flight: &Flight, (permit, reserved): Taken, background: bool) {
    let asked_at = edge.clock.now();
    let timeouts = &order.settings.config.timeouts;
    edge.counters.origin_requests.one();
    let response = match order.settings.origin.fetch(order.request(), timeouts.origin_head).await {
        Ok(response) => response,
        Err(fault) => {
            if fault != Fault::Unreachable {
                permit.on_drop();
            }
            edge.count_fault(fault);
            // Given back before anybody hears of it, or those who try again would find it taken.
            drop(permit);
            flight.land(Landing::Failed(fault));
            return;
        }
    };
    let now = edge.clock.now();
    let (mut parts, body) = response.into_parts();
    match parts.status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => permit.on_drop(),
        _ => permit.on_answer(work_of(order.course.key.path())),
    }
    let asked = Asked { path: order.course.key.path(), headers: &order.asked, cookies: order.cookies, at: asked_at.date };
    if parts.status == StatusCode::NOT_MODIFIED
        && let Some(copy) = &order.copy
    {
        drop(permit);
        headers::from_origin(&mut parts.headers);
        let updated = copy.updated_headers(&parts.headers);
        let confirmed = match admit(asked, copy.status, &updated, now.date) {
            Some(admitted) => order.store(edge, copy.confirmed(admitted, updated, now), asked_at.time),
            None => Arc::clone(copy),
        };
        flight.land(Landing::Confirmed(confirmed));
        return;
    }
    // A failure never takes the place of a copy that helps against it.
    let replaces_good = order.copy_helps && status::is_failure(parts.status);
    let admitted = admit(asked, parts.status, &parts.headers, now.date).filter(|admitted| {
        let disguised = admitted.kept() != Kept::Explicit && is_disguised(asked.path, order.cookies, &parts.headers);
        (short_enough(&body) || edge.store.keeps_apart(body.size_hint().exact())) && !replaces_good && !disguised
    });
    let shared_error = parts.status.is_server_error() && is_for_everybody(&parts.headers);
    if admitted.is_none() && !shared_error {
        edge.store.pass(&order.course.key, now.time);
        flight.land_alone((Response::from_parts(parts, body), permit, reserved));
        return;
    }
    headers::from_origin(&mut parts.headers);
    fill(edge, order, flight, (parts, body), (admitted, asked_at.time, now), (permit, reserved), background).await;
}

/// An error page may be shown to all who wait for the same thing; it is not stored.
fn is_for_everybody(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::SET_COOKIE) && !Governing::of(headers).control.private && !headers.contains_key(header::VARY)
}

/// Tells whether a page came under an asset's name for somebody with cookies: `/account.php/x.css` shows the account on many servers, and
/// who follows such a link has its page stored for whoever sent it ("web cache deception", Gil 2017). Only the origin's word counts then.
fn is_disguised(path: &str, cookies: Cookies, headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    cookies != Cookies::Free && is_asset(path.split('?').next().unwrap_or_default()) && !is_passive_type(media_type)
}

fn short_enough(body: &Arriving) -> bool {
    body.size_hint().lower() <= STORED_BODY_BYTES_MAX
}

/// Takes the body in, for everybody who follows, and stores it when it is whole.
async fn fill(
    edge: &Arc<Edge>,
    order: &Order,
    flight: &Flight,
    (parts, body): (http::response::Parts, Arriving),
    (admitted, asked_at, came): (Option<Admitted>, Time, Now),
    (permit, reserved): Taken,
    background: bool,
) {
    let growing = Arc::new(Growing::default());
    let _ending = Ending(Arc::clone(&growing));
    let vary = admitted.as_ref().map_or_else(Vary::default, |admitted| admitted.vary().clone());
    let values = vary.values(&order.asked, order.course.encoding);
    let length = body.size_hint().exact();
    let shared = Arc::new(Shared {
        status: parts.status,
        headers: parts.headers.clone(),
        kept: admitted.as_ref().map(Admitted::kept),
        vary,
        values,
        length,
        body: Arc::clone(&growing),
    });
    // Charged before the visitor has a byte: whoever leaves then may ask for the next thing at once, and the next, before the first has come.
    let budget = order.settings.config.miss_budget.filter(|_| !background);
    let mut charged = length.unwrap_or(UNSEEN_BYTES).min(STORED_BODY_BYTES_MAX);
    match (budget, reserved) {
        (Some(budget), Some(reserved)) => {
            // What began together is known one after the other: what is too much by now is given up, unless others wait for it, too.
            let is_within = reserved.charge(charged, budget.0, edge.clock.time());
            if !is_within && flight.is_one_visitors() {
                edge.debts.amend(order.visitor, (charged, charged.min(UNSEEN_BYTES)), budget.0, edge.clock.time());
                flight.land(Landing::Alone);
                return;
            }
        }
        (Some(budget), None) => edge.debts.charge(order.visitor, charged, budget.0, edge.clock.time()),
        (None, _) => {}
    }
    let hasher = is_spillable((shared.status, &shared.headers), shared.kept, &shared.vary, shared.length).then(Sha256::new);
    let values = shared.values.clone();
    let draft = shared.kept.and_then(|_| edge.store.draft(&order.course.key, (&shared.vary, &values), length));
    let late = (shared.kept.is_some() && length.is_none()).then(|| (shared.vary.clone(), values.clone()));
    flight.land(Landing::Shared(shared));
    let idle = order.settings.config.timeouts.origin_idle;
    let mut source = Passing::new(body, idle, Some(Box::new(permit)));
    let late = late.map(|variant| Late { edge, key: &order.course.key, variant });
    let mut copies = Copies { growing: &growing, hasher, draft, late };
    let whole = take_in(&mut source, &mut copies, |came, taken| {
        if let Some(budget) = budget {
            edge.debts.charge(order.visitor, came.saturating_sub(charged), budget.0, edge.clock.time());
            charged = charged.max(came);
        }
        !background && flight.is_deserted() && !worth_finishing(length.unwrap_or(came), taken)
    })
    .await;
    drop(source);
    if let Some(budget) = budget {
        let came = growing.progress().0;
        // What was on its way when it was given up had left the origin as well.
        let left = if whole { 0 } else { UNSEEN_BYTES.min(length.map_or(u64::MAX, |length| length.saturating_sub(came))) };
        edge.debts.amend(order.visitor, (charged, came.saturating_add(left)), budget.0, edge.clock.time());
    }
    let Copies { hasher, draft, .. } = copies;
    let filed = match draft.filter(|_| whole) {
        Some(draft) => draft.finish(growing.progress().0).await,
        None => None,
    };
    let bytes = if whole { growing.whole() } else { None };
    let head = (parts.status, parts.headers);
    match (admitted, filed, bytes) {
        (Some(admitted), Some((file, apart)), _) => {
            let stored = Stored::new(&order.course.key, admitted, head, (Bytes::new(), None), &values, came).with_apart(apart);
            edge.store.insert_filed(stored, asked_at, Some(file));
        }
        (Some(admitted), None, Some(bytes)) if bytes.len() as u64 <= STORED_BODY_BYTES_MAX => {
            let digest = hasher.map(|hasher| ObjectDigest(hasher.finalize().into()));
            let stored = Stored::new(&order.course.key, admitted, head, (bytes, digest), &values, came);
            order.store(edge, stored, asked_at);
        }
        _ => {}
    }
    // After the store has it: whoever finds the body ended finds it stored.
    growing.end(whole);
    if !whole {
        edge.count_fault(Fault::Broken);
    }
}

/// Stores a response that was asked for at a time, and offers it to helpers if it may be spilled and stands under the site's own name.
pub(crate) fn store(edge: &Edge, settings: &Settings, mut stored: Stored, was_spillable: bool, asked: Time) -> Arc<Stored> {
    settings.offer(&mut stored);
    if stored.spillable().is_none() && was_spillable {
        // Helpers may hold what it was.
        edge.recall_from_helpers(&stored.key());
    }
    let stored = edge.store.insert(stored, asked);
    edge.overflow.hot.register(&stored, &settings.names.name(stored.path()));
    stored
}

/// Where the bytes of a body go.
struct Copies<'a> {
    /// To visitors.
    growing: &'a Growing,
    hasher: Option<Sha256>,
    /// To the disk, if it is too long for memory.
    draft: Option<Draft>,
    /// To the disk, if it turns out to be.
    late: Option<Late<'a>>,
}

/// A body of which nobody said how long it will be: if it becomes too long for memory, what came so far goes to the disk, and the rest after it.
struct Late<'a> {
    edge: &'a Edge,
    key: &'a Key,
    variant: (Vary, Vec<u8>),
}

impl Late<'_> {
    async fn begin(self, growing: &Growing) -> Option<Draft> {
        let mut draft = self.edge.store.draft_late(self.key, (&self.variant.0, &self.variant.1))?;
        for chunk in growing.so_far()? {
            if !draft.push(chunk).await {
                return None;
            }
        }
        Some(draft)
    }
}

impl Copies<'_> {
    /// Takes in what came; all of it is `length` long.
    async fn push(&mut self, bytes: Bytes, length: u64) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes);
        }
        self.growing.push(bytes.clone());
        if let Some(draft) = &mut self.draft
            && !draft.push(bytes).await
        {
            // The disk's trouble is nobody's who waits for the body.
            self.draft = None;
        }
        if length > STORED_BODY_BYTES_MAX {
            if let Some(late) = self.late.take() {
                self.draft = late.begin(self.growing).await;
                // Helpers do not take bodies of that length.
                self.hasher = None;
            }
            self.growing.make_windowed();
        }
    }
}

/// Appends what comes until the end (true) or until it breaks off (false).
async fn take_in(source: &mut Passing, copies: &mut Copies<'_>, mut give_up: impl FnMut(u64, u64) -> bool) -> bool {
    let (mut length, growing) = (0, copies.growing);
    loop {
        poll_fn(|cx| growing.poll_room(cx)).await;
        match poll_fn(|cx| source.poll_data(cx)).await {
            Some(Ok(bytes)) => {
                length += bytes.len() as u64;
                copies.push(bytes, length).await;
                if give_up(length, growing.progress().1) {
                    return false;
                }
            }
            Some(Err(_)) => return false,
            None => return true,
        }
    }
}

/// Whether a body is fetched to its end although every visitor left: only when that costs little more than what visitors took (design section 8:
/// never more than twice that), for an attacker could ask for everything and take nothing.
fn worth_finishing(length: u64, taken: u64) -> bool {
    length <= FINISHED_ALONE_BYTES.max(taken.saturating_mul(2))
}

/// Tells whether a response may be given to helpers: public and fresh on the origin's word, passive, the same for everybody, unencoded.
pub(crate) fn is_spillable((status, headers): (StatusCode, &HeaderMap), kept: Option<Kept>, vary: &Vary, length: Option<u64>) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    status == StatusCode::OK
        && kept == Some(Kept::Explicit)
        && vary.is_plain()
        && !headers.contains_key(header::CONTENT_ENCODING)
        && is_passive_type(media_type)
        // The site lets nobody else embed it; from a helper's address, its own pages would be somebody else.
        && headers.get("cross-origin-resource-policy").is_none_or(|policy| policy == "cross-origin")
        && length.is_none_or(|length| (1..=OBJECT_BYTES_MAX).contains(&length))
}

impl Order {
    fn store(&self, edge: &Edge, stored: Stored, asked: Time) -> Arc<Stored> {
        store(edge, &self.settings, stored, self.copy_was_spillable, asked)
    }

    /// The request to the origin: for the whole, and conditional only on our own copy.
    fn request(&self) -> Request<crate::origin::Upload> {
        let mut request = Request::new(nothing());
        *request.uri_mut() = self.settings.origin.uri(&self.target);
        let fields = request.headers_mut();
        *fields = self.fields.clone();
        for condition in validate::CONDITIONS {
            fields.remove(condition);
        }
        // One digest names an object, so that passive content is kept unencoded: compressing it again for visitors is the edge's own business.
        let encoding = if is_asset(self.target.path()) { Encoding::Identity } else { self.course.encoding };
        // Only pages in gzip can be made to name helpers.
        let config = &self.settings.config;
        let encoding = if config.rewrite && config.uplink.is_some() { encoding.min(Encoding::Gzip) } else { encoding };
        fields.insert(header::ACCEPT_ENCODING, encoding.to_origin());
        if self.cookies == Cookies::Free {
            fields.remove(header::COOKIE);
        }
        if let Some(copy) = &self.copy {
            validate::ask_about(copy, fields);
        }
        if let Some(early) = &self.early {
            relay(early, &mut request);
        }
        request
    }
}

/// How long a visitor of whom a copy could be shown waits for the origin.
pub(crate) fn patience(settings: &Settings, edge: &Edge) -> Duration {
    (settings.admission.service_median(edge.clock.time()) * 3).max(PATIENCE_MIN)
}
