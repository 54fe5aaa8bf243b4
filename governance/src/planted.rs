//! Planted bugs: what checkers are for must be found by them.
//!
//! Each bug is a line in the law or the protocol, switched on at run time, for one thread. They exist only in a build with the feature
//! `planted`, which is for the tests of `simulations` alone: without it [`crate::planted!`] is `false`, and the agent refuses to be compiled
//! with it. A new one is a line here and a line where it stands.

extern crate std;

use core::cell::Cell;

macro_rules! bugs {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// A bug that can be switched on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $($(#[doc = $doc])* $name,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

bugs! {
    /// A proposal leaves, and is in no ledger.
    ProposesUnwritten,
    /// An agreement leaves before its receipt is in the ledger.
    AgreesTooEarly,
    /// A claim leaves without its checkpoint.
    ClaimsUnwritten,
    /// A lease is taken on an allotment that is in no ledger.
    AllotsUnwritten,
    /// A restart forgets what was proposed.
    ForgetsProposals,
    /// A restart forgets what leases have settled.
    ForgetsSettled,
    /// Receipts are not booked on their leases.
    BooksNothing,
    /// A failed ledger silences nobody.
    SpeaksWhileSilent,
    /// Claims are believed without a word that proves them.
    BelievesAnyWord,
    /// Claims for more bytes than were handed out are believed.
    BelievesAnyBytes,
    /// Claims for more requests than tickets are believed.
    BelievesAnyCount,
    /// Prices are rounded up.
    RoundsUp,
    /// A flipped bit is cut off as if it were a torn tail.
    CutsFlippedBits,
    /// Offers do not count what is promised already.
    PromisesTwice,
    /// Guests are taken while our own visitors want more than we can carry.
    HelpsWhilePressed,
    /// Guests are served without end, though nothing is settled.
    ServesOnCredit,
    /// Leases are taken for credit that other leases need.
    SpendsTwice,
    /// Manifests are taken without a look at their signature.
    BelievesAnyManifest,
    /// A guest's objects are served however long ago its owner was heard.
    ServesForEver,
    /// A purge is taken for any other change.
    OverlooksPurges,
    /// A helper that does not confirm a purge gets visitors all the same.
    ForgivesOldManifests,
    /// Visitors are sent to helpers that are not heard any more.
    TrustsTheDead,
    /// Fills are given to anybody who names a lease.
    FillsForAnybody,
    /// Fills are given of objects that are in no manifest.
    FillsAnything,
    /// Visitors who were sent home are sent out again.
    SpillsWhoComesHome,
    /// Any number of strangers may stay.
    KeepsAllStrangers,
    /// Words of newer versions are held against who says them.
    BlamesNewerVersions,
    /// A late copy of a proposal is held against who sent it.
    BlamesLateCopies,
    /// A day's demurrage is taken again and again.
    TakesDaysTwice,
    /// A lease never stops draining.
    DrainsForEver,
    /// A proposal that was lost is not sent again.
    ProposesOnce,
    /// What gossip lost of the roster stays lost.
    RepairsNoRoster,
    /// A partner that is gone is not dialled again.
    DialsOnce,
    /// Evidence convicts without a look at its second signature.
    TrustsSecondSignatures,
    /// A conviction is in no ledger.
    ConvictsUnwritten,
    /// A restart forgets what was signed of votes.
    ForgetsBallots,
    /// A ballot leaves, and is in no ledger.
    CastsUnwritten,
    /// Half of the seats make a decision.
    DecidesByHalf,
    /// What gossip lost of votes stays lost.
    RepairsNoVotes,
    /// Who was removed while it was away is not told.
    BuriesSilently,
    /// A circle of debts is ruled to move before all of it is locked.
    RulesTooEarly,
    /// A ruling leaves before it is in the ledger.
    RulesUnwritten,
    /// A ruling that moves is believed without the proof of its locks.
    BelievesAnyRuling,
    /// Locks are never opened.
    OpensNothing,
    /// A process signs on a line before it heard how far the other end knows it.
    SignsUnheard,
    /// Whoever forgot what it signed goes on in the epochs in which it did.
    SignsInOldEpochs,
    /// A process signs of votes before it heard what partners hold, and signs again what it may have forgotten.
    VotesAgain,
    /// A member's new key has a new line, with a fresh limit and nothing owed.
    HeirsBeginAfresh,
    /// A line goes on under new keys before both ends have heard each other.
    GoesOnAtOnce,
    /// A line on which the other end is the lower one under new keys keeps the sign of its balance.
    TurnsNothing,
}

std::thread_local! {
    static ON: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Switches one bug on in this thread, or all off.
pub fn switch(bug: Option<Bug>) {
    ON.set(bug);
}

/// Whether a bug is on.
#[must_use]
pub fn is_on(bug: Bug) -> bool {
    ON.get() == Some(bug)
}
