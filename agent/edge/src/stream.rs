//! A visitor's socket that is given up when it neither takes nor gives a byte while one is due: a slow reader must not hold a
//! connection, and a body in memory, for ever.

use std::{
    fs::File,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use crate::{
    limits::PROGRESS_BYTES,
    wire::{SendsFiles, Wire},
};

/// A connection whose writes may not stall longer than a bound. (Reads of heads are bounded by the connection's own timer.)
pub(crate) struct Patient {
    stream: Wire,
    patience: Duration,
    /// Set while writes wait.
    stalled: Option<Stall>,
}

/// A time in which a visitor must take something worth the wait.
struct Stall {
    until: Pin<Box<Sleep>>,
    taken: u64,
}

impl Patient {
    pub(crate) fn new(stream: Wire, patience: Duration) -> Self {
        Self { stream, patience, stalled: None }
    }

    /// Passes `progress` on; starts the clock when it is pending, stops it when enough of `taken` bytes came together, or all is taken.
    fn watch<T>(&mut self, progress: Poll<io::Result<T>>, taken: impl Fn(&T) -> u64, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = progress {
            let progress = result.as_ref().map_or(u64::MAX, taken);
            self.stalled = self.stalled.take().map(|stall| Stall { taken: stall.taken.saturating_add(progress), ..stall });
            self.stalled = self.stalled.take().filter(|stall| stall.taken < PROGRESS_BYTES);
            return Poll::Ready(result);
        }
        let patience = self.patience;
        let stall = self.stalled.get_or_insert_with(|| Stall { until: Box::pin(sleep(patience)), taken: 0 });
        if stall.until.as_mut().poll(cx).is_ready() {
            stall.until.as_mut().reset(Instant::now() + patience);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl SendsFiles for Patient {
    fn sends_files(&self) -> bool {
        self.stream.sends_files()
    }

    fn poll_write_more(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = self.stream.poll_write_more(cx, bytes);
        self.watch(progress, |bytes| *bytes as u64, cx)
    }

    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &File, offset: u64, count: usize) -> Poll<io::Result<usize>> {
        let progress = self.stream.poll_send_file(cx, file, offset, count);
        self.watch(progress, |bytes| *bytes as u64, cx)
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(progress, |bytes| *bytes as u64, cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.watch(progress, |bytes| *bytes as u64, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(progress, |()| u64::MAX, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(progress, |()| u64::MAX, cx)
    }
}
