//! One connection to the origin.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    thread::{self, ThreadId},
};

use bytes::BytesMut;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::{
    answer::{self, Head, Malformed},
    asking::{Asking, Cut},
};
use crate::{
    early::Early,
    limits::{INTERIM_MAX, ORIGIN_READ_BYTES_MAX, ORIGIN_READ_BYTES_MIN},
    wire::Wire,
};

/// A connection; while nobody holds it, nothing may come over it.
pub(crate) struct Connection {
    wire: Wire,
    /// What came and was not taken yet.
    input: BytesMut,
    /// Room for the next read.
    stride: usize,
    pub(super) address: SocketAddr,
    /// The thread that hears of its bytes first: a request made there wakes no other.
    pub(super) home: ThreadId,
    /// An answer has come over it.
    pub(super) used: bool,
}

/// Why no answer came over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It ended before an answer began: what came over it was no answer, so that asking again is not asking twice (RFC 9112 section 9.3.1).
    Closed,
    Broken,
}

/// What an answer's head depends on besides its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The request was HEAD.
    pub(super) bodiless: bool,
    /// It asked for another protocol.
    pub(super) may_switch: bool,
}

impl Connection {
    /// A connection just opened on this thread.
    pub(super) fn new(wire: Wire, address: SocketAddr) -> Self {
        let home = thread::current().id();
        Self { wire, input: BytesMut::new(), stride: ORIGIN_READ_BYTES_MIN, address, home, used: false }
    }

    /// It is open, and nothing came that nobody asked for.
    pub(super) fn is_quiet(&mut self) -> bool {
        let (mut byte, mut cx) = ([0], Context::from_waker(Waker::noop()));
        self.input.is_empty() && Pin::new(&mut self.wire).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// Sends a request, and waits for the head of its answer; what of the request has not left by then. Early hints are told to `early`.
    pub(super) async fn ask(
        &mut self,
        mut asking: Asking,
        asked: Asked,
        early: Option<&Early>,
    ) -> Result<(Head, Option<Asking>), Unanswered> {
        let (mut searched, mut interim, mut sent, mut takes_more) = (0, 0, false, true);
        poll_fn(|cx| {
            loop {
                if !sent {
                    match asking.poll(Pin::new(&mut self.wire), cx) {
                        Poll::Ready(Ok(())) => sent = true,
                        // The answer may be there all the same: a server need not read what it refuses.
                        Poll::Ready(Err(Cut::Wire)) => (sent, takes_more) = (true, false),
                        Poll::Ready(Err(Cut::Upload)) => return Poll::Ready(Err(Unanswered::Broken)),
                        Poll::Pending => {}
                    }
                }
                match answer::head(&mut self.input, &mut searched, asked.bodiless) {
                    Err(Malformed) => return Poll::Ready(Err(Unanswered::Broken)),
                    Ok(None) => {
                        let begun = interim > 0 || !self.input.is_empty();
                        match ready!(self.poll_fill(cx)) {
                            Ok(0) => return Poll::Ready(Err(if begun { Unanswered::Broken } else { Unanswered::Closed })),
                            Err(error) if !begun && is_end(&error) => return Poll::Ready(Err(Unanswered::Closed)),
                            Err(_) => return Poll::Ready(Err(Unanswered::Broken)),
                            Ok(_) => {}
                        }
                    }
                    Ok(Some(head)) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                        // Another protocol that nobody asked for would carry whatever the origin likes past everything that reads HTTP.
                        return Poll::Ready(if asked.may_switch { Ok(head) } else { Err(Unanswered::Broken) });
                    }
                    Ok(Some(head)) if head.status.is_informational() => {
                        interim += 1;
                        if interim > INTERIM_MAX {
                            return Poll::Ready(Err(Unanswered::Broken));
                        }
                        if let Some(early) = early.filter(|_| head.status == StatusCode::EARLY_HINTS) {
                            early.say(&head.headers);
                        }
                    }
                    Ok(Some(head)) => return Poll::Ready(Ok(head)),
                }
            }
        })
        .await
        .map(|head| (Head { keeps_open: head.keeps_open && takes_more, ..head }, (!sent).then_some(asking)))
    }

    /// What came and was not taken yet.
    pub(super) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    pub(super) fn wire(&mut self) -> Pin<&mut Wire> {
        Pin::new(&mut self.wire)
    }

    /// Reads what is there; how many bytes that were.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.reserve(self.stride);
        let room = self.input.capacity() - self.input.len();
        let count = ready!(pin!(self.wire.read_buf(&mut self.input)).poll(cx))?;
        // A body that fills what is read at once is worth fewer reads.
        if count == room {
            self.stride = (self.stride * 2).min(ORIGIN_READ_BYTES_MAX);
        }
        Poll::Ready(Ok(count))
    }

    /// Its bytes, for what comes after HTTP.
    pub(super) fn into_wire(self) -> Wire {
        self.wire.begun(self.input.freeze())
    }
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}
