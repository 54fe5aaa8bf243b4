//! Where the origin is: its addresses, looked up again and again, so that an origin that moves is found without a restart. A name server
//! that fails takes nothing away: the last addresses stay.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use http::uri::{Authority, Scheme};
use overspill_governance::time::Time;
use tokio::sync::oneshot;

use crate::{
    clock::Clock,
    limits::{ADDRESSES_MAX, LOOKUP_PATIENCE, LOOKUP_PAUSE},
};

type Lookup = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Finds the addresses of a name. Asked on a thread of its own, so that it may block.
#[derive(Clone)]
pub struct Resolver(Arc<Lookup>);

impl Resolver {
    /// The operating system's: `/etc/hosts`, name servers, whatever is set up.
    #[must_use]
    pub fn system() -> Self {
        Self::of(|host, port| (host, port).to_socket_addrs().map(Iterator::collect))
    }

    /// One of one's own.
    #[must_use]
    pub fn of(lookup: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// The origin's name and what is known of it.
#[derive(Debug)]
pub(crate) struct Names {
    host: String,
    port: u16,
    resolver: Resolver,
    clock: Clock,
    known: Mutex<Known>,
    /// Held by whoever asks: one question at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// In the order in which they are tried.
    addresses: Arc<[SocketAddr]>,
    /// When they were last asked for, in vain or not.
    asked: Option<Time>,
}

impl Names {
    pub(crate) fn new(scheme: &Scheme, authority: &Authority, resolver: Resolver, clock: Clock) -> Self {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if *scheme == Scheme::HTTPS { 443 } else { 80 });
        let literal = host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port));
        let known = Known { addresses: literal.into_iter().collect(), asked: None };
        Self { host, port, resolver, clock, known: Mutex::new(known), asking: tokio::sync::Mutex::default() }
    }

    /// The name without its port.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_literal(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }

    /// The addresses to try, in order. Asks only when none is known.
    ///
    /// # Errors
    /// When none is known and the name server knows none.
    pub(crate) async fn addresses(&self) -> io::Result<Arc<[SocketAddr]>> {
        let known = self.known();
        if !known.is_empty() {
            return Ok(known);
        }
        self.ask().await?;
        let known = self.known();
        if known.is_empty() { Err(io::Error::new(io::ErrorKind::NotFound, "the origin's name has no address")) } else { Ok(known) }
    }

    /// The origin's addresses, as far as they are known.
    pub(crate) fn known(&self) -> Arc<[SocketAddr]> {
        Arc::clone(&self.lock().addresses)
    }

    /// The address that answered is tried first from now on.
    pub(crate) fn prefer(&self, address: SocketAddr) {
        let mut known = self.lock();
        if known.addresses.first().is_some_and(|first| *first != address) && known.addresses.contains(&address) {
            let others = known.addresses.iter().copied().filter(|other| *other != address);
            known.addresses = std::iter::once(address).chain(others).collect();
        }
    }

    /// Whether it is time to ask again.
    pub(crate) fn is_due(&self, interval: Duration) -> bool {
        !self.is_literal() && self.lock().asked.is_none_or(|asked| self.clock.time().since(asked) >= interval)
    }

    /// Asks for the addresses, unless that was done a moment ago. Tells whether there is one that was not known before.
    ///
    /// # Errors
    /// When the name server fails, or does not answer in time; what was known stays.
    pub(crate) async fn ask(&self) -> io::Result<bool> {
        let _turn = self.asking.lock().await;
        let now = self.clock.time();
        if self.is_literal() || self.lock().asked.is_some_and(|asked| now.since(asked) < LOOKUP_PAUSE) {
            return Ok(false);
        }
        self.lock().asked = Some(now);
        let found = self.look_up().await?;
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the origin's name has no address"));
        }
        let mut known = self.lock();
        let first = known.addresses.first().copied().filter(|first| found.contains(first));
        let others = found.iter().copied().filter(|address| Some(*address) != first);
        let addresses: Arc<[SocketAddr]> = first.into_iter().chain(others).take(ADDRESSES_MAX).collect();
        let news = addresses.iter().any(|address| !known.addresses.contains(address));
        if news && !known.addresses.is_empty() {
            tracing::info!(host = self.host, ?addresses, "the origin has other addresses");
        }
        known.addresses = addresses;
        Ok(news)
    }

    /// A thread of its own for each question: one that hangs holds up neither the others nor the edge's end.
    async fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
        let (answer, answered) = oneshot::channel();
        let (resolver, host, port) = (self.resolver.clone(), self.host.clone(), self.port);
        thread::Builder::new().name("names".into()).spawn(move || {
            let _nobody_waits = answer.send((resolver.0)(&host, port));
        })?;
        match tokio::time::timeout(LOOKUP_PATIENCE, answered).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 80))
    }

    /// Names whose answers are scripted, and how far the script has come.
    fn names(script: Vec<io::Result<Vec<SocketAddr>>>) -> Names {
        let script = Mutex::new(script.into_iter());
        let resolver = Resolver::of(move |_, _| script.lock().unwrap().next().unwrap_or_else(|| Err(io::ErrorKind::NotFound.into())));
        Names::new(&Scheme::HTTP, &Authority::from_static("origin.example"), resolver, Clock::new())
    }

    async fn ask_again(names: &Names) -> io::Result<bool> {
        names.lock().asked = None;
        names.ask().await
    }

    #[tokio::test]
    async fn a_name_that_moves_is_followed_and_a_dead_name_server_takes_nothing_away() {
        let two = vec![address(1), address(2)];
        let names = names(vec![Ok(two.clone()), Err(io::ErrorKind::TimedOut.into()), Ok(Vec::new()), Ok(vec![address(3)])]);
        assert_eq!(names.addresses().await.unwrap().to_vec(), two);
        assert!(ask_again(&names).await.is_err() && ask_again(&names).await.is_err());
        assert_eq!(names.addresses().await.unwrap().to_vec(), two);
        assert!(ask_again(&names).await.unwrap());
        assert_eq!(names.addresses().await.unwrap().to_vec(), [address(3)]);
        assert!(!names.known().contains(&address(1)));
    }

    #[tokio::test]
    async fn what_answered_is_tried_first_and_stays_so() {
        let both = || Ok(vec![address(1), address(2)]);
        let names = names(vec![both(), both()]);
        names.addresses().await.unwrap();
        names.prefer(address(2));
        names.prefer(address(9));
        assert_eq!(names.addresses().await.unwrap().to_vec(), [address(2), address(1)]);
        assert!(!ask_again(&names).await.unwrap());
        assert_eq!(names.addresses().await.unwrap().to_vec(), [address(2), address(1)]);
    }

    #[tokio::test]
    async fn it_asks_once_in_a_while_and_never_for_an_address() {
        let names = names(vec![Ok((0..=40).map(address).collect()), Ok(vec![address(99)])]);
        assert!(names.is_due(Duration::from_secs(60)));
        assert_eq!(names.addresses().await.unwrap().len(), ADDRESSES_MAX);
        assert!(!names.is_due(Duration::from_secs(60)));
        assert!(!names.ask().await.unwrap(), "it was asked a moment ago");
        let literal = Names::new(&Scheme::HTTPS, &Authority::from_static("[::1]"), Resolver::of(|_, _| panic!("asked")), Clock::new());
        assert_eq!(literal.addresses().await.unwrap().to_vec(), ["[::1]:443".parse().unwrap()]);
        assert!(!literal.is_due(Duration::ZERO) && !literal.ask().await.unwrap());
    }
}
