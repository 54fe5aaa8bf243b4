//! A plain request that goes to the origin for one visitor, beneath the library: what [`crate::pass`] does with any request.
//!
//! What it asks for is somebody's own, or could not be shared lately; of everything else the cache has to think first.

use std::{
    future::Future,
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use overspill_governance::time::Now;
use tokio::io::AsyncWrite;

use super::{
    Waiting,
    answering::Answering,
    ask::{self, Ask},
    frozen::{fields_of, write_length, write_line},
    lane::Lane,
    passed::Passed,
};
use crate::{
    access::{Account, CacheUse},
    admission::{Class, Full, Permit},
    body::Payload,
    cache::{
        admit::{Asked, admit},
        stored::http_date,
    },
    classes::RequestClass,
    cookies::Cookies,
    debts::Reservation,
    early::{Early, Open},
    edge::{Edge, Settings},
    fetch::work_of,
    fields::map,
    limits::HELD_BODY_BYTES_MAX,
    origin::{Arriving, Fault, Fields as _, Head, Length},
    pass,
    paths::is_entrance,
    waiting::{self, Wish},
};

/// A request on its way to the origin, or its answer on the way back. Dropped when that is out, or when its visitor is gone.
///
/// What was asked for stands in the lane, whose only request this is meanwhile.
pub(super) struct Forwarding {
    edge: Arc<Edge>,
    settings: Arc<Settings>,
    class: RequestClass,
    cookies: Cookies,
    asked: Now,
    account: Account,
    /// The request is in the books.
    counted: bool,
    permit: Option<Permit>,
    state: State,
}

enum State {
    /// It waits for a place at the origin.
    Entering(Journey<Result<Place, Unasked>>, Bytes),
    Asking(Asking),
    Answering(Answering),
}

type Journey<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A place at the origin, and what the visitor is taken to owe until it is known what comes.
type Place = (Permit, Option<Reservation>);

/// A request that the origin is to answer.
struct Asking {
    answer: Journey<Result<(Head<Passed>, Arriving), Fault>>,
    place: Option<Place>,
    /// Early hints are for this request.
    _hints: Open,
}

/// Why the origin was not asked.
enum Unasked {
    /// It has no place in time.
    Full,
    /// Too much was fetched for this visitor in vain: for so long nothing is.
    Wasteful(Duration),
}

impl Lane {
    /// Begins to forward a request whose key is at hand; nothing if it must go the usual way.
    pub(super) fn forward(&mut self, ask: &Ask<'_>, cx: &Context<'_>) -> Option<Box<Forwarding>> {
        if is_entrance(ask.target.split('?').next().unwrap_or_default()) {
            return None;
        }
        let class = self.class(ask);
        let (edge, known, now) = (&self.edge, self.known.as_ref()?, self.edge.clock.now());
        let rank = match ask.cookies {
            Cookies::Session => Class::Reserved,
            Cookies::Free if edge.store.only_passes(&self.key, now.time) => Class::Visit,
            Cookies::Free | Cookies::Unknown => return None,
        };
        if class != RequestClass::Person || edge.overflow.is_drowned(now.time) {
            return None;
        }
        let (visitor, site) = (self.peer.address, &known.site);
        let head = known.told.head(ask.target, ask.fields.lines());
        if ask.cookies == Cookies::Free {
            site.admission.wanted(now.time);
        }
        edge.active.rise();
        let place = pass::reserve_now(visitor, site, edge).and_then(|reserved| Some((site.admission.enter_now(rank)?, reserved)));
        let state = match place {
            Some(place) => State::Asking(Asking::new(place, site, edge, &self.early, head, cx)),
            None => State::Entering(Box::pin(enter(Arc::clone(edge), Arc::clone(site), visitor, rank)), head),
        };
        let cut_off = (StatusCode::from_u16(499).unwrap_or_default(), CacheUse::Bypass);
        let account = Account {
            start: now.time,
            bytes: 0,
            answered: false,
            complete: false,
            prepaid: false,
            visitor,
            miss_budget: site.config.miss_budget,
            passing: None,
            charged: 0,
            record: edge.keeps_records().then(|| Box::new(self.record(cut_off, ask, class, now))),
        };
        Some(Box::new(Forwarding {
            edge: Arc::clone(edge),
            settings: Arc::clone(site),
            class,
            cookies: ask.cookies,
            asked: now,
            account,
            counted: false,
            permit: None,
            state,
        }))
    }
}

/// Waits for a place at the origin.
async fn enter(edge: Arc<Edge>, settings: Arc<Settings>, visitor: IpAddr, rank: Class) -> Result<Place, Unasked> {
    let reserved = pass::reserve(visitor, &settings, &edge).await.map_err(Unasked::Wasteful)?;
    let permit = settings.admission.enter_alone(rank).await.map_err(|Full| Unasked::Full)?;
    Ok((permit, reserved))
}

impl Asking {
    fn new(place: Place, settings: &Arc<Settings>, edge: &Edge, early: &Arc<Early>, head: Bytes, cx: &Context<'_>) -> Self {
        edge.counters.origin_requests.one();
        let (settings, hears) = (Arc::clone(settings), Arc::clone(early));
        let answer = Box::pin(async move { settings.origin.fetch_plain(head, &hears).await });
        Self { answer, place: Some(place), _hints: Open::with(Arc::clone(early), cx.waker().clone()) }
    }
}

impl Forwarding {
    /// Goes on, until the request is answered or that broke off. `clock` measures how long the origin is silent.
    pub(super) fn poll(
        &mut self,
        lane: &Lane,
        mut stream: Pin<&mut impl AsyncWrite>,
        clock: &mut Waiting,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let State::Entering(place, head) = &mut self.state {
            self.state = match ready!(place.as_mut().poll(cx)) {
                Ok(place) => State::Asking(Asking::new(place, &self.settings, &self.edge, &lane.early, std::mem::take(head), cx)),
                Err(Unasked::Full) => {
                    State::Answering(self.instead(lane, CacheUse::Bypass, |this, wish| pass::shed(&this.edge, wish, &this.settings)))
                }
                Err(Unasked::Wasteful(pause)) => State::Answering(self.instead(lane, CacheUse::None, |_, _| waiting::wasteful(pause))),
            };
        }
        if let State::Asking(asking) = &mut self.state {
            let answer = match asking.answer.as_mut().poll(cx) {
                Poll::Ready(answer) => answer,
                Poll::Pending => {
                    if lane.early.is_pending() {
                        ready!(stream.as_mut().poll_flush(cx))?;
                    }
                    ready!(clock.wait(self.settings.config.timeouts.origin_head, cx));
                    Err(Fault::Late)
                }
            };
            clock.end();
            let Some((permit, reserved)) = asking.place.take() else { return Poll::Ready(Err(io::ErrorKind::Other.into())) };
            self.state = State::Answering(match answer {
                Ok((head, body)) => self.on_answer(lane, (permit, reserved), head, body),
                Err(fault) => self.on_fault(lane, &permit, fault),
            });
        }
        let State::Answering(answering) = &mut self.state else { return Poll::Pending };
        let idle = self.settings.config.timeouts.origin_idle;
        let sent = |bytes| {
            self.account.bytes += bytes;
            self.edge.sent(bytes, self.account.prepaid);
        };
        let result = ready!(answering.poll(stream, (clock, idle), sent, cx));
        self.account.complete = result.is_ok();
        Poll::Ready(result)
    }

    /// Enters the request into the books.
    fn count(&mut self) {
        self.counted = true;
        let counters = &self.edge.counters;
        counters.requests.one();
        counters.of_class(self.class).one();
        counters.expressed.one();
    }

    fn begin(&mut self, status: StatusCode, cache: CacheUse) {
        self.count();
        self.edge.count_answer(status, cache);
        self.account.answered = true;
        if let Some(record) = &mut self.account.record {
            (record.status, record.cache) = (status, cache);
        }
    }

    /// The answer's head is here: it is learned from, and changed for the visitor.
    fn on_answer(&mut self, lane: &Lane, (permit, reserved): Place, head: Head<Passed>, body: Arriving) -> Answering {
        match head.status {
            StatusCode::SERVICE_UNAVAILABLE => permit.on_drop(),
            _ => permit.on_answer(work_of(lane.target())),
        }
        if self.cookies == Cookies::Free && self.could_be_shared(lane, &head) {
            self.edge.store.look_again(&*lane.key);
        }
        self.begin(head.status, CacheUse::Bypass);
        let upper = body.size_hint().upper();
        self.permit = Some(permit).filter(|_| upper.is_some_and(|length| length <= HELD_BODY_BYTES_MAX));
        self.account.charged = self.edge.charge_ahead(&self.account, reserved, upper);
        let Passed { mut text, dated, .. } = head.fields;
        let why = if self.cookies == Cookies::Free { "miss" } else { "bypass" };
        for part in ["cache-status: overspill; fwd=", why, "; fwd-status=", head.status.as_str(), "\r\n"] {
            text.extend_from_slice(part.as_bytes());
        }
        //= RFC 9110 section 6.6.1
        if !dated {
            write_line(&mut text, header::DATE.as_str(), http_date(self.edge.clock.date()).as_bytes());
        }
        end_head(&mut text, head.status, head.length);
        let (uplink, now) = (&self.edge.overflow.uplink, self.edge.clock.time());
        uplink.charge(text.len() as u64, now);
        let size = if let Length::Exact(size) = head.length { size } else { 0 };
        Answering::new(text, head.length, body, uplink.pause(size, 0, now))
    }

    /// When it could, the next request for the same is looked up again.
    fn could_be_shared(&self, lane: &Lane, head: &Head<Passed>) -> bool {
        if head.fields.unshared {
            return false;
        }
        let Some(headers) = lane.request_fields() else { return false };
        let asked = Asked { path: lane.target(), headers: &headers, cookies: self.cookies, at: self.asked.date };
        admit(asked, head.status, &head.fields.map(), self.edge.clock.date()).is_some()
    }

    /// There is no answer.
    fn on_fault(&mut self, lane: &Lane, permit: &Permit, fault: Fault) -> Answering {
        if fault != Fault::Unreachable {
            permit.on_drop();
        }
        self.edge.count_fault(fault);
        self.instead(lane, CacheUse::Bypass, |this, wish| pass::failed(fault, wish, &this.settings))
    }

    /// The edge's own answer, where there is none of the origin's.
    fn instead(&mut self, lane: &Lane, cache: CacheUse, answer: impl FnOnce(&Self, Wish) -> Response<Payload>) -> Answering {
        let (mut parts, body) = answer(self, lane.wish()).map(Payload::into_bytes).into_parts();
        parts.headers.entry(header::DATE).or_insert_with(|| http_date(self.edge.clock.date()));
        self.begin(parts.status, cache);
        let mut text = fields_of(parts.status, &parts.headers);
        end_head(&mut text, parts.status, Length::Exact(body.len() as u64));
        self.account.prepaid = true;
        self.edge.overflow.uplink.charge((text.len() + body.len()) as u64, self.edge.clock.time());
        Answering::whole(text, body)
    }
}

impl Lane {
    /// The fields of the request that is being forwarded.
    fn request_fields(&self) -> Option<HeaderMap> {
        let mut room = ask::room();
        Ask::read(&self.request, &mut room).and_then(|ask| map(ask.fields.lines()))
    }

    fn wish(&self) -> Wish {
        let (mut parts, ()) = Request::builder().method(Method::GET).uri(self.target()).body(()).unwrap_or_default().into_parts();
        parts.headers = self.request_fields().unwrap_or_default();
        Wish::new(&parts)
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        if !self.counted {
            self.count();
        }
        if let State::Answering(answering) = &self.state {
            self.account.passing = answering.left();
        }
        self.edge.close_account(&mut self.account);
    }
}

/// Ends a head. The visitor's connection is used again, so that every body has an end of its own.
fn end_head(text: &mut Vec<u8>, status: StatusCode, length: Length) {
    match length {
        Length::Exact(0) if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) => {}
        Length::Exact(length) => write_length(text, length),
        Length::Chunked | Length::Close => text.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    text.extend_from_slice(b"\r\n");
}
