//! When a certificate begins and ends: the one field that rustls does not tell, because a server has no use for it. People have.

use overspill_governance::time::Date;

/// Reads `notBefore` and `notAfter` (RFC 5280 section 4.1.2.5) of a certificate in DER.
pub(crate) fn of(certificate: &[u8]) -> Option<(Date, Date)> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest, VERSION)?.1;
    }
    // Serial number, signature algorithm, issuer.
    for tag in [0x02, SEQUENCE, SEQUENCE] {
        rest = element(rest, tag)?.1;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let (begins, after) = time(validity)?;
    time(after).map(|(ends, _)| (begins, ends))
}

/// The content of the element that begins `bytes`, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(2)?;
    if head[0] != tag {
        return None;
    }
    let (length, rest) = match head[1] {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// UTCTime (years 1950 to 2049) or GeneralizedTime, both in UTC and to the second.
fn time(bytes: &[u8]) -> Option<(Date, &[u8])> {
    let (text, rest) = element(bytes, 0x17).or_else(|| element(bytes, 0x18))?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, text) = match text.len() {
        12 => {
            let year: u64 = number(text, 0..2)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        14 => (number(text, 0..4)?, text.get(4..)?),
        _ => return None,
    };
    let (month, day) = (number(text, 0..2)?, number(text, 2..4)?);
    let (hours, minutes, seconds) = (number(text, 4..6)?, number(text, 6..8)?, number(text, 8..10)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hours > 23 || minutes > 59 || seconds > 60 || year < 1970 {
        return Some((Date::from_millis(0), rest));
    }
    let seconds = days_before(year, month, day) * 86_400 + hours * 3_600 + minutes * 60 + seconds;
    Some((Date::from_millis(seconds * 1_000), rest))
}

fn number(text: &str, at: std::ops::Range<usize>) -> Option<u64> {
    text.get(at).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?.parse().ok()
}

/// Days from 1970 to a day of the Gregorian calendar; years are counted from March, so that the leap day is the last.
fn days_before(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn certificate_until(year: i32, month: u8, day: u8) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["blog.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, month, day);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_is_read_in_both_forms() {
        let ends = |year, month, day| of(&certificate_until(year, month, day)).map(|(_, end)| end.as_secs());
        assert_eq!(ends(2026, 11, 22), Some(1_795_305_600));
        assert_eq!(ends(2028, 2, 29), Some(1_835_395_200));
        assert_eq!(ends(2049, 12, 31), Some(2_524_521_600));
        assert_eq!(ends(4096, 1, 1), Some(67_090_118_400));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..400, byte in any::<u8>()) {
            let _ = of(&bytes);
            let mut bent = certificate_until(2030, 1, 1);
            let length = bent.len();
            bent[at % length] = byte;
            let _ = of(&bent);
            let _ = of(&bent[..at % length]);
        }
    }
}
