//! The web site behind each agent of the demonstration: a process of its own, pages from a small pool of workers, files at once.
//!
//! It stands for a stock WordPress on small hosting. Pages carry neither freshness nor validators and are rendered anew each
//! time; assets are public and fresh for an hour. It counts its own load and shows the count on a second port.

mod load;
mod pool;

use std::{convert::Infallible, io::Read as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use load::Load;
pub use load::LoadRecord;
use pool::Pool;

use super::content::{self, Content, Kind, Resource};
use crate::cli::out;

/// Options of the hidden command `overspill demo-site`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What it serves.
    #[arg(long)]
    pub catalogue: PathBuf,
    /// Seed of the bodies and of the service times.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Pages that are rendered at once.
    #[arg(long, default_value_t = 2)]
    pub workers: usize,
    /// Requests for pages that may wait for a worker.
    #[arg(long, default_value_t = 8)]
    pub queue: usize,
    /// Mean time that rendering a page takes, in milliseconds.
    #[arg(long, default_value_t = 400)]
    pub service_ms: u64,
}

/// One site, shared by its connections.
struct Site {
    content: Content,
    pool: Pool,
    load: Arc<Load>,
}

/// Serves until standard input ends, so that the site does not outlive the demonstration.
///
/// Its first line on standard output is `{"site": "ADDRESS", "side": "ADDRESS"}`.
///
/// # Errors
/// When the catalogue cannot be read or no port can be had.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let content = Content::new(&content::read_catalogue(&options.catalogue)?, options.seed)?;
    let load = Arc::new(Load::new());
    let pool = Pool::new(options.workers, options.queue, Duration::from_millis(options.service_ms), options.seed);
    let site = Arc::new(Site { content, pool, load });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen on loopback")?;
        let side = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen on loopback")?;
        out::line(format_args!("{{\"site\": \"{}\", \"side\": \"{}\"}}", listener.local_addr()?, side.local_addr()?))?;
        tokio::spawn(accept(side, Arc::clone(&site), |site, request| std::future::ready(site.side(&request))));
        accept(listener, site, |site, request| async move { site.answer(&request).await }).await;
        Ok(())
    })
}

async fn accept<F, A>(listener: TcpListener, site: Arc<Site>, answer: F)
where
    F: Fn(Arc<Site>, Request<Incoming>) -> A + Copy + Send + 'static,
    A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: leave those that are open the time to close.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let site = Arc::clone(&site);
        let service = service_fn(move |request| {
            let answer = answer(Arc::clone(&site), request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        tokio::spawn(async move {
            // A visitor who goes away in mid-answer is no error of the site's.
            let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Site {
    async fn answer(self: Arc<Self>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        let Some(resource) = self.content.at(path) else { return plain(StatusCode::NOT_FOUND, "no such page\n") };
        match resource.kind {
            Kind::Page => {
                let place = self.content.place(path).unwrap_or_default();
                let site = Arc::clone(&self);
                // As with PHP, the rendering goes on when the visitor has gone: it costs the same.
                let rendered = tokio::spawn(async move {
                    let _in_flight = site.load.enter();
                    let done = site.pool.render().await;
                    site.load.count(done.is_ok());
                    (site, done)
                });
                match rendered.await {
                    Ok((site, Ok(()))) => ok(&site.content.resources[place as usize]),
                    _ => plain(StatusCode::SERVICE_UNAVAILABLE, "all workers are busy\n"),
                }
            }
            Kind::Asset => {
                let _in_flight = self.load.enter();
                let tag = tag(resource);
                if request.headers().get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes()) {
                    let mut response = Response::new(Full::default());
                    *response.status_mut() = StatusCode::NOT_MODIFIED;
                    asset_headers(&mut response, &tag);
                    return response;
                }
                let mut response = ok(resource);
                asset_headers(&mut response, &tag);
                response
            }
        }
    }

    /// The second port: `GET /load` tells the count, `POST /reset` begins a new one.
    fn side(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/load") => {
                Response::new(Full::from(serde_json::to_vec(&self.load.report()).unwrap_or_else(|error| error.to_string().into_bytes())))
            }
            (&Method::POST, "/reset") => {
                self.load.reset();
                plain(StatusCode::OK, "counting anew\n")
            }
            _ => plain(StatusCode::NOT_FOUND, "GET /load or POST /reset\n"),
        }
    }
}

fn ok(resource: &Resource) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(resource.body.clone()));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(resource.media_type));
    response
}

fn asset_headers(response: &mut Response<Full<Bytes>>, tag: &str) {
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("public, max-age=3600"));
    if let Ok(tag) = header::HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
}

fn tag(resource: &Resource) -> String {
    format!("\"{}\"", data_encoding::HEXLOWER.encode(&resource.digest[..8]))
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}
