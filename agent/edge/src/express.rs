//! The express lane: what can be answered from memory without a question is answered beneath the HTTP library, from the bytes of the
//! request's head to the bytes of the answer's.
//!
//! The library holds the connection all the time. While it waits for a request and owes the visitor nothing, each read that is one whole
//! head is shown to [`lane::Lane`] first; of what that answers, the library sees nothing. Everything else it gets as it came, so there is one
//! way for whatever is not plain, and the lane needs to know only what is.
//!
//! That is HTTP/1.1. In HTTP/2 the library reads requests and writes answers, and only what is between them is the lane's ([`crate::h2`]).

mod ask;
mod forwarding;
mod frozen;
pub(crate) mod lane;
mod outgoing;
mod passed;
mod told;

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

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::{gate::gated::Gated, limits::AHEAD_BYTES};
use forwarding::Forwarding;
pub(crate) use frozen::Frozen;
use lane::Lane;
use outgoing::Outgoing;
pub(crate) use passed::Passed;

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
    work: Option<Work>,
    /// Bytes of the visitor's that the library has not got yet, and the heads among them.
    ahead: (BytesMut, u64),
    /// How long the visitor, and how long the origin is waited for.
    waiting: Waiting,
    clock: Waiting,
    patience: Duration,
}

/// What the lane is doing.
#[expect(clippy::large_enum_variant, reason = "an answer from memory costs no allocation")]
enum Work {
    Answering(Outgoing),
    Forwarding(Box<Forwarding>),
}

impl<S> Express<S> {
    /// `patience`: for a request's head, and for the next request.
    pub(crate) fn new(stream: Gated<S>, lane: Lane, turns: Arc<Turns>, patience: Duration) -> Self {
        let (waiting, clock) = (Waiting::default(), Waiting::default());
        Self { stream, lane, turns, passed: 0, flushed: true, work: None, ahead: (BytesMut::new(), 0), waiting, clock, patience }
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
    /// Does what the lane has begun, to its end. The library may write only after it.
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = match &mut self.work {
            None => return Poll::Ready(Ok(())),
            Some(Work::Answering(outgoing)) => ready!(outgoing.poll(Pin::new(&mut self.stream), cx)),
            Some(Work::Forwarding(forwarding)) => match forwarding.poll(Pin::new(&mut self.stream), &mut self.clock, cx) {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    ready!(self.poll_visitor(cx))?;
                    Err(io::ErrorKind::UnexpectedEof.into())
                }
            },
        };
        self.work = None;
        self.clock.end();
        self.waiting.end();
        Poll::Ready(result)
    }

    /// Ready when the visitor is gone, who might else wait for an answer: then nobody does. What comes from it meanwhile is kept.
    fn poll_visitor(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.ahead.0.is_empty() {
            let (mut room, heads) = ([0; AHEAD_BYTES], self.stream.framing().heads());
            let mut room = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
            if room.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.ahead.0.extend_from_slice(room.filled());
            self.ahead.1 += self.stream.framing().heads() - heads;
        }
        Poll::Pending
    }

    /// Gives the library what came while the lane was at work.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.ahead.0.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead.0[..count]);
        self.ahead.0.advance(count);
        let heads = std::mem::take(&mut self.ahead.1);
        self.took(heads);
    }

    /// The library got so many heads more.
    fn took(&mut self, heads: u64) {
        if heads > 0 {
            (self.passed, self.flushed) = (self.passed + heads, false);
            self.waiting.end();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Express<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            ready!(this.poll_work(cx))?;
            if !this.ahead.0.is_empty() {
                this.give(buffer);
                return Poll::Ready(Ok(()));
            }
            let settled = this.is_settled();
            let idle = settled && this.flushed && this.stream.framing().is_between();
            let (before, heads) = (buffer.filled().len(), this.stream.framing().heads());
            match Pin::new(&mut this.stream).poll_read(cx, buffer) {
                Poll::Ready(result) => result?,
                Poll::Pending if settled => {
                    ready!(this.waiting.poll(this.patience, cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                Poll::Pending => return Poll::Pending,
            }
            let framing = this.stream.framing();
            let came = framing.heads() - heads;
            if idle && came == 1 && framing.is_between() {
                this.work = this.lane.take(&buffer.filled()[before..], cx);
            }
            if this.work.is_none() {
                this.took(came);
                return Poll::Ready(Ok(()));
            }
            buffer.set_filled(before);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Express<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_work(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_work(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// The library flushes its stream when its own buffer is empty, and not before.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // While the lane is at work, the library has nothing to say.
        if self.work.is_some() {
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.flushed |= self.is_settled();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_work(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// How long somebody is waited for: a visitor with its next head (the library's own clock would go on while the lane answers), or the origin.
#[derive(Default)]
struct Waiting {
    since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Waiting {
    /// What was waited for is there. The next wait begins when somebody waits again.
    fn end(&mut self) {
        self.since = None;
    }

    /// Ready when the wait has been longer than `patience`.
    fn poll(&mut self, patience: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let due = *self.since.get_or_insert_with(Instant::now) + patience;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if alarm.deadline() > due {
            alarm.as_mut().reset(due);
        }
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
