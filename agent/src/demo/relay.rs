//! An emulated uplink in front of one site, outside its agent: everything that the site sends passes here, at the line's rate.
//!
//! A relay listens where visitors (or other agents) connect and copies both ways. Bytes from the site wait for their turn on its
//! [`Uplink`]. On the peer-to-peer port of a helper, bytes *into* the helper are charged to the owner's uplink as well, since fills
//! cross it; as the relay cannot see which peer opened a connection, bytes from another helper are charged so too. That is
//! conservative: it only ever takes from the owner.

mod uplink;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Semaphore,
    task::JoinHandle,
};

pub use uplink::{Traffic, Uplink};

use super::limits;

/// One running relay; it ends when this is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// What shapes the two directions of a relay.
#[derive(Debug, Clone)]
pub struct Shaping {
    /// The uplink of the site behind the relay: bytes that it sends.
    pub out: Uplink,
    /// The uplink that is charged for bytes into the site, if any.
    pub into: Option<Uplink>,
    /// What the bytes are counted as.
    pub traffic: Traffic,
}

/// A port that is reserved for a relay before the site behind it is known.
#[derive(Debug)]
pub struct Port(TcpListener);

impl Port {
    /// Reserves a free port on loopback.
    ///
    /// # Errors
    /// When there is none.
    pub async fn reserve() -> anyhow::Result<Self> {
        // Room for a burst of visitors: the crowd must meet the site's limits, not the relay's.
        let socket = tokio::net::TcpSocket::new_v4().context("cannot make a socket")?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).context("cannot reserve a port on loopback")?;
        Ok(Self(socket.listen(4_096).context("cannot listen on loopback")?))
    }

    /// Where visitors connect.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        self.0.local_addr().context("a reserved port has no address")
    }

    /// Begins to relay to `site`.
    ///
    /// # Errors
    /// When the operating system does not say where the port is.
    pub fn relay_to(self, site: SocketAddr, shaping: Shaping) -> anyhow::Result<Relay> {
        Ok(Relay { address: self.address()?, task: tokio::spawn(accept(self.0, site, shaping)) })
    }
}

impl Relay {
    /// Where visitors connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, site: SocketAddr, shaping: Shaping) {
    let places = Arc::new(Semaphore::new(limits::RELAY_CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((visitor, _)) = listener.accept().await else {
            // Out of descriptors: leave those that are open the time to close.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        let shaping = shaping.clone();
        tokio::spawn(async move {
            let _place = place;
            // Either end may go at any time; the relay only passes that on.
            let _ = carry(visitor, site, shaping).await;
        });
    }
}

async fn carry(visitor: TcpStream, site: SocketAddr, shaping: Shaping) -> std::io::Result<()> {
    let inner = TcpStream::connect(site).await?;
    visitor.set_nodelay(true)?;
    inner.set_nodelay(true)?;
    let (from_visitor, to_visitor) = visitor.into_split();
    let (from_site, to_site) = inner.into_split();
    let Shaping { out, into, traffic } = shaping;
    let outward = shaped(from_site, to_visitor, out, traffic);
    let inward = async {
        match into {
            Some(uplink) => shaped(from_visitor, to_site, uplink, traffic).await,
            None => plain(from_visitor, to_site).await,
        }
    };
    tokio::try_join!(outward, inward).map(|_| ())
}

/// Copies at the uplink's rate. At most one piece of each connection waits, so a slow line pushes back on the sender as TCP does.
async fn shaped(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, uplink: Uplink, traffic: Traffic) -> std::io::Result<()> {
    let mut flow = uplink.flow(traffic);
    let mut piece = vec![0; uplink::PIECE_MAX];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        flow.pass(read).await;
        to.write_all(&piece[..read]).await?;
    }
}

async fn plain(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
    let mut buffer = vec![0; 4_096];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_byte_arrives_in_order_and_is_counted() {
        let site = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let to = site.local_addr().unwrap();
        let sent: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
        let body = sent.clone();
        tokio::spawn(async move {
            let (mut stream, _) = site.accept().await.unwrap();
            let mut greeting = [0; 5];
            stream.read_exact(&mut greeting).await.unwrap();
            assert_eq!(&greeting, b"hello");
            stream.write_all(&body).await.unwrap();
        });
        let uplink = Uplink::new(50_000_000);
        let shaping = Shaping { out: uplink.clone(), into: None, traffic: Traffic::Visitors };
        let relay = Port::reserve().await.unwrap().relay_to(to, shaping).unwrap();
        let mut visitor = TcpStream::connect(relay.address()).await.unwrap();
        visitor.write_all(b"hello").await.unwrap();
        let mut got = Vec::new();
        visitor.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, sent);
        assert_eq!(uplink.sent(Traffic::Visitors), sent.len() as u64);
        assert_eq!(uplink.sent(Traffic::Peers), 0);
    }
}
