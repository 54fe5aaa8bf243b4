//! The charter: the rules that members agree on, one table of bounded parameters.
//!
//! The table below is the only place that names a parameter. The struct, its defaults, its validation and what the command line and
//! the documents say of it all come from there. Bounds are in code, so that no vote can set a rule that breaks the mesh.

use core::fmt;

use bincode::{Decode, Encode};

use crate::units::{Credit, Permille, Seconds};

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
    sponsor_stake: Credit, "micro-credits", 0, 1_000_000, 50_000_000, principle 5,
        "How much of its own limits a sponsor puts up for each site that it brings in.";
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
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
