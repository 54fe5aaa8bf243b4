//! Connections to the origin: kept, prepared, given up, never at a visitor's cost.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Act, LONG, Origin, ask, edge, edge_at, get, ok, parse, raw, read_head, together, until};
use overspill_edge::{Clock, Config, Handle, OriginPool, OriginTls, Resolver, Sockets, start};
use overspill_governance::units::Bytes;

const NO_STORE: &str = "Cache-Control: no-store\r\n";

/// What a connection's end does with its next request: the answer, and whether it reads another afterwards.
type Turn = dyn Fn(u64, &str) -> (Option<Vec<u8>>, bool) + Send + Sync;

/// A server that is told when to break a connection off, and can be gone.
struct Fickle {
    address: SocketAddr,
    opened: Arc<AtomicU64>,
    asked: Arc<Mutex<Vec<String>>>,
    gone: Arc<AtomicBool>,
}

impl Fickle {
    /// `turn` is told how many requests came over this connection before, and the head.
    fn new(turn: impl Fn(u64, &str) -> (Option<Vec<u8>>, bool) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fickle = Self { address: listener.local_addr().unwrap(), opened: Arc::default(), asked: Arc::default(), gone: Arc::default() };
        let (opened, asked, gone, turn) =
            (Arc::clone(&fickle.opened), Arc::clone(&fickle.asked), Arc::clone(&fickle.gone), Arc::<Box<Turn>>::new(Box::new(turn)));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if gone.load(SeqCst) {
                    return;
                }
                opened.fetch_add(1, SeqCst);
                let (asked, gone, turn) = (Arc::clone(&asked), Arc::clone(&gone), Arc::clone(&turn));
                thread::spawn(move || serve(stream, &asked, &gone, &**turn));
            }
        });
        fickle
    }

    /// Closes the listening socket and every connection at its next request.
    fn leave(&self) {
        self.gone.store(true, SeqCst);
        let _last = TcpStream::connect(self.address);
        until("nobody listens", || TcpStream::connect(self.address).is_err());
    }

    fn opened(&self) -> u64 {
        self.opened.load(SeqCst)
    }

    fn asked_by(&self, method: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|head| head.starts_with(method)).count()
    }
}

fn serve(mut stream: TcpStream, asked: &Mutex<Vec<String>>, gone: &AtomicBool, turn: &Turn) {
    let mut before = 0;
    while let Some(head) = read_head(&mut stream) {
        if gone.load(SeqCst) {
            return;
        }
        let mut body = vec![0; common::field(&head, "content-length").map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).unwrap();
        asked.lock().unwrap().push(head.clone());
        let (answer, goes_on) = turn(before, &head);
        before += 1;
        if answer.is_some_and(|answer| stream.write_all(&answer).is_err()) || !goes_on {
            return;
        }
    }
}

fn page() -> Vec<u8> {
    ok(NO_STORE, "page")
}

fn post(edge: &Handle) -> u16 {
    parse(&raw(edge, b"POST /comment HTTP/1.1\r\nHost: blog.example\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody")).status
}

#[test]
fn a_connection_that_the_origin_closes_at_that_moment_costs_no_visitor_anything() {
    // Without a word after its first answer; or when the second request has come.
    for takes_second in [false, true] {
        let origin = Fickle::new(move |before, _| if before == 0 { (Some(page()), takes_second) } else { (None, false) });
        let edge = edge_at(origin.address, |_| ());
        for round in 0..60 {
            assert_eq!(get(&edge, &format!("/{round}")).status, 200, "{round}, {takes_second}");
            assert_eq!(post(&edge), 200, "{round}, {takes_second}");
        }
        assert!(!takes_second || edge.metrics().origin_repeated > 30, "{}", edge.metrics().origin_repeated);
        assert_eq!(origin.asked_by("POST"), 60, "what must not be repeated was not");
        assert_eq!(edge.metrics().origin_broken, 0);
    }
}

#[test]
fn only_what_changes_nothing_is_asked_twice_and_only_once_more() {
    let breaks = Arc::new(AtomicBool::new(false));
    let broken = Arc::clone(&breaks);
    let origin = Fickle::new(move |_, _| if broken.load(SeqCst) { (None, false) } else { (Some(page()), true) });
    let edge = edge_at(origin.address, |_| ());
    assert_eq!(get(&edge, "/").status, 200);
    until("the connection is kept", || edge.metrics().origin_connections_idle == 1);
    breaks.store(true, SeqCst);
    assert!(post(&edge) >= 500);
    assert_eq!(origin.asked_by("POST"), 1);
    assert!(get(&edge, "/").status >= 500);
    assert_eq!(origin.asked_by("GET"), 3, "once before, over the kept connection, and over one of its own");
    assert!(get(&edge, "/").status >= 500);
    // Over its own connection there is no doubt whether it was taken; over one that was prepared meanwhile there is, once.
    assert!((4..=5).contains(&origin.asked_by("GET")), "{}", origin.asked_by("GET"));
}

fn pool(start: u32, max: u32, interval: Duration) -> OriginPool {
    OriginPool { start, max, interval, ..OriginPool::default() }
}

#[test]
fn connections_are_there_before_they_are_needed_grow_with_use_and_go() {
    let origin = Origin::new(|_| Act::SayAfter(Duration::from_millis(200), page()));
    let edge = edge(&origin, |config| {
        config.origin_pool = pool(3, 16, Duration::from_secs(2));
        config.origin_limits.initial = 12;
    });
    let idle = || edge.metrics().origin_connections_idle;
    until("the first are prepared", || idle() == 3);
    assert_eq!(edge.metrics().origin_connections_opened, 3);
    assert!(together(8, |index| get(&edge, &format!("/{index}")).status).iter().all(|status| *status == 200));
    until("what was used is kept", || idle() >= 8);
    let opened = edge.metrics().origin_connections_opened;
    // Within the interval nothing is closed, so that nothing need be opened for as many visitors again.
    assert!(together(8, |index| get(&edge, &format!("/again{index}")).status).iter().all(|status| *status == 200));
    assert!(edge.metrics().origin_connections_opened <= opened + 2, "at most what is kept ahead of use");
    until("they go when they are needed no more", || idle() == 3);
    assert_eq!(edge.metrics().origin_connections_used, 0);
}

#[test]
fn nothing_is_prepared_for_an_origin_that_does_not_want_it() {
    // It closes after each answer, as servers do whose workers are bound to connections.
    let closing = Fickle::new(|_, _| (Some(ok("Cache-Control: no-store\r\nConnection: close\r\n", "page")), false));
    let edge = edge_at(closing.address, |_| ());
    assert!(together(6, |index| get(&edge, &format!("/{index}")).status).iter().all(|status| *status == 200));
    thread::sleep(Duration::from_millis(700));
    assert_eq!((closing.opened(), edge.metrics().origin_connections_idle), (6, 0));

    // It closes what is not used at once: it is not asked to take the same again and again.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, accepted) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&accepted);
    thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, SeqCst);
            drop(stream);
        }
    });
    let edge = edge_at(address, |config| config.origin_pool = pool(2, 8, LONG));
    until("it was tried", || accepted.load(SeqCst) >= 2);
    thread::sleep(Duration::from_millis(1_500));
    assert!(accepted.load(SeqCst) <= 6, "{}", accepted.load(SeqCst));
    drop(edge);

    // It is not there: it is looked for now and then.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let edge = edge_at(nobody, |config| config.origin_pool = pool(2, 8, LONG));
    thread::sleep(Duration::from_millis(300));
    let listener = TcpListener::bind(nobody).unwrap();
    until("it is found when it comes", || edge.metrics().origin_connections_idle == 2);
    drop(listener);
}

/// What a name server says; `None`: it is dead.
type Said = Arc<Mutex<Option<Vec<SocketAddr>>>>;

/// A resolver whose answers can be changed, and how often it was asked.
fn resolver(addresses: &[SocketAddr]) -> (Resolver, Said, Arc<AtomicU64>) {
    let (answer, asked) = (Arc::new(Mutex::new(Some(addresses.to_vec()))), Arc::<AtomicU64>::default());
    let (said, count) = (Arc::clone(&answer), Arc::clone(&asked));
    let resolver = Resolver::of(move |host, _| {
        assert_eq!(host, "origin.example");
        count.fetch_add(1, SeqCst);
        said.lock().unwrap().clone().ok_or_else(|| std::io::ErrorKind::TimedOut.into())
    });
    (resolver, answer, asked)
}

/// An edge whose origin has a name.
fn named(resolver: Resolver, lookup: Duration) -> Handle {
    let mut config = Config::new("origin.example".parse().unwrap());
    config.threads = 2;
    config.resolver = resolver;
    config.origin_pool.lookup = lookup;
    start(config, Clock::new()).unwrap()
}

fn says(word: &'static str) -> Fickle {
    Fickle::new(move |_, _| (Some(ok(NO_STORE, word)), true))
}

#[test]
fn an_origin_that_moves_is_found() {
    let (old, new) = (says("old"), says("new"));
    let (resolver, answer, _) = resolver(&[old.address]);
    let edge = named(resolver, Duration::from_millis(1_100));
    assert_eq!(get(&edge, "/").text(), "old");
    *answer.lock().unwrap() = Some(vec![new.address]);
    until("the new one is asked though the old one still answers", || get(&edge, "/").text() == "new");
    assert_eq!(get(&edge, "/").text(), "new");
}

#[test]
fn an_origin_that_moves_and_is_gone_is_found_by_the_first_who_asks() {
    let (old, new) = (says("old"), says("new"));
    let (resolver, answer, asked) = resolver(&[old.address]);
    let edge = named(resolver, LONG);
    assert_eq!(get(&edge, "/").text(), "old");
    old.leave();
    *answer.lock().unwrap() = Some(vec![new.address]);
    thread::sleep(Duration::from_millis(1_100));
    let reply = get(&edge, "/");
    assert_eq!((reply.status, reply.text().as_str(), asked.load(SeqCst)), (200, "new", 2));
}

#[test]
fn a_dead_name_server_takes_nothing_away_and_any_address_that_answers_will_do() {
    let origin = says("here");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (resolver, answer, asked) = resolver(&[nobody, origin.address]);
    let edge = named(resolver, Duration::from_millis(1_100));
    assert_eq!(get(&edge, "/").text(), "here");
    *answer.lock().unwrap() = None;
    let before = asked.load(SeqCst);
    until("it was asked in vain", || asked.load(SeqCst) >= before + 2);
    assert_eq!(get(&edge, "/").text(), "here");
}

#[test]
fn an_origin_over_tls_must_have_a_certificate_for_its_name() {
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(vec!["origin.example".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let (listener, tls) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(tls));
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let tls = Arc::clone(&tls);
            thread::spawn(move || {
                let mut session = rustls::ServerConnection::new(tls).unwrap();
                let mut stream = rustls::Stream::new(&mut session, &mut stream);
                let mut head = Vec::new();
                let mut byte = [0];
                while let Ok(1) = stream.read(&mut byte) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        stream.write_all(&ok(NO_STORE, "secret")).unwrap();
                    }
                }
            });
        }
    });
    let tls = OriginTls::read(cert.pem().as_bytes()).unwrap();
    assert!(OriginTls::read(b"nothing").is_err());
    for (name, status) in [("origin.example", 200), ("other.example", 503)] {
        let mut config = Config::new(name.parse().unwrap());
        config.origin_tls = Some(tls.clone());
        config.resolver = Resolver::of(move |_, _| Ok(vec![address]));
        let edge = start(config, Clock::new()).unwrap();
        assert_eq!([(); 3].map(|()| get(&edge, "/").status), [status; 3], "{name}");
        assert!(status != 200 || edge.metrics().origin_connections_opened == 1, "it is kept as any other");
    }
}

/// Two sets of everything that can be reloaded.
fn settings(config: &Config, odd: bool) -> Config {
    let mut config = config.clone();
    if odd {
        config.origin_pool = OriginPool { start: 4, max: 6, interval: Duration::from_secs(1), lookup: Duration::from_secs(1) };
        config.sockets = Sockets { keepalive: Duration::from_secs(5), user_timeout: Duration::from_secs(5), ..config.sockets };
        (config.memory, config.guest_memory) = (Bytes(1 << 20), Bytes(1 << 20));
        (config.micro_cache, config.stale_max, config.stale_error_max) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        (config.origin_limits.initial, config.origin_limits.max, config.origin_limits.queue_max) = (3, 64, 64);
        config.origin_limits.target_delay = Duration::from_millis(5);
        config.timeouts.connect = Duration::from_secs(1);
        config.timeouts.visitor_stall = Duration::from_secs(5);
        (config.connections.max, config.connections.per_address) = (500, 100);
        (config.miss_budget, config.rewrite) = (None, false);
        config.trusted_proxies = vec!["192.0.2.1".parse().unwrap()];
        config.purge_token = Some("another".into());
        config.hosts = vec!["blog.example".parse().unwrap(), "www.blog.example".parse().unwrap()];
        config.guest_suffix = Some("guests.example".into());
        config.member_key = Some("key".into());
        config.uplink = Some(overspill_governance::units::ByteRate(1 << 30));
    }
    config
}

#[test]
fn a_storm_of_reloads_costs_no_request() {
    let origin = Origin::new(|head| {
        let kept = if head.contains("/kept") { "Cache-Control: max-age=1\r\n" } else { NO_STORE };
        Act::Say(ok(kept, if head.starts_with("POST") { "taken" } else { "page" }))
    });
    let edge = edge(&origin, |_| ());
    let mut config = Config::new(origin.address.to_string().parse().unwrap());
    config.threads = 2;
    let done = AtomicBool::new(false);
    let (edge, done) = (&edge, &done);
    let answered = thread::scope(|scope| {
        let visitors: Vec<_> = (0..4)
            .map(|visitor| {
                scope.spawn(move || {
                    let mut answered = 0;
                    while !done.load(SeqCst) {
                        assert_eq!(get(edge, &format!("/{visitor}/{answered}")).text(), "page");
                        assert_eq!(get(edge, "/kept.css").text(), "page");
                        assert_eq!(post(edge), 200);
                        assert_eq!(ask(edge, "HEAD", "/", "").status, 200);
                        answered += 4;
                    }
                    answered
                })
            })
            .collect();
        for round in 0..300 {
            edge.reload(settings(&config, round % 2 == 0));
            thread::sleep(Duration::from_millis(5));
        }
        done.store(true, SeqCst);
        visitors.into_iter().map(|visitor| visitor.join().unwrap()).sum::<u64>()
    });
    assert!(answered >= 40, "{answered}");
    let metrics = edge.metrics();
    assert_eq!((metrics.responses_5xx, metrics.shed, metrics.connections_refused), (0, 0, 0));
}
