//! Allotments: the owner's signed bound on what one lease may serve, and may claim.

use bincode::{Decode, Encode};

use crate::{
    charter::Charter,
    claim::Claim,
    evidence::Single,
    invite::MeshId,
    limits::{ALLOTMENT_BYTES_MAX, CHAIN_WORDS_MAX},
    payword::{LeaseId, Word},
    site::{Signed, SiteId, Statement},
    time::Date,
    units::{Bytes, Credit},
};

/// What the owner lets a helper serve under one lease, and at what price. Logged by both ends before the first ticket.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Allotment {
    /// In which mesh.
    pub mesh: MeshId,
    /// The version of the charter under which it was signed: it is judged by that one for as long as anything of it is open.
    pub charter: u32,
    /// The lease.
    pub lease: LeaseId,
    /// Whose content it is; who pays.
    pub owner: SiteId,
    /// Who serves and earns.
    pub helper: SiteId,
    /// Most requests over the lease: the length of its chain.
    pub requests: u32,
    /// Most body bytes over the lease.
    pub bytes: Bytes,
    /// The largest object that a ticket is for: a claim's bytes never exceed its requests times this.
    pub largest: Bytes,
    /// The chain's anchor: every claim's word must lead back to it.
    pub anchor: Word,
    /// For each request, in micro-credits.
    pub price_request: Credit,
    /// For each mebibyte of body, in micro-credits.
    pub price_mib: Credit,
    /// From when.
    pub made: Date,
    /// Until when tickets are handed out; claims may follow.
    pub until: Date,
}

impl Statement for Allotment {
    const DOMAIN: &'static str = "overspill allotment v1";
}

impl Allotment {
    /// What the whole lease has earned after `requests` and `bytes`, rounded down to a micro-credit; never falls as either grows.
    ///
    /// Claims are cumulative and settle the difference of two such prices: rounded parts are never summed.
    pub fn price(&self, requests: u32, bytes: Bytes) -> Credit {
        let (per_request, per_mib) = (self.price_request.0.max(0) as u128, self.price_mib.0.max(0) as u128);
        let rounding = if planted!(RoundsUp) { u128::from(Bytes::MIB.0) - 1 } else { 0 };
        let sum = u128::from(requests) * per_request + (u128::from(bytes.0) * per_mib + rounding) / u128::from(Bytes::MIB.0);
        Credit(i64::try_from(sum).unwrap_or(i64::MAX))
    }

    /// The most requests, up to `requests`, and with those the most bytes, up to `bytes`, whose price is at most `credit`.
    pub fn affordable(&self, requests: u32, bytes: Bytes, credit: Credit) -> (u32, Bytes) {
        let credit = credit.0.max(0) as u128;
        let (per_request, per_mib) = (self.price_request.0.max(0) as u128, self.price_mib.0.max(0) as u128);
        let most = credit.checked_div(per_request).map_or(requests, |most| u32::try_from(most).map_or(requests, |most| most.min(requests)));
        let left = credit - u128::from(most) * per_request;
        // The largest b with floor(b * p / MIB) <= left.
        let fits = ((left + 1) * u128::from(Bytes::MIB.0) - 1).checked_div(per_mib);
        let fits = fits.map_or(bytes.0, |fits| u64::try_from(fits).map_or(bytes.0, |fits| fits.min(bytes.0)));
        (most, Bytes(fits))
    }

    /// Tells whether a receipt may be signed for `claim`: it is for this lease, its word leads back to the anchor, and it counts no more than that
    /// many tickets and their bytes. Whatever [`crate::claim::assess`] accepts is covered.
    #[must_use]
    pub fn covers(&self, claim: &Claim) -> bool {
        let most = self.largest.0.saturating_mul(u64::from(claim.serial)).min(self.bytes.0);
        claim.lease == self.lease
            && claim.serial <= self.requests
            && claim.requests <= claim.serial
            && claim.bytes.0 <= most
            && claim.word.reaches(self.anchor, claim.lease, claim.serial)
    }

    /// Tells whether the terms keep every bound and name the charter's prices.
    #[must_use]
    pub fn is_well_formed(&self, charter: &Charter) -> bool {
        self.owner != self.helper
            && self.charter == charter.version
            && (1..=CHAIN_WORDS_MAX).contains(&self.requests)
            && self.bytes.0 <= ALLOTMENT_BYTES_MAX
            && self.largest.0 <= ALLOTMENT_BYTES_MAX
            && self.price_request == charter.price_request
            && self.price_mib == charter.price_mib
            && self.made < self.until
    }
}

impl Single for Allotment {
    type Place = LeaseId;

    fn place(&self) -> (MeshId, SiteId, LeaseId) {
        (self.mesh, self.owner, self.lease)
    }
}

impl Signed<Allotment> {
    /// Tells whether the owner that it names signed it and its terms are well formed under `charter`.
    #[must_use]
    pub fn is_good(&self, charter: &Charter) -> bool {
        self.body.is_well_formed(charter) && self.is_by(&self.body.owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{digest::Digest, site::Key};

    fn terms() -> Allotment {
        let Charter { price_request, price_mib, .. } = Charter::default();
        Allotment {
            mesh: MeshId(Digest::ZERO),
            charter: 1,
            lease: LeaseId([1; 8]),
            owner: Key::from_seed([1; 32]).site(),
            helper: Key::from_seed([2; 32]).site(),
            requests: CHAIN_WORDS_MAX,
            bytes: Bytes(ALLOTMENT_BYTES_MAX),
            largest: Bytes(8 << 20),
            anchor: Word([0; 16]),
            price_request,
            price_mib,
            made: Date::from_millis(0),
            until: Date::from_millis(1),
        }
    }

    #[test]
    fn terms_keep_their_bounds_and_the_charters_prices() {
        let charter = Charter::default();
        let good = |bend: fn(&mut Allotment)| {
            let mut terms = terms();
            bend(&mut terms);
            terms.is_well_formed(&charter)
        };
        assert!(good(|_| ()));
        assert!(!good(|terms| terms.requests = 0) && !good(|terms| terms.requests += 1));
        assert!(!good(|terms| terms.bytes.0 += 1) && !good(|terms| terms.largest.0 = u64::MAX));
        assert!(!good(|terms| terms.price_request.0 += 1) && !good(|terms| terms.price_mib.0 -= 1));
        assert!(!good(|terms| terms.charter = 2), "the same prices under other rules are another matter");
        assert!(!good(|terms| terms.until = terms.made) && !good(|terms| terms.helper = terms.owner));
    }

    #[test]
    fn only_the_owner_allots() {
        let charter = Charter::default();
        assert!(Signed::new(terms(), &Key::from_seed([1; 32])).is_good(&charter));
        assert!(!Signed::new(terms(), &Key::from_seed([2; 32])).is_good(&charter));
    }

    #[test]
    fn the_dearest_lease_stays_far_from_overflow() {
        let dearest = Allotment { price_request: Credit(1_000_000), price_mib: Credit(1_000_000), ..terms() };
        let price = dearest.price(dearest.requests, dearest.bytes);
        assert_eq!(price, Credit((i64::from(CHAIN_WORDS_MAX) + (1 << 30)) * 1_000_000));
        let absurd = Allotment { price_mib: Credit(i64::MAX), ..terms() };
        assert_eq!(absurd.price(u32::MAX, Bytes(u64::MAX)), Credit(i64::MAX), "stops at the end of the range");
        assert_eq!(Allotment { price_mib: Credit(-5), ..terms() }.price(0, Bytes(u64::MAX)), Credit::ZERO, "no negative prices");
    }
}
