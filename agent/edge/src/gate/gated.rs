//! A visitor's socket behind the gate: what reads from it gets only bytes whose framing is clear.

use std::{
    fs::File,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::framing::Framing;
use crate::{
    limits::{LINGER_BYTES_MAX, LINGER_TIME},
    wire::SendsFiles,
};

/// Follows a head that is refused in its place: no parser takes a NUL, wherever the head broke off, and this one looks at an incomplete
/// head only when an empty line has come. So the request is answered as what it is, after those before it.
const POISON: &[u8] = b"\0\r\n\r\n";

/// A stream whose reader sees no byte after the first that is refused.
pub(crate) struct Gated<S> {
    stream: S,
    framing: Framing,
    refused: Option<Refusal>,
    lingering: Option<Linger>,
}

enum Refusal {
    /// So much of [`POISON`] is still to be given out.
    Head(&'static [u8]),
    Body,
}

/// A close that waits for what is on its way: a socket closed with unread bytes would take back the answer that was just sent.
struct Linger {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<S> Gated<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, framing: Framing::default(), refused: None, lingering: None }
    }

    /// What was read of it so far.
    pub(crate) fn framing(&self) -> &Framing {
        &self.framing
    }

    /// The stream itself, for what comes after HTTP.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: SendsFiles> SendsFiles for Gated<S> {
    fn sends_files(&self) -> bool {
        self.stream.sends_files()
    }

    fn poll_write_more(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.poll_write_more(cx, bytes)
    }

    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &File, offset: u64, count: usize) -> Poll<io::Result<usize>> {
        self.stream.poll_send_file(cx, file, offset, count)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gated<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if this.refused.is_none() {
            ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
            if let Err(refused) = this.framing.read(&buffer.filled()[before..]) {
                buffer.set_filled(before + refused.good);
                this.refused = Some(if refused.in_head { Refusal::Head(POISON) } else { Refusal::Body });
            }
        }
        match &mut this.refused {
            None => {}
            Some(Refusal::Head(poison)) => {
                let (now, later) = poison.split_at(poison.len().min(buffer.remaining()));
                buffer.put_slice(now);
                *poison = later;
            }
            Some(Refusal::Body) if buffer.filled().len() == before => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            // What came before it first.
            Some(Refusal::Body) => {}
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let linger = this.lingering.get_or_insert_with(|| Linger { until: Box::pin(sleep(LINGER_TIME)), bytes: 0 });
        let mut scratch = [0; 4096];
        while linger.bytes < LINGER_BYTES_MAX && linger.until.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => linger.bytes += buffer.filled().len(),
                Poll::Ready(_) => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}
