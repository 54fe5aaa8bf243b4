//! Handshakes take turns. A handshake's signature takes a thread as long as a hundred answers do; when a crowd comes, who is in already
//! is answered between signatures, and who has spoken first is let in first. Nor do those who are in keep the others out: time that the
//! thread had for anything else is matched, within bounds, by time for handshakes.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ServerConfig, server::Acceptor};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::yield_now,
};
use tokio_rustls::{Accept, LazyConfigAcceptor, StartHandshake, server::TlsStream};

use crate::limits::HANDSHAKES_TIME_MAX;

/// A visitor who has spoken, and where the answer goes.
type Waiting = (StartHandshake<TcpStream>, oneshot::Sender<Accept<TcpStream>>);

/// The turns of one listening socket. As many wait as there may be connections, and those that were given up since the last turn.
#[derive(Debug, Clone)]
pub(crate) struct Turns(mpsc::UnboundedSender<Waiting>);

impl Turns {
    /// Gives turns on this thread, until nobody can ask for one.
    pub(crate) fn start(config: Arc<ServerConfig>) -> Self {
        Self::paced(config, HANDSHAKES_TIME_MAX)
    }

    /// The same, with at most so much time for handshakes in a row.
    fn paced(config: Arc<ServerConfig>, most: Duration) -> Self {
        let (turns, waiting) = mpsc::unbounded_channel();
        tokio::spawn(give(waiting, config, Pace { most, free: Duration::ZERO, ended: Instant::now() }));
        Self(turns)
    }

    /// Shakes hands with a visitor.
    ///
    /// # Errors
    /// What the visitor says is no TLS, or nothing that both know.
    pub(crate) async fn shake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let gone = |_| io::Error::from(io::ErrorKind::ConnectionAborted);
        // Its first words cost nothing; what answers them does.
        let heard = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let (asked, answer) = oneshot::channel();
        self.0.send((heard, asked)).map_err(|_| gone(()))?;
        answer.await.map_err(|_| gone(()))?.await
    }
}

async fn give(mut waiting: mpsc::UnboundedReceiver<Waiting>, config: Arc<ServerConfig>, mut pace: Pace) {
    while let Some((heard, asked)) = waiting.recv().await {
        // Some have left, or waited too long.
        if asked.is_closed() {
            continue;
        }
        let begun = Instant::now();
        let answering = heard.into_stream(Arc::clone(&config));
        let may_follow = pace.note(begun, Instant::now());
        // Whoever leaves just then gets no answer.
        let _left = asked.send(answering).is_err();
        if !may_follow {
            // Until the thread has looked at its sockets, and everybody who is ready had a turn.
            yield_now().await;
        }
    }
}

/// How much of the thread's time is for handshakes.
#[derive(Debug)]
struct Pace {
    /// As much is kept at most.
    most: Duration,
    /// Time for handshakes that was not used yet.
    free: Duration,
    /// When the last one was answered.
    ended: Instant,
}

impl Pace {
    /// Counts a handshake, and tells whether the next one may follow at once.
    fn note(&mut self, begun: Instant, ended: Instant) -> bool {
        let others = begun.saturating_duration_since(self.ended);
        let spent = ended.saturating_duration_since(begun);
        self.free = self.free.saturating_add(others).min(self.most).saturating_sub(spent);
        self.ended = ended;
        !self.free.is_zero()
    }
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
        let config = Arc::new(config.with_no_client_auth().with_cert_resolver(Arc::clone(&counting) as _));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (turns, mut shaking) = (Turns::paced(config, Duration::ZERO), JoinSet::new());
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
            let turns = turns.clone();
            shaking.spawn(async move { turns.shake(stream).await.map(drop) });
        }
        let is_served = async move {
            let (mut before, mut rounds, mut together) = (0, 0, 0);
            while before < VISITORS {
                yield_now().await;
                let now = counting.1.load(Relaxed);
                together = together.max(now - before);
                (before, rounds) = (now, rounds + 1);
                assert!(rounds < 100_000, "nobody is let in");
            }
            together
        };
        // A task among tasks: what drives the runtime is looked at more seldom.
        let together = tokio::spawn(is_served).await.unwrap();
        // One, and one more before the first look.
        assert!(together <= 2, "{together} were answered before anybody else had a turn");
        // Who leaves in the middle of it holds nobody up.
        drop(visitors);
        while let Some(shaken) = shaking.join_next().await {
            assert!(shaken.unwrap().is_err());
        }
    }

    #[test]
    fn handshakes_get_as_much_time_as_the_others_within_bounds() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut pace = Pace { most: HANDSHAKES_TIME_MAX, free: Duration::ZERO, ended: start };
        assert!(!pace.note(at(0), at(1)), "nobody else had any time");
        assert!(!pace.note(at(2), at(3)), "as much as the others");
        // Three milliseconds for the others are three handshakes.
        assert!(pace.note(at(6), at(7)) && pace.note(at(7), at(8)) && !pace.note(at(8), at(9)));
        // A day without any is no day of nothing but handshakes.
        let day = 86_400_000;
        let mut now = day;
        while pace.note(at(now), at(now + 1)) {
            now += 1;
        }
        assert_eq!(now + 1 - day, HANDSHAKES_TIME_MAX.as_millis() as u64);
        // A clock that stands still, or goes back, gives nothing.
        assert!(!pace.note(at(0), at(0)));
    }
}
