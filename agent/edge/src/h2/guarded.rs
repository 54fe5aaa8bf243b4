//! A connection of HTTP/2 whose manners are watched: as a stream of bytes below the HTTP library, and as an alarm beside it.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use overspill_governance::time::Time;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::manners::{Manners, Verdict};
use crate::clock::Clock;

/// The books on one connection, with the clock by which they are kept. Copies keep the same books.
#[derive(Clone)]
pub(crate) struct Books {
    manners: Arc<Mutex<Manners>>,
    clock: Clock,
}

impl Books {
    pub(crate) fn new(manners: Manners, clock: Clock) -> Self {
        Self { manners: Arc::new(Mutex::new(manners)), clock }
    }

    pub(crate) fn open(&self) -> (MutexGuard<'_, Manners>, Time) {
        (self.manners.lock().unwrap_or_else(PoisonError::into_inner), self.clock.time())
    }
}

/// A stream that ends when what comes out of it is no way to behave.
pub(crate) struct Guarded<S> {
    stream: S,
    books: Books,
}

impl<S> Guarded<S> {
    pub(crate) fn new(stream: S, books: Books) -> Self {
        Self { stream, books }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let (mut manners, now) = self.books.open();
        let read = manners.on_read(&buffer.filled()[before..], now);
        Poll::Ready(read.map_err(|_| io::ErrorKind::ConnectionAborted.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        let (mut manners, now) = self.books.open();
        manners.on_written(&bytes[..written], now);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bytes))?;
        let (mut manners, now) = self.books.open();
        let mut left = written;
        for slice in bytes {
            let taken = left.min(slice.len());
            manners.on_written(&slice[..taken], now);
            left -= taken;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Rings when the books have a verdict. To be polled after the connection, whose polling writes the books.
pub(crate) struct Alarm {
    books: Books,
    set: Option<(Time, Pin<Box<Sleep>>)>,
}

impl Alarm {
    pub(crate) fn new(books: Books) -> Self {
        Self { books, set: None }
    }
}

impl Future for Alarm {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        loop {
            let (deadline, verdict, now) = {
                let (manners, now) = self.books.open();
                let deadline = manners.deadline();
                let verdict = deadline.filter(|deadline| *deadline <= now).map_or(Verdict::Stay, |_| manners.verdict(now));
                (deadline, verdict, now)
            };
            if verdict != Verdict::Stay {
                self.set = None;
                return Poll::Ready(verdict);
            }
            let Some(deadline) = deadline else { return Poll::Pending };
            match &mut self.set {
                // Set for an earlier time it rings in vain once, which is cheaper than setting it anew for each frame.
                Some((time, timer)) if *time <= deadline => {
                    ready!(timer.as_mut().poll(cx));
                    self.set = None;
                }
                Some((time, timer)) => {
                    timer.as_mut().reset(Instant::now() + deadline.since(now));
                    *time = deadline;
                }
                None => self.set = Some((deadline, Box::pin(sleep(deadline.since(now))))),
            }
        }
    }
}
