//! Eight attacks of a hostile guest's content on whoever else a browser knows, at a helper, and where the helper does less.

use serde_json::json;

use crate::{
    chromium::{self, Browser},
    common::{field, ok},
    guests::{File, Helper},
    overflow::cookie,
    secure::{Certificate, Server},
};

/// The helper's own site.
const SITE: &str = "bakery.test";

/// A page of somebody's that keeps something of its visitor's, in every way in which browsers let it.
const VICTIM: &str = "<!doctype html><title>Victim</title><p>secret</p><script>
window.keep = async () => {
    document.cookie = 'victim=secret; Path=/; Secure; Max-Age=600';
    localStorage.setItem('victim', 'secret');
    await new Promise((done, failed) => {
        const open = indexedDB.open('victim');
        open.onupgradeneeded = () => open.result.createObjectStore('kept').put('secret', 'kept');
        open.onsuccess = done;
        open.onerror = failed;
    });
    await (await caches.open('victim')).put('/kept', new Response('secret'));
    return 'kept';
};
</script>";

/// A page that wants what others keep. Each attempt says what it got.
const HOSTILE: &str = "<!doctype html><title>Hostile</title><script>
const attempt = async what => { try { return String(await what()); } catch (error) { return 'refused: ' + error; } };
const stored = () => new Promise((done, failed) => {
    const open = indexedDB.open('victim');
    open.onerror = failed;
    open.onsuccess = () => {
        try {
            const asked = open.result.transaction('kept').objectStore('kept').get('kept');
            asked.onsuccess = () => done(asked.result);
            asked.onerror = failed;
        } catch (error) { failed(error); }
    };
});
const framed = victim => new Promise(done => {
    const frame = document.createElement('iframe');
    frame.onload = () => done(attempt(() => frame.contentDocument.body.textContent));
    frame.src = victim;
    document.documentElement.append(frame);
});
window.attack = async ({ victim, worker, header, site }) => ({
    cookie: await attempt(() => document.cookie),
    local: await attempt(() => localStorage.getItem('victim')),
    database: await attempt(stored),
    cache: await attempt(async () => (await caches.match('/kept')).text()),
    frame: await framed(victim),
    worker: await attempt(async () => { await navigator.serviceWorker.register(worker, { scope: '/' }); return (await navigator.serviceWorker.ready).active !== null; }),
    script: await attempt(() => { document.cookie = `script=evil; Domain=${site}; Path=/; Secure; Max-Age=600`; }),
    header: await attempt(async () => (await fetch(header, { credentials: 'include' })).status),
});
</script>";

/// A service worker that answers for everybody within its scope.
const WORKER: &str = "addEventListener('install', () => skipWaiting());
addEventListener('activate', event => event.waitUntil(clients.claim()));
addEventListener('fetch', event => event.respondWith(new Response('<p>taken over</p>', { headers: { 'Content-Type': 'text/html' } })));";

const FILES: [File; 4] = [
    ("/cookie.js", "text/javascript", "0"),
    ("/hostile.html", "text/html", HOSTILE),
    ("/victim.html", "text/html", VICTIM),
    ("/worker.js", "text/javascript", WORKER),
];

/// Where everything is in one world.
struct Places {
    victim: String,
    /// The victim's page again, as another visitor would come to it.
    victim_again: String,
    hostile: String,
    worker: String,
    header: String,
}

/// What a hostile page may try. The first six are on another guest, the others on the helper's own site.
const ATTACKS: [&str; 8] = [
    "reads its cookies",
    "reads its local storage",
    "reads its database",
    "reads its cached files",
    "reads its page in a frame",
    "answers in its stead by a service worker",
    "sets the helper's cookie by script",
    "sets the helper's cookie by header",
];

/// Which of the eight succeed.
fn outcome(browser: &mut Browser, places: &Places, heard: impl Fn() -> Vec<String>) -> Vec<&'static str> {
    browser.go(&places.victim);
    assert_eq!(browser.run("keep()"), "kept");
    browser.go(&places.hostile);
    let arguments = json!({ "victim": places.victim_again, "worker": places.worker, "header": places.header, "site": SITE });
    let got = browser.run(&format!("attack({arguments})"));
    println!("{got:#}");
    browser.go(&places.victim);
    let words = browser.run("document.body.textContent");
    browser.go(&format!("https://{SITE}/"));
    let cookies: Vec<String> = heard().iter().filter_map(|head| cookie(head)).collect();
    let holds = |what: &str, word: &str| got[what].as_str().is_some_and(|text| text.contains(word));
    let told = |word: &str| cookies.iter().any(|cookie| cookie.contains(word));
    let succeeded = [
        holds("cookie", "victim=secret"),
        holds("local", "secret"),
        holds("database", "secret"),
        holds("cache", "secret"),
        holds("frame", "secret"),
        words.as_str().is_some_and(|words| words.contains("taken over")),
        told("script=evil"),
        told("header=evil"),
    ];
    ATTACKS.into_iter().zip(succeeded).filter_map(|(attack, succeeded)| succeeded.then_some(attack)).collect()
}

#[test]
fn hostile_guest_content_reaches_nobody_else() {
    let Some(program) = chromium::program() else { return };
    let (hostile, victim) = ("flowers.overflow-umbrella.test", "books.overflow-umbrella.test");
    let certificate = Certificate::new(&["*.overflow-umbrella.test", SITE]);
    let helper = Helper::new(SITE, &certificate, &[(hostile, &FILES), (victim, &FILES)]);
    let port = helper.handle.secure_addrs()[0].port();
    let mut browser = Browser::start(program, &[(hostile, port), (victim, port), (SITE, port)], &[&certificate]);
    let places = Places {
        victim: helper.address(1, "/victim.html"),
        victim_again: helper.address(1, "/victim.html"),
        hostile: helper.address(0, "/hostile.html"),
        worker: helper.address(0, "/worker.js"),
        header: helper.address(0, "/cookie.js"),
    };
    let outcome = outcome(&mut browser, &places, || helper.own.asked());
    assert!(outcome.is_empty(), "{outcome:?}");
    assert!(!helper.own.asked().is_empty(), "the helper's own site was asked");
    let refused = helper.handle.metrics().hosting.refused;
    let workers = refused.iter().find(|(reason, _)| reason.ends_with("service_worker"));
    assert!(workers.is_some_and(|(_, count)| *count > 0), "a worker was asked for, and refused: {refused:?}");
}

/// A host that does less than a helper: it serves files as they are, with a cookie of their owner's.
fn careless(certificate: &Certificate) -> Server {
    Server::start(certificate, |head| {
        let path = head.split([' ', '?']).nth(1).unwrap();
        let Some((_, kind, body)) = FILES.iter().find(|(known, ..)| *known == path) else {
            return ok("Content-Type: text/html\r\nConnection: close\r\n", "<p>bread</p>");
        };
        let host = field(head, "host").unwrap();
        let cookie =
            if host == SITE { String::new() } else { format!("Set-Cookie: header=evil; Domain={SITE}; Path=/; Secure; Max-Age=600\r\n") };
        ok(&format!("Content-Type: {kind}\r\n{cookie}Connection: close\r\n"), body)
    })
}

fn careless_places(hostile: &str, victim: &str) -> Places {
    let at = |host: &str, path: &str| format!("https://{host}{path}");
    Places {
        victim: at(victim, "/victim.html"),
        victim_again: at(victim, "/victim.html"),
        hostile: at(hostile, "/hostile.html"),
        worker: at(hostile, "/worker.js"),
        header: at(hostile, "/cookie.js"),
    }
}

#[test]
fn on_one_hostname_six_attacks_would_succeed() {
    let Some(program) = chromium::program() else { return };
    let name = "guests.overflow-umbrella.test";
    let certificate = Certificate::new(&[name, SITE]);
    let server = careless(&certificate);
    let mut browser = Browser::start(program, &[(name, server.port), (SITE, server.port)], &[&certificate]);
    let outcome = outcome(&mut browser, &careless_places(name, name), || server.heads());
    assert_eq!(outcome, ATTACKS[..6]);
}

#[test]
fn below_the_helpers_own_name_two_attacks_would_succeed() {
    let Some(program) = chromium::program() else { return };
    let (hostile, victim) = ("flowers.bakery.test", "books.bakery.test");
    let certificate = Certificate::new(&[hostile, victim, SITE]);
    let server = careless(&certificate);
    let mut browser = Browser::start(program, &[(hostile, server.port), (victim, server.port), (SITE, server.port)], &[&certificate]);
    let outcome = outcome(&mut browser, &careless_places(hostile, victim), || server.heads());
    assert_eq!(outcome, ATTACKS[6..]);
}
