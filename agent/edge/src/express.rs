//! The express lane: what can be answered from memory without a question is answered beneath the HTTP library, from the bytes of the
//! request's head to the bytes of the answer's.
//!
//! The library holds the connection all the time. While it waits for a request and owes the visitor nothing, each read that is one whole
//! head is shown to [`lane::Lane`] first; of what that answers, the library sees nothing. Everything else it gets as it came, so there is one
//! way for whatever is not plain, and the lane needs to know only what is.

mod ask;
mod frozen;
pub(crate) mod lane;
mod outgoing;

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::gate::gated::Gated;
pub(crate) use frozen::Frozen;
use lane::Lane;
use outgoing::Outgoing;

/// How many requests of a connection the library has answered.
#[derive(Debug, Default)]
pub(crate) struct Turns(AtomicU64);

/// One request's turn; it ends when this is dropped, after the answer's last byte was handed to the library.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Turns>);

impl Turn {
    pub(crate) fn of(turns: Arc<Turns>) -> Self {
        Self(turns)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Relaxed);
    }
}

/// A visitor's stream as the library holds it.
pub(crate) struct Express<S> {
    stream: Gated<S>,
    lane: Lane,
    turns: Arc<Turns>,
    /// Heads that the library got.
    passed: u64,
    /// What the library wrote since has left.
    flushed: bool,
    outgoing: Option<Outgoing>,
    waiting: Waiting,
}

impl<S> Express<S> {
    /// `patience`: for a request's head, and for the next request.
    pub(crate) fn new(stream: Gated<S>, lane: Lane, turns: Arc<Turns>, patience: Duration) -> Self {
        Self { stream, lane, turns, passed: 0, flushed: true, outgoing: None, waiting: Waiting::new(patience) }
    }

    /// The stream itself, for what comes after HTTP.
    pub(crate) fn into_inner(self) -> S {
        self.stream.into_inner()
    }

    /// All requests that the library got are answered, as far as the library is concerned.
    fn is_settled(&self) -> bool {
        self.passed == self.turns.0.load(Relaxed)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Express<S> {
    /// Writes an answer of the lane's to its end. The library may write only after it.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(outgoing) = &mut self.outgoing else { return Poll::Ready(Ok(())) };
        let result = ready!(outgoing.poll(Pin::new(&mut self.stream), cx));
        self.outgoing = None;
        self.waiting.end();
        Poll::Ready(result)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Express<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            ready!(this.poll_outgoing(cx))?;
            let settled = this.is_settled();
            let idle = settled && this.flushed && this.stream.framing().is_between();
            let (before, heads) = (buffer.filled().len(), this.stream.framing().heads());
            match Pin::new(&mut this.stream).poll_read(cx, buffer) {
                Poll::Ready(result) => result?,
                Poll::Pending if settled => {
                    ready!(this.waiting.poll(cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                Poll::Pending => return Poll::Pending,
            }
            let framing = this.stream.framing();
            let came = framing.heads() - heads;
            if idle && came == 1 && framing.is_between() {
                this.outgoing = this.lane.answer(&buffer.filled()[before..]);
            }
            if this.outgoing.is_none() {
                if came > 0 {
                    (this.passed, this.flushed) = (this.passed + came, false);
                    this.waiting.end();
                }
                return Poll::Ready(Ok(()));
            }
            buffer.set_filled(before);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Express<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_outgoing(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_outgoing(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// The library flushes its stream when its own buffer is empty, and not before.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outgoing(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.flushed |= self.is_settled();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outgoing(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// How long a connection waits for a head. The library's own clock would go on while the lane answers.
struct Waiting {
    patience: Duration,
    since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Waiting {
    fn new(patience: Duration) -> Self {
        Self { patience, since: None, alarm: None }
    }

    /// A head is there. The next wait begins when somebody waits again.
    fn end(&mut self) {
        self.since = None;
    }

    /// Ready when the wait has been too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = *self.since.get_or_insert_with(Instant::now) + self.patience;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        // An alarm that was set for an earlier wait is set anew when it rings, not at each request.
        while alarm.as_mut().poll(cx).is_ready() {
            if alarm.deadline() >= due {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(due);
        }
        Poll::Pending
    }
}
