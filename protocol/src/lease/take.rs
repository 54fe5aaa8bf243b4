//! How large a lease an owner asks for: the standing offer over a lease's length, within chain, credit and need.

use overspill_governance::{
    allotment::Allotment,
    charter::Charter,
    invite::MeshId,
    limits::CHAIN_WORDS_MAX,
    payword::{LeaseId, Word},
    site::SiteId,
    time::Date,
    units::{Bytes, Credit},
};

use crate::{
    advert::Offer,
    limits::{CHAIN_WORDS_MIN, LEASE_CREDIT_MIN, OBJECT_BYTES_MAX},
};

/// Who takes from whom, under which rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parties<'a> {
    /// The mesh.
    pub(crate) mesh: MeshId,
    /// Its rules.
    pub(crate) charter: &'a Charter,
    /// Whose content it is.
    pub(crate) owner: SiteId,
    /// Who serves.
    pub(crate) helper: SiteId,
}

/// The allotment for `offer`, still without its anchor, that `credit` pays for in the worst case; `None` when it would be too small to be worth it.
pub(crate) fn allotment(parties: Parties<'_>, lease: LeaseId, offer: &Offer, credit: Credit, now: Date) -> Option<Allotment> {
    let Parties { mesh, charter, owner, helper } = parties;
    let seconds = u64::from(charter.lease_length.0);
    let words = u64::from(offer.requests.0).saturating_mul(seconds).clamp(u64::from(CHAIN_WORDS_MIN), u64::from(CHAIN_WORDS_MAX));
    let bytes = Bytes(offer.bytes.0.saturating_mul(seconds).min(overspill_governance::limits::ALLOTMENT_BYTES_MAX));
    let mut allotment = Allotment {
        mesh,
        charter: charter.version,
        lease,
        owner,
        helper,
        requests: u32::try_from(words).ok()?,
        bytes,
        // The hot set changes while a lease runs, so the bound on any object is stated.
        largest: Bytes(OBJECT_BYTES_MAX),
        anchor: Word([0; 16]),
        price_request: charter.price_request,
        price_mib: charter.price_mib,
        made: now,
        until: now.after(charter.lease_length.span()),
    };
    if credit.0 < LEASE_CREDIT_MIN {
        return None;
    }
    // Requests that take all the credit would leave no bytes to answer them with.
    let whole = allotment.price(allotment.requests, allotment.bytes).0.max(1);
    let share = i128::from(allotment.requests) * i128::from(credit.0) / i128::from(whole);
    let requests = u32::try_from(share).unwrap_or(u32::MAX).clamp(CHAIN_WORDS_MIN, allotment.requests);
    (allotment.requests, allotment.bytes) = allotment.affordable(requests, allotment.bytes, credit);
    (allotment.requests >= CHAIN_WORDS_MIN && allotment.bytes.0 > 0).then_some(allotment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::{
        digest::Digest,
        units::{ByteRate, RequestRate},
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_allotment_never_costs_more_than_its_credit_and_keeps_the_charters_rules(
            requests: u32, bytes in 0_u64..1 << 48, credit in -1_000_i64..1 << 40,
        ) {
            let charter = Charter::default();
            let parties = Parties { mesh: MeshId(Digest::ZERO), charter: &charter, owner: SiteId([1; 32]), helper: SiteId([2; 32]) };
            let offer = Offer { requests: RequestRate(requests), bytes: ByteRate(bytes), storage: Bytes(0), https: false };
            if let Some(allotment) = allotment(parties, LeaseId([0; 8]), &offer, Credit(credit), Date::from_millis(5)) {
                prop_assert!(allotment.is_well_formed(&charter));
                prop_assert!(allotment.price(allotment.requests, allotment.bytes) <= Credit(credit));
            }
        }

        #[test]
        fn little_credit_buys_as_many_bytes_for_each_request_as_much_does(requests in 100_u32..1 << 20, bytes in 1_u64 << 20..1 << 40, credit in 10_000_i64..1 << 40) {
            let charter = Charter::default();
            let parties = Parties { mesh: MeshId(Digest::ZERO), charter: &charter, owner: SiteId([1; 32]), helper: SiteId([2; 32]) };
            let offer = Offer { requests: RequestRate(requests), bytes: ByteRate(bytes), storage: Bytes(0), https: false };
            let of = |credit| allotment(parties, LeaseId([0; 8]), &offer, Credit(credit), Date::from_millis(5)).unwrap();
            let (little, much) = (of(credit), of(i64::MAX));
            let each = |allotment: &Allotment| allotment.bytes.0 / u64::from(allotment.requests);
            prop_assert!(little.requests == CHAIN_WORDS_MIN || each(&little) >= each(&much) * 9 / 10, "{little:?} {much:?}");
        }
    }
}
