//! What one connection has to say at a time leaves together. The HTTP library writes each answer by itself, and flushes after it: ten
//! answers that are ready together would be ten system calls, ten TLS records, and ten packets.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::HTTP2_GATHERED_BYTES;

/// A stream whose flushing is for whoever drives the connection ([`Gathered::poll_leave`]), not for the library. Copies are the same stream.
pub(crate) struct Gathered<S>(Arc<Mutex<Gathering<S>>>);

struct Gathering<S> {
    stream: S,
    waiting: BytesMut,
    /// The stream may keep something that was written to it.
    unflushed: bool,
    /// Nothing more was to be read since what gathered left last. The library looks again after each request that it hands over.
    dry: bool,
}

thread_local! {
    /// Where a thread's connections gather, one after the other: each has left, mostly, before the next is looked at.
    static SPARE: Cell<BytesMut> = Cell::default();
}

impl<S> Clone for Gathered<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Gathered<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(Arc::new(Mutex::new(Gathering { stream, waiting: BytesMut::new(), unflushed: false, dry: false })))
    }

    fn open(&self) -> MutexGuard<'_, Gathering<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Lets leave what has gathered; ready only with an error. To be polled after the connection, by the same task: the connection's polling
    /// writes, and reads again only after this.
    pub(crate) fn poll_leave(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let mut gathering = self.open();
        gathering.dry = false;
        match ready!(gathering.poll_flush(cx)) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(error),
        }
    }
}

impl<S: AsyncWrite + Unpin> Gathering<S> {
    /// Writes until less than so much waits.
    fn poll_below(&mut self, bound: usize, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.waiting.len() >= bound {
            // Whole pieces as long as there are any: they fill TLS records.
            let piece = self.waiting.len().min(HTTP2_GATHERED_BYTES);
            self.unflushed = true;
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting[..piece]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.waiting.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_below(1, cx))?;
        // A connection that waits holds no buffer.
        if self.waiting.capacity() > 0 {
            SPARE.set(std::mem::take(&mut self.waiting));
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes in as much as fits; at least something.
    fn poll_gather(&mut self, slices: &[io::IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.poll_below(HTTP2_GATHERED_BYTES, cx))?;
        if self.waiting.capacity() == 0 {
            self.waiting = SPARE.take();
            self.waiting.clear();
            self.waiting.reserve(HTTP2_GATHERED_BYTES);
        }
        let mut room = 2 * HTTP2_GATHERED_BYTES - self.waiting.len();
        let before = room;
        for slice in slices {
            let taken = slice.len().min(room);
            self.waiting.extend_from_slice(&slice[..taken]);
            room -= taken;
        }
        Poll::Ready(Ok(before - room))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.open();
        if gathering.dry {
            return Poll::Pending;
        }
        let read = Pin::new(&mut gathering.stream).poll_read(cx, buffer);
        gathering.dry = read.is_pending();
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.open().poll_gather(&[io::IoSlice::new(bytes)], cx)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.open().poll_gather(bytes, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: the library flushes after each answer.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.open();
        ready!(gathering.poll_flush(cx))?;
        Pin::new(&mut gathering.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    /// Lets leave what can.
    async fn leave(stream: &Gathered<DuplexStream>) {
        assert!(poll_fn(|cx| Poll::Ready(stream.poll_leave(cx).is_pending())).await);
    }

    #[tokio::test]
    async fn nothing_leaves_before_it_is_told_to() {
        let (near, mut far) = duplex(1 << 20);
        let mut stream = Gathered::new(near);
        for _ in 0..10 {
            stream.write_all(b"answer").await.unwrap();
            stream.flush().await.unwrap();
        }
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), far.read_u8()).await.is_err());
        leave(&stream).await;
        let mut all = [0; 60];
        assert_eq!(far.read(&mut all).await.unwrap(), 60, "in one piece");
        assert_eq!(stream.open().waiting.capacity(), 0);
    }

    #[tokio::test]
    async fn who_found_nothing_to_read_looks_again_when_what_gathered_has_left() {
        let (near, mut far) = duplex(100);
        let mut stream = Gathered::new(near);
        let reads = async |stream: &mut Gathered<DuplexStream>| {
            poll_fn(|cx| Poll::Ready(Pin::new(&mut *stream).poll_read(cx, &mut ReadBuf::new(&mut [0])).is_ready())).await
        };
        assert!(!reads(&mut stream).await);
        far.write_all(b"x").await.unwrap();
        assert!(!reads(&mut stream).await);
        leave(&stream).await;
        assert!(reads(&mut stream).await);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_arrives_whole() {
        let (near, mut far) = duplex(1_000);
        let mut stream = Gathered::new(near);
        let sent: Vec<u8> = (0..3_000_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            all
        });
        for piece in sent.chunks(100_000) {
            stream.write_all(piece).await.unwrap();
            assert!(stream.open().waiting.len() <= 2 * HTTP2_GATHERED_BYTES);
        }
        stream.shutdown().await.unwrap();
        drop(stream);
        assert!(reading.await.unwrap() == sent);
    }
}
