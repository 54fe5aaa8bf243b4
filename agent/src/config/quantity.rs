//! Quantities as people write them: `64MiB`, `20Mbit/s`, `5s`. Exact integers inside, no floats.

use std::time::Duration;

use overspill_governance::units::{ByteRate, Bytes, RequestRate};
use overspill_protocol::quota::Hours;

/// A text that cannot be read: what is wrong with it, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    /// What is wrong, in words that follow the text.
    pub wrong: String,
    /// What to write, as an example or a rule.
    pub write: String,
}

impl Misread {
    /// Says what is wrong and what to write.
    pub fn new(wrong: impl Into<String>, write: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), write: write.into() }
    }
}

const BYTE_UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// In bits: uplinks are sold in bits, and eight of them are a byte.
const RATE_UNITS: &[(&str, u64)] = &[
    ("Gbit/s", 1_000_000_000),
    ("Mbit/s", 1_000_000),
    ("kbit/s", 1_000),
    ("GiB/s", 8 << 30),
    ("GB/s", 8_000_000_000),
    ("MiB/s", 8 << 20),
    ("MB/s", 8_000_000),
    ("KiB/s", 8 << 10),
    ("kB/s", 8_000),
    ("B/s", 8),
];

/// In milliseconds.
const SPAN_UNITS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a number of bytes; a bare number means bytes.
///
/// # Errors
/// When the text is not a number with a unit of [`BYTE_UNITS`], or too large.
pub fn bytes(text: &str) -> Result<Bytes, Misread> {
    let text = text.trim();
    if let Ok(bare) = text.parse::<u64>() {
        return Ok(Bytes(bare));
    }
    scaled(text, BYTE_UNITS, "64MiB").map(Bytes)
}

/// Writes a number of bytes so that [`fn@bytes`] reads it back exactly.
pub fn show_bytes(value: Bytes) -> String {
    shown(value.0, BYTE_UNITS)
}

/// Reads a rate of bytes. The unit is needed: a factor of eight is too easy to get wrong.
///
/// # Errors
/// When the text is not a number with a unit of [`RATE_UNITS`], or too large.
pub fn rate(text: &str) -> Result<ByteRate, Misread> {
    scaled(text.trim(), RATE_UNITS, "20Mbit/s").map(|bits| ByteRate(bits / 8))
}

/// Writes a rate so that [`rate`] reads it back exactly.
pub fn show_rate(value: ByteRate) -> String {
    match value.0.checked_mul(8) {
        Some(bits) => shown(bits, RATE_UNITS),
        // A rate read from text fits in bits; one made elsewhere may not.
        None => format!("{}B/s", value.0),
    }
}

/// Reads a number of requests in each second: `200/s`, or a bare number.
///
/// # Errors
/// When the text is not a whole number of 32 bits.
pub fn requests(text: &str) -> Result<RequestRate, Misread> {
    let number = text.trim().strip_suffix("/s").unwrap_or(text.trim()).trim();
    number.parse().map(RequestRate).map_err(|_| Misread::new("is not a whole number of requests per second", "for example 200/s"))
}

/// Reads a span of time. The unit is needed.
///
/// # Errors
/// When the text is not a number with a unit of [`SPAN_UNITS`], or too large.
pub fn span(text: &str) -> Result<Duration, Misread> {
    scaled(text.trim(), SPAN_UNITS, "5s").map(Duration::from_millis)
}

/// Writes a span so that [`span`] reads it back exactly, to the millisecond.
pub fn show_span(value: Duration) -> String {
    shown(u64::try_from(value.as_millis()).unwrap_or(u64::MAX), SPAN_UNITS)
}

fn scaled(text: &str, units: &[(&str, u64)], example: &str) -> Result<u64, Misread> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim();
    let known = || units.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if number.is_empty() {
        return Err(Misread::new("does not begin with a number", format!("a number and a unit, for example {example}")));
    }
    if unit.is_empty() {
        return Err(Misread::new("has no unit", format!("for example {example} (units: {})", known())));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
        return Err(Misread::new(format!("has the unknown unit {unit:?}"), format!("for example {example} (units: {})", known())));
    };
    decimal(number, *factor).ok_or_else(|| Misread::new("is not a number in range", format!("for example {example}")))
}

/// `number` times `factor`, rounded down; `None` when it is malformed or beyond 64 bits.
fn decimal(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let digits = whole.parse::<u64>().ok().map(u128::from)? * scale + u128::from(fraction.parse::<u64>().ok()?);
    u64::try_from(digits.checked_mul(u128::from(factor))? / scale).ok()
}

fn shown(value: u64, units: &[(&str, u64)]) -> String {
    let smallest = units.iter().min_by_key(|(_, factor)| *factor).copied().unwrap_or(("", 1));
    let best = units.iter().filter(|(_, factor)| value != 0 && value.is_multiple_of(*factor)).max_by_key(|(_, factor)| *factor);
    let (name, factor) = best.copied().unwrap_or(smallest);
    format!("{}{name}", value / factor)
}

/// Reads a part of each day by UTC: `22:00-06:00`.
///
/// # Errors
/// [`Misread`].
pub fn hours(text: &str) -> Result<Hours, Misread> {
    let minute = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u16>().ok()).flatten();
        let (hour, minute) = (number(hour)?, number(minute)?);
        (hour <= 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let part = text.split_once('-').and_then(|(from, to)| Hours::between(minute(from)?, minute(to)?));
    part.ok_or_else(|| Misread::new("is no part of a day", "for example 22:00-06:00, by UTC; 00:00-24:00 is all of it"))
}

/// Writes a part of a day as [`hours`] reads it.
pub fn show_hours(value: Hours) -> String {
    let (from, to) = value.minutes();
    format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_write_what_they_mean() {
        assert_eq!(hours("22:30 - 6:00").map(show_hours).unwrap(), "22:30-06:00");
        assert_eq!(hours("00:00-24:00").unwrap(), Hours::ALWAYS);
        assert_eq!(bytes("64MiB").unwrap(), Bytes(64 << 20));
        assert_eq!(bytes("1.5 KiB").unwrap(), Bytes(1_536));
        assert_eq!(bytes("4096").unwrap(), Bytes(4_096));
        assert_eq!(rate("20Mbit/s").unwrap(), ByteRate(2_500_000));
        assert_eq!(rate("2.5MB/s").unwrap(), ByteRate(2_500_000));
        assert_eq!(rate("20mbit/s").unwrap(), ByteRate(2_500_000));
        assert_eq!(requests("200/s").unwrap(), RequestRate(200));
        assert_eq!(span("10min").unwrap(), Duration::from_secs(600));
        assert_eq!(span("0.5s").unwrap(), Duration::from_millis(500));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(rate("20").unwrap_err().wrong, "has no unit");
        assert_eq!(span("soon").unwrap_err().wrong, "does not begin with a number");
        assert_eq!(span("5 parsec").unwrap_err().wrong, "has the unknown unit \"parsec\"");
        assert_eq!(bytes("99999999999999TiB").unwrap_err().wrong, "is not a number in range");
        assert_eq!(bytes("1.2.3MiB").unwrap_err().wrong, "is not a number in range");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(value: u64, from in 0_u16..1_440, to in 0_u16..=1_440) {
            let part = Hours::between(from, to);
            prop_assert_eq!(part.is_none(), from == to);
            prop_assert!(part.is_none_or(|part| hours(&show_hours(part)) == Ok(part)));
            prop_assert_eq!(bytes(&show_bytes(Bytes(value))).unwrap(), Bytes(value));
            prop_assert_eq!(rate(&show_rate(ByteRate(value / 8))).unwrap(), ByteRate(value / 8));
            let span_value = Duration::from_millis(value);
            prop_assert_eq!(span(&show_span(span_value)).unwrap(), span_value);
        }

        #[test]
        fn no_text_panics(text in "\\PC*", digits in "[0-9.]{0,40}", unit in "[A-Za-z/]{0,6}") {
            for text in [text, format!("{digits}{unit}")] {
                let _ = (bytes(&text), rate(&text), requests(&text), span(&text), hours(&text));
            }
        }
    }
}
