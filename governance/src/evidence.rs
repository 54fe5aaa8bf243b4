//! Evidence: what one member signed and must never have signed together, and the one function that judges it.
//!
//! A [`Bundle`] holds all that its proof needs, so that [`Bundle::judge`] comes to one verdict on any machine, offline. Only the accused can make
//! it: every contradiction stands between signatures of its own, or between its signature and what that signature names by digest. So nobody
//! honest is convicted, whatever others sign. What cannot be shown like this (wrong bytes, slowness, refusals, a claim that smells) moves nobody's
//! standing: it is each member's own affair whom it goes on working with.
//!
//! | crime | what convicts |
//! |---|---|
//! | [`Crime::Fork`] | two states of one line at one place |
//! | [`Crime::DoubleAdmission`] | two sites let in on one invite |
//! | [`Crime::Equivocation`] | two ballots that no honest agent signs both |
//! | [`Crime::DoubleAllotment`] | two allotments of one lease |
//! | [`Crime::Overpayment`] | a receipt beyond one's own allotment |
//! | [`Crime::DoubleEdition`] | two manifests of one generation |
//! | [`Crime::Misserving`] | a response against the manifest that it names |
//! | [`Crime::DoubleRuling`] | two rulings on one round of clearing |
//!
//! A claim beyond an allotment convicts no helper: helpers do not sign allotments, and an owner could sign a second, smaller one.

use alloc::{boxed::Box, string::String};
use core::fmt;

use bincode::{Decode, Encode};
use data_encoding::HEXLOWER_PERMISSIVE;

use crate::{
    allotment::Allotment,
    ballot::Equivocation,
    clearing::DoubleRuling,
    codec,
    digest::Digest,
    edition::{Edition, Misserved},
    invite::MeshId,
    limits::{BUNDLE_BYTES_MAX, BUNDLE_TEXT_MAX},
    line::Fork,
    roster::DoubleAdmission,
    site::{Signed, SiteId, Statement},
};

mod overpaid;

pub use overpaid::Overpaid;

macro_rules! crimes {
    ($($name:ident($body:ty), $word:literal, $steps:literal, $sentence:literal;)*) => {
        /// A proof that anybody can check. The order of the kinds is their number in files and on the wire.
        #[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
        pub enum Bundle {
            $(#[doc = $sentence] $name(Box<$body>),)*
        }

        /// What a bundle proves.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Crime {
            $(#[doc = $sentence] $name,)*
        }

        impl Crime {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name, for programs.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// How many steps of the ladder of sanctions it costs.
            pub const fn steps(self) -> u8 {
                match self { $(Self::$name => $steps,)* }
            }

            /// What the convicted did, in words.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }

        impl Bundle {
            /// What it is meant to prove.
            pub const fn crime(&self) -> Crime {
                match self { $(Self::$name(_) => Crime::$name,)* }
            }

            fn accused(&self) -> Accused {
                match self { $(Self::$name(body) => body.accused(),)* }
            }

            fn weigh(&self) -> Result<(), Because> {
                match self { $(Self::$name(body) => body.weigh(),)* }
            }
        }
    };
}

// kind(proof), word, steps, sentence
crimes! {
    Fork(Fork), "fork", 2, "Signed two different states of one line at one place.";
    DoubleAdmission(DoubleAdmission), "double-admission", 2, "Let two sites in on one invite.";
    Equivocation(Equivocation), "equivocation", 1, "Signed two ballots of one vote that contradict each other.";
    DoubleAllotment(Pair<Allotment>), "double-allotment", 1, "Signed two different allotments of one lease.";
    Overpayment(Overpaid), "overpayment", 2, "Signed a receipt for more than its own allotment allows.";
    DoubleEdition(Pair<Edition>), "double-edition", 1, "Signed two different manifests of one generation.";
    Misserving(Misserved), "misserving", 1, "Signed a response with other bytes than the manifest that it names lists.";
    DoubleRuling(DoubleRuling), "double-ruling", 2, "Ruled both ways on one round of clearing.";
}

/// Whom a bundle speaks of, and of which matter: two proofs of one matter are one conviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accused {
    pub(crate) mesh: MeshId,
    pub(crate) who: SiteId,
    pub(crate) matter: Digest,
}

impl Accused {
    pub(crate) fn new<T: Encode>(mesh: MeshId, who: SiteId, place: &T) -> Self {
        Self { mesh, who, matter: Digest::of("overspill matter v1", &codec::encode(place)) }
    }
}

/// A body that can be weighed.
pub(crate) trait Proof {
    /// Whom it speaks of, whether it proves anything or not.
    fn accused(&self) -> Accused;

    /// Whether the contradiction is there, and is the accused's.
    fn weigh(&self) -> Result<(), Because>;
}

/// What a bundle comes to, alike on any machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It is proven.
    Convicted(Conviction),
    /// Nothing is.
    Nothing(Because),
}

/// A member's contradiction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conviction {
    /// In which mesh.
    pub mesh: MeshId,
    /// Who.
    pub who: SiteId,
    /// Of what.
    pub crime: Crime,
    /// Names what it is about: a place of a line, an invite, a vote. One matter convicts once.
    pub matter: Digest,
}

/// Why nothing is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// Both statements are the same.
    Same,
    /// The statements speak of different matters.
    Elsewhere,
    /// The accused has no part in what it is said to have signed.
    NoPart,
    /// A statement breaks its own bounds.
    Malformed,
    /// An honest member may sign both.
    Consistent,
    /// A statement is not signed by the accused.
    NotSigned,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "both statements are the same",
            Self::Elsewhere => "the statements speak of different matters",
            Self::NoPart => "the accused has no part in what it is said to have signed",
            Self::Malformed => "a statement breaks its own bounds",
            Self::Consistent => "an honest member may sign both",
            Self::NotSigned => "a statement is not signed by the accused",
        })
    }
}

impl fmt::Display for Conviction {
    /// Writes the conviction as one plain sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = self.crime.sentence();
        let (first, rest) = sentence.split_at(1);
        write!(f, "{} {}{rest}", self.who.short(), first.to_ascii_lowercase())
    }
}

/// Two statements of which an honest site signs at most one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Pair<T> {
    /// One.
    pub one: Signed<T>,
    /// The other.
    pub other: Signed<T>,
}

/// A statement of which there may be one for each place.
pub trait Single: Statement + PartialEq {
    /// What names its place, together with mesh and signer.
    type Place: Encode + PartialEq;

    /// In which mesh, by whom, and where.
    fn place(&self) -> (MeshId, SiteId, Self::Place);
}

impl<T: Single> Proof for Pair<T> {
    fn accused(&self) -> Accused {
        let (mesh, who, place) = self.one.body.place();
        Accused::new(mesh, who, &(T::DOMAIN, place))
    }

    fn weigh(&self) -> Result<(), Because> {
        let (one, other) = (&self.one, &self.other);
        require(one.body != other.body, Because::Same)?;
        require(one.body.place() == other.body.place(), Because::Elsewhere)?;
        let who = self.accused().who;
        require(one.is_by(&who) && (other.is_by(&who) || planted!(TrustsSecondSignatures)), Because::NotSigned)
    }
}

impl Bundle {
    /// Decides what it proves. Needs nothing but the bundle; whether its mesh is ours is the caller's to compare.
    pub fn judge(&self) -> Verdict {
        let Accused { mesh, who, matter } = self.accused();
        let conviction = Conviction { mesh, who, crime: self.crime(), matter };
        self.weigh().map_or_else(Verdict::Nothing, |()| Verdict::Convicted(conviction))
    }

    /// What it would convict of, before anything of it is checked.
    pub fn charge(&self) -> Conviction {
        let Accused { mesh, who, matter } = self.accused();
        Conviction { mesh, who, crime: self.crime(), matter }
    }

    /// The bundle as lines of text that can be mailed and posted.
    pub fn to_text(&self) -> String {
        let digits = HEXLOWER_PERMISSIVE.encode(&codec::encode(self));
        let mut text = String::from(HEADING);
        for (at, digit) in digits.chars().enumerate() {
            if at % LINE_DIGITS == 0 {
                text.push('\n');
            }
            text.push(digit);
        }
        text.push('\n');
        text
    }

    /// Reads a bundle from such lines.
    ///
    /// # Errors
    /// [`NotABundle`]; nothing else is said of foreign text.
    pub fn from_text(text: &str) -> Result<Self, NotABundle> {
        let digits = text.trim().strip_prefix(HEADING).filter(|_| text.len() <= BUNDLE_TEXT_MAX).ok_or(NotABundle)?;
        let digits: String = digits.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
        let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| NotABundle)?;
        codec::decode(&bytes, BUNDLE_BYTES_MAX).map_err(|_| NotABundle)
    }
}

/// First line of a bundle as text: what it is, and in which version.
const HEADING: &str = "overspill-evidence 1";
const LINE_DIGITS: usize = 96;

/// The text holds no bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotABundle;

impl fmt::Display for NotABundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no evidence of Overspill, or of a newer version: the first line is \"overspill-evidence 1\", the others are hex digits")
    }
}

impl core::error::Error for NotABundle {}

pub(crate) fn require(rule: bool, otherwise: Because) -> Result<(), Because> {
    if rule { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
mod tests;
