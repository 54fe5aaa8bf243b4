//! Conditions that must have been seen somewhere in a batch of runs: a test in which nothing happened proves nothing.
//!
//! "Sometimes" is the counterpart of an invariant. A run notes what it met; a batch fails that never met something of the list.

use std::{collections::BTreeMap, fmt};

macro_rules! conditions {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Something that should be met now and then.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Sometimes {
            $($(#[doc = $doc])* $name,)*
        }

        impl Sometimes {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

conditions! {
    /// An agent died before anything that it had written was synced, and all of it is gone.
    WrittenAndLost,
    /// An agent died in mid-write, and the torn tail was cut off at its next start.
    TornTailCut,
    /// Entries that were never synced survived a crash.
    UnsyncedSurvived,
    /// A flipped bit was found at a start.
    FlippedBitFound,
    /// A full disk took no entries.
    DiskFull,
    /// A sync failed.
    SyncFailed,
    /// A disk was lost as a whole.
    DiskLost,
    /// An old copy of a disk was put back.
    CopyPutBack,
    /// A site learned that it had signed what it did not know.
    BeganAnew,
    /// A line began anew.
    LineRenewed,
    /// A member came back with nothing but its key.
    Returned,
    /// A site went on under another key, by its old one.
    KeyRotated,
    /// A site went on under another key, by its recovery key.
    KeyRecovered,
    /// A line went on under new keys, with what was signed under former ones.
    LineHandedOver,
    /// A message was lost.
    MessageLost,
    /// A message arrived twice.
    MessageDoubled,
    /// A message overtook another on its way between the same two sites.
    MessageOvertook,
    /// A connection broke in mid-conversation.
    ConnectionBroke,
    /// A message waited for a link that stood still.
    LinkClogged,
    /// A message waited for room on its link.
    LinkFull,
    /// A link carried one way only.
    OneWayOnly,
    /// A message of an unknown kind or version was passed over.
    UnknownKind,
    /// A message with a bent signature arrived.
    Forgery,
    /// A claim for more than was served was made.
    OverClaim,
    /// An object was asked for by somebody who may not have it.
    Prying,
    /// Half of a proof was held against somebody honest.
    Framed,
    /// A member was convicted by evidence.
    Convicted,
    /// A sample was answered with the listed bytes.
    SampledWell,
    /// A sample was answered with other bytes than were listed.
    AlteredFound,
    /// A helper was suspended for what drawn members said.
    Suspended,
    /// A peer was hung up on for what it said.
    Shunned,
    /// A crowd began.
    CrowdBegan,
    /// A lease was held.
    LeaseHeld,
    /// A lease was refused.
    LeaseRefused,
    /// A lease took over from another.
    LeaseSucceeded,
    /// A lease was lost with the other end.
    LeaseLost,
    /// A visitor was served by a helper.
    GuestServed,
    /// A visitor was sent home by a helper.
    SentHome,
    /// A visitor who was sent home was served there.
    ServedAtHome,
    /// An object stood by before anybody wanted it.
    StoodBy,
    /// Something was purged while a helper held it.
    PurgedInUse,
    /// A receipt was signed by both ends.
    Settled,
    /// A proposal of a former life was answered.
    ProposalSurvived,
    /// A day's demurrage was signed by both ends.
    Faded,
    /// An owner accepted less than was claimed.
    ClaimReduced,
    /// A site was silent for want of a ledger.
    Silent,
    /// Two clocks were too far apart.
    ClocksApart,
    /// A member joined.
    Joined,
    /// A member left.
    Left,
    /// A motion was stopped by objections.
    Stopped,
    /// Rules changed by a vote.
    RulesChanged,
    /// A member was removed by a vote.
    Removed,
    /// A member signed two outcomes of one vote.
    VotedTwice,
    /// A line was locked for a round of clearing.
    Locked,
    /// Debts that ran in a circle were cancelled.
    Cleared,
}

impl fmt::Display for Sometimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// How often each condition was met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Met(BTreeMap<Sometimes, u64>);

impl Met {
    /// It was met once more.
    pub fn note(&mut self, condition: Sometimes) {
        *self.0.entry(condition).or_default() += 1;
    }

    /// What was met, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Sometimes, u64)> + '_ {
        self.0.iter().map(|(condition, times)| (*condition, *times))
    }

    /// Adds what another run met.
    pub fn add(&mut self, other: &Self) {
        for (condition, times) in &other.0 {
            *self.0.entry(*condition).or_default() += times;
        }
    }

    /// How often it was met.
    pub fn times(&self, condition: Sometimes) -> u64 {
        self.0.get(&condition).copied().unwrap_or_default()
    }

    /// What of `expected` was never met.
    pub fn missing(&self, expected: &[Sometimes]) -> Vec<Sometimes> {
        expected.iter().copied().filter(|condition| self.times(*condition) == 0).collect()
    }
}
