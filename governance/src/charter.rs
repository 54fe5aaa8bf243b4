//! The charter: the rules that members agree on, one table of bounded parameters.
//!
//! The table below is the only place that names a parameter. The struct, its defaults, its validation and what the command line and
//! the documents say of it all come from there. Bounds are in code, so that no vote can set a rule that breaks the mesh.

use alloc::string::ToString;
use core::fmt;

use bincode::{Decode, Encode};

use crate::units::{Credit, Millionths, Permille, Seconds};

/// One line of the charter's table, for people and for validation. Values are whole numbers in `unit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Name, as in the struct and on the command line.
    pub name: &'static str,
    /// Unit of the whole number.
    pub unit: &'static str,
    /// Least value that a charter may set.
    pub min: i64,
    /// Value of a mesh that has not voted.
    pub default: i64,
    /// Greatest value that a charter may set.
    pub max: i64,
    /// Which of Ostrom's eight design principles it serves ("Governing the Commons", 1990, table 3.1).
    pub principle: u8,
    /// What it does, in one sentence.
    pub sentence: &'static str,
}

/// A parameter's value as the whole number that the table bounds.
trait Whole: Copy {
    const NONE: Self;
    fn whole(self) -> i64;
    fn from_whole(whole: i64) -> Option<Self>;
}

impl Whole for Credit {
    const NONE: Self = Self::ZERO;
    fn whole(self) -> i64 {
        self.0
    }
    fn from_whole(whole: i64) -> Option<Self> {
        Some(Self(whole))
    }
}

macro_rules! whole_u32 {
    ($($type:ty, $read:expr, $make:expr;)*) => {$(
        impl Whole for $type {
            const NONE: Self = $make(0);
            fn whole(self) -> i64 {
                i64::from($read(self))
            }
            fn from_whole(whole: i64) -> Option<Self> {
                u32::try_from(whole).ok().map($make)
            }
        }
    )*};
}

whole_u32! {
    u32, |count: u32| count, core::convert::identity;
    Permille, |share: Permille| share.0, Permille;
    Millionths, |share: Millionths| share.0, Millionths;
    Seconds, |span: Seconds| span.0, Seconds;
}

macro_rules! charter {
    ($($name:ident: $type:ty, $unit:literal, $min:literal, $default:literal, $max:literal, principle $principle:literal, $sentence:literal;)*) => {
        /// The rules of one mesh. Part of its signed founding; a change is a new version.
        #[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
        pub struct Charter {
            /// Counts the charters of a mesh, from 1.
            pub version: u32,
            $(#[doc = $sentence] pub $name: $type,)*
        }

        /// The table, in the order of the struct.
        pub const PARAMETERS: &[Parameter] = &[$(Parameter {
            name: stringify!($name), unit: $unit, min: $min, default: $default, max: $max, principle: $principle, sentence: $sentence,
        },)*];

        impl Charter {
            /// Each parameter with this charter's value of it, in the order of the table.
            pub fn values(&self) -> impl Iterator<Item = (&'static Parameter, i64)> {
                PARAMETERS.iter().zip([$(self.$name.whole(),)*])
            }

            fn value(&self, name: &str) -> Option<i64> {
                match name {
                    $(stringify!($name) => Some(self.$name.whole()),)*
                    _ => None,
                }
            }

            fn set(&mut self, name: &str, value: i64) -> bool {
                match name {
                    $(stringify!($name) => <$type>::from_whole(value).map(|value| self.$name = value).is_some(),)*
                    _ => false,
                }
            }

            const fn blank() -> Self {
                Self { version: 1, $($name: <$type as Whole>::NONE,)* }
            }
        }
    };
}

// name: type, unit, least, default, greatest, Ostrom principle, sentence
charter! {
    price_request: Credit, "micro-credits", 0, 10, 1_000_000, principle 2,
        "What a helper earns for each visitor's request that it serves.";
    price_mib: Credit, "micro-credits", 0, 1_000, 1_000_000, principle 2,
        "What a helper earns for each mebibyte of body that it serves.";
    newcomer_limit: Credit, "micro-credits", 0, 2_000_000, 50_000_000, principle 1,
        "How far a member without history may owe one partner.";
    line_limit_cap: Credit, "micro-credits", 0, 50_000_000, 10_000_000_000, principle 5,
        "How far any member may ever owe one partner.";
    limit_growth: Permille, "permille", 0, 500, 2_000, principle 2,
        "How much of the service that a member gave a partner is added to what it may owe that partner.";
    demurrage: Millionths, "millionths a day", 0, 0, 100_000, principle 2,
        "Which share of what one member owes another fades each day, to the loss of the one who is owed; 0: none does.";
    unsettled_cap: Credit, "micro-credits", 1_000, 500_000, 100_000_000, principle 4,
        "How much service a helper gives one partner before it insists on a receipt.";
    settle_window: Seconds, "seconds", 1, 60, 3_600, principle 4,
        "How long service may stay without a receipt while a lease runs.";
    lease_length: Seconds, "seconds", 5, 60, 3_600, principle 7,
        "How long a helper's promise lasts before it must be renewed.";
    invite_lifetime_max: Seconds, "seconds", 60, 604_800, 2_592_000, principle 1,
        "How long an invite token may be redeemed at most.";
    invites_per_member: u32, "invites", 1, 16, 1_000, principle 1,
        "How many unredeemed invites a member may have out at once.";
    sponsor_stake: Credit, "micro-credits", 0, 2_000_000, 50_000_000, principle 5,
        "How much of its own limit a sponsor puts up for all whom it brought in, together: so much may they owe that no service of theirs covers.";
    vote_discussion: Seconds, "seconds", 600, 604_800, 7_776_000, principle 3,
        "How long members may object to a motion before it is decided.";
    vote_cooling: Seconds, "seconds", 300, 259_200, 7_776_000, principle 3,
        "How long a change that was decided waits before it is in force.";
    vote_epoch: Seconds, "seconds", 300, 3_600, 86_400, principle 3,
        "How long agents try to sign one decision before they try again; each further try lasts twice as long.";
    vote_transition: Seconds, "seconds", 300, 900, 86_400, principle 3,
        "How long leases may still be taken under the rules that a change has replaced.";
    objection_quorum: Permille, "permille", 100, 350, 500, principle 3,
        "Which share of the members stops a motion by objecting to it.";
    subtree_cap: Permille, "permille", 50, 333, 333, principle 3,
        "Which share of the mesh's voice those have at most, all together, who came in by one member.";
    sanction_term: Seconds, "seconds", 3_600, 2_592_000, 31_536_000, principle 5,
        "How long a conviction weighs on a member's standing.";
    warned_share: Permille, "permille", 0, 500, 1_000, principle 5,
        "Which share of its limits a warned member may owe.";
    capped_share: Permille, "permille", 0, 100, 1_000, principle 5,
        "Which share of its limits a capped member may owe.";
    committee_size: u32, "members", 4, 64, 96, principle 8,
        "How many agents sign a decision at most; in a larger mesh they are drawn anew for each motion.";
    breach_shrink: Permille, "permille", 0, 250, 1_000, principle 5,
        "Which share of what a partner may come to owe is taken off for each breach that a member saw itself.";
    breach_memory: Seconds, "seconds", 3_600, 2_592_000, 31_536_000, principle 5,
        "How long such a breach counts.";
    dispute_length: Seconds, "seconds", 60, 604_800, 7_776_000, principle 6,
        "How long a line that one end disputes carries no new lease, unless that end takes it back before.";
    clearing_pause: Seconds, "seconds", 1, 3_600, 2_592_000, principle 5,
        "How long a member waits between two searches for debts that run in a circle.";
    clearing_share: Permille, "permille", 0, 250, 500, principle 5,
        "Which share of a line's limit debts that are being cleared may lock at most; 0: nothing is cleared.";
    clearing_patience: Seconds, "seconds", 1, 60, 3_600, principle 6,
        "How long the member that clears a circle of debts waits for all its lines before it gives up.";
    clearing_grace: Seconds, "seconds", 1, 86_400, 7_776_000, principle 6,
        "How long a lock waits for the word of a member that belongs no more before both ends open it.";
    sample_share: Permille, "permille", 0, 10, 200, principle 4,
        "Which share of the requests that it sends to helpers an owner adds as samples, to see what is served.";
    auditors_agree: u32, "members", 2, 3, 16, principle 4,
        "How many drawn members of different branches must have got altered files from a helper within an hour to suspend it.";
    suspension: Seconds, "seconds", 600, 21_600, 604_800, principle 5,
        "How long nobody takes help of a helper that served altered files, after the hour in which it did.";
}

impl Default for Charter {
    fn default() -> Self {
        let mut charter = Self::blank();
        for parameter in PARAMETERS {
            charter.set(parameter.name, parameter.default);
        }
        charter
    }
}

/// Why a charter is not taken. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CharterError {
    /// The table has no parameter of that name.
    Unknown,
    /// A value lies outside the table's bounds.
    OutOfBounds {
        /// Which.
        parameter: &'static Parameter,
        /// Its value.
        value: i64,
    },
    /// A newcomer could owe more than anybody may.
    NewcomerAboveCap,
    /// Charters are counted from 1.
    NoVersion,
    /// The value is not what the change starts from: another change came first, or nothing would change.
    Overtaken {
        /// Which.
        parameter: &'static Parameter,
        /// Its value in this charter.
        value: i64,
    },
}

impl fmt::Display for CharterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("the charter has no parameter of that name; the table of parameters lists them"),
            Self::OutOfBounds { parameter: Parameter { name, unit, min, max, .. }, value } => {
                write!(f, "{name} is {value}; choose from {min} to {max} {unit}")
            }
            Self::NewcomerAboveCap => f.write_str("newcomer_limit is above line_limit_cap; lower the one or raise the other"),
            Self::NoVersion => f.write_str("the charter's version is 0; versions count from 1"),
            Self::Overtaken { parameter: Parameter { name, unit, .. }, value } => {
                write!(f, "{name} is {value} {unit}; a change names the value that it replaces, and another one")
            }
        }
    }
}

impl core::error::Error for CharterError {}

impl Charter {
    /// Checks every value against its bounds, and the values against each other.
    ///
    /// # Errors
    /// The first rule that is broken, in the order of the table.
    pub fn validate(&self) -> Result<(), CharterError> {
        if self.version == 0 {
            return Err(CharterError::NoVersion);
        }
        if let Some((parameter, value)) = self.values().find(|(parameter, value)| !(parameter.min..=parameter.max).contains(value)) {
            return Err(CharterError::OutOfBounds { parameter, value });
        }
        if self.newcomer_limit > self.line_limit_cap {
            return Err(CharterError::NewcomerAboveCap);
        }
        Ok(())
    }

    /// This charter with one value changed by name, as the command line does it when a mesh is founded.
    ///
    /// # Errors
    /// [`CharterError::Unknown`], or what [`Charter::validate`] says of the result.
    pub fn with(mut self, name: &str, value: i64) -> Result<Self, CharterError> {
        let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name).ok_or(CharterError::Unknown)?;
        if !self.set(name, value) {
            return Err(CharterError::OutOfBounds { parameter, value });
        }
        self.validate()?;
        Ok(self)
    }

    /// The next version, in which `name` is `to` where this one has `from`.
    ///
    /// # Errors
    /// [`CharterError::Overtaken`] when the value is another than `from`, or is `to` already; otherwise as [`Charter::with`].
    pub fn amended(&self, name: &str, from: i64, to: i64) -> Result<Self, CharterError> {
        let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name).ok_or(CharterError::Unknown)?;
        let value = self.value(name).ok_or(CharterError::Unknown)?;
        if value != from || from == to {
            return Err(CharterError::Overtaken { parameter, value });
        }
        let mut next = self.clone().with(name, to)?;
        next.version = next.version.checked_add(1).ok_or(CharterError::NoVersion)?;
        Ok(next)
    }

    /// The value of a parameter, by name.
    ///
    /// # Errors
    /// [`CharterError::Unknown`].
    pub fn get(&self, name: &str) -> Result<(&'static Parameter, i64), CharterError> {
        self.values().find(|(parameter, _)| parameter.name == name).ok_or(CharterError::Unknown)
    }
}

impl Parameter {
    /// A value of this parameter in words: `2.5 credits`, `7 days`, `35 %`.
    pub fn words(&self, value: i64) -> Words {
        Words { unit: self.unit, value }
    }
}

/// A value with its unit, as people say it.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    unit: &'static str,
    value: i64,
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unit, value } = *self;
        match unit {
            "micro-credits" => {
                let amount = Credit(value).to_string();
                write!(f, "{} credits", amount.trim_end_matches('0').trim_end_matches('.'))
            }
            "permille" if value % 10 == 0 => write!(f, "{} %", value / 10),
            "permille" => write!(f, "{}.{} %", value / 10, value % 10),
            "millionths a day" => {
                let percent = alloc::format!("{}.{:04}", value / 10_000, value % 10_000);
                write!(f, "{} % a day", percent.trim_end_matches('0').trim_end_matches('.'))
            }
            "seconds" => {
                let (count, word) = match value {
                    0 => (0, "second"),
                    _ if value % 86_400 == 0 => (value / 86_400, "day"),
                    _ if value % 3_600 == 0 => (value / 3_600, "hour"),
                    _ if value % 60 == 0 => (value / 60, "minute"),
                    _ => (value, "second"),
                };
                write!(f, "{count} {word}{}", if count == 1 { "" } else { "s" })
            }
            unit => write!(f, "{value} {unit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_charter_keeps_its_own_rules() {
        let charter = Charter::default();
        assert_eq!(charter.validate(), Ok(()));
        assert!(charter.values().all(|(parameter, value)| value == parameter.default));
        assert_eq!((charter.price_request, charter.price_mib), (Credit(10), Credit(1_000)));
        assert_eq!(charter.settle_window.span().as_secs(), 60);
    }

    #[test]
    fn every_parameter_says_what_it_does_and_which_principle_it_serves() {
        for parameter in PARAMETERS {
            assert!(parameter.sentence.ends_with('.') && (1..=8).contains(&parameter.principle), "{}", parameter.name);
            assert!(parameter.min <= parameter.default && parameter.default <= parameter.max, "{}", parameter.name);
        }
    }

    #[test]
    fn a_refused_value_is_named_with_its_bounds() {
        let refused = Charter::default().with("settle_window", 0).unwrap_err();
        assert_eq!(refused.to_string(), "settle_window is 0; choose from 1 to 3600 seconds");
        assert_eq!(Charter::default().with("settle_windows", 1), Err(CharterError::Unknown));
        assert_eq!(Charter::default().with("line_limit_cap", 1), Err(CharterError::NewcomerAboveCap));
    }

    #[test]
    fn a_change_names_what_it_replaces_and_makes_the_next_version() {
        let charter = Charter::default();
        let next = charter.amended("price_mib", 1_000, 2_000).unwrap();
        assert_eq!((next.version, next.price_mib), (2, Credit(2_000)));
        assert!(matches!(next.amended("price_mib", 1_000, 3_000), Err(CharterError::Overtaken { value: 2_000, .. })));
        assert!(matches!(charter.amended("price_mib", 1_000, 1_000), Err(CharterError::Overtaken { .. })), "a change changes something");
        assert_eq!(charter.amended("prices", 1, 2), Err(CharterError::Unknown));
    }

    #[test]
    fn values_are_said_as_people_say_them() {
        let said = |name, value| Charter::default().get(name).unwrap().0.words(value).to_string();
        assert_eq!((said("newcomer_limit", 2_000_000), said("newcomer_limit", 0)), ("2 credits".into(), "0 credits".into()));
        assert_eq!((said("price_mib", 1_500), said("price_mib", 20_000_000)), ("0.0015 credits".into(), "20 credits".into()));
        assert_eq!((said("settle_window", 60), said("settle_window", 61)), ("1 minute".into(), "61 seconds".into()));
        assert_eq!((said("vote_discussion", 604_800), said("vote_discussion", 7_200)), ("7 days".into(), "2 hours".into()));
        assert_eq!((said("subtree_cap", 333), said("subtree_cap", 50)), ("33.3 %".into(), "5 %".into()));
        assert_eq!(
            (said("demurrage", 333), said("demurrage", 10_000), said("demurrage", 0)),
            ("0.0333 % a day".into(), "1 % a day".into(), "0 % a day".into())
        );
        assert_eq!(said("committee_size", 64), "64 members");
    }

    proptest! {
        #[test]
        fn a_charter_holds_exactly_the_values_between_its_bounds(at in 0..PARAMETERS.len(), value: i64) {
            let parameter = &PARAMETERS[at];
            for value in [value, parameter.min, parameter.max, parameter.min.saturating_sub(1), parameter.max.saturating_add(1)] {
                match Charter::default().with(parameter.name, value) {
                    Ok(charter) => {
                        prop_assert!((parameter.min..=parameter.max).contains(&value));
                        prop_assert_eq!(charter.values().nth(at), Some((parameter, value)));
                    }
                    Err(CharterError::OutOfBounds { .. }) => prop_assert!(!(parameter.min..=parameter.max).contains(&value)),
                    Err(error) => prop_assert_eq!(error, CharterError::NewcomerAboveCap),
                }
            }
        }
    }
}
