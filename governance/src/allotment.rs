//! Allotments: the owner's signed bound on what one lease may serve, and may claim.

use bincode::{Decode, Encode};

use crate::{
    charter::Charter,
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
        let sum = u128::from(requests) * per_request + (u128::from(bytes.0) * per_mib) / u128::from(Bytes::MIB.0);
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

    /// Tells whether the terms keep every bound and name the charter's prices.
    #[must_use]
    pub fn is_well_formed(&self, charter: &Charter) -> bool {
        self.owner != self.helper
            && (1..=CHAIN_WORDS_MAX).contains(&self.requests)
            && self.bytes.0 <= ALLOTMENT_BYTES_MAX
            && self.largest.0 <= ALLOTMENT_BYTES_MAX
            && self.price_request == charter.price_request
            && self.price_mib == charter.price_mib
            && self.made < self.until
    }
}

impl Signed<Allotment> {
    /// Tells whether the owner that it names signed it and its terms are well formed under `charter`.
    #[must_use]
    pub fn is_good(&self, charter: &Charter) -> bool {
        self.body.is_well_formed(charter) && self.is_by(&self.body.owner)
    }
}
