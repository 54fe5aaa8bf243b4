//! Options of TCP sockets: every socket that listens, is accepted or is opened gets them here, on purpose. `docs/src/connections.md` says why.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpSocket, TcpStream};
use tracing::trace;

use crate::limits::{KEEPALIVE_PAUSE, KEEPALIVE_PROBES, ORIGIN_BUFFER_BYTES, UNSENT_BYTES_MAX};

/// What an operator may want to change of them. `backlog` is taken when a socket begins to listen, the others by each new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sockets {
    /// Silence after which the other end is asked whether it is still there.
    pub keepalive: Duration,
    /// How long what was sent may go unacknowledged before the connection is given up.
    pub user_timeout: Duration,
    /// Connections that wait to be accepted, for each listening socket.
    pub backlog: u32,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { keepalive: Duration::from_mins(1), user_timeout: Duration::from_secs(30), backlog: 1_024 }
    }
}

/// Opens a listening socket on `address`. Sockets that are `shared` may stand beside each other on one address, and the kernel spreads
/// connections among them; a socket that is not finds out whether anybody else listens there.
pub(crate) fn listen(address: SocketAddr, shared: bool, options: Sockets) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// A visitor's connection: answers leave at once, dead peers are found, little is written ahead.
pub(crate) fn of_visitor(stream: &TcpStream, options: Sockets) {
    let socket = SockRef::from(stream);
    if let Err(error) = alive(&socket, options).and_then(|()| socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)) {
        trace!(%error, "socket options not set");
    }
}

/// Opens a connection to the origin: requests leave at once, a dead origin is found, little is taken in ahead.
pub(crate) async fn to_origin(address: SocketAddr, options: Sockets) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Before it is connected: the window that is announced then follows from it.
    socket.set_recv_buffer_size(ORIGIN_BUFFER_BYTES)?;
    alive(&SockRef::from(&socket), options)?;
    socket.connect(address).await
}

/// Nothing waits for more to send; who is silent is asked, and who does not acknowledge is given up.
fn alive(socket: &SockRef<'_>, options: Sockets) -> io::Result<()> {
    let second = Duration::from_secs(1);
    let user_timeout = options.user_timeout.max(second);
    // All of them within the time in which what was sent has to be acknowledged: that ends it then.
    let pause = (user_timeout / KEEPALIVE_PROBES).clamp(second, KEEPALIVE_PAUSE);
    let keepalive = TcpKeepalive::new().with_time(options.keepalive.max(second)).with_interval(pause).with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(user_timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_socket_has_what_was_asked_for() {
        let options = Sockets { keepalive: Duration::from_secs(77), user_timeout: Duration::from_secs(33), backlog: 5 };
        let listener = tokio::net::TcpListener::from_std(listen("127.0.0.1:0".parse().unwrap(), true, options).unwrap()).unwrap();
        let (opened, accepted) = tokio::join!(to_origin(listener.local_addr().unwrap(), options), listener.accept());
        let (opened, (accepted, _)) = (opened.unwrap(), accepted.unwrap());
        of_visitor(&accepted, options);
        let brief = Sockets { user_timeout: Duration::from_secs(9), ..options };
        let asked = to_origin(listener.local_addr().unwrap(), brief).await.unwrap();
        assert_eq!(SockRef::from(&asked).tcp_keepalive_interval().unwrap(), Duration::from_secs(3), "three times within nine seconds");
        for stream in [&opened, &accepted] {
            let socket = SockRef::from(stream);
            assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), options.keepalive);
            assert_eq!(
                (socket.tcp_keepalive_interval().unwrap(), socket.tcp_keepalive_retries().unwrap()),
                (KEEPALIVE_PAUSE, KEEPALIVE_PROBES)
            );
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(options.user_timeout));
        }
        assert_eq!(SockRef::from(&accepted).tcp_notsent_lowat().unwrap(), UNSENT_BYTES_MAX);
    }
}
