//! The small words of the language: spans of time, shares, names in kebab case; and a line that is read word by word.

use core::{fmt::Debug, ops::RangeInclusive, str::SplitWhitespace};

use super::Mistake;

/// Units of spans, in microseconds, the longest first.
const UNITS: [(&str, u64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// A span as it is written: `90s`, `250ms`.
pub fn span(micros: u64) -> String {
    let fits = |(_, unit): &&(&str, u64)| micros.is_multiple_of(*unit) && micros >= *unit;
    UNITS.iter().find(fits).map_or_else(|| String::from("0s"), |(name, unit)| format!("{}{name}", micros / unit))
}

/// A span of milliseconds as it is written.
pub fn millis(millis: u64) -> String {
    span(millis.saturating_mul(1_000))
}

/// A share in millionths as it is written: `12%`, `0.5%`, `137ppm`.
pub fn share(ppm: i64) -> String {
    match (ppm % 10_000, ppm % 1_000) {
        (0, _) => format!("{}%", ppm / 10_000),
        (_, 0) if ppm > 0 => format!("{}.{}%", ppm / 10_000, ppm % 10_000 / 1_000),
        _ => format!("{ppm}ppm"),
    }
}

/// The name in front of a value's debug output, as the language has it: `DiskFull { .. }` is `disk-full`.
pub fn kebab(debug: &str) -> String {
    let mut name = String::new();
    for letter in debug.chars().take_while(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// The value among `all` whose name this is.
pub fn of_kebab<T: Debug + Copy>(name: &str, all: &[T]) -> Option<T> {
    all.iter().copied().find(|value| kebab(&format!("{value:?}")) == name)
}

/// One line, read from its beginning.
#[derive(Debug, Clone)]
pub(super) struct Line<'a> {
    number: usize,
    rest: SplitWhitespace<'a>,
}

impl<'a> Line<'a> {
    pub(super) fn new(number: usize, text: &'a str) -> Self {
        Self { number, rest: text.split_whitespace() }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// What is wrong here.
    pub(super) fn mistake<T>(&self, words: impl Into<String>) -> Result<T, Mistake> {
        Err(Mistake { line: self.number, words: words.into() })
    }

    /// The next word, if there is one.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.rest.next()
    }

    /// The next word, without taking it.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.rest.clone().next()
    }

    /// The next word; `what` says what it should be.
    pub(super) fn word(&mut self, what: &str) -> Result<&'a str, Mistake> {
        self.next().map_or_else(|| self.mistake(format!("the line ends where {what} should stand")), Ok)
    }

    /// A word that has to stand here.
    pub(super) fn keyword(&mut self, keyword: &str) -> Result<(), Mistake> {
        let word = self.word(&format!("`{keyword}`"))?;
        if word == keyword { Ok(()) } else { self.mistake(format!("`{word}` stands where `{keyword}` should stand")) }
    }

    /// A whole number within bounds.
    pub(super) fn whole(&mut self, what: &str, within: RangeInclusive<i64>) -> Result<i64, Mistake> {
        let word = self.word(what)?;
        let number = word.parse::<i64>().ok().filter(|number| within.contains(number));
        number
            .map_or_else(|| self.mistake(format!("`{word}` is not {what}: a whole number from {} to {}", within.start(), within.end())), Ok)
    }

    /// A whole number that fits where it goes.
    pub(super) fn number_in<T: TryFrom<i64>>(&mut self, what: &str, within: RangeInclusive<i64>) -> Result<T, Mistake> {
        let number = self.whole(what, within)?;
        T::try_from(number).or_else(|_| self.mistake(format!("{number} is too large for {what}")))
    }

    /// A span, in microseconds.
    pub(super) fn micros(&mut self, what: &str) -> Result<u64, Mistake> {
        let word = self.word(what)?;
        let digits = word.len() - word.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let (number, unit) = word.split_at(digits);
        let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, unit)| *unit);
        let micros = number.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
        micros.map_or_else(|| self.mistake(format!("`{word}` is not {what}: a whole number with a unit, such as 90s, 250ms or 2h")), Ok)
    }

    /// A span, in whole milliseconds up to `most`.
    pub(super) fn millis(&mut self, what: &str, most: u64) -> Result<u64, Mistake> {
        let micros = self.micros(what)?;
        if !micros.is_multiple_of(1_000) || micros / 1_000 > most {
            return self.mistake(format!("{} is not {what}: whole milliseconds, {} at most", span(micros), millis(most)));
        }
        Ok(micros / 1_000)
    }

    /// A share up to `most`, in millionths.
    pub(super) fn ppm(&mut self, what: &str, most: u32) -> Result<u32, Mistake> {
        let word = self.word(what)?;
        let ppm = word.strip_suffix("ppm").map_or_else(|| percent(word), |number| number.parse().ok());
        let ppm = ppm.filter(|ppm| *ppm <= most);
        ppm.map_or_else(
            || self.mistake(format!("`{word}` is not {what}: a share such as 5%, 0.5% or 200ppm, {} at most", share(i64::from(most)))),
            Ok,
        )
    }

    /// Nothing may follow.
    pub(super) fn end(mut self) -> Result<(), Mistake> {
        self.next().map_or(Ok(()), |word| self.mistake(format!("`{word}` and what follows it is too much")))
    }

    /// All that follows, with one space between words.
    pub(super) fn remainder(self) -> String {
        self.rest.collect::<Vec<_>>().join(" ")
    }
}

/// A number of per cent with one decimal at most, in millionths.
fn percent(word: &str) -> Option<u32> {
    let number = word.strip_suffix('%')?;
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let tenth = tenth.parse::<u32>().ok().filter(|_| tenth.len() == 1)?;
    whole.parse::<u32>().ok()?.checked_mul(10_000)?.checked_add(tenth * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn spans_and_shares_are_read_as_they_are_written(micros in 0_u64..1 << 50, ppm in 0_u32..=1_000_000) {
            for micros in [micros, micros / 1_000 * 1_000, micros / 1_000_000 * 1_000_000] {
                prop_assert_eq!(Line::new(1, &span(micros)).micros("a time"), Ok(micros));
            }
            for ppm in [ppm, ppm / 1_000 * 1_000, ppm / 10_000 * 10_000] {
                prop_assert_eq!(Line::new(1, &share(i64::from(ppm))).ppm("a share", 1_000_000), Ok(ppm));
            }
        }
    }

    #[test]
    fn words_are_what_people_write() {
        let spans = [(0, "0s"), (1, "1us"), (250_000, "250ms"), (90_000_000, "90s"), (120_000_000, "2min"), (86_400_000_000, "1d")];
        spans.iter().for_each(|(micros, text)| assert_eq!(span(*micros), *text));
        let shares = [(0, "0%"), (10_000, "1%"), (5_000, "0.5%"), (137, "137ppm"), (1_000_000, "100%")];
        shares.iter().for_each(|(ppm, text)| assert_eq!(share(*ppm), *text));
        assert_eq!(kebab("DiskFull"), "disk-full");
        assert_eq!(kebab("LeaseHeld { lease: LeaseId(1) }"), "lease-held");
        let mistake = Line::new(7, "5x").micros("a time").unwrap_err();
        assert_eq!(mistake.to_string(), "line 7: `5x` is not a time: a whole number with a unit, such as 90s, 250ms or 2h");
        assert!(Line::new(1, "99999999999999d").micros("a time").is_err());
        assert!(Line::new(1, "1.25%").ppm("a share", 1_000_000).is_err() && Line::new(1, "101%").ppm("a share", 1_000_000).is_err());
    }
}
