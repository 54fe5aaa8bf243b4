//! An answer of the origin's on its way to a visitor, as it comes.

use std::{
    future::Future,
    io::{self, Cursor, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http_body::Body as _;
use tokio::{
    io::AsyncWrite,
    time::{Sleep, sleep},
};

use super::{Waiting, joined::joined};
use crate::{
    limits::EXPRESS_JOINED_BYTES,
    origin::{Arriving, Length},
};

/// An answer of which some has left.
pub(super) struct Answering {
    /// The link is owed so much that it begins later.
    pause: Option<Pin<Box<Sleep>>>,
    /// The head, or a chunk's line, or both.
    head: Cursor<Vec<u8>>,
    /// Of the body.
    data: Bytes,
    /// What ends a chunk, or all of them.
    end: &'static [u8],
    chunked: bool,
    /// The origin's, unless it has been taken to its end.
    body: Option<Arriving>,
    /// It is the origin's answer.
    passes: bool,
}

impl Answering {
    /// With an answer that was made for the occasion.
    pub(super) fn whole(head: Vec<u8>, body: Bytes) -> Self {
        Self { pause: None, head: Cursor::new(head), data: body, end: b"", chunked: false, body: None, passes: false }
    }

    /// With the origin's.
    pub(super) fn new(head: Vec<u8>, length: Length, body: Arriving, pause: Duration) -> Self {
        let pause = (!pause.is_zero()).then(|| Box::pin(sleep(pause)));
        let chunked = matches!(length, Length::Chunked | Length::Close);
        // A body of nothing is at its end, and yet its chunks have one.
        let body = (chunked || !body.is_end_stream()).then_some(body);
        Self { pause, chunked, body, passes: true, ..Self::whole(head, Bytes::new()) }
    }

    /// How much of the origin's is still to come, as far as that is known; nothing if it is not the origin's.
    pub(super) fn left(&self) -> Option<u64> {
        let left = self.body.as_ref().map_or(Some(0), |body| body.size_hint().upper());
        self.passes.then_some(left.unwrap_or(u64::MAX))
    }

    /// Writes on; `sent` is told of bytes of the body that left.
    pub(super) fn poll(
        &mut self,
        mut stream: Pin<&mut impl AsyncWrite>,
        (clock, idle): (&mut Waiting, Duration),
        mut sent: impl FnMut(u64),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        loop {
            // With the head leaves what came with it.
            let came = if self.data.is_empty() && self.end.is_empty() { self.take_in(cx) } else { Poll::Ready(Ok(())) };
            match came {
                Poll::Ready(Ok(())) => clock.end(),
                // What came before leaves first.
                Poll::Ready(Err(error)) if self.is_empty() => return Poll::Ready(Err(error)),
                Poll::Pending if self.is_empty() => {
                    ready!(stream.as_mut().poll_flush(cx))?;
                    ready!(clock.wait(idle, cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                Poll::Ready(Err(_)) | Poll::Pending => {}
            }
            if self.is_empty() {
                // TLS keeps what it encrypted until it is told to let it go.
                return stream.poll_flush(cx);
            }
            match ready!(self.poll_some(stream.as_mut(), cx))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => sent(self.advance(count)),
            }
        }
    }

    fn parts(&self) -> [&[u8]; 3] {
        [self.head.chunk(), &self.data, self.end]
    }

    fn is_empty(&self) -> bool {
        self.parts().iter().all(|part| part.is_empty())
    }

    /// Writes what is there in the way that costs least.
    fn poll_some(&self, stream: Pin<&mut impl AsyncWrite>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let parts = self.parts();
        if parts.iter().map(|part| part.len()).sum::<usize>() <= EXPRESS_JOINED_BYTES {
            return joined(&parts, |bytes| stream.poll_write(cx, bytes));
        }
        stream.poll_write_vectored(cx, &parts.map(IoSlice::new))
    }

    /// Drops what left; how much of that was the body's.
    fn advance(&mut self, count: usize) -> u64 {
        let of_head = count.min(self.head.remaining());
        self.head.advance(of_head);
        let of_body = (count - of_head).min(self.data.len());
        self.data.advance(of_body);
        self.end.advance(count - of_head - of_body);
        of_body as u64
    }

    /// Takes the next data of the body, if there is any left. There is room for it.
    fn take_in(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
        loop {
            let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(frame) => frame?,
                None => {
                    self.body = None;
                    if self.chunked {
                        self.end = b"0\r\n\r\n";
                    }
                    return Poll::Ready(Ok(()));
                }
            };
            // Trailers are for who says that it takes them, and that is not plain.
            let Some(data) = frame.into_data().ok().filter(|data| !data.is_empty()) else { continue };
            if self.chunked {
                if !self.head.has_remaining() {
                    self.head.get_mut().clear();
                    self.head.set_position(0);
                }
                self.head.get_mut().extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
                self.end = b"\r\n";
            } else if body.is_end_stream() {
                self.body = None;
            }
            self.data = data;
            return Poll::Ready(Ok(()));
        }
    }
}
