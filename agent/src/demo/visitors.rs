//! The load generator: visitors who load a page and its assets, follow redirects, check every byte, and leave after two seconds.
//!
//! Arrival times are fixed in advance and latency counts from the intended time, so a slow site is not asked less than a fast one.
//! Within a visit, the assets are wanted the moment that the page has arrived; waiting for one of the few connections counts.

mod connections;
mod journal;
mod page;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use connections::Connections;
pub use journal::{Carrier, Journal, Outcome, Record, Redirect};

use super::{
    content::{Content, Kind, Resource},
    crowd::{Crowd, Visit},
    limits,
};

/// Where visitors go, and whom they can tell apart there.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Scheme and authority of the site that is struck.
    pub canonical: String,
    /// Port of each helper's uplink: tells who answered.
    pub helper_ports: Vec<u16>,
}

/// Counts that a progress display may read while visitors are under way.
#[derive(Debug, Default)]
pub struct Progress {
    /// Requests answered rightly and in time.
    pub right: AtomicU64,
    /// Body bytes of those.
    pub right_bytes: AtomicU64,
    /// Requests that were not.
    pub failed: AtomicU64,
    /// Redirects followed.
    pub redirects: AtomicU64,
    /// Visitors under way.
    pub visitors: AtomicUsize,
}

/// One run of a crowd, shared by its visitors.
struct Run {
    ground: Ground,
    content: Arc<Content>,
    progress: Arc<Progress>,
    start: Instant,
}

/// Sends `crowd` to `ground` from `start` on and returns what became of each request.
pub async fn send(crowd: &Crowd, content: Arc<Content>, ground: Ground, progress: Arc<Progress>, start: Instant) -> Journal {
    let mut journal = Journal::with_capacity(crowd.requests());
    let run = Arc::new(Run { ground, content, progress, start });
    let mut under_way: JoinSet<Vec<Record>> = JoinSet::new();
    for visit in &crowd.visits {
        tokio::time::sleep_until((start + visit.at).into()).await;
        while let Some(done) = under_way.try_join_next() {
            journal.add(done.unwrap_or_default());
        }
        if under_way.len() >= limits::VISITORS_MAX {
            journal.add(run.turned_away(visit));
        } else {
            under_way.spawn(Arc::clone(&run).visit(visit.clone()));
        }
        run.progress.visitors.store(under_way.len(), Ordering::Relaxed);
    }
    while let Some(done) = under_way.join_next().await {
        journal.add(done.unwrap_or_default());
    }
    journal
}

/// What one request came to, apart from its time.
struct Answer {
    outcome: Outcome,
    carrier: Carrier,
    redirect: Option<Redirect>,
    /// The page named the helper.
    named: bool,
    sent_back: bool,
    /// Files of a page that are to be had elsewhere.
    elsewhere: BTreeMap<u32, Uri>,
}

impl Run {
    async fn visit(self: Arc<Self>, visit: Visit) -> Vec<Record> {
        let connections = Connections::new();
        let (page, elsewhere) = self.load(visit.first, None, visit.at, &connections).await;
        let assets = &visit.assets;
        let wanted = self.start.elapsed();
        let mut records = Vec::with_capacity(1 + assets.len());
        if page.outcome == Outcome::Right {
            let load = async |asset: u32| self.load(asset, elsewhere.get(&asset), wanted, &connections).await.0;
            records = stream::iter(assets.iter().copied()).map(load).buffer_unordered(assets.len().max(1)).collect().await;
        } else {
            records.extend(assets.iter().map(|asset| self.not_asked(*asset, visit.at)));
        }
        records.push(page);
        records
    }

    /// Everything that a visitor wanted whom this machine could not send out.
    fn turned_away(&self, visit: &Visit) -> Vec<Record> {
        visit.wants().map(|place| self.not_asked(place, visit.at)).collect()
    }

    fn not_asked(&self, resource: u32, wanted: Duration) -> Record {
        self.progress.failed.fetch_add(1, Ordering::Relaxed);
        let (outcome, carrier) = (Outcome::NotAsked, Carrier::Nobody);
        let ended = wanted + limits::DEADLINE;
        Record { wanted, ended, resource, outcome, carrier, redirect: None, named: false, sent_back: false }
    }

    /// Loads a resource, from `elsewhere` if its page says so: as with the script in such pages, what fails there is asked for at the
    /// site itself, once. Also returns where a page says that its files are.
    async fn load(
        &self,
        resource: u32,
        elsewhere: Option<&Uri>,
        wanted: Duration,
        connections: &Connections,
    ) -> (Record, BTreeMap<u32, Uri>) {
        let deadline = self.start + wanted + limits::DEADLINE;
        let (carrier, redirect, named, sent_back) = (Carrier::Nobody, None, false, false);
        let mut answer = Answer { outcome: Outcome::Broken, carrier, redirect, named, sent_back, elsewhere: BTreeMap::new() };
        let wants = &self.content.resources[resource as usize];
        let own = format!("{}{}", self.ground.canonical, wants.path).parse::<Uri>().ok();
        let load = async {
            if let Some(target) = elsewhere {
                answer.named = true;
                answer.redirect = self.helper_at(target).map(|to| Redirect { at: self.start.elapsed(), to });
                self.follow(wants, target.clone(), connections, &mut answer).await;
                let home = target.path_and_query().and_then(|path| format!("{}{path}", self.ground.canonical).parse().ok());
                if answer.outcome != Outcome::Right
                    && let Some(home) = home
                {
                    answer.sent_back = true;
                    self.follow(wants, home, connections, &mut answer).await;
                }
            } else if let Some(target) = own {
                self.follow(wants, target, connections, &mut answer).await;
            }
        };
        if tokio::time::timeout_at(deadline.into(), load).await.is_err() {
            answer.outcome = Outcome::Late;
        }
        let Answer { outcome, carrier, redirect, named, sent_back, elsewhere } = answer;
        if outcome == Outcome::Right {
            self.progress.right.fetch_add(1, Ordering::Relaxed);
            self.progress.right_bytes.fetch_add(self.content.resources[resource as usize].body.len() as u64, Ordering::Relaxed);
        } else {
            self.progress.failed.fetch_add(1, Ordering::Relaxed);
        }
        (Record { wanted, ended: self.start.elapsed(), resource, outcome, carrier, redirect, named, sent_back }, elsewhere)
    }

    /// Asks, follows redirects and reads to the end. `answer` is kept up to date, so that a deadline finds how far this came.
    async fn follow(&self, resource: &Resource, mut target: Uri, connections: &Connections, answer: &mut Answer) {
        answer.outcome = Outcome::Broken;
        for _ in 0..limits::HOPS_MAX {
            let helper = self.helper_at(&target);
            answer.carrier = Carrier::Nobody;
            let Ok(_place) = connections.place(&target).await else { return };
            let Ok(response) = connections.get(&target).await else { return };
            match response.status() {
                StatusCode::OK => {
                    answer.carrier = helper.map_or_else(|| kept_or_fetched(&response), Carrier::Helper);
                    (answer.outcome, answer.elsewhere) = match resource.kind {
                        Kind::Page => self.read_page(response, resource).await,
                        Kind::Asset => (read(response, resource).await, BTreeMap::new()),
                    };
                    return;
                }
                StatusCode::FOUND | StatusCode::TEMPORARY_REDIRECT => {
                    let Some(next) = location(&response) else { return };
                    match (helper, self.helper_at(&next)) {
                        (None, Some(to)) => {
                            self.progress.redirects.fetch_add(1, Ordering::Relaxed);
                            answer.redirect = Some(Redirect { at: self.start.elapsed(), to });
                        }
                        (Some(_), None) => answer.sent_back = true,
                        _ => return,
                    }
                    // The connection is free for the next request only when the redirect's body was read.
                    let _ = response.into_body().collect().await;
                    target = next;
                }
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                    answer.outcome = Outcome::Refused;
                    let _ = response.into_body().collect().await;
                    return;
                }
                _ => {
                    answer.outcome = Outcome::Wrong;
                    return;
                }
            }
        }
    }

    /// Reads a page to its end, compares it, and notes which of its files are to be had elsewhere.
    async fn read_page(&self, response: Response<Incoming>, page: &Resource) -> (Outcome, BTreeMap<u32, Uri>) {
        let longest = page.body.len() + limits::REWRITTEN_PAGE_EXTRA;
        let Ok(body) = Limited::new(response.into_body(), longest).collect().await else { return (Outcome::Broken, BTreeMap::new()) };
        let is_helper = |target: &Uri| self.helper_at(target).is_some();
        page::read(&body.to_bytes(), page, &self.content, is_helper)
            .map_or((Outcome::Wrong, BTreeMap::new()), |found| (Outcome::Right, found))
    }

    fn helper_at(&self, target: &Uri) -> Option<u8> {
        let port = target.port_u16()?;
        self.ground.helper_ports.iter().position(|known| *known == port).and_then(|at| u8::try_from(at).ok())
    }
}

/// Tells by `Cache-Status` (RFC 9211) whether the site's agent held the answer or asked the origin.
fn kept_or_fetched(response: &Response<Incoming>) -> Carrier {
    let status = response.headers().get("cache-status").and_then(|value| value.to_str().ok()).unwrap_or("");
    if status.split(';').any(|part| part.trim() == "hit") { Carrier::Cache } else { Carrier::Origin }
}

fn location(response: &Response<Incoming>) -> Option<Uri> {
    response.headers().get(header::LOCATION)?.to_str().ok()?.parse().ok()
}

/// Reads the body and compares its digest.
async fn read(response: Response<Incoming>, resource: &Resource) -> Outcome {
    let (mut body, mut hash, mut length) = (response.into_body(), Sha256::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Outcome::Broken };
        if let Some(part) = frame.data_ref() {
            length += part.len();
            if length > resource.body.len() {
                return Outcome::Wrong;
            }
            hash.update(part);
        }
    }
    if hash.finalize().as_slice() == resource.digest { Outcome::Right } else { Outcome::Wrong }
}

/// A GET for `target` as a browser would send it.
fn request(target: &Uri) -> Result<Request<Empty<Bytes>>, http::Error> {
    let path = target.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let host = target.authority().map_or("", http::uri::Authority::as_str);
    Request::get(path).header(header::HOST, host).header(header::USER_AGENT, "overspill-demo").body(Empty::new())
}
