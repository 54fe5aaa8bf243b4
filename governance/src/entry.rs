//! Entries: what a ledger remembers. Everything a site has signed and must never sign otherwise, and everything it may still be paid for.

use core::{cmp::Ordering, fmt};

use alloc::boxed::Box;

use bincode::{Decode, Encode};

use crate::{
    allotment::Allotment,
    ballot::{Ballot, Stage},
    claim::Claim,
    clearing::{Ruled, Ruling},
    decision::Decision,
    evidence::Bundle,
    invite::{Admission, Departure, Founding, Invite},
    line::{Head, Proposal, Receipt, Step},
    motion::{Motion, Objection, Second},
    payword::LeaseId,
    regard::Note,
    rotation::{Rotation, Succession},
    site::{Signed, SiteId, Statement},
    time::Date,
    units::Credit,
};

/// Version of the entries' encoding; stands in every record of the log. Frozen by the golden bytes of the tests.
pub const VERSION: u16 = 1;

/// One thing to remember.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Entry {
    /// The mesh that this site founded or joined.
    Founded(Box<Signed<Founding>>),
    /// An invite of ours: its serial is used, its key may redeem once.
    Invited(Signed<Invite>),
    /// A member was admitted, by us or by another.
    Admitted(Signed<Admission>),
    /// A member has left.
    Departed(Signed<Departure>),
    /// A lease may be served under these terms; we are its owner or its helper.
    Allotted(Box<Signed<Allotment>>),
    /// As helper: what was served so far, a checkpoint. The word is as good as the owner's signature.
    Taken(Claim),
    /// As lower end of a line: we have signed this and wait for the answer.
    Proposed {
        /// The line's other end.
        with: SiteId,
        /// What we signed.
        proposal: Proposal,
    },
    /// Both ends have signed this.
    Agreed {
        /// The line's other end.
        with: SiteId,
        /// What we both signed.
        receipt: Receipt,
    },
    /// Nothing more is served under this lease.
    LeaseEnded {
        /// The lease.
        lease: LeaseId,
    },
    /// A motion that goes to the vote, and when this site heard of it: who was told late does not consent by itself.
    Moved {
        /// What is moved.
        motion: Box<Signed<Motion>>,
        /// When it was heard of.
        heard: Date,
    },
    /// A motion was seconded, by us or by another.
    Seconded(Signed<Second>),
    /// We object to a motion.
    Objected(Signed<Objection>),
    /// What our agent signed of a vote; it signs nothing else in that place.
    Cast(Signed<Ballot>),
    /// A motion was decided.
    Decided(Box<Decision>),
    /// How a circle of debts came out, by our own ruling or as it was shown to us.
    Ruled(Box<Ruled>),
    /// What this site saw of a partner, or either end said of the line: it binds nobody else.
    Noted {
        /// The partner.
        with: SiteId,
        /// What.
        note: Note,
        /// When.
        date: Date,
    },
    /// A member contradicted itself, and when this site heard of it: the sanction counts from then.
    Convicted {
        /// The proof.
        bundle: Box<Bundle>,
        /// When it was heard of.
        heard: Date,
    },
    /// This site may have forgotten what it signed before this date: it signs nothing of what began before.
    Recovered {
        /// When that was found.
        date: Date,
    },
    /// A line began anew: nothing is signed in its former epochs any more.
    Renewed {
        /// The line's other end.
        with: SiteId,
        /// With what it began.
        head: Box<Head>,
    },
    /// A member goes on under a new key, this site or another. What comes to light of the old key after this site heard of it weighs nothing.
    Rotated {
        /// The rotation.
        rotation: Box<Rotation>,
        /// When this site heard of it.
        heard: Date,
    },
}

impl fmt::Display for Entry {
    /// Writes the entry as one plain sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Founded(founding) => {
                let Founding { name, founder, date, .. } = &founding.body;
                write!(f, "Mesh \"{}\" ({}) was founded by {} on {date}.", name.escape_debug(), founding.body.mesh(), founder.short())
            }
            Self::Invited(Signed { body: Invite { serial, expires, .. }, .. }) => {
                write!(f, "Invite {serial} was made, to be redeemed by {expires}.")
            }
            Self::Admitted(Signed { body: Admission { member, sponsor, canonical, .. }, .. }) => {
                write!(f, "{} ({}) was admitted by {}.", member.short(), canonical.escape_debug(), sponsor.short())
            }
            Self::Departed(Signed { body: Departure { member, date, .. }, .. }) => write!(f, "{} left on {date}.", member.short()),
            Self::Allotted(allotment) => {
                let Allotment { lease, owner, helper, requests, bytes, until, .. } = &allotment.body;
                let (owner, helper) = (owner.short(), helper.short());
                write!(f, "Lease {lease}: {helper} may serve {requests} requests and {bytes} for {owner} until {until}.")
            }
            Self::Taken(Claim { lease, serial, requests, bytes, .. }) => {
                write!(f, "Lease {lease}: served {requests} requests and {bytes} so far, up to ticket {serial}.")
            }
            Self::Proposed { with, proposal: Proposal { state, claim, step, .. } } => {
                write!(
                    f,
                    "Proposed to {}: state {}, balance {} as the lower key sees it{}.",
                    with.short(),
                    state.seq,
                    state.balance,
                    For(claim, step)
                )
            }
            Self::Agreed { with, receipt: Receipt { state, claim, step, .. } } => {
                write!(
                    f,
                    "Agreed with {}: state {}, balance {} as the lower key sees it{}.",
                    with.short(),
                    state.seq,
                    state.balance,
                    For(claim, step)
                )
            }
            Self::LeaseEnded { lease } => write!(f, "Lease {lease} ended."),
            Self::Moved { motion, heard } => {
                let Motion { mover, change, date, .. } = &motion.body;
                write!(
                    f,
                    "Motion {} was made by {} on {date} and heard of on {heard}: {change}",
                    motion.body.digest().short(),
                    mover.short()
                )
            }
            Self::Seconded(Signed { body: Second { motion, seconder, .. }, .. }) => {
                write!(f, "{} seconded motion {}.", seconder.short(), motion.short())
            }
            Self::Objected(Signed { body: Objection { motion, objector, reason, .. }, .. }) => {
                write!(f, "{} objects to motion {}: \"{}\".", objector.short(), motion.short(), reason.escape_debug())
            }
            Self::Cast(Signed { body: Ballot { motion, voter, epoch, stage, outcome, .. }, .. }) => {
                let (done, how) = (
                    if *stage == Stage::Prepare { "prepared" } else { "committed to" },
                    if outcome.adopts { "its adoption" } else { "its end by objections" },
                );
                write!(f, "The agent of {} {done} {how} for motion {}, try {}.", voter.short(), motion.short(), epoch.saturating_add(1))
            }
            Self::Decided(decision) => decision.fmt(f),
            Self::Ruled(ruled) => {
                let (round, moves) = (&ruled.round.body, ruled.ruling.body.moves);
                let (name, by) = (round.digest().short(), round.initiator().map(|site| site.short()).unwrap_or_default());
                let what = if moves { "is cleared" } else { "is not cleared" };
                write!(f, "Round {name} of {by}: {} in a circle of {} {what}.", round.amount, round.cycle.len())
            }
            Self::Noted { with, note, date } => write!(f, "Of {} it was noted on {date}: {note}.", with.short()),
            Self::Convicted { bundle, heard } => write!(f, "Convicted, as heard of on {heard}: {}", bundle.charge()),
            Self::Recovered { date } => {
                write!(f, "This site began anew on {date}: what it signed before may be unknown to it, and is left to those who hold it.")
            }
            Self::Renewed { with, head } => {
                let balance = head.last.as_ref().map_or(Credit::ZERO, |last| last.receipt.state.balance);
                let (with, epoch) = (with.short(), head.epoch());
                if head.is_handed_over() {
                    return write!(f, "The line with {with} began anew as epoch {epoch}, with what was agreed under a former key.");
                }
                write!(f, "The line with {with} began anew as epoch {epoch}: balance {balance} as the lower key sees it.")
            }
            Self::Rotated { rotation, heard } => {
                let Succession { old, new, recovery, date, .. } = &rotation.body;
                let by = if recovery.is_some() { "its recovery key" } else { "its old key" };
                write!(f, "{} goes on as {}, signed by {by} on {date} and heard of on {heard}.", old.short(), new.short())
            }
        }
    }
}

impl Entry {
    /// The entry as one plain sentence to the site whose ledger it stands in: balances say who owes whom.
    pub fn seen_by(&self, site: SiteId) -> Seen<'_> {
        Seen { entry: self, site }
    }
}

/// An entry with the eyes that see it. See [`Entry::seen_by`].
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    entry: &'a Entry,
    site: SiteId,
}

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (with, state, cause, done) = match self.entry {
            Entry::Proposed { with, proposal: Proposal { state, claim, step, .. } } => (with, state, For(claim, step), "Proposed to"),
            Entry::Agreed { with, receipt: Receipt { state, claim, step, .. } } => (with, state, For(claim, step), "Agreed with"),
            Entry::Renewed { with, head } => return self.renewed(f, *with, head),
            other => return other.fmt(f),
        };
        let partner = with.short();
        write!(f, "{done} {partner}{cause}: state {}, in which ", state.seq)?;
        self.owed(f, *with, state.balance)
    }
}

impl Seen<'_> {
    fn renewed(&self, f: &mut fmt::Formatter<'_>, with: SiteId, head: &Head) -> fmt::Result {
        if head.is_handed_over() {
            return write!(f, "{}", self.entry);
        }
        write!(f, "The line with {} began anew as epoch {}, in which ", with.short(), head.epoch())?;
        self.owed(f, with, head.last.as_ref().map_or(Credit::ZERO, |last| last.receipt.state.balance))
    }

    /// Who owes whom, as the end of a sentence.
    fn owed(&self, f: &mut fmt::Formatter<'_>, with: SiteId, balance: Credit) -> fmt::Result {
        let partner = with.short();
        let ours = if self.site < with { balance } else { balance.checked_neg().unwrap_or(balance) };
        let amount = ours.max(ours.checked_neg().unwrap_or(ours));
        match ours.cmp(&Credit::ZERO) {
            Ordering::Greater => write!(f, "{partner} owes us {amount}."),
            Ordering::Less => write!(f, "we owe {partner} {amount}."),
            Ordering::Equal => write!(f, "nobody owes anything."),
        }
    }
}

/// What a state was signed for, as the end of a sentence.
struct For<'a>(&'a Option<Claim>, &'a Option<Step>);

impl fmt::Display for For<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Claim { lease, requests, bytes, .. }) => write!(f, ", for {requests} requests and {bytes} under lease {lease}"),
            None => match self.1 {
                Some(Step::Lock(round)) => write!(f, ", to lock {} for round {}", round.body.amount, round.body.digest().short()),
                Some(Step::Release(ruling)) if ruling.body.moves => write!(f, ", to clear round {}", ruling.body.round.short()),
                Some(Step::Release(Signed { body: Ruling { round, .. }, .. }) | Step::Gone(round)) => {
                    write!(f, ", to open the lock of round {}", round.short())
                }
                Some(Step::Fade(fade)) => write!(f, ", demurrage of {}", Date::of_day(fade.day).on()),
                None => Ok(()),
            },
        }
    }
}
