//! An answer of the lane's on its way to a visitor.

use std::{
    cell::RefCell,
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::AsyncWrite,
    time::{Instant, Sleep, sleep},
};

use super::frozen::Tail;
use crate::{access::Account, edge::Edge, limits::EXPRESS_JOINED_BYTES};

thread_local! {
    /// Where a short answer is put together: to copy it is cheaper than to have the kernel read a list of its parts.
    static JOINED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Head and body, and how much of them has left. Dropped when it is out or when its visitor is gone; either way its account is closed.
pub(super) struct Outgoing {
    edge: Arc<Edge>,
    account: Account,
    /// The link is owed so much that it begins later.
    pause: Option<Pin<Box<Sleep>>>,
    head: Bytes,
    tail: Tail,
    body: Bytes,
    written: usize,
}

impl Outgoing {
    pub(super) fn new(edge: Arc<Edge>, account: Account, (head, tail): (Bytes, Tail), body: Bytes, pause: Duration) -> Self {
        let pause = (!pause.is_zero()).then(|| Box::pin(sleep(pause)));
        Self { edge, account, pause, head, tail, body, written: 0 }
    }

    /// When it was asked for.
    pub(super) fn asked(&self) -> Instant {
        self.edge.clock.instant(self.account.start).into()
    }

    fn head_length(&self) -> usize {
        self.head.len() + self.tail.as_bytes().len()
    }

    /// Writes on.
    pub(super) fn poll(&mut self, mut stream: Pin<&mut impl AsyncWrite>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        if self.written == 0 && self.head_length() + self.body.len() <= EXPRESS_JOINED_BYTES {
            let parts = [&self.head[..], self.tail.as_bytes(), &self.body[..]];
            self.written = ready!(JOINED.with_borrow_mut(|joined| {
                joined.clear();
                parts.iter().for_each(|part| joined.extend_from_slice(part));
                stream.as_mut().poll_write(cx, joined)
            }))?;
        }
        while self.written < self.head_length() + self.body.len() {
            let mut at = self.written;
            let left = [&self.head[..], self.tail.as_bytes(), &self.body[..]].map(|part| {
                let begun = at.min(part.len());
                at -= begun;
                IoSlice::new(&part[begun..])
            });
            match ready!(stream.as_mut().poll_write_vectored(cx, &left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        // TLS keeps what it encrypted until it is told to let it go.
        ready!(stream.poll_flush(cx))?;
        self.account.complete = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.account.bytes = self.written.saturating_sub(self.head_length()) as u64;
        self.edge.sent(self.account.bytes, self.account.prepaid);
        self.edge.close_account(&mut self.account);
    }
}
