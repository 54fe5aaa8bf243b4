//! Every bound of what members owe each other, each with one line of why.

/// Words of one allotment's hash chain: third parties check a claim with at most this many hashes.
pub const CHAIN_WORDS_MAX: u32 = 16_384;
/// Members of a mesh: what a roster held whole in memory and compared by digest lists carries without care.
pub const MEMBERS_MAX: usize = 4_096;
/// Admissions kept while their sponsor is not known yet: notices overtake each other by a few, not by hundreds.
pub const ADMISSIONS_WAITING_MAX: usize = 256;
/// Proofs kept of members who admitted two sites on one invite: one convicts, a few show a habit.
pub const DOUBLE_ADMISSIONS_MAX: usize = 64;
/// Transport addresses that one statement names.
pub const ADDRESSES_MAX: usize = 8;
/// Bytes of one transport address (multiaddr text).
pub const ADDRESS_BYTES_MAX: usize = 256;
/// Bytes of a canonical scheme and authority: `https://`, a DNS name of 253 and a port.
pub const CANONICAL_BYTES_MAX: usize = 269;
/// Bytes of a mesh's name for people.
pub const NAME_BYTES_MAX: usize = 64;
/// Body bytes of one allotment: a pebibyte, far above any lease and far below where a price could overflow.
pub const ALLOTMENT_BYTES_MAX: u64 = 1 << 50;
/// Letters of an invite token that are looked at: one line that a chat window takes.
pub const TOKEN_TEXT_MAX: usize = 4_096;
/// Bytes of one entry in the ledger: a founding or an admission with every address at its longest takes less than 4 KiB.
pub const ENTRY_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a receipt without its claim: the balance sheet of a line for years fits on a phone.
pub const RECEIPT_BYTES_MAX: usize = 300;
