//! Motions: what members propose, second and object to, and the dates that follow from a motion's own.
//!
//! People move, second and object. That nobody objects is consent: a motion passes at its deadline unless enough members object
//! ([`crate::electorate`]), and agents put it on record by themselves ([`mod@crate::vote`]).

use alloc::{string::String, vec::Vec};
use core::{fmt, time::Duration};

use bincode::{Decode, Encode};

use crate::{
    charter::Charter,
    digest::Digest,
    invite::MeshId,
    limits::{EPOCHS_MAX, KEEPS_MAX, LINK_BYTES_MAX, OBJECTION_BYTES_MAX, PARAMETER_BYTES_MAX},
    site::{Signed, SiteId, Statement},
    time::{Date, SKEW_MAX},
};

/// What is to be different.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Change {
    /// One parameter of the charter gets another value. Naming the old one keeps two such motions from doing what nobody consented to.
    Amend {
        /// Its name.
        parameter: String,
        /// The value that is replaced.
        from: i64,
        /// The value that replaces it.
        to: i64,
    },
    /// A member is removed, for good. No member is exempt.
    Remove {
        /// Who.
        member: SiteId,
        /// Whom of those that it brought in the mesh keeps, strictly ascending; the others go with it, whatever their admissions are dated.
        keeps: Vec<SiteId>,
    },
    /// What a member was convicted of before this is in force weighs on it no more.
    Pardon {
        /// Who.
        member: SiteId,
    },
}

/// A member's signed wish for a change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Motion {
    /// In which mesh.
    pub mesh: MeshId,
    /// Who moves it.
    pub mover: SiteId,
    /// The rules by which it is decided, those in force on its date: named by the motion that made them, as what number they have depends on
    /// which others are known; [`Digest::ZERO`] for the founding's.
    pub rules: Digest,
    /// What is to be different.
    pub change: Change,
    /// Where it is discussed (an http or https address).
    pub discuss: String,
    /// When it was moved. Every other date of its vote follows from this one.
    pub date: Date,
}

impl Statement for Motion {
    const DOMAIN: &'static str = "overspill motion v1";
}

impl Signed<Motion> {
    /// Tells whether its mover signed it for `mesh` and it keeps every bound. Whether that mover may is the electorate's to say.
    #[must_use]
    pub fn is_good(&self, mesh: MeshId) -> bool {
        let Motion { mover, change, discuss, .. } = &self.body;
        let bounded = match change {
            Change::Amend { parameter, from, to } => parameter.len() <= PARAMETER_BYTES_MAX && from != to,
            Change::Remove { member, keeps } => {
                keeps.len() <= KEEPS_MAX && keeps.is_sorted_by(|a, b| a < b) && keeps.binary_search(member).is_err()
            }
            Change::Pardon { .. } => true,
        };
        self.body.mesh == mesh && bounded && is_link(discuss) && self.is_by(mover)
    }
}

/// Another member's word that a motion is worth deciding.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Second {
    /// In which mesh.
    pub mesh: MeshId,
    /// Digest of the motion.
    pub motion: Digest,
    /// Who.
    pub seconder: SiteId,
}

impl Statement for Second {
    const DOMAIN: &'static str = "overspill second v1";
}

/// A member's objection. It counts once, whatever its words.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Objection {
    /// In which mesh.
    pub mesh: MeshId,
    /// Digest of the motion.
    pub motion: Digest,
    /// Who.
    pub objector: SiteId,
    /// Why, for people.
    pub reason: String,
}

impl Statement for Objection {
    const DOMAIN: &'static str = "overspill objection v1";
}

impl Signed<Objection> {
    /// Tells whether the objector signed it and gives a reason within its bound.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let Objection { objector, reason, .. } = &self.body;
        !reason.trim().is_empty() && reason.len() <= OBJECTION_BYTES_MAX && !reason.chars().any(char::is_control) && self.is_by(objector)
    }
}

/// Tells whether a text is an address that a person can open: `http://` or `https://` and visible ASCII.
#[must_use]
pub fn is_link(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && text.len() <= LINK_BYTES_MAX && rest.bytes().all(|byte| (0x21..0x7f).contains(&byte)))
}

/// Members count from this long before a motion, so that admissions on their way make no difference.
pub const SNAPSHOT_MARGIN: Duration = Duration::from_secs(600);

/// The dates of one vote: all members compute the same from the motion and the charter that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Members of this date have a voice.
    pub snapshot: Date,
    /// An agent that heard of the motion later does not consent by itself: its owner had less than half of the time to object.
    pub told_by: Date,
    /// Last moment of objections.
    pub deadline: Date,
    starts: Date,
    epoch: Duration,
    cooling: Duration,
}

impl Schedule {
    /// The dates of `motion` under `charter`.
    pub fn of(motion: &Motion, charter: &Charter) -> Self {
        let discussion = charter.vote_discussion.span();
        let deadline = motion.date.after(discussion);
        Self {
            snapshot: motion.date.before(SNAPSHOT_MARGIN),
            told_by: motion.date.after(discussion / 2),
            deadline,
            // An objection of the last moment, by the slowest clock, is still everywhere before anybody signs.
            starts: deadline.after(SKEW_MAX),
            epoch: charter.vote_epoch.span(),
            cooling: charter.vote_cooling.span(),
        }
    }

    /// When an epoch begins, counted from 0; each is twice as long as the one before.
    pub fn begins(&self, epoch: u32) -> Date {
        let doubled = (1_u32 << epoch.min(EPOCHS_MAX)).saturating_sub(1);
        self.starts.after(self.epoch.saturating_mul(doubled))
    }

    /// The epoch of a moment; `None` before the first and after the last.
    pub fn epoch(&self, now: Date) -> Option<u32> {
        (0..EPOCHS_MAX).find(|epoch| (self.begins(*epoch)..self.begins(epoch + 1)).contains(&now))
    }

    /// When what was decided in `epoch` is in force.
    pub fn activation(&self, epoch: u32) -> Date {
        self.begins(epoch.saturating_add(1)).after(self.cooling)
    }

    /// After this nobody signs any more: a motion that is undecided has lapsed.
    pub fn lapses(&self) -> Date {
        self.begins(EPOCHS_MAX)
    }

    /// The next date on which an agent has something to do.
    pub fn next(&self, now: Date) -> Option<Date> {
        let dates = (0..=EPOCHS_MAX).map(|epoch| self.begins(epoch));
        core::iter::once(self.deadline).chain(dates).find(|date| *date > now)
    }
}

impl fmt::Display for Change {
    /// Writes the change as one plain sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amend { parameter, from, to } => match Charter::default().get(parameter) {
                Ok((known, _)) => write!(f, "{parameter} becomes {} instead of {}.", known.words(*to), known.words(*from)),
                Err(_) => write!(f, "{} becomes {to} instead of {from}.", parameter.escape_debug()),
            },
            Self::Remove { member, keeps } => match keeps.len() {
                0 => write!(f, "{} is removed.", member.short()),
                kept => write!(f, "{} is removed; of those whom it brought in, {kept} stay.", member.short()),
            },
            Self::Pardon { member } => write!(f, "What weighs on {} is lifted.", member.short()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Key;
    use alloc::{string::ToString, vec};

    fn motion(change: Change, discuss: &str) -> Signed<Motion> {
        let key = Key::from_seed([1; 32]);
        let date = Date::from_millis(1_795_305_600_000);
        Signed::new(
            Motion { mesh: MeshId(Digest::ZERO), mover: key.site(), rules: Digest::ZERO, change, discuss: discuss.into(), date },
            &key,
        )
    }

    fn amend() -> Change {
        Change::Amend { parameter: "price_mib".into(), from: 1_000, to: 2_000 }
    }

    #[test]
    fn a_motion_keeps_its_bounds_and_is_its_movers() {
        let good = |change, discuss: &str| motion(change, discuss).is_good(MeshId(Digest::ZERO));
        assert!(good(amend(), "https://forum.example/t/1"));
        assert!(!good(amend(), "") && !good(amend(), "ftp://x") && !good(amend(), "https://a b"));
        assert!(!good(amend(), &("https://".to_string() + &"x".repeat(LINK_BYTES_MAX))));
        let (a, b) = (SiteId([1; 32]), SiteId([2; 32]));
        let remove = |keeps| Change::Remove { member: SiteId([9; 32]), keeps };
        assert!(good(remove(vec![a, b]), "http://x") && !good(remove(vec![b, a]), "http://x") && !good(remove(vec![a, a]), "http://x"));
        assert!(!good(remove(vec![SiteId([9; 32])]), "http://x"), "nobody is removed and kept");
        assert!(!motion(amend(), "http://x").is_good(MeshId(Digest([1; 32]))));
        let mut forged = motion(amend(), "http://x");
        forged.body.mover = a;
        assert!(!forged.is_good(MeshId(Digest::ZERO)));
    }

    #[test]
    fn the_longest_motion_travels_by_gossip() {
        let keeps = (0..KEEPS_MAX).map(|at| SiteId([u8::try_from(at).unwrap(); 32])).collect();
        let longest =
            motion(Change::Remove { member: SiteId([200; 32]), keeps }, &("https://".to_string() + &"x".repeat(LINK_BYTES_MAX - 8)));
        assert!(longest.is_good(MeshId(Digest::ZERO)));
        assert!(crate::codec::encode(&longest).len() < 4_000);
    }

    #[test]
    fn every_date_follows_from_the_motions() {
        let body = motion(amend(), "http://x").body;
        let charter = Charter::default();
        let dates = Schedule::of(&body, &charter);
        assert_eq!(dates.deadline, body.date.after(Duration::from_secs(7 * 86_400)));
        assert_eq!(dates.epoch(dates.deadline), None, "objections of slow clocks are waited for");
        let first = dates.deadline.after(SKEW_MAX);
        assert_eq!((dates.epoch(first), dates.epoch(first.before(Duration::from_millis(1)))), (Some(0), None));
        let lengths: Vec<u64> = (0..EPOCHS_MAX).map(|epoch| dates.begins(epoch + 1).since(dates.begins(epoch)).as_secs() / 3_600).collect();
        assert_eq!(lengths, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(dates.epoch(dates.lapses()), None);
        assert_eq!(dates.activation(0), dates.begins(1).after(Duration::from_secs(3 * 86_400)));
        assert_eq!((dates.next(body.date), dates.next(dates.deadline)), (Some(dates.deadline), Some(first)));
        assert_eq!(dates.next(dates.lapses()), None);
    }

    #[test]
    fn an_absurd_date_is_no_harm() {
        let mut body = motion(amend(), "http://x").body;
        body.date = Date::MAX;
        let dates = Schedule::of(&body, &Charter::default());
        assert_eq!((dates.epoch(Date::MAX), dates.lapses()), (None, Date::MAX));
        body.date = Date::from_millis(0);
        assert_eq!(Schedule::of(&body, &Charter::default()).snapshot, Date::from_millis(0));
    }

    #[test]
    fn an_objection_gives_a_reason() {
        let key = Key::from_seed([2; 32]);
        let good = |reason: &str| {
            let body = Objection { mesh: MeshId(Digest::ZERO), motion: Digest::ZERO, objector: key.site(), reason: reason.into() };
            Signed::new(body, &key).is_good()
        };
        assert!(good("too dear for small sites") && !good(" ") && !good("a\nb"));
        assert!(good(&"x".repeat(OBJECTION_BYTES_MAX)) && !good(&"x".repeat(OBJECTION_BYTES_MAX + 1)));
    }

    #[test]
    fn a_change_is_a_sentence() {
        assert_eq!(amend().to_string(), "price_mib becomes 0.002 credits instead of 0.001 credits.");
    }
}
