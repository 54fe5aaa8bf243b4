//! A visitor's stream that the HTTP library holds and that is read beneath it, too.
//!
//! A connection's task is woken by its socket, most times for a request that the lane answers. To ask the library then, which would ask the
//! stream, which would ask the lane, costs as much as the lane itself. So the task asks the lane first, and only when there is something
//! else, or nothing at all, everybody.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Express;
use crate::wire::SendsFiles;

/// Both ends of it: the library's and the task's. Both are used by the task alone, one after the other.
pub(crate) struct Held<S>(Arc<Mutex<Option<Express<S>>>>);

impl<S> Clone for Held<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Held<S> {
    pub(crate) fn new(express: Express<S>) -> Self {
        Self(Arc::new(Mutex::new(Some(express))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Express<S>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream itself, for what comes after HTTP; once.
    pub(crate) fn into_inner(self) -> Option<S> {
        self.lock().take().map(Express::into_inner)
    }
}

impl<S: AsyncRead + AsyncWrite + SendsFiles + Unpin> Held<S> {
    /// Goes on without the library; see [`Express::poll_beneath`].
    pub(crate) fn poll_beneath(&self, cx: &mut Context<'_>) -> bool {
        self.lock().as_mut().is_some_and(|express| express.poll_beneath(cx))
    }

    fn with<T>(&self, does: impl FnOnce(Pin<&mut Express<S>>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match self.lock().as_mut() {
            Some(express) => does(Pin::new(express)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + SendsFiles + Unpin> AsyncRead for Held<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|express| express.poll_read(cx, buffer))
    }
}

impl<S: AsyncRead + AsyncWrite + SendsFiles + Unpin> AsyncWrite for Held<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|express| express.poll_write(cx, bytes))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.with(|express| express.poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.lock().as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|express| express.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|express| express.poll_shutdown(cx))
    }
}
