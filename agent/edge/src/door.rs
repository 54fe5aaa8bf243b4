//! What a connection begins with: a TLS handshake, or plain HTTP, whose first bytes tell the version.

use std::{io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{
    limits::FIRST_BYTES,
    tls::{ALPN_HTTP2, challenge::ALPN_CHALLENGE, handshake::Turns},
    wire::{Socket, Wire},
};

/// What a listening socket takes.
#[derive(Clone)]
pub(crate) enum Door {
    /// HTTP/1.1, and HTTP/2 with prior knowledge.
    Plain,
    /// TLS, and within it what both agree on.
    Tls(TlsAcceptor),
}

/// Which HTTP a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    Http1,
    Http2,
}

/// What HTTP/2 begins with (RFC 9113 section 3.4): no request of HTTP/1.1 does.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Door {
    pub(crate) fn is_secure(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Opens it, on this thread.
    pub(crate) fn open(&self) -> Entrance {
        match self {
            Self::Plain => Entrance::Plain,
            Self::Tls(acceptor) => Entrance::Tls(Turns::start(Arc::clone(acceptor.config()))),
        }
    }
}

/// A door that is open.
#[derive(Debug, Clone)]
pub(crate) enum Entrance {
    Plain,
    Tls(Turns),
}

impl Entrance {
    pub(crate) fn is_secure(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Lets a connection in, in its turn, or gives it up when it has not begun to speak within `patience`.
    pub(crate) async fn enter(&self, stream: TcpStream, patience: Duration) -> io::Result<(Wire, Speech)> {
        let entered = async {
            match self {
                Self::Plain => listen(stream).await,
                Self::Tls(turns) => {
                    let stream = turns.shake(stream).await?;
                    let speech = match stream.get_ref().1.alpn_protocol() {
                        Some(ALPN_HTTP2) => Speech::Http2,
                        // The handshake was the answer (RFC 8737 section 3).
                        Some(ALPN_CHALLENGE) => return Err(io::ErrorKind::ConnectionAborted.into()),
                        _ => Speech::Http1,
                    };
                    Ok((Wire::new(Socket::Tls(Box::new(stream.into())), Bytes::new()), speech))
                }
            }
        };
        tokio::time::timeout(patience, entered).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Listens until it is clear whether HTTP/2 begins; mostly that is one read, whose bytes are given on.
async fn listen(mut stream: TcpStream) -> io::Result<(Wire, Speech)> {
    let mut begun = BytesMut::with_capacity(FIRST_BYTES);
    let speech = loop {
        let read = stream.read_buf(&mut begun).await?;
        if begun.starts_with(PREFACE) {
            break Speech::Http2;
        }
        if read == 0 || !PREFACE.starts_with(&begun) {
            break Speech::Http1;
        }
    };
    Ok((Wire::new(Socket::Plain(stream), begun.freeze()), speech))
}
