//! Early hints (103, RFC 8297) on their way from the origin to a visitor. The HTTP library cannot send them, so they are written beneath it.
//!
//! Only `poll_flush` writes them, which the library calls when its own buffer is empty, and only while a request is being answered, when
//! nothing of its answer has been written yet: so they stand between two answers and never within one.

use std::{
    fs::File,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, BytesMut};
use http::{HeaderMap, Request, header};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{limits::EARLY_BYTES_MAX, wire::SendsFiles};

/// The early hints of one connection, on which one request is answered at a time.
#[derive(Debug, Default)]
pub(crate) struct Early {
    /// There is something to write: each write looks at this alone.
    pending: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Wakes the connection; there while a request is being answered that may have hints.
    open: Option<Waker>,
    bytes: BytesMut,
    /// A beginning of `bytes` was written: the rest must follow before anything else.
    begun: bool,
    /// Bytes taken for this request.
    taken: usize,
}

impl Early {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is something to write.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Relaxed)
    }

    /// Takes the hints of a 103: its Link fields, which is all that visitors use.
    pub(crate) fn say(&self, hints: &HeaderMap) {
        let mut text = BytesMut::from(&b"HTTP/1.1 103 Early Hints\r\n"[..]);
        for link in hints.get_all(header::LINK) {
            text.extend_from_slice(b"link: ");
            text.extend_from_slice(link.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        let mut inner = self.lock();
        let room = inner.taken + text.len() <= EARLY_BYTES_MAX;
        if let Some(waker) = inner.open.clone().filter(|_| room && hints.contains_key(header::LINK)) {
            inner.taken += text.len();
            inner.bytes.extend_from_slice(&text);
            self.pending.store(true, Relaxed);
            waker.wake();
        }
    }

    /// Writes what is pending; all of it, or only what was begun.
    fn poll_drain(&self, all: bool, mut stream: Pin<&mut impl AsyncWrite>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        while !inner.bytes.is_empty() && (all || inner.begun) {
            let written = ready!(stream.as_mut().poll_write(cx, &inner.bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            inner.bytes.advance(written);
            inner.begun = !inner.bytes.is_empty();
        }
        self.pending.store(!inner.bytes.is_empty(), Relaxed);
        Poll::Ready(Ok(()))
    }
}

/// While this lives, the request that is being answered may have hints. What did not begin to leave by then does not leave.
#[derive(Debug)]
pub(crate) struct Open(Arc<Early>);

impl Open {
    /// To be called from the connection's task.
    pub(crate) async fn new(early: Arc<Early>) -> Self {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        Self::with(early, waker)
    }

    /// The same, for a connection that this wakes.
    pub(crate) fn with(early: Arc<Early>, waker: Waker) -> Self {
        let mut inner = early.lock();
        (inner.open, inner.taken) = (Some(waker), 0);
        drop(inner);
        Self(early)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.open = None;
        if !inner.begun {
            inner.bytes.clear();
            self.0.pending.store(false, Relaxed);
        }
    }
}

/// Has the hints that the origin gives for a request told to a visitor: `origin` looks for it.
pub(crate) fn relay<B>(early: &Arc<Early>, request: &mut Request<B>) {
    request.extensions_mut().insert(Arc::clone(early));
}

/// A visitor's stream with its early hints.
#[derive(Debug)]
pub(crate) struct Hinted<S> {
    stream: S,
    early: Arc<Early>,
}

impl<S> Hinted<S> {
    pub(crate) fn new(stream: S, early: Arc<Early>) -> Self {
        Self { stream, early }
    }
}

impl<S: AsyncWrite + Unpin> Hinted<S> {
    fn poll_drain(&mut self, all: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.early.is_pending() { self.early.poll_drain(all, Pin::new(&mut self.stream), cx) } else { Poll::Ready(Ok(())) }
    }
}

impl<S: AsyncWrite + SendsFiles + Unpin> SendsFiles for Hinted<S> {
    fn sends_files(&self) -> bool {
        self.stream.sends_files()
    }

    fn poll_write_more(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(false, cx))?;
        self.stream.poll_write_more(cx, bytes)
    }

    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &File, offset: u64, count: usize) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(false, cx))?;
        self.stream.poll_send_file(cx, file, offset, count)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Hinted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Hinted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(false, cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(false, cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(true, cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn hints(link: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::LINK, HeaderValue::try_from(link).unwrap()), (header::SERVER, HeaderValue::from_static("x"))])
    }

    /// A stream that takes a few bytes at a time, and its other end.
    fn pair(room: usize) -> (Hinted<tokio::io::DuplexStream>, Arc<Early>, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(room);
        let early = Arc::new(Early::default());
        (Hinted::new(ours, Arc::clone(&early)), early, theirs)
    }

    #[tokio::test]
    async fn hints_leave_before_the_answer_and_whole() {
        let (mut stream, early, mut visitor) = pair(7);
        let open = Open::new(Arc::clone(&early)).await;
        early.say(&hints("</a.css>; rel=preload"));
        let writer = tokio::spawn(async move {
            // The answer comes while the hints leave, a few bytes at a time.
            let flushed = tokio::time::timeout(std::time::Duration::from_millis(20), stream.flush()).await;
            assert!(flushed.is_err());
            drop(open);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            stream.shutdown().await.unwrap();
        });
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        let mut text = String::new();
        visitor.read_to_string(&mut text).await.unwrap();
        writer.await.unwrap();
        assert_eq!(text, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    }

    #[tokio::test]
    async fn hints_that_come_too_late_too_many_or_to_nobody_are_dropped() {
        let (mut stream, early, mut visitor) = pair(1 << 20);
        early.say(&hints("</nobody>"));
        let open = Open::new(Arc::clone(&early)).await;
        early.say(&hints("</dropped>"));
        drop(open);
        early.say(&hints("</late>"));
        let open = Open::new(Arc::clone(&early)).await;
        early.say(&HeaderMap::new());
        let long = format!("</{}>", "x".repeat(EARLY_BYTES_MAX / 2));
        for _ in 0..3 {
            early.say(&hints(&long));
        }
        stream.flush().await.unwrap();
        drop(open);
        stream.write_all(b"end").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        visitor.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, format!("HTTP/1.1 103 Early Hints\r\nlink: {long}\r\n\r\nend"));
    }
}
