use super::*;
use overspill_governance::{
    digest::Digest,
    invite::MeshId,
    payword::{Chain, LeaseId},
    site::SiteId,
    time::Date,
    units::RequestRate,
};
use overspill_protocol::{
    manifest::Manifest,
    ticket::{Bound, Method, TicketKey},
};
use proptest::prelude::*;

const LEASE: LeaseId = LeaseId([7; 8]);

fn chain() -> Chain {
    Chain::from_seed([5; 32], LEASE, 100)
}

fn hosting() -> Hosting {
    let manifest = Manifest {
        mesh: MeshId(Digest::ZERO),
        owner: SiteId([1; 32]),
        run: 1,
        generation: 1,
        date: Date::from_millis(0),
        objects: Vec::new(),
    };
    let host = Host {
        lease: LEASE,
        owner: SiteId([1; 32]),
        authority: "blog.helper.example".into(),
        canonical: "https://blog.example".into(),
        requests: RequestRate(1_000),
        bytes: ByteRate(1_000_000),
        allotted_requests: 100,
        allotted_bytes: units::Bytes(10_000),
        storage: units::Bytes(1_000),
        key: TicketKey([9; 32]),
        anchor: chain().anchor(),
        manifest: Arc::new(manifest),
        attested: Arc::default(),
        generation_until: Time::MAX,
        until: Time::MAX,
        closed: false,
    };
    Hosting::new(host, None)
}

fn ticket(serial: u32) -> Ticket {
    let bound = Bound { method: Method::Get, owner: &SiteId([1; 32]), path: "/a" };
    Ticket::issue(&TicketKey([9; 32]), LEASE, serial, chain().word(serial).unwrap_or(Word([0; 16])), u32::MAX, bound)
}

fn take(hosting: &Hosting, serial: u32, size: u64) -> Result<(), Refusal> {
    hosting.take(&ticket(serial), size, Time::ZERO).map(|taken| taken.served(size))
}

#[test]
fn a_ticket_is_taken_once_and_the_highest_word_proves_the_count() {
    let hosting = hosting();
    assert_eq!(take(&hosting, 5, 10), Ok(()));
    assert_eq!(take(&hosting, 2, 10), Ok(()));
    assert_eq!(take(&hosting, 5, 10), Err(Refusal::Replayed));
    let hosted = hosting.hosted();
    assert_eq!((hosted.serial, hosted.requests, hosted.bytes), (5, 2, units::Bytes(20)));
    assert!(hosted.word.reaches(chain().anchor(), LEASE, 5));
}

#[test]
fn a_word_off_the_chain_moves_nothing() {
    let hosting = hosting();
    let off = Ticket { word: Word([1; 16]), ..ticket(3) };
    assert!(matches!(hosting.take(&off, 1, Time::ZERO), Err(Refusal::OffChain)));
    assert_eq!(hosting.hosted().serial, 0);
    assert_eq!(take(&hosting, 3, 1), Ok(()), "the good ticket of that serial is still good");
    assert_eq!(take(&hosting, 101, 1), Err(Refusal::OffChain), "beyond the allotment there is no chain");
}

#[test]
fn bounds_count_what_is_under_way_and_claims_do_not() {
    let hosting = hosting();
    let filling = hosting.take(&ticket(1), 9_000, Time::ZERO).unwrap();
    assert_eq!(take(&hosting, 2, 2_000), Err(Refusal::AllotmentUsed));
    assert_eq!(hosting.hosted().bytes, units::Bytes(0));
    drop(filling);
    assert_eq!(take(&hosting, 2, 2_000), Ok(()));
    assert_eq!(hosting.hosted().requests, 1);
}

#[test]
fn beyond_its_rate_a_lease_sends_back_and_a_second_later_serves_again() {
    let mut slow = hosting();
    slow.host.requests = RequestRate(2);
    assert_eq!((1..=5).filter(|serial| take(&slow, *serial, 1).is_ok()).count(), 2);
    let later = Time::from_micros(1_000_000);
    assert!(slow.take(&ticket(9), 1, later).is_ok());
}

#[test]
fn a_lease_that_is_over_or_unseen_serves_nothing() {
    let mut over = hosting();
    assert_eq!(over.is_open(Time::ZERO), Ok(()));
    over.host.generation_until = Time::ZERO;
    assert_eq!(over.is_open(Time::ZERO), Err(Refusal::GenerationUnseen));
    over.host.closed = true;
    assert_eq!(over.is_open(Time::ZERO), Err(Refusal::LeaseOver));
}

proptest! {
    #[test]
    fn no_order_of_tickets_claims_more_than_was_drawn(
        serials in prop::collection::vec(0_u32..120, 0..150),
        sizes in prop::collection::vec(0_u64..400, 150),
    ) {
        let hosting = hosting();
        let mut model = std::collections::BTreeMap::new();
        for (serial, size) in serials.into_iter().zip(sizes) {
            if take(&hosting, serial, size).is_ok() {
                prop_assert_eq!(model.insert(serial, size), None);
            }
        }
        let hosted = hosting.hosted();
        prop_assert_eq!(hosted.requests as usize, model.len());
        prop_assert_eq!(hosted.bytes.0, model.values().sum::<u64>());
        prop_assert!(hosted.bytes.0 <= 10_000);
        prop_assert_eq!(hosted.serial, model.keys().next_back().copied().unwrap_or(0));
        prop_assert!(hosted.word.reaches(chain().anchor(), LEASE, hosted.serial));
    }
}
