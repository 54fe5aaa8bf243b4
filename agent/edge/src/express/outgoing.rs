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
use http::Response;
use overspill_governance::time::Now;
use tokio::{
    io::AsyncWrite,
    time::{Instant, Sleep, sleep},
};

use super::{
    frozen::{Tail, head},
    joined::joined,
};
use crate::{access::Account, cache::stored::Stored, edge::Edge, limits::EXPRESS_JOINED_BYTES, spill::Redirect, wire::SendsFiles};

/// An answer, ready to leave.
pub(super) struct Answer {
    what: What,
    tail: Tail,
    head_length: usize,
    length: usize,
}

/// What there is of an answer before anything is told anew.
enum What {
    Stored(Arc<Stored>),
    /// Head and body that were made for the occasion.
    Made(Bytes, Bytes),
}

impl Answer {
    fn new(what: What, tail: Tail) -> Self {
        let mut answer = Self { what, tail, head_length: 0, length: 0 };
        let [common, own, tail, body] = answer.parts().map(<[u8]>::len);
        answer.head_length = common + own + tail;
        answer.length = answer.head_length + body;
        answer
    }

    /// With a stored response.
    pub(super) fn of(stored: &Arc<Stored>, now: Now) -> Self {
        let tail = Tail::of_hit(stored.length(), stored.age(now.time).as_secs(), stored.time_to_live(now.time));
        Self::new(What::Stored(Arc::clone(stored)), tail)
    }

    /// With the way to a helper.
    pub(super) fn redirect(redirect: Redirect) -> Self {
        Self::new(What::Made(redirect.into_head(), Bytes::new()), Tail::END)
    }

    /// With a response that was made for the occasion.
    pub(super) fn made(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        Self::new(What::Made(head(parts.status, &parts.headers, body.len()).into(), body), Tail::END)
    }

    /// Its pieces, of which the last is the body.
    fn parts(&self) -> [&[u8]; 4] {
        let ([common, own], body) = match &self.what {
            What::Stored(stored) => (stored.head(), stored.body_bytes()),
            What::Made(head, body) => ([&head[..], &[]], &body[..]),
        };
        [common, own, self.tail.as_bytes(), body]
    }

    pub(super) fn head_length(&self) -> usize {
        self.head_length
    }

    /// The body, if a sheet can be made of it.
    fn long_body(&self) -> Option<&Bytes> {
        if let What::Stored(stored) = &self.what { stored.long_body() } else { None }
    }
}

/// An answer, and how much of it has left. Dropped when it is out or when its visitor is gone; either way its account is closed.
pub(super) struct Outgoing {
    edge: Arc<Edge>,
    account: Account,
    /// The link is owed so much that it begins later.
    pause: Option<Pin<Box<Sleep>>>,
    answer: Answer,
    /// The body's copy of which the kernel can send.
    file: Option<Arc<File>>,
    written: usize,
}

impl Outgoing {
    pub(super) fn new(edge: Arc<Edge>, account: Account, answer: Answer, pause: Duration) -> Self {
        let pause = (!pause.is_zero()).then(|| Box::pin(sleep(pause)));
        Self { edge, account, pause, answer, file: None, written: 0 }
    }

    /// When it was asked for.
    pub(super) fn asked(&self) -> Instant {
        self.edge.clock.instant(self.account.start).into()
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
        if self.written == 0
            && self.file.is_none()
            && stream.sends_files()
            && let Some(body) = self.answer.long_body()
        {
            self.file = self.edge.sheets.find(body, self.account.start);
        }
        while self.written < self.answer.length {
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
        let parts = self.answer.parts();
        let (head, whole) = (self.answer.head_length, self.answer.length);
        match &self.file {
            Some(_) if self.written < head => joined(&parts[..3], |bytes| stream.poll_write_more(cx, &bytes[self.written..])),
            Some(file) => {
                let sent = self.written - head;
                stream.poll_send_file(cx, file, sent as u64, whole - head - sent)
            }
            None if whole <= EXPRESS_JOINED_BYTES => joined(&parts, |bytes| stream.poll_write(cx, &bytes[self.written..])),
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
        self.account.bytes = self.written.saturating_sub(self.answer.head_length()) as u64;
        self.edge.sent(self.account.bytes, self.account.prepaid);
        self.edge.close_account(&mut self.account);
    }
}
