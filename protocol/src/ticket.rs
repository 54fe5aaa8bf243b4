//! Tickets: the owner's permission for one visitor's request to be served by one helper.
//!
//! A ticket costs no public-key operation. Its hash-chain word (PayWord; Rivest and Shamir 1996) comes from a chain whose anchor the
//! owner signed in the lease's allotment: a helper cannot mint words, and any third party checks "at least `n` were
//! handed out" with one word and `n` hashes. Its MAC, under a key that only owner and helper share, binds it to a request.

use alloc::string::String;
use core::fmt;

use data_encoding::BASE64URL_NOPAD;
use overspill_governance::{
    codec::{Decode, Encode},
    payword::{LeaseId, Word},
    site::SiteId,
    time::{Date, SKEW_MAX},
};

use crate::limits::TICKET_LIFETIME;

/// Name of the query parameter that carries a ticket to a helper.
pub const TICKET_PARAMETER: &str = "overspill-ticket";
/// Name of the query parameter that marks a request sent back by a helper: it is never spilled again.
pub const BACK_PARAMETER: &str = "overspill-back";

/// Key of a lease's ticket MACs: known to its owner and its helper, never logged.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct TicketKey(pub [u8; 32]);

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(..)")
    }
}

/// The method that a ticket is for. Only safe methods without a body are ever spilled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// RFC 9110 section 9.3.1.
    Get,
    /// RFC 9110 section 9.3.2.
    Head,
}

/// What a ticket is bound to by its MAC.
#[derive(Debug, Clone, Copy)]
pub struct Bound<'a> {
    /// The request's method.
    pub method: Method,
    /// Whose content it is.
    pub owner: &'a SiteId,
    /// Path and raw query as the owner keys it, without Overspill's own parameters.
    pub path: &'a str,
}

/// A ticket as it travels in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The lease that it draws on.
    pub lease: LeaseId,
    /// Its place in the lease's chain, from 1.
    pub serial: u32,
    /// The chain's word at that place.
    pub word: Word,
    /// Good until this second, by the helper's calendar.
    pub expires: u32,
    /// Over all of the above and what it is bound to.
    pub mac: [u8; 16],
}

/// Why a ticket or mark is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketError {
    /// Not the text of a ticket.
    Malformed,
    /// The MAC is not the lease's over this request.
    Forged,
    /// Its time is over.
    Expired,
}

impl fmt::Display for TicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not the text of a ticket",
            Self::Forged => "the ticket was not made for this request",
            Self::Expired => "the ticket has expired",
        })
    }
}

impl core::error::Error for TicketError {}

const TICKET_BYTES: usize = 8 + 4 + 16 + 4 + 16;
const TICKET_DOMAIN_BYTES: usize = 24;

impl Ticket {
    /// Makes a ticket for one request.
    #[must_use]
    pub fn issue(key: &TicketKey, lease: LeaseId, serial: u32, word: Word, expires: u32, bound: Bound<'_>) -> Self {
        let mut ticket = Self { lease, serial, word, expires, mac: [0; 16] };
        ticket.mac = ticket.compute_mac(key, bound);
        ticket
    }

    /// Checks MAC and expiry. Whether the word fits the chain is the lease's to check, when it claims.
    ///
    /// # Errors
    /// [`TicketError::Forged`] or [`TicketError::Expired`].
    pub fn check(&self, key: &TicketKey, bound: Bound<'_>, now: Date) -> Result<(), TicketError> {
        if !same(&self.compute_mac(key, bound), &self.mac) {
            return Err(TicketError::Forged);
        }
        if u64::from(self.expires) < now.as_secs() {
            return Err(TicketError::Expired);
        }
        Ok(())
    }

    fn compute_mac(&self, key: &TicketKey, bound: Bound<'_>) -> [u8; 16] {
        // In one piece, since each piece costs the hasher more than its bytes do.
        let mut message = [0; TICKET_DOMAIN_BYTES + TICKET_BYTES - 16 + 32];
        let mut rest = &mut message[..];
        let domain = match bound.method {
            Method::Get => b"overspill ticket v1 GET ",
            Method::Head => b"overspill ticket v1 HEAD",
        };
        for part in [&domain[..], &self.lease.0, &self.serial.to_le_bytes(), &self.word.0, &self.expires.to_le_bytes(), &bound.owner.0] {
            let (here, later) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = later;
        }
        let mut hasher = blake3::Hasher::new_keyed(&key.0);
        hasher.update(&message).update(bound.path.as_bytes());
        shortened(&hasher)
    }

    /// The text that stands in a URL: [`Ticket::TEXT_BYTES`] letters of RFC 4648 base64url.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(Self::TEXT_BYTES);
        self.write_text(&mut text);
        text
    }

    /// Length of a ticket's text.
    pub const TEXT_BYTES: usize = TICKET_BYTES / 3 * 4;

    /// Appends the text that stands in a URL.
    pub fn write_text(&self, text: &mut String) {
        let mut bytes = [0; TICKET_BYTES];
        bytes[..8].copy_from_slice(&self.lease.0);
        bytes[8..12].copy_from_slice(&self.serial.to_le_bytes());
        bytes[12..28].copy_from_slice(&self.word.0);
        bytes[28..32].copy_from_slice(&self.expires.to_le_bytes());
        bytes[32..].copy_from_slice(&self.mac);
        BASE64URL_NOPAD.encode_append(&bytes, text);
    }

    /// Reads the text of a ticket.
    ///
    /// # Errors
    /// [`TicketError::Malformed`].
    pub fn from_text(text: &str) -> Result<Self, TicketError> {
        let bytes: [u8; TICKET_BYTES] = read_base64(text)?;
        Ok(Self {
            lease: LeaseId(part(&bytes, 0)),
            serial: u32::from_le_bytes(part(&bytes, 8)),
            word: Word(part(&bytes, 12)),
            expires: u32::from_le_bytes(part(&bytes, 28)),
            mac: part(&bytes, 32),
        })
    }
}

/// The mark on a request that a helper sends back to the owner: outside the cache key, and authenticated as long as both ends remember
/// the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackMark {
    /// The lease whose key authenticates it.
    pub lease: LeaseId,
    /// Good until this second, by the helper's calendar.
    pub expires: u32,
    mac: [u8; 16],
}

const BACK_BYTES: usize = 8 + 4 + 16;

impl BackMark {
    /// Marks a request for `path` as sent back under `lease`.
    #[must_use]
    pub fn issue(key: &TicketKey, lease: LeaseId, expires: u32, path: &str) -> Self {
        let mut mark = Self { lease, expires, mac: [0; 16] };
        mark.mac = mark.compute_mac(key, path);
        mark
    }

    /// Marks a request as sent back by a helper that has forgotten its leases and their keys. Anybody could have made it.
    #[must_use]
    pub fn keyless(expires: u32) -> Self {
        Self { lease: LeaseId([0; 8]), expires, mac: [0; 16] }
    }

    /// Whether the mark is of our time, whoever made it: a helper's calendar may be off by as much as clocks may be.
    #[must_use]
    pub fn is_timely(&self, now: Date) -> bool {
        let (expires, longest) = (u64::from(self.expires), TICKET_LIFETIME + SKEW_MAX);
        expires + SKEW_MAX.as_secs() >= now.as_secs() && expires <= now.after(longest).as_secs()
    }

    /// Checks MAC and expiry.
    ///
    /// # Errors
    /// [`TicketError::Forged`] or [`TicketError::Expired`].
    pub fn check(&self, key: &TicketKey, path: &str, now: Date) -> Result<(), TicketError> {
        if !same(&self.compute_mac(key, path), &self.mac) {
            return Err(TicketError::Forged);
        }
        if u64::from(self.expires) < now.as_secs() {
            return Err(TicketError::Expired);
        }
        Ok(())
    }

    fn compute_mac(&self, key: &TicketKey, path: &str) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&key.0);
        hasher.update(b"overspill back v1").update(&self.lease.0).update(&self.expires.to_le_bytes()).update(path.as_bytes());
        shortened(&hasher)
    }

    /// The text that stands in a URL: 38 letters of RFC 4648 base64url.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut bytes = [0; BACK_BYTES];
        bytes[..8].copy_from_slice(&self.lease.0);
        bytes[8..12].copy_from_slice(&self.expires.to_le_bytes());
        bytes[12..].copy_from_slice(&self.mac);
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// Reads the text of a mark.
    ///
    /// # Errors
    /// [`TicketError::Malformed`].
    pub fn from_text(text: &str) -> Result<Self, TicketError> {
        let bytes: [u8; BACK_BYTES] = read_base64(text)?;
        Ok(Self { lease: LeaseId(part(&bytes, 0)), expires: u32::from_le_bytes(part(&bytes, 8)), mac: part(&bytes, 12) })
    }
}

fn shortened(hasher: &blake3::Hasher) -> [u8; 16] {
    let mut mac = [0; 16];
    mac.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    mac
}

/// Compares without telling by its duration where two MACs differ.
fn same(a: &[u8; 16], b: &[u8; 16]) -> bool {
    a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

fn read_base64<const N: usize>(text: &str) -> Result<[u8; N], TicketError> {
    if text.len() != N.div_ceil(3) * 4 - (3 - N % 3) % 3 {
        return Err(TicketError::Malformed);
    }
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| TicketError::Malformed)?;
    bytes.try_into().map_err(|_| TicketError::Malformed)
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use overspill_governance::payword::Chain;
    use proptest::prelude::*;

    const LEASE: LeaseId = LeaseId([7; 8]);
    const KEY: TicketKey = TicketKey([9; 32]);
    const OWNER: SiteId = SiteId([1; 32]);

    fn ticket(path: &str) -> Ticket {
        let chain = Chain::from_seed([3; 32], LEASE, 20);
        let bound = Bound { method: Method::Get, owner: &OWNER, path };
        Ticket::issue(&KEY, LEASE, 5, chain.word(5).unwrap(), 1_000, bound)
    }

    #[test]
    fn a_ticket_is_good_for_its_request_until_it_expires() {
        let ticket = ticket("/a.png");
        let check = |method, path, secs: u64| ticket.check(&KEY, Bound { method, owner: &OWNER, path }, Date::from_millis(secs * 1_000));
        assert_eq!(check(Method::Get, "/a.png", 1_000), Ok(()));
        assert_eq!(check(Method::Get, "/a.png", 1_001), Err(TicketError::Expired));
        assert_eq!(check(Method::Head, "/a.png", 1_000), Err(TicketError::Forged));
        assert_eq!(check(Method::Get, "/b.png", 1_000), Err(TicketError::Forged));
    }

    #[test]
    fn a_back_mark_is_bound_to_its_path() {
        let mark = BackMark::from_text(&BackMark::issue(&KEY, LEASE, 10, "/x").to_text()).unwrap();
        assert_eq!(mark.check(&KEY, "/x", Date::from_millis(10_000)), Ok(()));
        assert_eq!(mark.check(&KEY, "/y", Date::from_millis(10_000)), Err(TicketError::Forged));
        assert_eq!(mark.check(&KEY, "/x", Date::from_millis(11_000)), Err(TicketError::Expired));
    }

    #[test]
    fn a_keyless_mark_is_good_for_a_while_and_under_no_key() {
        let mark = BackMark::from_text(&BackMark::keyless(1_000).to_text()).unwrap();
        let timely = |second: u64| mark.is_timely(Date::from_millis(second * 1_000));
        assert_eq!([849, 850, 1_000, 1_120, 1_121].map(timely), [false, true, true, true, false]);
        assert_eq!(mark.check(&KEY, "/x", Date::from_millis(0)), Err(TicketError::Forged));
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_refused(bit in 0_usize..TICKET_BYTES * 8) {
            let mut bytes = BASE64URL_NOPAD.decode(ticket("/a.png").to_text().as_bytes()).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let bent = Ticket::from_text(&BASE64URL_NOPAD.encode(&bytes)).unwrap();
            let bound = Bound { method: Method::Get, owner: &OWNER, path: "/a.png" };
            prop_assert_eq!(bent.check(&KEY, bound, Date::from_millis(0)), Err(TicketError::Forged));
        }

        #[test]
        fn foreign_text_never_panics(text in ".{0,80}") {
            let _ = (Ticket::from_text(&text), BackMark::from_text(&text));
        }

        #[test]
        fn text_round_trips(path in "/[a-z]{0,20}") {
            let ticket = ticket(&path);
            prop_assert_eq!(Ticket::from_text(&ticket.to_text()), Ok(ticket));
            prop_assert_eq!((ticket.to_text().len(), Ticket::TEXT_BYTES), (64, 64));
            prop_assert!(!ticket.to_text().to_string().contains('='));
        }
    }
}
