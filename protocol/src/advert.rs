//! Adverts: what an agent states about itself to its partners, signed and dated.
//!
//! The nearest standard is CDNI's footprint and capabilities interface with its telemetry (RFC 9808). The offer in an advert is a *standing*
//! one: at a crowd's onset it is taken in one round trip.

use alloc::{string::String, vec::Vec};
use core::fmt;

use overspill_governance::{
    codec::{Decode, Encode},
    digest::Digest,
    invite::MeshId,
    limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, CANONICAL_BYTES_MAX},
    site::{Signature, Signed, SiteId, Statement},
    time::{Date, Now},
    units::{ByteRate, Bytes, RequestRate},
};

use crate::{io::GuestAddress, limits::AUTHORITY_MAX};

/// An agent's statement of what it can do for others and how it fares.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Advert {
    /// In which mesh.
    pub mesh: MeshId,
    /// Whose statement it is.
    pub site: SiteId,
    /// Its calendar when it signed.
    pub date: Date,
    /// Grows strictly while a connection lasts.
    pub sequence: u64,
    /// The canonical scheme and authority that its visitors use.
    pub canonical: String,
    /// Transport addresses (multiaddr text), best first; at most [`ADDRESSES_MAX`].
    pub addresses: Vec<String>,
    /// What it would carry for a partner; `None`: nothing at present.
    pub offer: Option<Offer>,
    /// Domain and port under which it serves guests, each owner under a label of its own; empty: it hosts nobody.
    pub guest_suffix: String,
    /// How many more partners it takes.
    pub places: u8,
    /// How much of what it can carry its own visitors want, in thousandths; above 1000 it is itself in need.
    pub load_permille: u16,
    /// Digest of the roster as it knows it: two that differ compare their rosters.
    pub roster: Digest,
    /// Digest of the papers of votes as it knows them, compared likewise.
    pub votes: Digest,
}

/// A standing offer to host a partner's crowd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Offer {
    /// Requests in each second.
    pub requests: RequestRate,
    /// Body bytes in each second.
    pub bytes: ByteRate,
    /// Bytes of stored objects.
    pub storage: Bytes,
    /// Whether visitors reach it over HTTPS.
    pub https: bool,
}

impl Statement for Advert {
    const DOMAIN: &'static str = "overspill advert v1";
}

/// Why an advert is not taken. What was known before stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdvertError {
    /// It speaks of another site, or another mesh, than its sender belongs to.
    Foreign,
    /// Its signature is not its site's.
    Unsigned,
    /// A part of it is longer than it may be.
    Oversized,
    /// One at least as new was taken before.
    Old,
    /// Its date is further from ours than two honest clocks are.
    Skewed {
        /// Its calendar minus ours, in milliseconds.
        offset_ms: i64,
    },
}

impl fmt::Display for AdvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("the advert is not about its sender in this mesh"),
            Self::Unsigned => f.write_str("the advert is not signed by its site"),
            Self::Oversized => f.write_str("the advert names more, or longer, addresses than it may"),
            Self::Old => f.write_str("a newer advert was taken before"),
            Self::Skewed { offset_ms } => write!(f, "its clock differs from ours by {} s; one of the two is wrong", offset_ms / 1_000),
        }
    }
}

impl core::error::Error for AdvertError {}

/// An advert that was checked, and what its arrival told of its maker's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What was stated.
    pub advert: Advert,
    /// By whom: with it, others can be told.
    pub signature: Signature,
    /// When it came.
    pub at: Now,
}

impl Heard {
    /// Checks an advert from `sender` against the one heard before.
    ///
    /// # Errors
    /// [`AdvertError`]; a skewed clock is told apart, as it is a misfortune and no misdeed.
    pub fn check(signed: Signed<Advert>, sender: SiteId, mesh: MeshId, before: Option<&Self>, now: Now) -> Result<Self, AdvertError> {
        let advert = &signed.body;
        if advert.site != sender || advert.mesh != mesh {
            return Err(AdvertError::Foreign);
        }
        if !advert.is_within_bounds() {
            return Err(AdvertError::Oversized);
        }
        if before.is_some_and(|before| advert.sequence <= before.advert.sequence) {
            return Err(AdvertError::Old);
        }
        if !signed.is_by(&sender) {
            return Err(AdvertError::Unsigned);
        }
        if !now.date.agrees_with(advert.date) {
            return Err(AdvertError::Skewed { offset_ms: offset_ms(advert.date, now.date) });
        }
        Ok(Self { advert: signed.body, signature: signed.signature, at: now })
    }

    /// The same again, as it was signed.
    #[must_use]
    pub fn signed(&self) -> Signed<Advert> {
        Signed { body: self.advert.clone(), signature: self.signature }
    }

    /// The maker's calendar minus ours in milliseconds, too small by the time that the advert travelled.
    #[must_use]
    pub fn clock_offset_ms(&self) -> i64 {
        offset_ms(self.advert.date, self.at.date)
    }
}

impl Advert {
    /// The one scheme and authority under which `owner`'s visitors would be served; `None` when the advert offers nothing.
    #[must_use]
    pub fn guest_base(&self, owner: &SiteId) -> Option<String> {
        let scheme = if self.offer.as_ref()?.https { "https" } else { "http" };
        let guest = GuestAddress { scheme: scheme.into(), suffix: self.guest_suffix.clone() };
        (!self.guest_suffix.is_empty()).then(|| guest.base(owner))
    }

    fn is_within_bounds(&self) -> bool {
        self.canonical.len() <= CANONICAL_BYTES_MAX
            && self.guest_suffix.len() <= AUTHORITY_MAX
            && self.addresses.len() <= ADDRESSES_MAX
            && self.addresses.iter().all(|address| address.len() <= ADDRESS_BYTES_MAX)
    }
}

fn offset_ms(stated: Date, ours: Date) -> i64 {
    let apart = i64::try_from(stated.as_millis().abs_diff(ours.as_millis())).unwrap_or(i64::MAX);
    if stated < ours { -apart } else { apart }
}
