//! Regard: what a member makes of a partner by what it saw itself, on its own lines alone.
//!
//! What cannot be proven to a stranger convicts nobody. It lets whoever saw it grant less: for each breach, as long as it is remembered, the
//! charter's share is taken off what the partner may come to owe for new service. The co-signed limit stays, so that the two ends never
//! disagree on what is lawful. A dispute is said aloud: until whoever disputes a line takes it back, or its time is over, the line carries no
//! new lease. What is owed, and what is locked, is settled as ever.

use alloc::{collections::VecDeque, string::String, vec::Vec};
use core::fmt;

use bincode::{Decode, Encode};

use crate::{
    charter::Charter,
    limits::{BREACH_PAUSE, BREACHES_KEPT},
    site::SiteId,
    time::Date,
    units::Credit,
};

/// Something about a partner that a member notes for itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Note {
    /// It did not settle what it was served.
    Unpaid,
    /// It promised to help and was gone in the middle.
    Undelivered,
    /// We dispute the line, for this reason.
    WeDispute(String),
    /// We do so no more.
    WeWithdraw,
    /// It disputes the line, for this reason.
    TheyDispute(String),
    /// It does so no more.
    TheyWithdraw,
    /// A sample of what it serves for us held other bytes than were listed.
    Altered,
    /// Most samples of what it serves for us were turned away, or came too late.
    Unhelpful,
    /// It answers for what another member left unpaid, which came in by it.
    Answers {
        /// Who is gone.
        member: SiteId,
        /// What that one left unpaid; zero where it only answered for others.
        amount: Credit,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unpaid => f.write_str("it did not settle what it was served"),
            Self::Undelivered => f.write_str("it was gone in the middle of helping"),
            Self::WeDispute(reason) => write!(f, "we dispute our line, \"{}\"", reason.escape_debug()),
            Self::WeWithdraw => f.write_str("we take back our dispute"),
            Self::TheyDispute(reason) => write!(f, "it disputes our line, \"{}\"", reason.escape_debug()),
            Self::TheyWithdraw => f.write_str("it takes back its dispute"),
            Self::Altered => f.write_str("it served altered files"),
            Self::Unhelpful => f.write_str("it turned most samples away"),
            Self::Answers { member, amount } if *amount == Credit::ZERO => {
                write!(f, "it answers for those for whom {} did, who is gone", member.short())
            }
            Self::Answers { member, amount } => write!(f, "it answers for {amount} that {} left unpaid", member.short()),
        }
    }
}

/// What is remembered of one partner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Regard {
    breaches: VecDeque<Date>,
    altered: Option<Date>,
    ours: Option<Dispute>,
    theirs: Option<Dispute>,
}

/// One end's word that a line is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// When it was said, as the one whose ledger it stands in heard it.
    pub made: Date,
    /// Why, in its words.
    pub reason: String,
}

impl Dispute {
    /// Until when it freezes the line, if nobody takes it back.
    pub fn until(&self, charter: &Charter) -> Date {
        self.made.after(charter.dispute_length.span())
    }
}

impl Regard {
    /// Takes a note of `date`; tells whether it changes anything, so that it is worth an entry. Breaches within [`BREACH_PAUSE`] of one that
    /// was noted are one: a bad hour is one bad hour.
    pub fn take(&mut self, note: Note, date: Date) -> bool {
        let (dispute, said) = match note {
            Note::Unpaid | Note::Undelivered | Note::Unhelpful => return self.breach(date),
            // Whatever else went wrong in that hour: from whom altered files came, no help is taken.
            Note::Altered => {
                let anew = self.altered.is_none_or(|last| date >= last.after(BREACH_PAUSE));
                if anew {
                    self.altered = Some(date);
                    let _ = self.breach(date);
                }
                return anew;
            }
            Note::WeDispute(reason) => (&mut self.ours, Some(reason)),
            Note::WeWithdraw => (&mut self.ours, None),
            Note::TheyDispute(reason) => (&mut self.theirs, Some(reason)),
            Note::TheyWithdraw => (&mut self.theirs, None),
            // What that changes is in [`crate::stake::Stakes`].
            Note::Answers { .. } => return false,
        };
        let changes = dispute.is_some() != said.is_some();
        if changes {
            *dispute = said.map(|reason| Dispute { made: date, reason });
        }
        changes
    }

    fn breach(&mut self, date: Date) -> bool {
        if self.breaches.back().is_some_and(|last| date < last.after(BREACH_PAUSE)) {
            return false;
        }
        if self.breaches.len() >= BREACHES_KEPT {
            self.breaches.pop_front();
        }
        self.breaches.push_back(date);
        true
    }

    /// When the breaches were that still count on a date, the oldest first.
    pub fn breaches(&self, charter: &Charter, date: Date) -> Vec<Date> {
        self.breaches.iter().filter(|breach| date < breach.after(charter.breach_memory.span())).copied().collect()
    }

    /// How much of `limit` is granted on a date.
    pub fn granted(&self, limit: Credit, charter: &Charter, date: Date) -> Credit {
        let less = |left: Credit, _| left.checked_sub(charter.breach_shrink.of(left)).unwrap_or(Credit::ZERO).max(Credit::ZERO);
        self.breaches(charter, date).into_iter().fold(limit.max(Credit::ZERO), less)
    }

    /// Until when no help is taken of it: it served altered files.
    pub fn avoided(&self, charter: &Charter, date: Date) -> Option<Date> {
        self.altered.map(|altered| altered.after(charter.suspension.span())).filter(|until| date < *until)
    }

    /// Whether either end's dispute still holds on a date.
    #[must_use]
    pub fn is_disputed(&self, charter: &Charter, date: Date) -> bool {
        [&self.ours, &self.theirs].into_iter().flatten().any(|dispute| date < dispute.until(charter))
    }

    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.breaches.is_empty() && self.ours.is_none() && self.theirs.is_none()
    }

    /// Our own dispute, until we take it back; its time may be over.
    pub fn ours(&self) -> Option<&Dispute> {
        self.ours.as_ref()
    }

    /// The partner's, until it takes it back; its time may be over.
    pub fn theirs(&self) -> Option<&Dispute> {
        self.theirs.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Permille, Seconds};
    use core::time::Duration;
    use proptest::prelude::*;

    fn charter() -> Charter {
        Charter { breach_shrink: Permille(500), breach_memory: Seconds(100_000), dispute_length: Seconds(1_000), ..Charter::default() }
    }

    fn date(seconds: u64) -> Date {
        Date::from_millis(1_000_000_000).after(Duration::from_secs(seconds))
    }

    #[test]
    fn each_breach_takes_its_share_until_it_is_forgotten() {
        let (mut regard, charter) = (Regard::default(), charter());
        assert!(regard.take(Note::Unpaid, date(0)) && regard.take(Note::Undelivered, date(5_000)));
        assert_eq!(regard.granted(Credit(1_000), &charter, date(6_000)), Credit(250));
        assert_eq!(regard.granted(Credit(1_000), &charter, date(100_000)), Credit(500), "the first is forgotten");
        assert_eq!(regard.granted(Credit(1_000), &charter, date(105_000)), Credit(1_000));
    }

    #[test]
    fn a_bad_hour_is_one_breach() {
        let mut regard = Regard::default();
        let counted = (0..60).filter(|minute| regard.take(Note::Undelivered, date(minute * 60))).count();
        assert_eq!((counted, regard.breaches(&charter(), date(3_600))), (1, [date(0)].to_vec()));
        assert!(regard.take(Note::Undelivered, date(3_600)));
    }

    #[test]
    fn who_served_altered_files_is_avoided_for_a_while_and_granted_less() {
        let (mut regard, charter) = (Regard::default(), Charter { suspension: Seconds(7_200), ..charter() });
        assert!(regard.take(Note::Unhelpful, date(0)) && regard.take(Note::Altered, date(60)), "a bad hour hides no altered file");
        assert!(!regard.take(Note::Altered, date(3_600)), "an hour of it is one entry");
        assert_eq!(regard.avoided(&charter, date(7_259)), Some(date(7_260)));
        assert_eq!(regard.avoided(&charter, date(7_260)), None);
        assert_eq!(regard.breaches(&charter, date(7_260)).len(), 1);
    }

    #[test]
    fn a_dispute_ends_when_who_made_it_takes_it_back_or_by_time() {
        let (mut regard, charter) = (Regard::default(), charter());
        let (theirs, ours) = (|| Note::TheyDispute("Not so many.".into()), || Note::WeDispute("Not so few.".into()));
        assert!(regard.take(theirs(), date(0)) && !regard.take(theirs(), date(900)), "once is once");
        assert!(!regard.take(Note::WeWithdraw, date(1)), "it is not ours to take back");
        assert!(regard.is_disputed(&charter, date(999)) && !regard.is_disputed(&charter, date(1_000)));
        assert!(regard.take(ours(), date(500)) && regard.take(Note::TheyWithdraw, date(501)));
        assert!(regard.is_disputed(&charter, date(999)) && regard.theirs().is_none());
        assert_eq!(regard.ours().map(|dispute| (&*dispute.reason, dispute.until(&charter))), Some(("Not so few.", date(1_500))));
        assert!(regard.take(Note::WeWithdraw, date(502)) && !regard.is_disputed(&charter, date(503)));
    }

    proptest! {
        #[test]
        fn a_grant_is_never_more_than_the_limit_nor_less_than_nothing_and_recovers(
            limit in -5_i64..1 << 50, at in prop::collection::vec(0_u64..200_000, 0..40), shrink in 0_u32..=1_000, now in 0_u64..400_000,
        ) {
            let charter = Charter { breach_shrink: Permille(shrink), ..charter() };
            let mut regard = Regard::default();
            let mut at = at;
            at.sort_unstable();
            for seconds in &at {
                regard.take(Note::Undelivered, date(*seconds));
            }
            let (limit, whole) = (Credit(limit), Credit(limit.max(0)));
            let granted = regard.granted(limit, &charter, date(now));
            prop_assert!(Credit::ZERO <= granted && granted <= whole);
            prop_assert!(granted <= regard.granted(limit, &charter, date(now + 50_000).max(date(200_000))) || now < 200_000);
            prop_assert_eq!(regard.granted(limit, &charter, date(300_000)), whole, "everything is forgotten in the end");
        }
    }
}
