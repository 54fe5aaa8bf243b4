use super::*;
use overspill_governance::{
    digest::Digest,
    invite::MeshId,
    payword::Chain,
    site::SiteId,
    units::{ByteRate, RequestRate},
};
use overspill_protocol::{manifest::Manifest, ticket::TicketKey};
use proptest::prelude::*;

fn lease(name: u8, words: u32, serial_from: u32) -> Spill {
    let lease = LeaseId([name; 8]);
    let manifest = Manifest {
        mesh: MeshId(Digest::ZERO),
        owner: SiteId([1; 32]),
        run: 1,
        generation: 1,
        date: Date::from_millis(0),
        objects: Vec::new(),
    };
    Spill {
        lease,
        helper: SiteId([name; 32]),
        base: "http://guest.example".into(),
        requests: RequestRate(1_000_000),
        bytes: ByteRate(1 << 40),
        allotted: Bytes(1 << 40),
        key: TicketKey([name; 32]),
        chain: Arc::new(Chain::from_seed([name; 32], lease, words)),
        serial_from,
        clock_offset_ms: -5_000,
        weight: 1,
        held_back: false,
        manifest: Arc::new(manifest),
        standby: Arc::default(),
        until: Time::MAX,
    }
}

fn plan(spill: Vec<Spill>) -> Plan {
    Plan { spill, ..Plan::default() }
}

fn now(millis: u64) -> Now {
    Now { time: Time::from_micros(millis * 1_000), date: Date::from_millis(1_000_000 + millis) }
}

#[test]
fn serials_go_on_from_plan_to_plan_and_through_retirement() {
    let book = Book::default().next(&plan(vec![lease(1, 10, 4)]));
    let drawn = book.pages[0].draw(100, now(0)).unwrap();
    assert_eq!(drawn.serial, 4);
    assert_eq!(drawn.expires, 1_000 - 5 + 30);
    let book = book.next(&plan(vec![lease(2, 10, 1)]));
    assert!(book.page(LeaseId([1; 8])).is_some(), "a retired lease's marks are still known");
    let book = book.next(&plan(vec![lease(1, 10, 2)]));
    assert_eq!(book.pages[0].draw(100, now(1)).map(|draw| draw.serial), Some(5), "never below what is out");
    let spilled = book.spilled();
    let first = spilled.iter().find(|spilled| spilled.lease == LeaseId([1; 8])).unwrap();
    assert_eq!((first.serial, first.bytes), (5, Bytes(200)));
}

#[test]
fn a_lease_gives_nothing_beyond_its_bounds() {
    let draws = |change: fn(&mut Spill)| {
        let mut spill = lease(1, 3, 1);
        change(&mut spill);
        let book = Book::default().next(&plan(vec![spill]));
        (0..10).filter(|_| book.pages[0].draw(100, now(10)).is_some()).count()
    };
    assert_eq!(draws(|_| ()), 3, "the chain ends");
    assert_eq!(draws(|spill| spill.allotted = Bytes(250)), 2, "the allotment ends");
    assert_eq!(draws(|spill| spill.held_back = true), 0);
    assert_eq!(draws(|spill| spill.until = Time::from_micros(10_000)), 0);
    assert_eq!(draws(|spill| spill.requests = RequestRate(2)), 1);
    assert_eq!(draws(|spill| spill.bytes = ByteRate(250)), 2);
}

#[test]
fn retired_leases_are_bounded_and_the_oldest_goes_first() {
    let mut book = Book::default();
    for name in 0..=u8::MAX {
        book = book.next(&plan(vec![lease(name, 1, 1)]));
    }
    assert_eq!(book.spilled().len(), RETIRED_LEASES_MAX + 1);
    assert!(book.page(LeaseId([100; 8])).is_none());
    assert!(book.page(LeaseId([200; 8])).is_some());
}

#[test]
fn threads_never_draw_one_serial_twice() {
    let book = Book::default().next(&plan(vec![lease(1, 4_000, 1)]));
    let draw = || (0..1_000).filter_map(|_| book.pages[0].draw(1, now(0))).map(|draw| draw.serial).collect::<Vec<_>>();
    let mut serials: Vec<u32> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    serials.sort_unstable();
    assert!(serials.into_iter().eq(1..=4_000));
}

#[test]
fn an_old_plan_counts_for_nothing() {
    let book = Book::default().next(&Plan { made: Time::from_micros(1), ..Plan::default() });
    assert!(book.is_current(Time::from_micros(1).after(PLAN_LIFETIME)));
    assert!(!book.is_current(Time::from_micros(2).after(PLAN_LIFETIME)));
}

proptest! {
    #[test]
    fn no_serial_is_drawn_twice_and_bytes_add_up(
        steps in prop::collection::vec((0_u8..3, 1_u64..1_000, any::<bool>()), 1..200),
    ) {
        let mut book = Book::default();
        let mut seen = std::collections::BTreeSet::new();
        let mut bytes = [0_u64; 3];
        for (name, size, replan) in steps {
            if replan {
                let names = (0..3).filter(|other| *other != name || size % 2 == 0);
                book = book.next(&plan(names.map(|name| lease(name, 150, 1)).collect()));
            }
            let Some(page) = book.pages.iter().find(|page| page.spill.lease == LeaseId([name; 8])) else { continue };
            if let Some(draw) = page.draw(size, now(0)) {
                prop_assert!(seen.insert((name, draw.serial)));
                prop_assert!(draw.word.reaches(page.spill.chain.anchor(), page.spill.lease, draw.serial));
                bytes[usize::from(name)] += size;
            }
        }
        for spilled in book.spilled() {
            prop_assert_eq!(spilled.bytes.0, bytes[usize::from(spilled.lease.0[0])]);
        }
    }
}
