//! Opening one connection to the origin: its addresses in turn, a little apart, until one answers.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{
    limits::DIAL_STAGGER,
    sockets::{self, Sockets},
    wire::{Socket, Wire},
};

/// Connects to whichever of `addresses` answers first. Each gets a head start of [`DIAL_STAGGER`] before the next is tried as well (RFC 8305
/// section 5): an address that is silent costs that, not the whole patience.
///
/// # Errors
/// The last failure, when all fail or the patience is over.
pub(crate) async fn connect(addresses: &[SocketAddr], patience: Duration, options: Sockets) -> io::Result<(TcpStream, SocketAddr)> {
    let race = async {
        let (mut next, mut attempts) = (addresses.iter(), FuturesUnordered::new());
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "no address to connect to");
        let attempt = |address: SocketAddr| async move { (sockets::to_origin(address, options).await, address) };
        attempts.extend(next.next().map(|address| attempt(*address)));
        loop {
            tokio::select! {
                attempted = attempts.next() => match attempted {
                    Some((Ok(stream), address)) => return Ok((stream, address)),
                    Some((Err(error), _)) => failure = error,
                    None => return Err(failure),
                },
                () = tokio::time::sleep(DIAL_STAGGER), if next.len() > 0 => {}
            }
            attempts.extend(next.next().map(|address| attempt(*address)));
        }
    };
    tokio::time::timeout(patience, race).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Puts TLS on a connection to `host`, whose certificate must be for that name.
///
/// # Errors
/// When the handshake fails or takes too long.
pub(crate) async fn secure(stream: TcpStream, host: &str, tls: Arc<rustls::ClientConfig>, patience: Duration) -> io::Result<Wire> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let shaken = tokio::time::timeout(patience, TlsConnector::from(tls).connect(name, stream)).await;
    let stream = shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(Wire::new(Socket::Tls(Box::new(stream.into())), Bytes::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const LONG: Duration = Duration::from_secs(20);

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// An address at which nobody listens.
    async fn nobody() -> SocketAddr {
        listener().await.1
    }

    #[tokio::test]
    async fn addresses_are_tried_in_turn_until_one_answers() {
        let (_held, there) = listener().await;
        let (gone, too) = (nobody().await, nobody().await);
        let connected =
            |addresses: Vec<SocketAddr>| async move { connect(&addresses, LONG, Sockets::default()).await.map(|(_, address)| address) };
        assert_eq!(connected(vec![gone, too, there]).await.unwrap(), there);
        // 192.0.2.0/24 is nobody's: no answer, or none that helps.
        assert_eq!(connected(vec!["192.0.2.1:80".parse().unwrap(), there]).await.unwrap(), there);
        assert_eq!(connected(vec![gone, too]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(connected(Vec::new()).await.is_err());
    }
}
