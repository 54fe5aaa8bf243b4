//! A plain request that goes to the origin for one visitor, beneath the library: what [`crate::pass`] does with any request.
//!
//! What it asks for is somebody's own, or could not be shared lately; of everything else the cache has to think first.

use std::{
    future::Future,
    io::{self, IoSlice},
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use httparse::{EMPTY_HEADER, Header};
use overspill_governance::time::Now;
use tokio::{
    io::AsyncWrite,
    time::{Sleep, sleep},
};

use super::{
    Waiting,
    ask::Ask,
    frozen::{fields_of, write_fields, write_status},
    lane::Lane,
    passed::Passed,
};
use crate::{
    access::{Account, CacheUse},
    admission::{Class, Full, Permit},
    body::Payload,
    cache::{
        admit::{Asked, admit},
        key::Key,
        stored::http_date,
    },
    classes::RequestClass,
    cookies::Cookies,
    debts::Reservation,
    early::{Early, Open},
    edge::{Edge, Settings},
    fetch::work_of,
    fields::map,
    limits::{EXPRESS_FIELDS_MAX, HELD_BODY_BYTES_MAX},
    origin::{Arriving, Fault, Fields as _, Head, Length},
    pass,
    paths::is_entrance,
    waiting::{self, Wish},
};

/// A request on its way to the origin, or its answer on the way back. Dropped when that is out, or when its visitor is gone.
pub(super) struct Forwarding {
    edge: Arc<Edge>,
    settings: Arc<Settings>,
    early: Arc<Early>,
    /// The request's head as it came.
    request: Bytes,
    /// The cache key's text.
    key: Box<str>,
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
    Asking {
        journey: Pin<Box<dyn Future<Output = Outcome> + Send>>,
        /// Early hints are for this request.
        _hints: Open,
    },
    Answering(Answering),
}

/// What came of asking: an answer or none, and what was held for it.
type Outcome = Result<(Permit, Option<Reservation>, Result<(Head<Passed>, Arriving), Fault>), Unasked>;

/// Why the origin was not asked.
enum Unasked {
    /// It has no place in time.
    Full,
    /// Too much was fetched for this visitor in vain: for so long nothing is.
    Wasteful(Duration),
}

impl Lane {
    /// Begins to forward a request whose key is at hand; nothing if it must go the usual way.
    pub(super) fn forward(&mut self, ask: &Ask<'_>, fields: &[Header<'_>], bytes: &[u8], cx: &Context<'_>) -> Option<Box<Forwarding>> {
        if is_entrance(ask.target.split('?').next().unwrap_or_default()) {
            return None;
        }
        let class = self.class(ask);
        let (edge, site, now) = (&self.edge, Arc::clone(&self.known.as_ref()?.site), self.edge.clock.now());
        let rank = match ask.cookies {
            Cookies::Session => Class::Reserved,
            Cookies::Free if edge.store.only_passes(&self.key, now.time) => Class::Visit,
            Cookies::Free | Cookies::Unknown => return None,
        };
        if class != RequestClass::Person || edge.overflow.is_drowned(now.time) {
            return None;
        }
        let (visitor, budget) = (self.peer.address, site.config.miss_budget);
        let head = self.known.as_ref()?.told.head(ask.target, fields);
        if ask.cookies == Cookies::Free {
            site.admission.wanted(now.time);
        }
        edge.active.rise();
        let journey = Box::pin(journey(Arc::clone(edge), Arc::clone(&site), Arc::clone(&self.early), (visitor, rank), head));
        let cut_off = (StatusCode::from_u16(499).unwrap_or_default(), CacheUse::Bypass);
        let account = Account {
            start: now.time,
            bytes: 0,
            answered: false,
            complete: false,
            prepaid: false,
            visitor,
            miss_budget: budget,
            passing: None,
            charged: 0,
            record: edge.keeps_records().then(|| Box::new(self.record(cut_off, ask, class, now))),
        };
        Some(Box::new(Forwarding {
            edge: Arc::clone(edge),
            settings: site,
            early: Arc::clone(&self.early),
            request: Bytes::copy_from_slice(bytes),
            key: self.key.as_str().into(),
            class,
            cookies: ask.cookies,
            asked: now,
            account,
            counted: false,
            permit: None,
            state: State::Asking { journey, _hints: Open::with(Arc::clone(&self.early), cx.waker().clone()) },
        }))
    }
}

/// Waits for a place at the origin and asks it.
async fn journey(edge: Arc<Edge>, settings: Arc<Settings>, early: Arc<Early>, (visitor, rank): (IpAddr, Class), head: Bytes) -> Outcome {
    let reserved = pass::reserve(visitor, &settings, &edge).await.map_err(Unasked::Wasteful)?;
    let permit = settings.admission.enter_alone(rank).await.map_err(|Full| Unasked::Full)?;
    edge.counters.origin_requests.one();
    let answer = settings.origin.fetch_plain(head, &early, settings.config.timeouts.origin_head).await;
    Ok((permit, reserved, answer))
}

impl Forwarding {
    /// Goes on, until the request is answered or that broke off. `clock` measures how long the origin is silent.
    pub(super) fn poll(
        &mut self,
        mut stream: Pin<&mut impl AsyncWrite>,
        clock: &mut Waiting,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let State::Asking { journey, .. } = &mut self.state {
            let Poll::Ready(answer) = journey.as_mut().poll(cx) else {
                if self.early.is_pending() {
                    ready!(stream.as_mut().poll_flush(cx))?;
                }
                return Poll::Pending;
            };
            let answering = match answer {
                Ok((permit, reserved, Ok(answer))) => self.on_answer((permit, reserved), answer),
                Ok((permit, _, Err(fault))) => self.on_fault(&permit, fault),
                Err(Unasked::Full) => self.instead(CacheUse::Bypass, |this, wish| pass::shed(&this.edge, wish, &this.settings)),
                Err(Unasked::Wasteful(pause)) => self.instead(CacheUse::None, |_, _| waiting::wasteful(pause)),
            };
            self.state = State::Answering(answering);
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
    fn on_answer(&mut self, (permit, reserved): (Permit, Option<Reservation>), (head, body): (Head<Passed>, Arriving)) -> Answering {
        match head.status {
            StatusCode::SERVICE_UNAVAILABLE => permit.on_drop(),
            _ => permit.on_answer(work_of(self.target())),
        }
        if self.cookies == Cookies::Free && self.could_be_shared(&head) {
            self.edge.store.look_again(&*self.key);
        }
        self.begin(head.status, CacheUse::Bypass);
        let upper = body.size_hint().upper();
        self.permit = Some(permit).filter(|_| upper.is_some_and(|length| length <= HELD_BODY_BYTES_MAX));
        self.account.charged = self.edge.charge_ahead(&self.account, reserved, upper);
        let mut text = BytesMut::with_capacity(head.fields.lines.len() + ROOM);
        write_status(&mut text, head.status);
        text.put_slice(&head.fields.lines);
        let why = if self.cookies == Cookies::Free { "miss" } else { "bypass" };
        for part in ["cache-status: overspill; fwd=", why, "; fwd-status=", head.status.as_str(), "\r\n"] {
            text.put_slice(part.as_bytes());
        }
        //= RFC 9110 section 6.6.1
        if !head.fields.dated {
            write_fields(&mut text, &HeaderMap::from_iter([(header::DATE, http_date(self.edge.clock.date()))]));
        }
        let text = ended(text, head.status, head.length);
        let (uplink, now) = (&self.edge.overflow.uplink, self.edge.clock.time());
        uplink.charge(text.len() as u64, now);
        let size = if let Length::Exact(size) = head.length { size } else { 0 };
        Answering::new(text, head.length, body, uplink.pause(size, 0, now))
    }

    /// When it could, the next request for the same is looked up again.
    fn could_be_shared(&self, head: &Head<Passed>) -> bool {
        if head.fields.unshared {
            return false;
        }
        let mut room = [EMPTY_HEADER; EXPRESS_FIELDS_MAX];
        let Some(headers) = Ask::read(&self.request, &mut room).and_then(|ask| map(ask.fields.lines())) else { return false };
        let asked = Asked { path: self.target(), headers: &headers, cookies: self.cookies, at: self.asked.date };
        admit(asked, head.status, &head.fields.map(), self.edge.clock.date()).is_some()
    }

    /// Path and query, as caches know them.
    fn target(&self) -> &str {
        Key::path_in(&self.key)
    }

    /// There is no answer.
    fn on_fault(&mut self, permit: &Permit, fault: Fault) -> Answering {
        if fault != Fault::Unreachable {
            permit.on_drop();
        }
        self.edge.count_fault(fault);
        self.instead(CacheUse::Bypass, |this, wish| pass::failed(fault, wish, &this.settings))
    }

    /// The edge's own answer, where there is none of the origin's.
    fn instead(&mut self, cache: CacheUse, answer: impl FnOnce(&Self, Wish) -> Response<Payload>) -> Answering {
        let (mut parts, body) = answer(self, self.wish()).map(Payload::into_bytes).into_parts();
        parts.headers.entry(header::DATE).or_insert_with(|| http_date(self.edge.clock.date()));
        self.begin(parts.status, cache);
        let text = ended(fields_of(parts.status, &parts.headers), parts.status, Length::Exact(body.len() as u64));
        self.account.prepaid = true;
        self.edge.overflow.uplink.charge((text.len() + body.len()) as u64, self.edge.clock.time());
        Answering { parts: [text, body, Bytes::new()], ..Answering::nothing() }
    }

    fn wish(&self) -> Wish {
        let mut room = [EMPTY_HEADER; EXPRESS_FIELDS_MAX];
        let headers = Ask::read(&self.request, &mut room).and_then(|ask| map(ask.fields.lines())).unwrap_or_default();
        let (mut parts, ()) = Request::builder().method(Method::GET).uri(self.target()).body(()).unwrap_or_default().into_parts();
        parts.headers = headers;
        Wish::new(&parts)
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        if !self.counted {
            self.count();
        }
        if let State::Answering(answering) = &self.state {
            let left = answering.body.as_ref().map_or(Some(0), |body| body.size_hint().upper());
            self.account.passing = answering.passes.then_some(left.unwrap_or(u64::MAX));
        }
        self.edge.close_account(&mut self.account);
    }
}

/// For what is added to an answer's fields.
const ROOM: usize = 192;

/// Ends a head. The visitor's connection is used again, so that every body has an end of its own.
fn ended(mut text: BytesMut, status: StatusCode, length: Length) -> Bytes {
    match length {
        Length::Exact(0) if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) => {}
        Length::Exact(length) => {
            let length = HeaderValue::from(length);
            for part in [b"content-length: ", length.as_bytes(), b"\r\n"] {
                text.put_slice(part);
            }
        }
        Length::Chunked | Length::Close => text.put_slice(b"transfer-encoding: chunked\r\n"),
    }
    text.put_slice(b"\r\n");
    text.freeze()
}

/// An answer on its way to the visitor.
struct Answering {
    /// The link is owed so much that it begins later.
    pause: Option<Pin<Box<Sleep>>>,
    /// A head or a chunk's line, data, and the data's end.
    parts: [Bytes; 3],
    chunked: bool,
    /// The origin's, unless it has been taken to its end.
    body: Option<Arriving>,
    /// It is the origin's answer.
    passes: bool,
}

impl Answering {
    fn nothing() -> Self {
        Self { pause: None, parts: Default::default(), chunked: false, body: None, passes: false }
    }

    fn new(head: Bytes, length: Length, body: Arriving, pause: Duration) -> Self {
        let pause = (!pause.is_zero()).then(|| Box::pin(sleep(pause)));
        let chunked = matches!(length, Length::Chunked | Length::Close);
        // A body of nothing is at its end, and yet its chunks have one.
        let body = (chunked || !body.is_end_stream()).then_some(body);
        Self { pause, parts: [head, Bytes::new(), Bytes::new()], chunked, body, passes: true }
    }

    /// Writes on; `sent` is told of bytes of the body that left.
    fn poll(
        &mut self,
        mut stream: Pin<&mut impl AsyncWrite>,
        (clock, idle): (&mut Waiting, Duration),
        mut sent: impl FnMut(u64),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        loop {
            // With the head leaves what came with it.
            let came = if self.parts[1].is_empty() && self.parts[2].is_empty() { self.take_in(cx) } else { Poll::Ready(Ok(())) };
            match came {
                Poll::Ready(Ok(())) => clock.end(),
                // What came before leaves first.
                Poll::Ready(Err(error)) if self.is_empty() => return Poll::Ready(Err(error)),
                Poll::Pending if self.is_empty() => {
                    ready!(stream.as_mut().poll_flush(cx))?;
                    ready!(clock.poll(idle, cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                Poll::Ready(Err(_)) | Poll::Pending => {}
            }
            if self.is_empty() {
                // TLS keeps what it encrypted until it is told to let it go.
                return stream.poll_flush(cx);
            }
            let left = self.parts.each_ref().map(|part| IoSlice::new(part));
            match ready!(stream.as_mut().poll_write_vectored(cx, &left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => sent(self.advance(count)),
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.parts.iter().all(Bytes::is_empty)
    }

    /// Drops what left; how much of that was the body's.
    fn advance(&mut self, mut count: usize) -> u64 {
        let mut of_body = 0;
        for (at, part) in self.parts.iter_mut().enumerate() {
            let taken = count.min(part.len());
            part.advance(taken);
            count -= taken;
            of_body += if at == 1 { taken as u64 } else { 0 };
        }
        of_body
    }

    /// Takes the next data of the body, if there is any left. There is room for it.
    fn take_in(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
        loop {
            let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(frame) => frame?,
                None => {
                    self.body = None;
                    if self.chunked {
                        self.parts[2] = Bytes::from_static(b"0\r\n\r\n");
                    }
                    return Poll::Ready(Ok(()));
                }
            };
            // Trailers are for who says that it takes them, and that is not plain.
            let Some(data) = frame.into_data().ok().filter(|data| !data.is_empty()) else { continue };
            if self.chunked {
                let mut line = BytesMut::from(&*self.parts[0]);
                line.put_slice(format!("{:x}\r\n", data.len()).as_bytes());
                (self.parts[0], self.parts[2]) = (line.freeze(), Bytes::from_static(b"\r\n"));
            } else if body.is_end_stream() {
                self.body = None;
            }
            self.parts[1] = data;
            return Poll::Ready(Ok(()));
        }
    }
}
