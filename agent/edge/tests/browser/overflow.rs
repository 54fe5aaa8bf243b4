//! An owner over TLS whose line is too small for its own page, a helper over TLS, and somebody between visitors and the helper.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use http::uri::{Authority, Scheme};
use overspill_edge::{Canonical, Clock, Config, Handle, start};
use overspill_governance::{site::SiteId, units::ByteRate};
use overspill_protocol::plan::Plan;

use crate::{
    chromium::Browser,
    common::{
        Origin, field,
        lease::{Lease, fill, manifest},
        parse, raw, until,
    },
    secure::{Certificate, Server, ask},
};

/// The owner's name.
pub const OWNER: &str = "flowers.test";
/// What is asked for only to be too much: nobody holds it.
const EXCESS: &str = "/excess.png";

/// Both ends, on one clock.
pub struct World {
    pub owner: Arc<Handle>,
    helper: Arc<Handle>,
    lease: Lease,
    guest: String,
    clock: Clock,
    certificates: [Certificate; 2],
    pub between: Server,
    lies: Arc<AtomicBool>,
    _site: Origin,
}

impl World {
    /// The guest's name at the helper is `guest`.
    pub fn new(site: Origin, guest: &str, change: fn(&mut Config)) -> Self {
        let (clock, certificates) = (Clock::new(), [Certificate::new(&[OWNER]), Certificate::new(&[guest])]);
        let begin = |certificate: &Certificate, change: &dyn Fn(&mut Config)| {
            let mut config = Config::new(site.address.to_string().parse().unwrap());
            config.threads = 1;
            config.tls.listen = vec![([127, 0, 0, 1], 0).into()];
            config.tls.identities = vec![certificate.identity.clone()];
            change(&mut config);
            Arc::new(start(config, clock.clone()).unwrap())
        };
        let owner = begin(&certificates[0], &|config| {
            config.uplink = Some(ByteRate(100_000));
            config.canonical = Some(Canonical { scheme: Scheme::HTTPS, authority: Authority::from_static(OWNER) });
            change(config);
        });
        let helper = begin(&certificates[1], &|_| ());
        fill(&owner, &helper);
        let lease = Lease::new(3, SiteId([1; 32]), (format!("https://{guest}"), &format!("https://{OWNER}")), 60_000);
        let lies = Arc::new(AtomicBool::new(false));
        let between = between(&certificates[1], guest, helper.secure_addrs()[0].port(), &lies);
        Self { owner, helper, lease, guest: guest.to_owned(), clock, certificates, between, lies, _site: site }
    }

    /// A browser that finds both; the helper by way of whoever stands between, if so.
    pub fn browser(&self, program: &str, past_somebody: bool) -> Browser {
        let helper = if past_somebody { self.between.port } else { self.helper.secure_addrs()[0].port() };
        let places = [(OWNER, self.owner.secure_addrs()[0].port()), (self.guest.as_str(), helper)];
        Browser::start(program, &places, &self.certificates.each_ref())
    }

    /// From now on, one byte of each script that comes from the helper is another.
    pub fn lies(&self) {
        self.lies.store(true, Relaxed);
    }

    /// Has the owner hold a page with its files.
    pub fn warm(&self, page: &str, files: &[&str]) {
        for path in files.iter().chain([&EXCESS, &page]) {
            assert_eq!(self.ask(path), 200, "{path}");
        }
        until("the files are spillable", || self.owner.observe().hot.len() == files.len() + 1);
    }

    fn ask(&self, path: &str) -> u16 {
        parse(&raw(&self.owner, format!("GET {path} HTTP/1.1\r\nHost: {OWNER}\r\nConnection: close\r\n\r\n").as_bytes())).status
    }

    fn plan(&self) {
        let manifest = manifest(&self.owner, self.lease.owner, &self.clock, |path| path != EXCESS);
        let plan = Plan { version: 1, made: self.clock.time(), ..Plan::default() };
        self.owner.apply(Arc::new(Plan { spill: vec![self.lease.spill(&manifest)], ..plan.clone() }));
        self.helper.apply(Arc::new(Plan { host: vec![self.lease.host(&manifest)], ..plan }));
    }

    /// Wants more of the owner than its line carries, under a lease, for as long as something is done.
    pub fn crowded<T>(&self, act: impl FnOnce() -> T) -> T {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    self.plan();
                    self.ask(EXCESS);
                    thread::sleep(Duration::from_millis(20));
                }
            });
            // Also when a test fails within, or the crowd would never go home.
            let _ending = Ending(&over);
            act()
        })
    }
}

struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Hears what visitors say to the helper, and alters what it gives when told to.
fn between(certificate: &Certificate, guest: &str, port: u16, lies: &Arc<AtomicBool>) -> Server {
    let (guest, lies, helper) = (guest.to_owned(), Arc::clone(lies), certificate.clone());
    Server::start(certificate, move |head| {
        let mut answer = ask(&helper, &guest, port, &head.replace("keep-alive", "close"));
        let word = b"'ran'";
        let place = answer.windows(word.len()).position(|window| window == word);
        if lies.load(Relaxed)
            && let Some(at) = place
        {
            answer[at + 1] = b'l';
        }
        answer
    })
}

/// The fields of a request that hold a cookie.
pub fn cookie(head: &str) -> Option<String> {
    field(head, "cookie")
}
