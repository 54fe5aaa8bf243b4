//! Every bound of what members owe each other, each with one line of why.

/// Words of one allotment's hash chain: third parties check a claim with at most this many hashes.
pub const CHAIN_WORDS_MAX: u32 = 16_384;
/// Members of a mesh: what a roster held whole in memory and compared by digest lists carries without care.
pub const MEMBERS_MAX: usize = 4_096;
/// Admissions kept while their sponsor is not known yet: notices overtake each other by a few, not by hundreds.
pub const ADMISSIONS_WAITING_MAX: usize = 256;
/// Keys of one member, one after the other: one a year for sixteen years. The last of them can only leave.
pub const ROTATIONS_MAX: usize = 16;
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
/// Bytes of a parameter's name in a motion: the longest in the charter's table is shorter by half.
pub const PARAMETER_BYTES_MAX: usize = 40;
/// Bytes of the link under which a motion is discussed.
pub const LINK_BYTES_MAX: usize = 256;
/// Bytes of the reason of an objection: a sentence or two; the discussion is elsewhere.
pub const OBJECTION_BYTES_MAX: usize = 500;
/// Members brought in by one who is to be removed that a motion can name to stay, so that it still travels by gossip.
pub const KEEPS_MAX: usize = 96;
/// Tries to sign one decision. Each lasts twice as long as the one before: ten from an hour on are six weeks.
pub const EPOCHS_MAX: u32 = 10;
/// Motions open at once: more than people can discuss. Beyond it, whose branch of the mesh has most of them waits.
pub const MOTIONS_OPEN_MAX: usize = 32;
/// Votes that ended whose ballots are kept to compare: one that was told otherwise elsewhere comes soon or never.
pub const VOTES_ENDED_KEPT: usize = 4;
/// Statements of one voter that are kept of one epoch and stage: two convict, a third would add nothing.
pub const BALLOTS_KEPT: usize = 2;
/// Decisions that a mesh can look back upon, one a day for eleven years.
pub const DECISIONS_MAX: usize = 4_096;
/// Bytes of one bundle of evidence: two admissions with every address at its longest take less than 6 KiB.
pub const BUNDLE_BYTES_MAX: usize = 8 * 1024;
/// Letters of a bundle as text: two for each byte, and its line ends.
pub const BUNDLE_TEXT_MAX: usize = 2 * BUNDLE_BYTES_MAX + 1_024;
/// Digests beside the way from an object to the root of a manifest's tree: a tree of 512 objects has nine levels.
pub const TREE_DEPTH_MAX: usize = 16;
/// Matters that weigh on one member at once: twice as many as an old copy of a ledger can break lines. Who contradicts itself more often means it.
pub const CONVICTIONS_PER_MEMBER: usize = 64;
/// Convictions that a member keeps in all: as many as a mesh has members.
pub const CONVICTIONS_MAX: usize = 4_096;
/// Seats in one vote, whatever the charter says: a decision with all their signatures fits an entry of the ledger.
pub const SEATS_MAX: usize = 96;
/// Fewest voices with which the cap on a sponsor's branch makes sense: of three, none can be outvoted by a third.
pub const VOICES_MIN: usize = 4;
/// Breaches of one partner that are remembered: beyond that it is granted next to nothing anyway.
pub const BREACHES_KEPT: usize = 16;
/// Breaches nearer to each other count as one: whatever went wrong, went wrong once.
pub const BREACH_PAUSE: core::time::Duration = core::time::Duration::from_secs(3_600);
/// Testimonies of one auditor that are kept at once: it is drawn for few helpers, and few of those cheat.
pub const TESTIMONIES_PER_AUDITOR: usize = 16;
/// Testimonies that are kept at once.
pub const TESTIMONIES_MAX: usize = 1_024;
/// Fewest members of a circle of debts: two settle on their line.
pub const CYCLE_MIN: usize = 3;
/// Most members of a circle of debts: longer ones are rarely found, and every further member can fail.
pub const CYCLE_MAX: usize = 5;
/// Locks open at once on one line: one that nobody rules on leaves room for others.
pub const LOCKS_MAX: usize = 4;
