//! A visitor who speaks HTTP/2.

use bytes::Bytes;
use http::{Method, Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use overspill_edge::Handle;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::LONG;

pub type Visitor = SendRequest<Full<Bytes>>;

/// Runs a story that takes no longer than any.
pub fn story<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, story).await.unwrap() })
}

/// Comes with prior knowledge.
pub async fn meet_plainly(edge: &Handle) -> Visitor {
    speak(TcpStream::connect(edge.local_addr()).await.unwrap()).await
}

pub async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Visitor {
    let (visitor, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { connection.await.ok() });
    visitor
}

pub fn request(method: Method, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(target).version(Version::HTTP_2);
    let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Full::new(Bytes::copy_from_slice(body))).unwrap()
}

/// Head and body of the answer.
pub async fn ask(visitor: &mut Visitor, request: Request<Full<Bytes>>) -> (http::response::Parts, String) {
    visitor.ready().await.unwrap();
    let (head, body) = visitor.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head, String::from_utf8(body.to_vec()).unwrap())
}
