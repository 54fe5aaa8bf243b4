//! The way of one request through the edge.

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use arc_swap::Guard;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery},
};
use http_body::Body;
use hyper::body::Incoming;

use crate::{
    access::{AccessRecord, Account, CacheUse},
    body::{Metered, Payload},
    classes::{RequestClass, classify},
    deny,
    early::Early,
    edge::{Edge, Settings},
    express::{Turn, Turns},
    gate, h2, headers,
    headers::Asker,
    overflow::Prepaid,
    purge,
    rewrite::restore,
    serve,
    spill::{
        mark::{Mark, Target},
        names,
    },
    tls::redirect,
    waiting,
};

/// Where members publish their key (design section 4).
const WELL_KNOWN: &str = "/.well-known/overspill";

/// A request that passed the gate, with what every stage needs of it.
pub(crate) struct Visit {
    pub(crate) parts: Parts,
    pub(crate) body: Incoming,
    pub(crate) host: Authority,
    pub(crate) asker: Asker,
    pub(crate) settings: Arc<Settings>,
    /// Whether a helper sent the visitor back.
    pub(crate) mark: Mark,
    /// Who seems to ask.
    pub(crate) class: RequestClass,
    /// Early hints of the visitor's connection; only HTTP/1.1 knows them.
    pub(crate) early: Option<Arc<Early>>,
}

/// An answer, and how the cache took part in it.
pub(crate) type Answer = (Response<Payload>, CacheUse);

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    /// It speaks TLS.
    pub(crate) secure: bool,
}

/// What a request has to know of the connection on which it came.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) peer: Peer,
    pub(crate) early: Arc<Early>,
    pub(crate) turns: Arc<Turns>,
}

impl Line {
    pub(crate) fn new(peer: Peer) -> Self {
        Self { peer, early: Arc::default(), turns: Arc::default() }
    }
}

/// Answers one request: meters it, and turns what the gate refuses into 400.
pub(crate) async fn answer(request: Request<Incoming>, line: Line, edge: Arc<Edge>) -> Result<Response<Metered>, Infallible> {
    let Line { peer, early, turns } = line;
    let start = edge.clock.time();
    edge.active.rise();
    edge.counters.requests.one();
    let (mut parts, body) = request.into_parts();
    h2::settle(&mut parts);
    let settings = Guard::into_inner(edge.settings.load());
    let asker = Asker { secure: peer.secure, ..Asker::new(peer.address, &settings.config.trusted_proxies, &parts.headers) };
    let class = classify(parts.uri.path_and_query().map_or("", PathAndQuery::as_str), &parts.headers);
    edge.counters.of_class(class).one();
    let record = edge.keeps_records().then(|| Box::new(record(&parts, asker, class, &edge)));
    // Made before the answer: if the visitor leaves meanwhile, the account is closed by being dropped.
    let account = Account {
        start,
        bytes: 0,
        answered: false,
        complete: false,
        prepaid: false,
        visitor: asker.visitor,
        miss_budget: settings.config.miss_budget,
        passing: None,
        charged: 0,
        record,
    };
    let mut metered = Metered::new(Payload::Empty, Arc::clone(&edge), account, Turn::of(turns));

    let head = parts.method == Method::HEAD;
    let (response, cache) = match gate::check(&parts) {
        Ok(host) => {
            let early = (parts.version == Version::HTTP_11).then_some(early);
            route(Visit { parts, body, host, asker, settings, mark: Mark::None, class, early }, &edge).await
        }
        Err(refusal) => {
            edge.counters.requests_refused.one();
            let mut response = waiting::refused(StatusCode::BAD_REQUEST, refusal.text());
            // Requests of HTTP/2 are told apart below the gate: the next one is none the worse.
            if parts.version != Version::HTTP_2 {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            (response, CacheUse::None)
        }
    };
    edge.count_answer(response.status(), cache);
    let (mut head_parts, payload) = response.into_parts();
    let size = if head { 0 } else { payload.size_hint().exact().unwrap_or_default() };
    let prepaid = head_parts.extensions.remove::<Prepaid>().is_some()
        || edge.overflow.charge_answer(&head_parts.headers, &payload, size, edge.clock.time());
    let pause = edge.overflow.uplink.pause(size, if prepaid { size } else { 0 }, edge.clock.time());
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    if head && let Some(length) = payload.size_hint().exact().filter(|length| *length > 0) {
        head_parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    metered.begin(if head { Payload::Empty } else { payload }, head_parts.status, cache, prepaid);
    Ok(Response::from_parts(head_parts, metered))
}

/// Chooses who answers: a guest's store, the edge itself, or the site.
async fn route(mut visit: Visit, edge: &Arc<Edge>) -> Answer {
    // Before anybody looks at the fields, so that the cache and the origin see the same.
    headers::strip_named(&mut visit.parts.headers);
    if headers::has_looped(&visit.parts.headers, &edge.loop_token) {
        return (waiting::looped(), CacheUse::None);
    }
    // Before guests: an owner checks that the name under which it sends visitors here is ours, lease or no lease.
    if visit.parts.uri.path() == WELL_KNOWN
        && let Some(key) = &visit.settings.member_key
    {
        return (proof(key), CacheUse::None);
    }
    if let Some(text) = edge.certificates.challenges.proof(&visit.host, visit.parts.uri.path()) {
        return (proof(&text), CacheUse::None);
    }
    let asked = (&visit.parts.method, &visit.parts.uri, &visit.parts.headers);
    if let Some((response, _)) = edge.overflow.host(visit.host.as_str(), asked, edge.clock.now()).await {
        return (response.map(Payload::whole), CacheUse::Guest);
    }
    let Some(site) = visit.settings.of_host(&visit.host) else {
        return (waiting::misdirected(), CacheUse::None);
    };
    if let Some(response) = denied(&visit, &site, edge) {
        return (response, CacheUse::None);
    }
    if let Some(response) = names::send_on(&visit.settings, &visit.parts) {
        return (response.map(Payload::whole), CacheUse::None);
    }
    visit.settings = site;
    // Before marks are taken out: who is sent on keeps them.
    if let Some(response) = redirect::to_https(&visit.settings.config, &edge.certificates, visit.asker, (&visit.host, &visit.parts)) {
        return (response, CacheUse::None);
    }
    visit.mark = edge.overflow.unmark(&mut visit.parts.uri, &visit.settings.names, edge.clock.now());
    if visit.parts.method.as_str() == purge::METHOD {
        return purge::answer(&visit, edge).await;
    }
    if visit.parts.uri.path() == restore::PATH && visit.settings.config.rewrite && matches!(visit.parts.method, Method::GET | Method::HEAD)
    {
        return (restore::answer(), CacheUse::None);
    }
    serve::serve(visit, edge).await
}

/// The answer in place of what the owner denies; nothing, if it may be shown. What is denied can still be purged.
fn denied(visit: &Visit, site: &Settings, edge: &Edge) -> Option<Response<Payload>> {
    let denials = &edge.overflow.denials;
    if !denials.has_any() || visit.parts.method.as_str() == purge::METHOD {
        return None;
    }
    let target = Target::of(visit.parts.uri.path_and_query().map_or("/", PathAndQuery::as_str)).path;
    // What a further site holds has a name here, too.
    let by_name = || names::split_name(&target).and_then(|_| denials.of_name(&target));
    let denial = denials.of_site(&site.config, &visit.host, &target).or_else(by_name)?;
    edge.counters.denied.one();
    Some(deny::answer(&denial).map(Payload::whole))
}

/// A text that proves whose this host is, to members or to an authority.
fn proof(text: &str) -> Response<Payload> {
    let mut response = waiting::plain(StatusCode::OK, "");
    *response.body_mut() = Payload::whole(bytes::Bytes::copy_from_slice(text.as_bytes()));
    response
}

fn record(parts: &Parts, asker: Asker, class: RequestClass, edge: &Edge) -> AccessRecord {
    let field = |name| parts.headers.get(name).cloned();
    AccessRecord {
        date: edge.clock.date(),
        visitor: asker.visitor,
        method: parts.method.clone(),
        // HTTP/2 has no other form than the absolute one; logs show the usual one.
        target: match parts.uri.path_and_query() {
            Some(target) if parts.version == Version::HTTP_2 => target.clone().into(),
            _ => parts.uri.clone(),
        },
        version: parts.version,
        host: field(header::HOST),
        referer: field(header::REFERER),
        user_agent: field(header::USER_AGENT),
        // Stands if the visitor leaves before there is an answer.
        status: StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        bytes: 0,
        duration: std::time::Duration::ZERO,
        cache: CacheUse::None,
        class,
        complete: false,
    }
}
