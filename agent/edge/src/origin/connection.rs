//! One connection to the origin.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    thread::{self, ThreadId},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::{
    limits::{ORIGIN_READ_BYTES_MAX, ORIGIN_READ_BYTES_MIN},
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

    /// So many bytes came and were not taken yet, or more.
    pub(super) fn has(&self, bytes: u64) -> bool {
        self.input.len() as u64 >= bytes
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
