//! An answer of the lane's on its way to a visitor.

use std::{
    fs::File,
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

use super::{frozen::Tail, joined::joined};
use crate::{
    access::Account,
    edge::Edge,
    limits::{EXPRESS_JOINED_BYTES, SHEET_BYTES_MIN},
    wire::SendsFiles,
};

/// Head and body, and how much of them has left. Dropped when it is out or when its visitor is gone; either way its account is closed.
pub(super) struct Outgoing {
    edge: Arc<Edge>,
    account: Account,
    /// The link is owed so much that it begins later.
    pause: Option<Pin<Box<Sleep>>>,
    head: Bytes,
    tail: Tail,
    body: Bytes,
    /// Its copy of which the kernel can send.
    file: Option<Arc<File>>,
    written: usize,
}

impl Outgoing {
    pub(super) fn new(edge: Arc<Edge>, account: Account, (head, tail): (Bytes, Tail), body: Bytes, pause: Duration) -> Self {
        let pause = (!pause.is_zero()).then(|| Box::pin(sleep(pause)));
        Self { edge, account, pause, head, tail, body, file: None, written: 0 }
    }

    /// When it was asked for.
    pub(super) fn asked(&self) -> Instant {
        self.edge.clock.instant(self.account.start).into()
    }

    fn head_length(&self) -> usize {
        self.head.len() + self.tail.as_bytes().len()
    }

    /// Writes on.
    pub(super) fn poll(
        &mut self,
        mut stream: Pin<&mut (impl AsyncWrite + SendsFiles + Unpin)>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        if self.written == 0 && self.body.len() >= SHEET_BYTES_MIN && self.file.is_none() && stream.sends_files() {
            self.file = self.edge.sheets.find(&self.body);
        }
        while self.written < self.head_length() + self.body.len() {
            match ready!(self.poll_some(stream.as_mut(), cx))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        // TLS keeps what it encrypted until it is told to let it go.
        ready!(stream.poll_flush(cx))?;
        self.account.complete = true;
        Poll::Ready(Ok(()))
    }

    /// Writes what is next in the way that costs least.
    fn poll_some(&self, mut stream: Pin<&mut (impl AsyncWrite + SendsFiles + Unpin)>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let head = self.head_length();
        let parts = [&self.head[..], self.tail.as_bytes(), &self.body[..]];
        match &self.file {
            Some(_) if self.written < head => joined(&parts[..2], |bytes| stream.poll_write_more(cx, &bytes[self.written..])),
            Some(file) => {
                let sent = self.written - head;
                stream.poll_send_file(cx, file, sent as u64, self.body.len() - sent)
            }
            None if head + self.body.len() <= EXPRESS_JOINED_BYTES => joined(&parts, |bytes| stream.poll_write(cx, &bytes[self.written..])),
            None => {
                let mut at = self.written;
                let left = parts.map(|part| {
                    let begun = at.min(part.len());
                    at -= begun;
                    IoSlice::new(&part[begun..])
                });
                stream.poll_write_vectored(cx, &left)
            }
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.account.bytes = self.written.saturating_sub(self.head_length()) as u64;
        self.edge.sent(self.account.bytes, self.account.prepaid);
        self.edge.close_account(&mut self.account);
    }
}
