//! Parts of the inside, opened for those who try to break them (`agent/fuzz`) and who time them (`benches`). No promise is made of them.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::IpAddr,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, header,
    request::Parts,
    uri::{Authority, Scheme},
};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use overspill_governance::time::{Date, Now, Time};
use tokio::io::{AsyncRead, ReadBuf};

use crate::{
    cache::{
        admit::{Asked, admit},
        disk::format::{self, Unread},
        key::Key,
        part::stretch,
        range::{Part, part},
        stored::Stored,
        structured, validate,
        vary::Encoding,
    },
    cookies,
    express::Passed,
    gate::{self, gated::Gated},
    h2::manners::{Manners, Patience, Verdict},
    handle::Handle,
    headers::{Asker, from_origin, has_looped, to_origin},
    limits::{FIELDS_MAX, HEAD_BYTES_MAX},
    origin::answer::{self, Next},
};

pub use crate::cache::sieve::Sieve;
pub use crate::rewrite::fuzz::{KnownPage, SplicedPage, splice_page};
pub use crate::{
    guest::Guests,
    spill::{Ask, Course, Redirect, Spiller, mark::Target},
    uplink::Uplink,
};

/// What the edge reads in a request's head, before it asks anybody.
#[derive(Debug)]
pub struct ReadRequest {
    /// The one host.
    pub host: Authority,
    /// What the cache would look up.
    pub key: String,
    /// The fields that the origin would get.
    pub to_origin: HeaderMap,
    /// Who asks, as far as the edge believes it.
    pub visitor: IpAddr,
    /// The bytes wanted of a body of the given length; `None`: all of it, or none that there are.
    pub part: Option<Range<u64>>,
}

/// Reads a request's head as the edge does; `None` when the gate refuses it.
#[must_use]
pub fn read_request(parts: &Parts, peer: IpAddr, trusted: &[IpAddr], length: u64) -> Option<ReadRequest> {
    let host = gate::check(parts).ok()?;
    let asker = Asker::new(peer, trusted, &parts.headers);
    let own = HeaderValue::from_static("overspill-fuzz");
    let part = match part(&parts.headers, length) {
        Part::Some(range) => Some(range),
        Part::Whole | Part::Unsatisfiable => None,
    };
    let key = Key::new(&Scheme::HTTP, &host, parts.uri.path_and_query()?);
    let _ = (cookies::classify(&parts.headers), Encoding::of(&parts.headers), has_looped(&parts.headers, &own));
    let to_origin = to_origin(parts.headers.clone(), &parts.method, &host, asker, &Scheme::HTTP, &own);
    Some(ReadRequest { key: format!("{key:?}"), to_origin, visitor: asker.visitor, part, host })
}

/// Reads the requests of a connection that brings `bytes`, at most `piece` at once, as the edge does: each that passes the gate, with its
/// body, up to the first that does not.
///
/// # Panics
/// When there is no runtime to be had.
#[must_use]
pub fn read_connection(bytes: &[u8], piece: usize) -> Vec<(Parts, Bytes)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime without threads can be had");
    let (reads, seen) = (bytes.chunks(piece.max(1)).map(Bytes::copy_from_slice).collect(), Arc::<Mutex<Vec<_>>>::default());
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (parts, body) = request.into_parts();
            let passes = gate::check(&parts).is_ok();
            let mut response = Response::new(Empty::<Bytes>::new());
            match body.collect().await {
                Ok(body) if passes => seen.lock().unwrap_or_else(PoisonError::into_inner).push((parts, body.to_bytes())),
                _ => {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
            }
            Ok::<_, Infallible>(response)
        }
    });
    let stream = TokioIo::new(Gated::new(tokio::io::join(Reads(reads), tokio::io::sink())));
    let mut builder = http1::Builder::new();
    let connection = builder.max_headers(FIELDS_MAX).max_header_size(HEAD_BYTES_MAX).half_close(true).serve_connection(stream, service);
    let _ended = runtime.block_on(connection);
    std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Bytes as they come from a socket, and its end.
struct Reads(VecDeque<Bytes>);

impl AsyncRead for Reads {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(mut next) = self.0.pop_front() {
            buffer.put_slice(&next.split_to(next.len().min(buffer.remaining())));
            if !next.is_empty() {
                self.0.push_front(next);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// One answer of the origin's, and what is made of it for visitors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadAnswer {
    /// Its status.
    pub status: StatusCode,
    /// The fields that a visitor gets, as lines.
    pub lines: Vec<u8>,
    /// Its body, unless that was cut off.
    pub body: Option<Vec<u8>>,
}

/// Reads the answer that a connection to the origin brings, at most `piece` bytes at once. `None` when it is malformed, or its head is cut
/// off; what follows the answer is left.
#[must_use]
pub fn read_answer(bytes: &[u8], piece: usize) -> Option<(ReadAnswer, usize)> {
    let (mut reads, mut input, mut searched) = (bytes.chunks(piece.max(1)), BytesMut::new(), 0);
    let head = loop {
        match answer::head::<Passed>(&mut input, &mut searched, false).ok()? {
            Some(head) => break head,
            None => input.extend_from_slice(reads.next()?),
        }
    };
    let (mut rest, mut body) = (answer::Body::new(head.length), Vec::new());
    let whole = loop {
        match rest.next(&mut input).ok()? {
            Next::Data(data) => body.extend(data),
            Next::Trailers(_) | Next::End => break true,
            Next::Wanted => match reads.next() {
                Some(read) => input.extend_from_slice(read),
                None => break rest.ends_with_connection(),
            },
        }
    };
    let left = input.len() + reads.map(<[u8]>::len).sum::<usize>();
    // The first line says the status.
    let lines = head.fields.text.splitn(2, |byte| *byte == b'\n').nth(1)?.to_vec();
    Some((ReadAnswer { status: head.status, lines, body: whole.then_some(body) }, left))
}

/// What became of one HTTP/2 connection, as far as the heads of its frames tell.
#[derive(Debug, PartialEq, Eq)]
pub struct Watched {
    /// It was to be ended for what it sent.
    pub rude: bool,
    /// Streams that are kept in mind.
    pub streams: usize,
    /// A time came at which there was to be a verdict, and there was none.
    pub speechless: bool,
}

/// Watches a connection on which these bytes come in (`true`) and go out, each after a while, at most `piece` of them at once.
#[must_use]
pub fn watch(steps: &[(bool, &[u8], Duration)], piece: usize) -> Watched {
    let patience = Patience { head: Duration::from_secs(15), idle: Duration::from_secs(15), stall: Duration::from_secs(30) };
    let (mut manners, mut now, mut speechless) = (Manners::new(patience, Time::ZERO), Time::ZERO, false);
    for (inbound, bytes, later) in steps {
        now = now.after(*later);
        for piece in bytes.chunks(piece.max(1)) {
            if !inbound {
                manners.on_written(piece, now);
            } else if manners.on_read(piece, now).is_err() {
                break;
            }
        }
        let due = manners.deadline();
        speechless |= due.is_some_and(|due| manners.verdict(due.max(now)) == Verdict::Stay);
        if manners.is_rude() {
            break;
        }
    }
    Watched { rude: manners.is_rude(), streams: manners.streams(), speechless }
}

/// What the edge reads in a response's head.
#[derive(Debug)]
pub struct ReadResponse {
    /// How long it would be fresh, if it may be stored.
    pub stored_for: Option<Duration>,
    /// Whether a visitor who asks so has it already.
    pub not_modified: bool,
    /// Whether a visitor who asks so may be given a part.
    pub range_allowed: bool,
    /// Where the response belongs in the whole, and how long that is, if it is one stretch of it.
    pub stretch: Option<(Range<u64>, u64)>,
    /// The fields that a visitor would get.
    pub to_visitor: HeaderMap,
}

/// Reads a response's head as the edge does.
#[must_use]
pub fn read_response(request: &Parts, status: StatusCode, headers: &HeaderMap, came: Date) -> ReadResponse {
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    let asked = Asked { path, headers: &request.headers, cookies: cookies::classify(&request.headers), at: came };
    let stored_for = admit(asked, status, headers, came).map(|admitted| {
        let _ = admitted.vary().values(&request.headers, Encoding::of(&request.headers));
        admitted.lifetime()
    });
    let mut to_visitor = headers.clone();
    from_origin(&mut to_visitor);
    ReadResponse {
        stored_for,
        not_modified: validate::not_modified(&request.headers, headers),
        range_allowed: validate::range_allowed(&request.headers, headers),
        stretch: stretch(headers),
        to_visitor,
    }
}

/// Reads the beginning of a stored response's file: its key and how long its body is, or how many bytes are needed to tell; `None` when it is
/// none.
#[must_use]
pub fn read_stored(bytes: &[u8], now: Now) -> Option<Result<(String, u64), usize>> {
    match format::read(bytes, now) {
        Ok(read) => Some(Ok((read.stored.key_text().to_owned(), read.body.length))),
        Err(Unread::Short(needed)) => Some(Err(needed)),
        Err(Unread::Damaged) => None,
    }
}

/// The file of a stored response of these fields, without its body; `None` when it may not be stored.
#[must_use]
pub fn write_stored(request: &Parts, headers: &HeaderMap, body: &'static [u8], now: Now) -> Option<Vec<u8>> {
    let path = request.uri.path_and_query()?;
    let asked = Asked { path: path.as_str(), headers: &request.headers, cookies: cookies::classify(&request.headers), at: now.date };
    let admitted = admit(asked, StatusCode::OK, headers, now.date)?;
    let values = admitted.vary().values(&request.headers, Encoding::of(&request.headers));
    let key = Key::new(&Scheme::HTTP, &Authority::from_static("blog.example"), path);
    let stored = Stored::new(&key, admitted, (StatusCode::OK, headers.clone()), (Bytes::from_static(body), None), &values, now);
    format::write(&stored, format::Body::of(body), now)
}

/// Has an edge hold a response of these fields (and a minute of freshness at least) at each of these addresses, `scheme://host:port/path`, as if
/// its origin had sent it.
pub fn stock(edge: &Handle, addresses: impl Iterator<Item = String>, headers: &HeaderMap, body: &Bytes) {
    let (edge, request) = (edge.edge(), HeaderMap::new());
    let now = edge.clock.now();
    for address in addresses {
        let path_at = address.match_indices('/').nth(2).map_or(address.len(), |(at, _)| at);
        let (_, path) = address.split_at(path_at);
        let asked = Asked { path, headers: &request, cookies: cookies::Cookies::Free, at: now.date };
        let admitted = admit(asked, StatusCode::OK, headers, now.date);
        if let (Some(admitted), Some(key)) = (admitted, u16::try_from(path_at).ok().and_then(|at| Key::restored(&address, at))) {
            let values = admitted.vary().values(&request, Encoding::Identity);
            let (response, body) = ((StatusCode::OK, headers.clone()), (Bytes::copy_from_slice(body), None));
            edge.store.insert(Stored::new(&key, admitted, response, body, &values, now), now.time.after(Duration::from_micros(1)));
        }
    }
}

/// Looks up what [`stock`] put there, as a plain hit does; tells how long its head and body are together.
#[must_use]
pub fn look_up(edge: &Handle, address: &str) -> Option<usize> {
    let stored = edge.edge().store.find_plain(address, Encoding::Identity)?;
    Some(stored.head().map(<[u8]>::len).iter().sum::<usize>() + stored.body_bytes().len())
}

/// What the edge reads in a structured field.
#[derive(Debug, PartialEq, Eq)]
pub struct ReadStructured<'a> {
    /// Its keys, if it is a dictionary.
    pub keys: Option<Vec<&'a [u8]>>,
    /// Its strings, if it is a list.
    pub strings: Option<Vec<&'a [u8]>>,
}

/// Reads a structured field as a dictionary and as a list.
#[must_use]
pub fn read_structured(field: &[u8]) -> ReadStructured<'_> {
    let mut keys = Vec::new();
    let dictionary = structured::dictionary(field, |key, _| keys.push(key));
    ReadStructured { keys: dictionary.map(|()| keys), strings: structured::strings(field) }
}
