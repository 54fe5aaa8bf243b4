//! The body of an answer of the origin's, on its way here.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    answer::{self, Length, Next},
    asking::{Asking, CutOff},
    connection::Connection,
    names::Names,
    pool::Entry,
};
use crate::wire::Wire;

/// A body. At its end, the connection goes back to its pool; dropped before, the connection is closed.
pub(crate) struct Arriving(State);

enum State {
    Open(Box<Open>),
    /// All of it is here, and its connection is back where it came from.
    Here(Bytes),
    Ended,
    /// It broke off, which nobody must take for its end.
    Broken,
}

/// A body whose end has not come.
struct Open {
    connection: Connection,
    body: answer::Body,
    /// The request, unless nothing is left of it.
    asking: Option<Asking>,
    keeps_open: bool,
    home: Home,
}

/// Where a connection comes from, and goes to.
pub(super) struct Home {
    pub(super) names: Arc<Names>,
    /// The connection is in use.
    pub(super) entry: Entry,
}

impl Arriving {
    pub(super) fn new(mut connection: Connection, (length, keeps_open): (Length, bool), asking: Asking, home: Home) -> Self {
        let mut body = answer::Body::new(length);
        let keeps_open = keeps_open && (asking.has_left() || asking.is_leaving());
        let asking = asking.is_leaving().then_some(asking);
        let here = match (length, &asking) {
            (Length::Exact(0), _) => State::Ended,
            // Whoever waits for a connection need not wait until this is written.
            (Length::Exact(length), None) if connection.has(length) => match body.next(connection.input()) {
                Ok(Next::Data(data)) => State::Here(data),
                _ => State::Broken,
            },
            _ => return Self(State::Open(Box::new(Open { connection, body, asking, keeps_open, home }))),
        };
        end(connection, keeps_open && asking.is_none(), home);
        Self(here)
    }

    /// A connection on which both ends have agreed to speak something else.
    pub(super) fn switched(connection: Connection, home: Home) -> Self {
        let body = answer::Body::new(Length::Close);
        Self(State::Open(Box::new(Open { connection, body, asking: None, keeps_open: false, home })))
    }

    /// The connection's bytes, if both ends have agreed to speak something else.
    pub(crate) fn into_wire(self) -> Option<Wire> {
        if let State::Open(open) = self.0 { Some(open.connection.into_wire()) } else { None }
    }
}

/// Gives a connection back, unless there is more to it: bytes that nobody asked for.
fn end(mut connection: Connection, keeps_open: bool, Home { names, entry }: Home) {
    if keeps_open && connection.input().is_empty() {
        connection.used = true;
        entry.give_back(connection, &names);
    }
}

impl Open {
    fn end(self) {
        let Self { connection, asking, keeps_open, home, .. } = self;
        end(connection, keeps_open && asking.is_none(), home);
    }

    /// The next part; `None` at the end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(asking) = &mut self.asking
            && let Poll::Ready(sent) = asking.poll(self.connection.wire(), cx)
        {
            if let Err(CutOff) = sent {
                return Poll::Ready(Some(Err(io::ErrorKind::BrokenPipe.into())));
            }
            // Where it could not all leave, the answer goes on.
            self.keeps_open &= asking.has_left();
            self.asking = None;
        }
        loop {
            match self.body.next(self.connection.input()) {
                Err(_) => return Poll::Ready(Some(Err(io::ErrorKind::InvalidData.into()))),
                Ok(Next::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Next::Trailers(fields)) => return Poll::Ready(Some(Ok(Frame::trailers(fields)))),
                Ok(Next::End) => return Poll::Ready(None),
                Ok(Next::Wanted) => match ready!(self.connection.poll_fill(cx)) {
                    Ok(0) if self.body.ends_with_connection() => return Poll::Ready(None),
                    Ok(0) => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                    Ok(_) => {}
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
            }
        }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let open = match &mut self.0 {
            State::Open(open) => open,
            State::Here(data) => {
                let data = std::mem::take(data);
                self.0 = State::Ended;
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            State::Ended => return Poll::Ready(None),
            State::Broken => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
        };
        let frame = ready!(open.poll(cx));
        let next = match &frame {
            Some(Ok(_)) if !open.body.is_done() => return Poll::Ready(frame),
            Some(Err(_)) => State::Broken,
            Some(Ok(_)) | None => State::Ended,
        };
        if let (State::Open(open), State::Ended) = (std::mem::replace(&mut self.0, next), &self.0) {
            open.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, State::Ended)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Open(open) => open.body.left().map_or_else(SizeHint::default, SizeHint::with_exact),
            State::Here(data) => SizeHint::with_exact(data.len() as u64),
            // Nothing more comes of it.
            State::Ended | State::Broken => SizeHint::with_exact(0),
        }
    }
}
