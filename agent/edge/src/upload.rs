//! Request bodies: taken in before the origin is bothered, as far as they are short; a visitor who dawdles must not hold a place there.

use std::{
    error::Error,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    limits::{BUFFERED_UPLOAD_BYTES, PROGRESS_BYTES},
    origin::{Upload, nothing},
};

/// Takes in the beginning of `body`, or all of it if it is short. An error means that the visitor stalled or broke off: the origin has not heard
/// of the request.
pub(crate) async fn take_in(body: Incoming, stall: Duration) -> io::Result<Upload> {
    if body.is_end_stream() {
        return Ok(nothing());
    }
    let mut watched = Watched { body, came: 0, stall, deadline: Box::pin(sleep(stall)) };
    let mut begun = BytesMut::new();
    // The first bytes must come within one stall in all: else a byte at a time would do.
    let whole = tokio::time::timeout(stall, async {
        while begun.len() < BUFFERED_UPLOAD_BYTES {
            match poll_fn(|cx| Pin::new(&mut watched).poll_frame(cx)).await {
                Some(Ok(frame)) => begun.extend_from_slice(frame.data_ref().map_or(&[], |bytes| bytes)),
                Some(Err(error)) => return Err(error),
                None => return Ok(true),
            }
        }
        Ok(false)
    });
    let whole = whole.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let rest = (!whole).then_some(watched);
    Ok(Begun { begun: begun.freeze(), rest }.map_err(Into::into).boxed_unsync())
}

/// Tells whether a body ended because the gate, or the reader of chunks, refused its bytes; otherwise the visitor left.
pub(crate) fn is_malformed(error: &io::Error) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)) {
            return true;
        }
        next = error.source();
    }
    false
}

/// A body that breaks off when the visitor sends next to nothing for a while.
struct Watched {
    body: Incoming,
    /// Bytes since the deadline was set.
    came: u64,
    stall: Duration,
    deadline: Pin<Box<Sleep>>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.came += frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len) as u64;
            if self.came >= PROGRESS_BYTES {
                let next = Instant::now() + self.stall;
                self.deadline.as_mut().reset(next);
                self.came = 0;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What was taken in, and what is still to come.
struct Begun {
    begun: Bytes,
    rest: Option<Watched>,
}

impl Body for Begun {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.begun.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.begun)))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.begun.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let begun = self.begun.len() as u64;
        let Some(rest) = &self.rest else { return SizeHint::with_exact(begun) };
        let mut hint = rest.size_hint();
        // The upper bound first: a lower bound above it would panic.
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(begun));
        }
        hint.set_lower(hint.lower().saturating_add(begun));
        hint
    }
}
