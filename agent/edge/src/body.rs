//! Bodies of answers: what they are made of, and the meter that every byte to a visitor passes.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    access::{Account, CacheUse},
    cache::{disk::large::Reader, growing::Follower},
    debts::Reservation,
    edge::Edge,
    express::Turn,
    limits::FRAME_BYTES,
    origin::Arriving,
    rewrite::Pieces,
};

/// Something kept alive as long as a body needs it: a place at the origin.
pub(crate) type Held = Box<dyn Send>;

/// Something that sees every byte of a body that passes.
pub(crate) type Tee = Box<dyn FnMut(&Bytes) + Send>;

/// What an answer's body is made of.
pub(crate) enum Payload {
    /// Nothing.
    Empty,
    /// Bytes in memory.
    Whole(Bytes),
    /// Bytes in memory, in pieces.
    Pieces(Pieces),
    /// The origin's body, passed on as it comes.
    Passing(Box<Passing>),
    /// A body that is in a file.
    Filed(Box<Reader>),
    /// A body that others follow as well, and its length if it is known.
    Following(Follower, Option<u64>),
}

impl Payload {
    /// A body of bytes that are all there.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Whole(bytes) }
    }

    /// The bytes of such a body.
    pub(crate) fn into_bytes(self) -> Bytes {
        if let Self::Whole(bytes) = self { bytes } else { Bytes::new() }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let next = bytes.split_to(bytes.len().min(FRAME_BYTES));
                if bytes.is_empty() {
                    *self = Self::Empty;
                }
                Poll::Ready(Some(Ok(Frame::data(next))))
            }
            Self::Pieces(pieces) => Poll::Ready(pieces.next(FRAME_BYTES).map(|next| Ok(Frame::data(next)))),
            Self::Passing(passing) => passing.poll_frame(cx),
            Self::Filed(reader) => reader.poll_next(cx).map(|read| read.map(|read| read.map(Frame::data))),
            Self::Following(follower, left) => follower.poll_next(cx).map(|data| {
                data.map(|bytes| {
                    bytes.map(|bytes| {
                        *left = left.map(|left| left.saturating_sub(bytes.len() as u64));
                        Frame::data(bytes)
                    })
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(_) => false,
            Self::Pieces(pieces) => pieces.length() == 0,
            Self::Passing(passing) => passing.body.is_end_stream(),
            Self::Filed(reader) => reader.left() == 0,
            Self::Following(follower, _) => follower.is_done(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces(pieces) => SizeHint::with_exact(pieces.length()),
            Self::Passing(passing) => passing.body.size_hint(),
            Self::Filed(reader) => SizeHint::with_exact(reader.left()),
            Self::Following(_, left) => left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// The origin's body on its way to one visitor.
pub(crate) struct Passing {
    body: Arriving,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
    _held: Option<Held>,
    tee: Option<Tee>,
    /// What its visitor owes for it, until that is known.
    reserved: Option<Reservation>,
}

impl Passing {
    /// Passes `body` on; breaks off when the origin sends nothing for `idle`; lets go of `held` at the end.
    pub(crate) fn new(body: Arriving, idle: Duration, held: Option<Held>) -> Self {
        Self { body, idle, deadline: Box::pin(sleep(idle)), _held: held, tee: None, reserved: None }
    }

    /// The same; `tee` sees what passes.
    pub(crate) fn teed(mut self, tee: Option<Tee>) -> Self {
        self.tee = tee;
        self
    }

    /// The same; `reserved` counts until the visitor is charged.
    pub(crate) fn reserved(mut self, reserved: Option<Reservation>) -> Self {
        self.reserved = reserved;
        self
    }

    /// The next bytes of the body. Trailers are left out: what is stored or shared has none.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match ready!(self.poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.deadline.as_mut().reset(Instant::now() + self.idle);
                if let (Some(tee), Some(bytes)) = (&mut self.tee, frame.data_ref()) {
                    tee(bytes);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                ready!(self.deadline.as_mut().poll(cx));
                Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
            }
        }
    }
}

/// An answer's body with its meter: counts what leaves and closes the request's account at the end or when the visitor goes.
pub(crate) struct Metered {
    payload: Payload,
    edge: Arc<Edge>,
    account: Account,
    /// How the body broke off. Told a turn later: the library writes nothing after it, not even what it was given before.
    broken: Option<io::Error>,
    _turn: Turn,
}

impl Metered {
    pub(crate) fn new(payload: Payload, edge: Arc<Edge>, account: Account, turn: Turn) -> Self {
        Self { payload, edge, account, broken: None, _turn: turn }
    }

    /// Starts the answer, whose head is known now.
    pub(crate) fn begin(&mut self, mut payload: Payload, status: StatusCode, cache: CacheUse, prepaid: bool) {
        if let Payload::Passing(passing) = &mut payload {
            let reserved = passing.reserved.take();
            self.account.charged = self.edge.charge_ahead(&self.account, reserved, passing.body.size_hint().upper());
        }
        self.payload = payload;
        self.account.prepaid = prepaid;
        self.account.answered = true;
        if let Some(record) = &mut self.account.record {
            (record.status, record.cache) = (status, cache);
        }
    }
}

impl Body for Metered {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let frame = match ready!(Pin::new(&mut self.payload).poll_frame(cx)) {
            Some(Err(error)) => {
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            frame => frame,
        };
        match &frame {
            Some(Ok(frame)) => {
                let sent = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.account.bytes += sent;
                self.edge.sent(sent, self.account.prepaid);
                self.account.complete = self.payload.is_end_stream();
            }
            None => self.account.complete = true,
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.payload.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.payload.size_hint()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.account.complete |= self.account.answered && self.payload.is_end_stream();
        if let Payload::Passing(passing) = &self.payload {
            self.account.passing = Some(passing.body.size_hint().upper().unwrap_or(u64::MAX));
        }
        self.edge.close_account(&mut self.account);
    }
}
