//! Claims: a helper's account of what it served under a lease, and the owner's check of it.
//!
//! A claim counts from the lease's start, so that a claim that comes twice, late or out of order can never be paid twice: what is
//! due is the price of the whole lease so far, less what its receipts have settled.

use core::fmt;

use alloc::vec::Vec;

use bincode::{Decode, Encode};

use crate::{
    allotment::Allotment,
    payword::{LeaseId, Word},
    site::Statement,
    units::{Bytes, Credit},
};

/// What a helper served under a lease, in all, with the highest word that a visitor brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Claim {
    /// The lease.
    pub lease: LeaseId,
    /// The highest serial among the tickets served.
    pub serial: u32,
    /// The chain's word at that serial.
    pub word: Word,
    /// Tickets served, each once.
    pub requests: u32,
    /// Body bytes served.
    pub bytes: Bytes,
}

impl Statement for Claim {
    const DOMAIN: &'static str = "overspill claim v1";
}

/// What the owner knows of its own handing out: more than a claim's word can tell a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issued {
    /// Body bytes of the objects for which tickets went out, by their manifest sizes.
    pub bytes: Bytes,
}

/// What bounds a claim besides its allotment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// What the lease's receipts have settled so far.
    pub settled: Credit,
    /// What the owner handed out, if it still knows: after a restart it may not.
    pub issued: Option<Issued>,
    /// How much further the line may move towards the helper.
    pub headroom: Credit,
}

/// What is due on a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Assessment {
    /// All of it.
    Whole {
        /// Moves towards the helper.
        due: Credit,
    },
    /// Less than was claimed.
    Partial {
        /// The claim as far as it is accepted. A receipt carries this one, so that anybody can recompute its price.
        accepted: Claim,
        /// Moves towards the helper.
        due: Credit,
        /// Why it is less, in the order of the checks.
        shortfalls: Vec<Shortfall>,
    },
    /// Nothing.
    Nothing(Refusal),
}

impl Assessment {
    /// The claim that a receipt would carry, and what it moves; `None` when nothing is due.
    pub fn accepted(&self, claim: &Claim) -> Option<(Claim, Credit)> {
        match self {
            Self::Whole { due } => Some((*claim, *due)),
            Self::Partial { accepted, due, .. } => Some((*accepted, *due)),
            Self::Nothing(_) => None,
        }
    }
}

/// Why less is due than was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortfall {
    /// More requests than the highest serial allows.
    Requests,
    /// More bytes than the allotment.
    AllottedBytes,
    /// More bytes than that many of the largest object.
    ProvenBytes,
    /// More bytes than were handed out.
    IssuedBytes,
    /// The line's limit is reached; the rest stays claimable when the balance has moved back.
    LineLimit,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requests => "more requests than tickets handed out",
            Self::AllottedBytes => "more bytes than allotted",
            Self::ProvenBytes => "more bytes than that many of the largest object",
            Self::IssuedBytes => "more bytes than handed out",
            Self::LineLimit => "the line's limit is reached",
        })
    }
}

/// Why nothing is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The claim is for another lease.
    WrongLease,
    /// The serial is beyond the allotment.
    SerialBeyond,
    /// The word does not lead back to the anchor: no visitor brought it.
    Unproven,
    /// All of it is settled already.
    NothingNew,
    /// There is something new, but the line's limit leaves no room for it; try again when the balance has moved back.
    LineLimit,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongLease => "the claim is for another lease",
            Self::SerialBeyond => "the serial is beyond the allotment",
            Self::Unproven => "the word does not lead back to the allotment's anchor",
            Self::NothingNew => "all of it is settled already",
            Self::LineLimit => "the line's limit leaves no room",
        })
    }
}

/// Says what is due on `claim` under `allotment`. Never more than the allotment's price, the bounds' headroom, or what the words prove.
pub fn assess(claim: &Claim, allotment: &Allotment, bounds: Bounds) -> Assessment {
    if claim.lease != allotment.lease {
        return Assessment::Nothing(Refusal::WrongLease);
    }
    if claim.serial > allotment.requests {
        return Assessment::Nothing(Refusal::SerialBeyond);
    }
    if !claim.word.reaches(allotment.anchor, claim.lease, claim.serial) && !planted!(BelievesAnyWord) {
        return Assessment::Nothing(Refusal::Unproven);
    }
    let mut shortfalls = Vec::new();
    let mut lower = |value: u64, bound: u64, shortfall: Shortfall| {
        if value > bound {
            shortfalls.push(shortfall);
        }
        value.min(bound)
    };
    let proven = if planted!(BelievesAnyCount) { u32::MAX } else { claim.serial };
    let requests = lower(u64::from(claim.requests), u64::from(proven), Shortfall::Requests);
    let bytes = lower(claim.bytes.0, allotment.bytes.0, Shortfall::AllottedBytes);
    let bytes = lower(bytes, allotment.largest.0.saturating_mul(requests), Shortfall::ProvenBytes);
    let bytes =
        bounds.issued.filter(|_| !planted!(BelievesAnyBytes)).map_or(bytes, |issued| lower(bytes, issued.bytes.0, Shortfall::IssuedBytes));
    let (requests, bytes) = (requests as u32, Bytes(bytes));
    let owed = allotment.price(requests, bytes);
    if owed <= bounds.settled {
        return Assessment::Nothing(Refusal::NothingNew);
    }
    // Both are at most i64::MAX, so their sum fits 65 bits: saturating here only means "no limit in reach".
    let ceiling = Credit(bounds.settled.0.max(0).saturating_add(bounds.headroom.0.max(0)));
    let mut accepted = Claim { requests, bytes, ..*claim };
    if owed > ceiling {
        (accepted.requests, accepted.bytes) = allotment.affordable(requests, bytes, ceiling);
        shortfalls.push(Shortfall::LineLimit);
    }
    let due = Credit(allotment.price(accepted.requests, accepted.bytes).0.saturating_sub(bounds.settled.0.max(0)));
    match (due > Credit::ZERO, shortfalls.is_empty()) {
        (false, _) => Assessment::Nothing(Refusal::LineLimit),
        (true, true) => Assessment::Whole { due },
        (true, false) => Assessment::Partial { accepted, due, shortfalls },
    }
}

#[cfg(test)]
mod tests;
