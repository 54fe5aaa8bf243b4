//! Handshakes take turns. A handshake's signature takes a thread as long as a hundred answers do; when a crowd comes, who is in already
//! is answered before the next one is let in, and who has come first is let in first.

use std::{future::poll_fn, io, pin::Pin, sync::Arc, task::Poll};

use rustls::server::Acceptor;
use tokio::{net::TcpStream, sync::Semaphore, task::yield_now};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor, server::TlsStream};

use crate::limits::HANDSHAKES_IN_TURN;

/// The turns of one listening socket.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(HANDSHAKES_IN_TURN)))
    }
}

/// Shakes hands with a visitor.
///
/// # Errors
/// What the visitor says is no TLS, or nothing that both know.
pub(crate) async fn shake(stream: TcpStream, acceptor: &TlsAcceptor, turns: &Turns) -> io::Result<TlsStream<TcpStream>> {
    // Its first words cost nothing; what answers them does.
    let heard = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let mut answering = {
        let Ok(_turn) = turns.0.acquire().await else { return Err(io::ErrorKind::ConnectionAborted.into()) };
        let mut answering = heard.into_stream(Arc::clone(acceptor.config()));
        if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(Pin::new(&mut answering).poll(cx))).await {
            return done;
        }
        // The turn ends when everybody who was ready meanwhile has had theirs.
        yield_now().await;
        answering
    };
    poll_fn(|cx| Pin::new(&mut answering).poll(cx)).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConfig,
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    };
    use tokio::{net::TcpListener, task::JoinSet};

    use super::*;
    use crate::tls::{Certificates, Identity, provider, tests::pem};

    const VISITORS: usize = 24;

    /// Counts the handshakes that were answered.
    #[derive(Debug)]
    struct Counting(Arc<Certificates>, AtomicUsize);

    impl ResolvesServerCert for Counting {
        fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            self.1.fetch_add(1, Relaxed);
            self.0.resolve(hello)
        }
    }

    fn hello() -> Vec<u8> {
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let mut visitor = ClientConnection::new(Arc::new(config), "blog.example".try_into().unwrap()).unwrap();
        let mut words = Vec::new();
        visitor.write_tls(&mut words).unwrap();
        words
    }

    #[tokio::test(flavor = "current_thread")]
    async fn whoever_is_ready_is_served_between_handshakes() {
        let (chain, key) = pem(&["blog.example"]);
        let certificates = Certificates::new(&[Identity::read(chain.as_bytes(), key.as_bytes()).unwrap()]);
        let counting = Arc::new(Counting(certificates, AtomicUsize::new(0)));
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_cert_resolver(Arc::clone(&counting) as _)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (turns, mut shaking) = (Turns::default(), JoinSet::new());
        let (mut visitors, mut streams) = (Vec::new(), Vec::new());
        for _ in 0..VISITORS {
            let visitor = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            visitor.writable().await.unwrap();
            assert!(visitor.try_write(&hello()).unwrap() > 0);
            visitors.push(visitor);
            let (stream, _) = listener.accept().await.unwrap();
            // What was said is here before anybody is answered.
            stream.readable().await.unwrap();
            streams.push(stream);
        }
        for stream in streams {
            let (acceptor, turns) = (acceptor.clone(), turns.clone());
            shaking.spawn(async move { shake(stream, &acceptor, &turns).await.map(drop) });
        }
        let is_served = async move {
            let (mut before, mut rounds) = (0, 0);
            while before < VISITORS {
                yield_now().await;
                let now = counting.1.load(Relaxed);
                assert!(now - before <= 2 * HANDSHAKES_IN_TURN, "{before} to {now}");
                (before, rounds) = (now, rounds + 1);
                assert!(rounds < 100_000, "nobody is let in");
            }
        };
        // A task among tasks: what drives the runtime is looked at more seldom.
        tokio::spawn(is_served).await.unwrap();
        // Who leaves in the middle of it takes no turn along.
        drop(visitors);
        while let Some(shaken) = shaking.join_next().await {
            assert!(shaken.unwrap().is_err());
        }
        assert_eq!(turns.0.available_permits(), HANDSHAKES_IN_TURN);
    }
}
