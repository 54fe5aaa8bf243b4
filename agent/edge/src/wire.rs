//! A connection as bytes, with or without TLS; what was read of it before its speech was known comes first.

use std::{
    fs::File,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use rustix::{
    fs::sendfile,
    net::{SendFlags, send},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

/// Where the bytes come from.
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection of either kind.
pub(crate) struct Wire {
    begun: Bytes,
    socket: Socket,
}

impl Wire {
    /// A connection of which `begun` was read already.
    pub(crate) fn new(socket: Socket, begun: Bytes) -> Self {
        Self { begun, socket }
    }

    /// The same; `begun` was read of it, too.
    pub(crate) fn begun(self, begun: Bytes) -> Self {
        Self { begun, ..self }
    }
}

/// A stream of which the kernel can send files.
pub(crate) trait SendsFiles {
    /// Tells whether it can. TLS wants to see every byte.
    fn sends_files(&self) -> bool;
    /// Writes bytes after which more follows at once.
    fn poll_write_more(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
    /// Sends at most `count` bytes of a file from `offset` on.
    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &File, offset: u64, count: usize) -> Poll<io::Result<usize>>;
}

impl SendsFiles for Wire {
    fn sends_files(&self) -> bool {
        matches!(self.socket, Socket::Plain(_))
    }

    fn poll_write_more(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_plain(cx, |socket| Ok(send(socket, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?))
    }

    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &File, offset: u64, count: usize) -> Poll<io::Result<usize>> {
        self.poll_plain(cx, |socket| Ok(sendfile(socket, file, Some(&mut { offset }), count)?))
    }
}

impl Wire {
    /// Does what only a socket without TLS can do, as soon as it takes something.
    fn poll_plain<T>(&mut self, cx: &mut Context<'_>, does: impl Fn(&TcpStream) -> io::Result<T>) -> Poll<io::Result<T>> {
        let Socket::Plain(socket) = &self.socket else { return Poll::Ready(Err(io::ErrorKind::Unsupported.into())) };
        loop {
            ready!(socket.poll_write_ready(cx))?;
            match socket.try_io(Interest::WRITABLE, || does(socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

/// Does the same with either kind of socket.
macro_rules! either {
    ($wire:expr, $socket:ident => $does:expr) => {
        match &mut $wire.socket {
            Socket::Plain($socket) => $does,
            Socket::Tls($socket) => $does,
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.begun.is_empty() {
            let count = self.begun.len().min(buffer.remaining());
            buffer.put_slice(&self.begun[..count]);
            self.begun.advance(count);
            if self.begun.is_empty() {
                self.begun = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        either!(self, socket => Pin::new(socket).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, socket => Pin::new(socket).poll_write(cx, bytes))
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        either!(self, socket => Pin::new(socket).poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(socket) => socket.is_write_vectored(),
            Socket::Tls(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_shutdown(cx))
    }
}
