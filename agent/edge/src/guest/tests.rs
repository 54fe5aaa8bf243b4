use super::{
    limits::{GUEST_DEBT_MAX, MANIFEST_LOOK},
    metrics::Refusal,
    *,
};

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use overspill_governance::{
    digest::{Digest, ObjectDigest},
    invite::MeshId,
    payword::Chain,
    time::{Date, Now},
    units::{self, ByteRate, RequestRate},
};
use overspill_protocol::{
    manifest::{Manifest, Object},
    plan::{Home, Host},
    ticket::{self, BackMark, Bound, Ticket, TicketKey},
};

const OWNER: SiteId = SiteId([1; 32]);
const KEY: TicketKey = TicketKey([9; 32]);
const NAME: &str = "blog.helper.example:8080";
const BODY: &[u8] = b"0123456789";

fn lease(name: u8) -> LeaseId {
    LeaseId([name; 8])
}

fn chain(name: u8) -> Chain {
    Chain::from_seed([name; 32], lease(name), 50)
}

fn now(millis: u64) -> Now {
    Now { time: Time::from_micros(millis * 1_000), date: Date::from_millis(1_700_000_000_000 + millis) }
}

fn object(path: &str, body: &[u8]) -> Object {
    Object {
        path: path.into(),
        digest: ObjectDigest::of(body),
        size: units::Bytes(body.len() as u64),
        media_type: "text/css".into(),
        fresh_until: now(60_000).date,
    }
}

fn host(name: u8, objects: Vec<Object>) -> Host {
    Host {
        lease: lease(name),
        owner: OWNER,
        authority: NAME.into(),
        canonical: "https://blog.example".into(),
        requests: RequestRate(1_000),
        bytes: ByteRate(1_000_000),
        allotted_requests: 50,
        allotted_bytes: units::Bytes(1_000_000),
        storage: units::Bytes(1_000_000),
        key: KEY,
        anchor: chain(name).anchor(),
        manifest: Arc::new(Manifest {
            mesh: MeshId(Digest::ZERO),
            owner: OWNER,
            run: 1,
            generation: 1,
            date: Date::from_millis(0),
            objects,
        }),
        attested: Arc::default(),
        generation_until: Time::MAX,
        until: Time::MAX,
        closed: false,
    }
}

struct Helper {
    guests: Guests,
    wanted: mpsc::Receiver<FillWanted>,
}

impl Helper {
    fn new(hosts: Vec<Host>) -> Self {
        let (guests, wanted) = Guests::new(Arc::new(Uplink::new(None)), 1 << 20);
        let helper = Self { guests, wanted };
        helper.plan(hosts);
        helper
    }

    /// A helper of one guest with `/a.css`, which is stored already.
    fn filled() -> Self {
        let helper = Self::new(vec![host(2, vec![object("/a.css", BODY)])]);
        helper.fill(2, BODY);
        helper
    }

    fn plan(&self, host: Vec<Host>) {
        self.guests.apply(&Plan { host, ..Plan::default() });
    }

    fn fill(&self, name: u8, body: &'static [u8]) {
        let want = FillWanted { lease: lease(name), owner: OWNER, digest: ObjectDigest::of(body), size: units::Bytes(body.len() as u64) };
        self.guests.filled(&want, Ok(Bytes::from_static(body)), now(0).time);
    }

    async fn ask(&self, path: &str) -> (Response<Bytes>, GuestUse) {
        self.ask_at(path, now(0)).await
    }

    async fn ask_at(&self, path: &str, now: Now) -> (Response<Bytes>, GuestUse) {
        self.guests.serve(NAME, &Method::GET, path, &HeaderMap::new(), now).await
    }

    async fn ask_with(&self, name: &'static str, value: &'static str, path: &str) -> (Response<Bytes>, GuestUse) {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        self.guests.serve(NAME, &Method::GET, path, &headers, now(0)).await
    }
}

fn with_ticket(name: u8, serial: u32, path: &str) -> String {
    let bound = Bound { method: ticket::Method::Get, owner: &OWNER, path };
    let ticket = Ticket::issue(&KEY, lease(name), serial, chain(name).word(serial).unwrap(), 1_700_000_030, bound);
    crate::spill::mark::with_parameter("", path, ticket::TICKET_PARAMETER, &ticket.to_text())
}

/// Asserts that the visitor is sent to the owner's `path` with a mark that the owner takes.
fn assert_sent_back(answer: &(Response<Bytes>, GuestUse), reason: Refusal, path: &str) {
    assert_eq!(answer.1, GuestUse::Refused(reason));
    assert_eq!(answer.0.status(), StatusCode::FOUND);
    assert_eq!(answer.0.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.0.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let location = answer.0.headers()[header::LOCATION].to_str().unwrap();
    let target = location.strip_prefix("https://blog.example").unwrap();
    let target = crate::spill::mark::Target::of(target);
    assert_eq!((target.path.as_ref(), target.ticket), (path, None));
    let mark = BackMark::from_text(target.back.unwrap()).unwrap();
    assert_eq!(mark.check(&KEY, path, now(0).date), Ok(()));
}

#[tokio::test]
async fn a_ticket_gets_the_owners_bytes_once_and_is_then_sent_back() {
    let helper = Helper::filled();
    let url = with_ticket(2, 1, "/a.css");
    let (response, usage) = helper.ask(&url).await;
    assert_eq!((response.status(), usage, response.body().as_ref()), (StatusCode::OK, GuestUse::Hit, BODY));
    let field = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(field("content-type"), "text/css");
    assert_eq!(field("cache-control"), "private, max-age=60");
    assert_eq!(field("link"), "<https://blog.example/a.css>; rel=\"canonical\"");
    assert_eq!(field("cache-status"), "overspill; hit");
    for (name, value) in [("access-control-allow-origin", "*"), ("x-robots-tag", "noindex"), ("x-content-type-options", "nosniff")] {
        assert_eq!(field(name), value);
    }
    assert!(!response.headers().contains_key(header::SET_COOKIE));
    assert_sent_back(&helper.ask(&url).await, Refusal::Replayed, "/a.css");
    let hosted = helper.guests.hosted();
    assert_eq!((hosted[0].serial, hosted[0].requests, hosted[0].bytes), (1, 1, units::Bytes(10)));
}

#[tokio::test]
async fn without_a_good_ticket_the_visitor_goes_to_the_owner() {
    let helper = Helper::filled();
    assert_sent_back(&helper.ask("/a.css?v=1").await, Refusal::Ticketless, "/a.css?v=1");
    assert_sent_back(&helper.ask("/a.css?overspill-ticket=junk").await, Refusal::Malformed, "/a.css");
    assert_sent_back(&helper.ask(&with_ticket(3, 1, "/a.css")).await, Refusal::LeaseUnknown, "/a.css");
    let wrong_path = with_ticket(2, 1, "/a.css").replace("/a.css", "/b.css");
    assert_sent_back(&helper.ask(&wrong_path).await, Refusal::Forged, "/b.css");
    assert_sent_back(&helper.ask(&with_ticket(2, 1, "/b.css")).await, Refusal::NotListed, "/b.css");
    let late = helper.guests.serve(NAME, &Method::GET, &with_ticket(2, 1, "/a.css"), &HeaderMap::new(), now(31_000)).await;
    assert_eq!(late.1, GuestUse::Refused(Refusal::Expired));
    let metrics = helper.guests.metrics();
    assert_eq!((metrics.refused_for(Refusal::Forged), metrics.refused_for(Refusal::Expired), metrics.hits), (1, 1, 0));
}

#[tokio::test]
async fn only_reading_is_answered_and_only_under_the_guests_name() {
    let helper = Helper::filled();
    let url = with_ticket(2, 1, "/a.css");
    let post = helper.guests.serve(NAME, &Method::POST, &url, &HeaderMap::new(), now(0)).await.0;
    assert_eq!((post.status(), post.headers()[header::ALLOW].to_str().unwrap()), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
    assert_eq!(helper.ask_with("service-worker", "script", &url).await.0.status(), StatusCode::FORBIDDEN);
    let elsewhere = helper.guests.serve("other.helper.example:8080", &Method::GET, &url, &HeaderMap::new(), now(0)).await;
    assert_eq!(elsewhere.0.status(), StatusCode::MISDIRECTED_REQUEST);
    assert!(helper.guests.is_guest("BLOG.helper.example:8080"));
    assert!(!helper.guests.is_guest("blog.helper.example"), "the port is part of the name");
    helper.guests.set_suffix(Some("Helper.example:8080"));
    assert!(helper.guests.is_guest("gone.helper.EXAMPLE:8080"), "a name of the guests' domain is never our own site's");
    assert!(!helper.guests.is_guest("helper.example:8080") && !helper.guests.is_guest("x"));
    assert_eq!(helper.ask(&url).await.1, GuestUse::Hit, "none of these took the ticket");
}

#[tokio::test]
async fn ranges_are_slices_and_heads_are_empty() {
    let helper = Helper::filled();
    let part = helper.ask_with("range", "bytes=2-4", &with_ticket(2, 1, "/a.css")).await.0;
    assert_eq!((part.status(), part.body().as_ref()), (StatusCode::PARTIAL_CONTENT, &b"234"[..]));
    assert_eq!(part.headers()[header::CONTENT_RANGE], "bytes 2-4/10");
    let beyond = helper.ask_with("range", "bytes=10-", &with_ticket(2, 2, "/a.css")).await.0;
    assert_eq!((beyond.status(), beyond.body().len()), (StatusCode::RANGE_NOT_SATISFIABLE, 0));
    let bound = Bound { method: ticket::Method::Head, owner: &OWNER, path: "/a.css" };
    let head = Ticket::issue(&KEY, lease(2), 3, chain(2).word(3).unwrap(), u32::MAX, bound);
    let url = format!("/a.css?overspill-ticket={}", head.to_text());
    let head = helper.guests.serve(NAME, &Method::HEAD, &url, &HeaderMap::new(), now(0)).await.0;
    assert_eq!((head.body().len(), head.headers()[header::CONTENT_LENGTH].to_str().unwrap()), (0, "10"));
    assert_eq!(helper.guests.hosted()[0].bytes, units::Bytes(3), "only what was sent is claimed");
}

#[tokio::test]
async fn a_miss_is_filled_once_and_wrong_bytes_serve_nobody() {
    let mut helper = Helper::new(vec![host(2, vec![object("/a.css", BODY), object("/b.css", b"bb")])]);
    let (urls, other) = ([1, 2].map(|serial| with_ticket(2, serial, "/a.css")), with_ticket(2, 3, "/b.css"));
    let Helper { guests, wanted } = &mut helper;
    let headers = HeaderMap::new();
    let ask = |url| guests.serve(NAME, &Method::GET, url, &headers, now(0));
    let filling = async {
        for _ in 0..2 {
            let want = wanted.recv().await.unwrap();
            let body = if want.size.0 == 2 { &b"xx"[..] } else { BODY };
            guests.filled(&want, Ok(Bytes::from_static(body)), now(0).time);
        }
        wanted.try_recv().is_err()
    };
    let (first, second, wrong, no_more) = futures::join!(ask(&urls[0]), ask(&urls[1]), ask(&other), filling);
    assert_eq!((first.1, first.0.body().as_ref()), (GuestUse::Filled, BODY));
    assert_eq!((second.1, second.0.body().as_ref()), (GuestUse::Filled, BODY));
    assert_sent_back(&wrong, Refusal::FillFailed, "/b.css");
    assert!(no_more);
    assert_eq!(helper.ask(&with_ticket(2, 4, "/a.css")).await.1, GuestUse::Hit);
    let metrics = helper.guests.metrics();
    assert_eq!((metrics.fills, metrics.fills_failed, metrics.stored_objects), (1, 1, 1));
    assert_eq!(helper.guests.hosted()[0].requests, 3, "who was sent back is not claimed");
}

#[tokio::test]
async fn a_new_manifest_removes_what_it_does_not_name() {
    let helper = Helper::filled();
    helper.plan(vec![host(2, vec![object("/a.css", b"changed")])]);
    assert_eq!(helper.guests.metrics().stored_objects, 0);
    let want = FillWanted { lease: lease(2), owner: OWNER, digest: ObjectDigest::of(BODY), size: units::Bytes(10) };
    helper.guests.filled(&want, Ok(Bytes::from_static(BODY)), now(0).time);
    assert_eq!(helper.guests.metrics().stored_objects, 0, "a fill of the older generation is discarded");
    helper.fill(2, b"changed");
    assert_eq!(helper.ask(&with_ticket(2, 1, "/a.css")).await.0.body().as_ref(), b"changed");
}

#[tokio::test]
async fn leases_change_under_one_name_and_tickets_stay_taken() {
    let helper = Helper::filled();
    let objects = || vec![object("/a.css", BODY)];
    assert_eq!(helper.ask(&with_ticket(2, 1, "/a.css")).await.1, GuestUse::Hit);
    helper.plan(vec![Host { closed: true, ..host(2, objects()) }, host(3, objects())]);
    assert_sent_back(&helper.ask(&with_ticket(2, 2, "/a.css")).await, Refusal::LeaseOver, "/a.css");
    assert_eq!(helper.ask(&with_ticket(3, 1, "/a.css")).await.1, GuestUse::Hit);
    helper.plan(vec![host(2, objects())]);
    assert_sent_back(&helper.ask(&with_ticket(2, 1, "/a.css")).await, Refusal::Replayed, "/a.css");
    assert_sent_back(&helper.ask(&with_ticket(3, 2, "/a.css")).await, Refusal::LeaseOver, "/a.css");
    helper.plan(Vec::new());
    assert_sent_back(&helper.ask("/a.css").await, Refusal::Ticketless, "/a.css");
}

#[tokio::test]
async fn an_unseen_generation_or_a_stale_object_is_not_served() {
    let mut unseen = host(2, vec![object("/a.css", BODY)]);
    unseen.generation_until = now(0).time;
    let helper = Helper::new(vec![unseen]);
    assert_sent_back(&helper.ask(&with_ticket(2, 1, "/a.css")).await, Refusal::GenerationUnseen, "/a.css");
    let stale = Object { fresh_until: now(0).date, ..object("/a.css", BODY) };
    helper.plan(vec![host(2, vec![stale])]);
    assert_sent_back(&helper.ask(&with_ticket(2, 1, "/a.css")).await, Refusal::NotFresh, "/a.css");
}

#[tokio::test]
async fn our_own_visitors_come_first() {
    let uplink = Arc::new(Uplink::new(Some(ByteRate(1_000))));
    let (guests, wanted) = Guests::new(Arc::clone(&uplink), 1 << 20);
    let helper = Helper { guests, wanted };
    helper.plan(vec![host(2, vec![object("/a.css", BODY)])]);
    helper.fill(2, BODY);
    uplink.charge(10_000, now(0).time);
    assert_sent_back(&helper.ask(&with_ticket(2, 1, "/a.css")).await, Refusal::UplinkBusy, "/a.css");
}

#[tokio::test]
async fn a_crowd_of_our_own_leaves_nothing_to_guests() {
    let uplink = Arc::new(Uplink::new(Some(ByteRate(100_000))));
    let (guests, wanted) = Guests::new(Arc::clone(&uplink), 1 << 20);
    let helper = Helper { guests, wanted };
    helper.plan(vec![host(2, vec![object("/a.css", BODY)])]);
    helper.fill(2, BODY);
    let time = |millis: u64| now(0).time.after(Duration::from_millis(millis));
    uplink.charge(60_000, time(0));
    assert_eq!(helper.ask(&with_ticket(2, 1, "/a.css")).await.1, GuestUse::Hit, "a bunch is let even out");
    // Of our own visitors, too, some are refused at this debt: three tenths of a second in which that was so are a crowd.
    for tenth in 0..3 {
        uplink.note_excess(time(tenth * 100));
    }
    let later = Now { time: time(300), ..now(0) };
    assert!(uplink.debt(later.time) < GUEST_DEBT_MAX && !uplink.debt(later.time).is_zero());
    assert_sent_back(&helper.ask_at(&with_ticket(2, 2, "/a.css"), later).await, Refusal::UplinkBusy, "/a.css");
    let calm = Now { time: time(1_500), ..now(0) };
    assert_eq!(helper.ask_at(&with_ticket(2, 2, "/a.css"), calm).await.1, GuestUse::Hit, "and that one was not taken");
}

#[test]
fn names_that_left_are_bounded() {
    let helper = Helper::new(Vec::new());
    for name in 0..=u8::MAX {
        helper.plan(vec![Host { authority: format!("g{name}.helper.example"), ..host(name, Vec::new()) }]);
    }
    assert_eq!(helper.guests.hosted().len(), RETIRED_LEASES_MAX + 1);
    assert!(!helper.guests.is_guest("g100.helper.example"));
    assert!(helper.guests.is_guest("g250.helper.example"));
}

#[tokio::test]
async fn a_visitor_who_is_faster_than_the_manifest_waits_for_it_and_not_for_ever() {
    let helper = Helper::new(vec![host(2, Vec::new())]);
    let arrives = async {
        tokio::time::sleep(MANIFEST_LOOK * 2).await;
        helper.plan(vec![host(2, vec![object("/a.css", BODY)])]);
        helper.fill(2, BODY);
    };
    let ticket = with_ticket(2, 1, "/a.css");
    let (answer, ()) = tokio::join!(helper.ask(&ticket), arrives);
    assert_eq!(answer.1, GuestUse::Hit);
    assert_sent_back(&helper.ask(&with_ticket(2, 2, "/unlisted.css")).await, Refusal::NotListed, "/unlisted.css");
}

#[tokio::test]
async fn a_standby_copy_is_served_once_a_manifest_names_it_and_not_before() {
    let helper = Helper::new(Vec::new());
    let want = FillWanted { lease: lease(9), owner: OWNER, digest: ObjectDigest::of(BODY), size: units::Bytes(BODY.len() as u64) };
    assert!(!helper.guests.stand_by(&want, Bytes::from_static(b"other bytes"), now(0).time));
    assert!(!helper.guests.stands_by(&want));
    assert!(helper.guests.stand_by(&want, Bytes::from_static(BODY), now(0).time) && helper.guests.stands_by(&want));
    // A lease whose first manifest has not come says nothing of what stands by.
    let mut young = host(2, Vec::new());
    young.manifest =
        Arc::new(Manifest { mesh: MeshId(Digest::ZERO), owner: OWNER, run: 1, generation: 0, date: Date::default(), objects: Vec::new() });
    helper.plan(vec![young]);
    assert!(helper.guests.stands_by(&want));
    helper.plan(vec![host(2, vec![object("/a.css", BODY)])]);
    let (response, usage) = helper.ask(&with_ticket(2, 1, "/a.css")).await;
    assert_eq!((response.status(), usage, response.body().as_ref()), (StatusCode::OK, GuestUse::Hit, BODY));
    helper.plan(vec![host(2, vec![object("/b.css", b"b")])]);
    assert!(!helper.guests.stands_by(&want), "what a newer manifest does not name is gone");
}

#[test]
fn a_standby_copy_that_finds_no_room_evicts_nothing() {
    let helper = Helper::filled();
    assert!(helper.guests.store.used_by(&OWNER) > 0);
    let giant = Bytes::from(vec![0; 33 << 20]);
    let digest = ObjectDigest::of(&giant);
    let want = FillWanted { lease: lease(9), owner: OWNER, digest, size: units::Bytes(giant.len() as u64) };
    helper.guests.set_bytes_max(1 << 30);
    assert!(!helper.guests.stand_by(&want, giant, now(0).time));
    assert_eq!(helper.guests.store.used_by(&OWNER), BODY.len() as u64);
}

#[test]
fn one_owners_standby_copies_stay_within_its_quota() {
    let helper = Helper::new(Vec::new());
    let want = |body: &'static [u8]| FillWanted {
        lease: lease(9),
        owner: OWNER,
        digest: ObjectDigest::of(body),
        size: units::Bytes(body.len() as u64),
    };
    helper.guests.set_bytes_each(7);
    assert!(helper.guests.stand_by(&want(b"four"), Bytes::from_static(b"four"), now(0).time));
    assert!(!helper.guests.stand_by(&want(b"more"), Bytes::from_static(b"more"), now(0).time), "eight would be too many");
    assert!(helper.guests.stand_by(&want(b"few"), Bytes::from_static(b"few"), now(0).time));
    assert_eq!(helper.guests.store.used_by(&OWNER), 7);
}

#[test]
fn a_purge_leaves_only_the_standby_copies_that_it_names() {
    let helper = Helper::new(Vec::new());
    let want = |body: &'static [u8]| FillWanted {
        lease: lease(9),
        owner: OWNER,
        digest: ObjectDigest::of(body),
        size: units::Bytes(body.len() as u64),
    };
    for body in [&b"kept"[..], b"purged"] {
        assert!(helper.guests.stand_by(&want(body), Bytes::from_static(body), now(0).time));
    }
    helper.guests.keep_standby(&OWNER, &[ObjectDigest::of(b"kept")].into());
    assert!(helper.guests.stands_by(&want(b"kept")) && !helper.guests.stands_by(&want(b"purged")));
    assert_eq!(helper.guests.metrics().standby, 2);
}

#[tokio::test]
async fn who_comes_without_a_lease_that_we_know_is_sent_home_and_nobody_else() {
    let (guests, _wanted) = Guests::new(Arc::new(Uplink::new(None)), 1 << 20);
    guests.set_suffix(Some("helper.example:8080"));
    let homes = Arc::new(vec![Home { authority: "Blog.helper.example:8080".into(), canonical: "https://blog.example".into() }]);
    guests.apply(&Plan { homes, ..Plan::default() });
    let ask = async |name: &str, path: &str| guests.serve(name, &Method::GET, path, &HeaderMap::new(), now(0)).await;
    for (path, reason) in [(with_ticket(2, 1, "/a.css"), Refusal::LeaseUnknown), ("/a.css".into(), Refusal::Ticketless)] {
        let (answer, usage) = ask(NAME, &path).await;
        assert_eq!((answer.status(), usage), (StatusCode::FOUND, GuestUse::Refused(reason)));
        let location = answer.headers()[header::LOCATION].to_str().unwrap();
        let target = crate::spill::mark::Target::of(location.strip_prefix("https://blog.example").unwrap());
        assert_eq!((target.path.as_ref(), target.ticket), ("/a.css", None));
        assert!(BackMark::from_text(target.back.unwrap()).unwrap().is_timely(now(0).date));
    }
    let (answer, usage) = ask("other.helper.example:8080", "/a.css").await;
    assert_eq!((answer.status(), usage), (StatusCode::MISDIRECTED_REQUEST, GuestUse::Refused(Refusal::HostUnknown)));
    let (answer, _) = guests.serve(NAME, &Method::POST, "/a.css", &HeaderMap::new(), now(0)).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn visitors_who_are_there_before_the_first_plan_wait_for_it() {
    let (guests, _wanted) = Guests::new(Arc::new(Uplink::new(None)), 1 << 20);
    let homes = Arc::new(vec![Home { authority: NAME.into(), canonical: "https://blog.example".into() }]);
    let headers = HeaderMap::new();
    let planning = async {
        tokio::time::sleep(MANIFEST_LOOK * 3).await;
        guests.apply(&Plan { homes, ..Plan::default() });
    };
    let (answer, ()) = tokio::join!(guests.serve(NAME, &Method::GET, "/a.css", &headers, now(0)), planning);
    assert_eq!(answer.0.status(), StatusCode::FOUND);
}
