use super::*;
use crate::{charter::Charter, invite::MeshId, payword::Chain, site::SiteId, time::Date};
use crate::{digest::Digest, units::Seconds};
use proptest::prelude::*;

const LEASE: LeaseId = LeaseId([5; 8]);
const MIB: u64 = Bytes::MIB.0;
const FREE: Bounds = Bounds { settled: Credit::ZERO, issued: None, headroom: Credit(i64::MAX) };

fn chain() -> Chain {
    Chain::from_seed([1; 32], LEASE, 100)
}

fn allotment() -> Allotment {
    let Charter { price_request, price_mib, .. } = Charter::default();
    Allotment {
        charter: 1,
        mesh: MeshId(Digest::ZERO),
        lease: LEASE,
        owner: SiteId([1; 32]),
        helper: SiteId([2; 32]),
        requests: 100,
        bytes: Bytes(50 * MIB),
        largest: Bytes(MIB),
        anchor: chain().anchor(),
        price_request,
        price_mib,
        made: Date::from_millis(0),
        until: Date::from_millis(0).after(Seconds(60).span()),
    }
}

fn claim(serial: u32, requests: u32, bytes: u64) -> Claim {
    let word = if serial == 0 { chain().anchor() } else { chain().word(serial).unwrap() };
    Claim { lease: LEASE, serial, word, requests, bytes: Bytes(bytes) }
}

#[test]
fn an_honest_claim_is_due_in_whole_and_only_once() {
    let claim = claim(20, 18, 10 * MIB);
    assert_eq!(assess(&claim, &allotment(), FREE), Assessment::Whole { due: Credit(180 + 10_000) });
    let settled = Bounds { settled: Credit(10_180), ..FREE };
    assert_eq!(assess(&claim, &allotment(), settled), Assessment::Nothing(Refusal::NothingNew));
}

#[test]
fn a_claim_that_proves_nothing_earns_nothing() {
    let honest = claim(20, 18, 10 * MIB);
    let refusal = |claim: Claim| assess(&claim, &allotment(), FREE);
    assert_eq!(refusal(Claim { word: Word([0; 16]), ..honest }), Assessment::Nothing(Refusal::Unproven));
    assert_eq!(refusal(Claim { serial: 21, ..honest }), Assessment::Nothing(Refusal::Unproven));
    assert_eq!(refusal(Claim { serial: 101, ..honest }), Assessment::Nothing(Refusal::SerialBeyond));
    assert_eq!(refusal(Claim { lease: LeaseId([6; 8]), ..honest }), Assessment::Nothing(Refusal::WrongLease));
    assert_eq!(refusal(claim(0, 5, 5 * MIB)), Assessment::Nothing(Refusal::NothingNew));
}

#[test]
fn what_is_claimed_beyond_a_bound_is_cut_off_there() {
    let assessed = assess(&claim(20, 60, 90 * MIB), &allotment(), FREE);
    let accepted = claim(20, 20, 20 * MIB);
    let shortfalls = [Shortfall::Requests, Shortfall::AllottedBytes, Shortfall::ProvenBytes].to_vec();
    assert_eq!(assessed, Assessment::Partial { accepted, due: Credit(200 + 20_000), shortfalls });

    let known = Bounds { issued: Some(Issued { bytes: Bytes(3 * MIB) }), ..FREE };
    let assessed = assess(&claim(20, 20, 4 * MIB), &allotment(), known);
    let accepted = claim(20, 20, 3 * MIB);
    assert_eq!(assessed, Assessment::Partial { accepted, due: Credit(3_200), shortfalls: [Shortfall::IssuedBytes].to_vec() });
}

#[test]
fn a_full_line_leaves_the_rest_claimable() {
    let claim = claim(20, 20, 10 * MIB);
    let tight = Bounds { headroom: Credit(5_200), ..FREE };
    let Assessment::Partial { accepted, due, shortfalls } = assess(&claim, &allotment(), tight) else { panic!("partial") };
    assert_eq!((due, shortfalls), (Credit(5_200), [Shortfall::LineLimit].to_vec()));
    let later = Bounds { settled: allotment().price(accepted.requests, accepted.bytes), ..FREE };
    assert_eq!(assess(&claim, &allotment(), later), Assessment::Whole { due: Credit(5_000) });
    let full = Bounds { headroom: Credit::ZERO, ..FREE };
    assert_eq!(assess(&claim, &allotment(), full), Assessment::Nothing(Refusal::LineLimit));
}

proptest! {
    #[test]
    fn nothing_due_ever_exceeds_a_bound(
        serial in 0_u32..=100, requests: u32, bytes: u64, settled in 0_i64..100_000, issued in proptest::option::of(0_u64..99 * MIB),
        headroom in 0_i64..100_000, claimed in 0_i64..5, price_request in 0_i64..2_000, price_mib in 0_i64..5_000,
    ) {
        let small = claim(serial, requests % 128, bytes % (64 * MIB));
        let huge = claim(serial, requests, bytes);
        let claim = if claimed == 0 { huge } else { small };
        let terms = Allotment { price_request: Credit(price_request), price_mib: Credit(price_mib), ..allotment() };
        let bounds = Bounds { settled: Credit(settled), issued: issued.map(|bytes| Issued { bytes: Bytes(bytes) }), headroom: Credit(headroom) };
        let assessed = assess(&claim, &terms, bounds);
        if let Some((accepted, due)) = assessed.accepted(&claim) {
            prop_assert!(due > Credit::ZERO && due <= bounds.headroom);
            prop_assert!(accepted.requests <= serial.min(claim.requests));
            prop_assert!(accepted.bytes <= claim.bytes && accepted.bytes <= terms.bytes);
            prop_assert!(accepted.bytes.0 <= u64::from(serial) * terms.largest.0);
            prop_assert!(issued.is_none_or(|issued| accepted.bytes.0 <= issued));
            // Whoever holds the receipt and the allotment recomputes what was moved.
            prop_assert_eq!(terms.price(accepted.requests, accepted.bytes), Credit(settled + due.0));
            // What was accepted is settled; it is never due again.
            let again = Bounds { settled: Credit(settled + due.0), ..bounds };
            prop_assert_eq!(assess(&accepted, &terms, again), Assessment::Nothing(Refusal::NothingNew));
        }
    }

    #[test]
    fn any_order_of_any_claims_settles_the_largest(mut served in proptest::collection::vec((1_u32..=100, 0_u64..100), 1..8)) {
        // The helper's checkpoints grow; what arrives at the owner is some of them, in any order, some twice.
        let terms = allotment();
        let mut settled = Credit::ZERO;
        let mut most = Credit::ZERO;
        served.extend_from_within(..);
        for (requests, kib) in served {
            let claim = claim(requests, requests, u64::from(requests) * kib * 1_024);
            let assessed = assess(&claim, &terms, Bounds { settled, ..FREE });
            most = most.max(terms.price(claim.requests, claim.bytes.min(terms.bytes)));
            settled = assessed.accepted(&claim).map_or(settled, |(_, due)| settled.checked_add(due).unwrap());
        }
        prop_assert_eq!(settled, most);
    }

    #[test]
    fn prices_never_fall_and_what_is_affordable_is_the_most(requests in 0_u32..200, bytes in 0_u64..1 << 40, credit in 0_i64..1 << 40) {
        let terms = allotment();
        let price = terms.price(requests, Bytes(bytes));
        prop_assert!(price <= terms.price(requests + 1, Bytes(bytes)) && price <= terms.price(requests, Bytes(bytes + 1)));
        let (some, few) = terms.affordable(requests, Bytes(bytes), Credit(credit));
        prop_assert!(some <= requests && few.0 <= bytes && terms.price(some, few).0 <= credit);
        prop_assert!(some == requests || terms.price(some + 1, Bytes::ZERO).0 > credit);
        prop_assert!(few.0 == bytes || terms.price(some, Bytes(few.0 + 1)).0 > credit);
    }
}
