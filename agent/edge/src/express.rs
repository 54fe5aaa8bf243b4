//! The express lane: what can be answered from memory without a question is answered beneath the HTTP library, from the bytes of the
//! request's head to the bytes of the answer's.
//!
//! The library holds the connection all the time. While it waits for a request and owes the visitor nothing, each read that is one whole
//! head is shown to [`lane::Lane`] first; of what that answers, the library sees nothing. Everything else it gets as it came, so there is one
//! way for whatever is not plain, and the lane needs to know only what is. While nothing else comes, the library is not even asked ([`held`]).
//!
//! That is HTTP/1.1. In HTTP/2 the library reads requests and writes answers, and only what is between them is the lane's ([`crate::h2`]).

mod answering;
mod ask;
mod forwarding;
mod frozen;
pub(crate) mod held;
mod joined;
pub(crate) mod lane;
mod outgoing;
mod passed;
pub(crate) mod sheets;
mod told;

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    gate::gated::Gated,
    limits::{AHEAD_BYTES, EXPRESS_READ_BYTES},
    wire::SendsFiles,
};
use forwarding::Forwarding;
pub(crate) use frozen::{head_length, put_head};
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
    /// They were all answered when last looked at: whoever only uses the lane need not look again.
    settled: bool,
    /// What the library wrote since has left.
    flushed: bool,
    work: Option<Work>,
    /// Requests that the lane took.
    answered: u64,
    /// The library waits for a request.
    awaited: bool,
    /// What was read and the library has not got yet, and how many heads are in it; or why no more can be.
    ahead: (Bytes, u64),
    failed: Option<io::Error>,
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
        Self {
            stream,
            lane,
            turns,
            passed: 0,
            settled: true,
            flushed: true,
            work: None,
            answered: 0,
            awaited: true,
            ahead: (Bytes::new(), 0),
            failed: None,
            waiting: Waiting::default(),
            clock: Waiting::default(),
            patience,
        }
    }

    /// The stream itself, for what comes after HTTP.
    pub(crate) fn into_inner(self) -> S {
        self.stream.into_inner()
    }

    /// All requests that the library got are answered, as far as the library is concerned.
    fn is_settled(&mut self) -> bool {
        self.settled = self.settled || self.passed == self.turns.0.load(Relaxed);
        self.settled
    }

    /// The library owes the visitor nothing, and the visitor has not begun to ask.
    fn is_idle(&mut self) -> bool {
        self.is_settled() && self.flushed && self.stream.framing().is_between()
    }

    /// The library got bytes with so many heads in them.
    fn took(&mut self, heads: u64) {
        self.awaited = false;
        if heads > 0 {
            (self.passed, self.settled, self.flushed) = (self.passed + heads, false, false);
            self.waiting.end();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + SendsFiles + Unpin> Express<S> {
    /// Does what the lane has begun, to its end. The library may write only after it.
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, lane, work, clock, .. } = self;
        let result = match work {
            None => return Poll::Ready(Ok(())),
            Some(Work::Answering(outgoing)) => ready!(outgoing.poll(Pin::new(stream), cx)),
            Some(Work::Forwarding(forwarding)) => match forwarding.poll(lane, Pin::new(stream), clock, cx) {
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
            self.ahead = (Bytes::copy_from_slice(room.filled()), self.stream.framing().heads() - heads);
        }
        Poll::Pending
    }

    /// Gives out what was read already; how many heads are in it.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) -> u64 {
        let (ahead, heads) = &mut self.ahead;
        let count = ahead.len().min(buffer.remaining());
        buffer.put_slice(&ahead[..count]);
        ahead.advance(count);
        std::mem::take(heads)
    }

    /// Reads on, and does what the lane can. Ready with what is for the library, and how many heads are in it.
    fn poll_next(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<u64>> {
        let mut asked = None;
        loop {
            ready!(self.poll_work(cx))?;
            if let Some(at) = asked.take() {
                // One clock reading less.
                self.waiting.begin(at);
            }
            if !self.ahead.0.is_empty() {
                return Poll::Ready(Ok(self.give(buffer)));
            }
            let idle = self.is_idle();
            let (before, heads) = (buffer.filled().len(), self.stream.framing().heads());
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            let framing = self.stream.framing();
            let came = framing.heads() - heads;
            if idle && came == 1 && framing.is_between() {
                self.work = self.lane.take(&buffer.filled()[before..], cx);
            }
            asked = match &self.work {
                Some(Work::Answering(outgoing)) => Some(outgoing.asked()),
                Some(Work::Forwarding(_)) => None,
                None => return Poll::Ready(Ok(came)),
            };
            self.answered += 1;
            buffer.set_filled(before);
        }
    }

    /// Goes on without the library while that waits for a request, too. Tells whether it need not be asked: then the lane is at work or has
    /// answered something, and whatever comes next will wake the connection.
    pub(super) fn poll_beneath(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.awaited || !self.ahead.0.is_empty() || self.failed.is_some() || !self.is_idle() {
            return false;
        }
        let mut room = [const { MaybeUninit::uninit() }; EXPRESS_READ_BYTES];
        let (mut buffer, before, worked) = (ReadBuf::uninit(&mut room), self.answered, self.work.is_some());
        match self.poll_next(cx, &mut buffer) {
            Poll::Ready(Ok(heads)) => self.ahead = (Bytes::copy_from_slice(buffer.filled()), heads),
            Poll::Ready(Err(error)) => self.failed = Some(error),
            Poll::Pending if self.work.is_some() => return true,
            Poll::Pending => return (worked || self.answered > before) && self.waiting.stands(self.patience, cx),
        }
        false
    }
}

impl<S: AsyncRead + AsyncWrite + SendsFiles + Unpin> AsyncRead for Express<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(error) = this.failed.take() {
            return Poll::Ready(Err(error));
        }
        match this.poll_next(cx, buffer) {
            Poll::Ready(came) => {
                this.took(came?);
                return Poll::Ready(Ok(()));
            }
            Poll::Pending => this.awaited = true,
        }
        if this.work.is_none() && this.is_settled() {
            ready!(this.waiting.poll(this.patience, cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + SendsFiles + Unpin> AsyncWrite for Express<S> {
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
        self.awaited = false;
        ready!(self.poll_work(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Times of the edge's clock are cut to microseconds, those of alarms to milliseconds.
const ALARM_GRAIN: Duration = Duration::from_millis(2);

/// How long somebody is waited for: a visitor with its next head (the library's own clock would go on while the lane answers), or the origin.
#[derive(Default)]
struct Waiting {
    since: Option<Instant>,
    /// When it rings stands beside it: to look at the alarm itself costs a line of the processor's cache.
    alarm: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Waiting {
    /// What was waited for is there. The next wait begins when somebody waits again.
    fn end(&mut self) {
        self.since = None;
    }

    /// The next wait has begun.
    fn begin(&mut self, at: Instant) {
        self.since = Some(at);
    }

    /// Waits, from now on if nobody does yet. Ready when that has been longer than `patience`.
    fn wait(&mut self, patience: Duration, cx: &mut Context<'_>) -> Poll<()> {
        if self.since.is_none() && self.stands(patience, cx) { Poll::Pending } else { self.poll(patience, cx) }
    }

    /// Tells whether a wait goes on that begins now, or began in this very turn of the task, with an alarm that will wake whoever waits.
    fn stands(&mut self, patience: Duration, cx: &mut Context<'_>) -> bool {
        let since = *self.since.get_or_insert_with(Instant::now);
        // No alarm has rung before this turn that is still to ring then.
        let is_set = |(rings, _): &(Instant, _)| since + ALARM_GRAIN < *rings && *rings <= since + patience;
        self.alarm.as_ref().is_some_and(is_set) || self.poll(patience, cx).is_pending()
    }

    /// Ready when the wait has been longer than `patience`.
    fn poll(&mut self, patience: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let due = *self.since.get_or_insert_with(Instant::now) + patience;
        let (rings, alarm) = self.alarm.get_or_insert_with(|| (due, Box::pin(sleep_until(due))));
        if *rings > due {
            alarm.as_mut().reset(due);
            *rings = due;
        }
        // An alarm that was set for an earlier wait is set anew when it rings, not at each request.
        while alarm.as_mut().poll(cx).is_ready() {
            if *rings >= due {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(due);
            *rings = due;
        }
        Poll::Pending
    }
}
