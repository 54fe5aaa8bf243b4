//! TCP, Noise and yamux, over sockets that break when they take nothing for too long.

use std::{
    error::Error,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::{
    PeerId, Transport as _,
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    identity::Keypair,
    noise, tcp, yamux,
};
use tokio::time::{Instant, Sleep, sleep};

use super::limits::LISTEN_BACKLOG;

/// Builds the transport of the holder of `key`.
pub(super) fn open(key: &Keypair, patience: Duration) -> Result<Boxed<(PeerId, StreamMuxerBox)>, Box<dyn Error + Send + Sync>> {
    let sockets = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true).listen_backlog(LISTEN_BACKLOG));
    Ok(sockets
        .map(move |socket, _| Patient::new(socket, patience))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(key)?)
        .multiplex(yamux::Config::default())
        .boxed())
}

/// A stream whose writes may not stall longer than a bound.
struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Set while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, stalled: None }
    }

    /// Passes `sent` on; starts the clock when it is pending, stops it when it is not.
    fn watch<T>(&mut self, sent: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.stalled = None;
            return sent;
        }
        let patience = self.patience;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        if timer.as_mut().poll(cx).is_ready() {
            timer.as_mut().reset(Instant::now() + patience);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(sent, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(sent, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.stream).poll_close(cx);
        self.watch(sent, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    /// Two ends of a connection of which the second reads nothing.
    async fn stalled(patience: Duration) -> (Patient<tcp::tokio::TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (theirs, _) = listener.accept().await.unwrap();
        (Patient::new(tcp::tokio::TcpStream(ours), patience), theirs)
    }

    #[tokio::test]
    async fn a_socket_that_takes_nothing_breaks() {
        let (mut ours, _theirs) = stalled(Duration::from_millis(100)).await;
        let error = loop {
            if let Err(error) = ours.write_all(&[0; 1 << 20]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn one_that_is_only_idle_does_not() {
        let (mut ours, _theirs) = stalled(Duration::from_millis(10)).await;
        ours.write_all(b"before").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        ours.write_all(b"after").await.unwrap();
        ours.close().await.unwrap();
    }
}
