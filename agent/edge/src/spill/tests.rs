use super::*;
use http::{HeaderMap, HeaderValue, header};
use overspill_governance::{
    digest::Digest,
    invite::MeshId,
    payword::{Chain, LeaseId},
    site::SiteId,
    time::{Date, Time},
    units::{ByteRate, Bytes as Amount, RequestRate},
};
use overspill_protocol::{
    manifest::{Manifest, Object},
    plan::Spill,
    ticket::{BackMark, TicketKey},
};

const OWNER: SiteId = SiteId([1; 32]);
const KEY: TicketKey = TicketKey([9; 32]);

fn now(millis: u64) -> Now {
    Now { time: Time::from_micros(millis * 1_000), date: Date::from_millis(1_700_000_000_000 + millis) }
}

fn object(path: &str) -> Object {
    Object {
        path: path.into(),
        digest: ObjectDigest::of(path.as_bytes()),
        size: Amount(10_000),
        media_type: "image/png".into(),
        fresh_until: Date::MAX,
    }
}

fn lease(name: u8) -> Spill {
    let lease = LeaseId([name; 8]);
    let objects = vec![object("/a.png"), object("/b.png?v=1")];
    Spill {
        lease,
        helper: SiteId([name; 32]),
        base: format!("http://blog.helper{name}.example"),
        requests: RequestRate(1_000),
        bytes: ByteRate(1_000_000),
        allotted: Amount(1 << 30),
        key: KEY,
        chain: Arc::new(Chain::from_seed([name; 32], lease, 1_000)),
        serial_from: 1,
        clock_offset_ms: 0,
        weight: 1,
        held_back: false,
        manifest: Arc::new(Manifest {
            mesh: MeshId(Digest::ZERO),
            owner: OWNER,
            run: 1,
            generation: 1,
            date: Date::from_millis(0),
            objects,
        }),
        standby: Arc::default(),
        until: Time::MAX,
    }
}

/// A site with a budget of 100 kB/s, and helpers by name.
fn site(helpers: &[u8]) -> Spiller {
    let spiller = Spiller::new(Arc::new(Uplink::new(Some(ByteRate(100_000)))));
    spiller.apply(&Plan { spill: helpers.iter().map(|name| lease(*name)).collect(), ..Plan::default() });
    spiller
}

fn ask<'a>(path: &'a str, digest: &'a ObjectDigest) -> Ask<'a> {
    Ask { method: Method::Get, path, digest, size: 10_000, head: 512, may_leave: true, secure: false }
}

fn location(redirect: &Redirect) -> String {
    redirect.location().to_owned()
}

fn spill_one(site: &Spiller, path: &str, now: Now) -> Option<String> {
    let digest = ObjectDigest::of(path.as_bytes());
    loop {
        match site.course(&ask(path, &digest), now) {
            Course::Serve if site.metrics().kept == 0 => {}
            Course::Spill(redirect) => return Some(location(&redirect)),
            Course::Serve | Course::Shed => return None,
        }
    }
}

#[test]
fn calm_is_served_here_and_excess_goes_to_a_helper_with_a_good_ticket() {
    let site = site(&[2]);
    let digest = ObjectDigest::of(b"/b.png?v=1");
    assert!(matches!(site.course(&ask("/b.png?v=1", &digest), now(0)), Course::Serve));
    let url = spill_one(&site, "/b.png?v=1", now(0)).unwrap();
    let ticket = url.strip_prefix("http://blog.helper2.example/b.png?v=1&overspill-ticket=").unwrap();
    let ticket = Ticket::from_text(ticket).unwrap();
    let bound = Bound { method: Method::Get, owner: &OWNER, path: "/b.png?v=1" };
    assert_eq!(ticket.check(&KEY, bound, now(0).date), Ok(()));
    assert_eq!(ticket.serial, 1);
    assert_eq!(site.spilled()[0].bytes, Amount(10_000));
}

#[test]
fn what_may_not_leave_or_is_not_in_the_manifest_stays() {
    let elsewhere = site(&[2]);
    assert_eq!(spill_one(&elsewhere, "/unlisted.png", now(0)), None);
    let other_bytes = ObjectDigest::of(b"changed since");
    assert!(elsewhere.redirect(&ask("/a.png", &other_bytes), now(0)).is_none());
    let digest = ObjectDigest::of(b"/a.png");
    let bound = Ask { may_leave: false, ..ask("/a.png", &digest) };
    let courses: Vec<_> = (0..40).map(|_| elsewhere.course(&bound, now(0))).collect();
    assert!(courses.iter().all(|course| !matches!(course, Course::Spill(_))));
    assert!(matches!(courses.last(), Some(Course::Shed)), "beyond its debt the site refuses rather than be late");
    assert_eq!(elsewhere.metrics().spilled, 0);
}

#[test]
fn without_helpers_assets_are_served_on_debt_and_then_refused() {
    let site = site(&[]);
    let digest = ObjectDigest::of(b"/a.png");
    let served = (0..1_000).filter(|_| matches!(site.course(&ask("/a.png", &digest), now(0)), Course::Serve)).count();
    assert!((5..=8).contains(&served), "a burst and half a second of budget: {served}");
    assert!(matches!(site.course(&ask("/a.png", &digest), now(2_500)), Course::Serve), "and it is over when it is over");
    assert_eq!(site.metrics().shed, 1_000 - served as u64);
}

#[test]
fn who_would_be_refused_waits_only_while_help_may_come() {
    let site = site(&[]);
    let digest = ObjectDigest::of(b"/a.png");
    site.apply(&Plan { help_may_come: true, ..Plan::default() });
    assert!(!site.awaits_help(now(0)), "there is no need");
    while matches!(site.course(&ask("/a.png", &digest), now(0)), Course::Serve) {}
    assert!(site.awaits_help(now(0)));
    assert!(!site.awaits_help(now(600)), "the debt is paid down");
    site.apply(&Plan { spill: vec![lease(2)], ..Plan::default() });
    assert!(!site.awaits_help(now(0)), "help has come, or will not come");
}

#[test]
fn a_stale_plan_or_a_lease_held_back_names_no_helper() {
    let stale = site(&[2]);
    let digest = ObjectDigest::of(b"/a.png");
    assert!(stale.redirect(&ask("/a.png", &digest), now(5_000)).is_some());
    assert!(stale.redirect(&ask("/a.png", &digest), now(5_001)).is_none());
    stale.apply(&Plan { spill: vec![Spill { held_back: true, ..lease(2) }], ..Plan::default() });
    assert!(stale.redirect(&ask("/a.png", &digest), now(0)).is_none());
}

#[test]
fn an_object_sticks_to_its_helper_until_that_is_full() {
    let site = site(&[2, 3, 4]);
    let digest = ObjectDigest::of(b"/a.png");
    let host = |at: u64| {
        let url = location(&site.redirect(&ask("/a.png", &digest), now(at))?);
        url.split('/').nth(2).map(str::to_owned)
    };
    let first = host(0).unwrap();
    for name in [2, 3, 4].iter().filter(|name| first.contains(&format!("helper{name}"))) {
        site.note_fill(&SiteId([*name; 32]), &digest, true, now(0));
    }
    assert!((1..20).all(|step| host(step * 20).as_ref() == Some(&first)), "within its rate an object stays where it is");
    let burst: Vec<String> = (0..200).map_while(|_| host(1_500)).collect();
    let others: Vec<&String> = burst.iter().skip_while(|host| **host == first).collect();
    assert_eq!(others.len(), limits::VISITORS_PER_FETCH as usize, "a second fetches it, and not everybody waits there");
    assert!(others.iter().all(|host| *host == others[0]));
}

#[test]
fn a_good_mark_is_known_and_a_bad_one_ignored() {
    let site = site(&[2]);
    let mark = BackMark::issue(&KEY, LeaseId([2; 8]), 1_700_000_030, "/a.png").to_text();
    assert_eq!(site.read_mark(&mark, "/a.png", now(0)), Mark::Good);
    assert_eq!(site.read_mark(&mark, "/b.png", now(0)), Mark::None);
    assert_eq!(site.read_mark(&mark, "/a.png", now(31_000)), Mark::None);
    assert_eq!(site.read_mark("nonsense", "/a.png", now(0)), Mark::None);
    assert_eq!((site.metrics().sent_back, site.metrics().marks_refused), (1, 3));
    assert_eq!(site.spilled()[0].sent_back, 1);
    site.apply(&Plan::default());
    assert_eq!(site.read_mark(&mark, "/a.png", now(1)), Mark::Good, "a retired lease's last visitors still come back");
}

#[test]
fn a_mark_that_a_restart_made_uncheckable_keeps_its_request_here_for_a_while() {
    let site = site(&[2]);
    let forgotten_here = BackMark::issue(&KEY, LeaseId([3; 8]), 1_700_000_030, "/a.png").to_text();
    let forgotten_there = BackMark::keyless(1_700_000_030).to_text();
    for mark in [&forgotten_here, &forgotten_there] {
        assert_eq!(site.read_mark(mark, "/a.png", now(0)), Mark::Unchecked);
        assert_eq!(site.read_mark(mark, "/a.png", now(200_000)), Mark::None, "a shared address is spilled again");
    }
    assert!(Mark::Unchecked.stays() && Mark::Good.stays() && !Mark::None.stays());
    assert_eq!((site.metrics().sent_back, site.metrics().marks_unchecked, site.metrics().marks_refused), (0, 2, 2));
    assert_eq!(site.spilled()[0].sent_back, 0, "nothing is held against a helper that nobody can name");
}

#[test]
fn sessions_marks_and_credentials_keep_a_request_here() {
    let mut headers = HeaderMap::new();
    assert!(Spiller::may_leave(&headers, false, Mark::None, RequestClass::Person));
    assert!(!Spiller::may_leave(&headers, true, Mark::None, RequestClass::Person));
    assert!(!Spiller::may_leave(&headers, false, Mark::Unchecked, RequestClass::Person));
    assert!(Spiller::may_leave(&headers, false, Mark::None, RequestClass::Preview));
    for class in [RequestClass::Crawler, RequestClass::Suspect] {
        assert!(!Spiller::may_leave(&headers, false, Mark::None, class), "no credit is spent on them");
    }
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic eA=="));
    assert!(!Spiller::may_leave(&headers, false, Mark::None, RequestClass::Person));
}

#[test]
fn short_of_sockets_even_what_the_budget_could_carry_goes() {
    let site = site(&[2]);
    let digest = ObjectDigest::of(b"/a.png");
    let large = Ask { size: limits::SHORT_BYTES_MIN, ..ask("/a.png", &digest) };
    site.set_short(true);
    assert!(matches!(site.course(&large, now(0)), Course::Spill(_)));
    assert!(matches!(site.course(&ask("/a.png", &digest), now(1_000)), Course::Serve), "a redirect would cost as much");
    site.set_short(false);
    assert!(matches!(site.course(&large, now(2_000)), Course::Serve));
}

#[test]
fn visitors_go_first_to_whom_the_object_stands_by_with_and_then_to_whom_others_were_sent() {
    let digest = ObjectDigest::of(b"/a.png");
    let host = |site: &Spiller| {
        let url = location(&site.redirect(&ask("/a.png", &digest), now(0)).unwrap());
        url.split('/').nth(2).unwrap().to_owned()
    };
    for holder in [2, 3, 4] {
        let spiller = site(&[]);
        let standby = |name| if name == holder { Arc::new([digest].into()) } else { Arc::default() };
        let spill: Vec<_> = [2, 3, 4].map(|name| Spill { standby: standby(name), ..lease(name) }).into();
        spiller.apply(&Plan { spill: spill.clone(), ..Plan::default() });
        assert_eq!(host(&spiller), format!("blog.helper{holder}.example"));
        // It may take no more for now: another does, and that one remains the second.
        let full = |spill: &[Spill]| Plan {
            spill: spill.iter().map(|one| Spill { held_back: one.helper == SiteId([holder; 32]), ..one.clone() }).collect(),
            ..Plan::default()
        };
        spiller.apply(&full(&spill));
        let second = host(&spiller);
        assert_ne!(second, format!("blog.helper{holder}.example"));
        let reversed: Vec<_> = spill.iter().rev().cloned().collect();
        spiller.apply(&full(&reversed));
        assert_eq!(host(&spiller), second, "bits follow their helpers when the pages' order changes");
    }
}

#[test]
fn who_came_by_https_is_sent_to_no_helper_without_it() {
    let site = site(&[2, 3]);
    let digest = ObjectDigest::of(b"/a.png");
    let secure = Ask { secure: true, ..ask("/a.png", &digest) };
    assert!(site.redirect(&ask("/a.png", &digest), now(0)).is_some());
    assert!(site.redirect(&secure, now(0)).is_none(), "both helpers serve in plain HTTP");
    assert!(site.place(&secure, false, |_| true, now(0)).is_none(), "pages name them no more than redirects do");
    let other = Spill { base: "https://blog.helper4.example".into(), ..lease(4) };
    site.apply(&Plan { spill: vec![lease(2), other], ..Plan::default() });
    // Another object: whoever was sent for the first waits for its helper.
    let digest = ObjectDigest::of(b"/b.png?v=1");
    let sent = site.redirect(&Ask { secure: true, ..ask("/b.png?v=1", &digest) }, now(0)).unwrap();
    assert!(location(&sent).starts_with("https://blog.helper4.example/"), "{}", location(&sent));
}
