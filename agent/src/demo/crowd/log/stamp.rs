//! The time of a logged request: `10/Oct/2000:13:55:36 -0700`.

/// `10/Oct/2000:13:55:36 -0700` as seconds since 1970 in UTC.
pub(super) fn second(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (moment, zone) = text.split_once(' ')?;
    let mut parts = moment.split(['/', ':']);
    let mut number = |least: i64, most: i64| parts.next()?.parse().ok().filter(|number| (least..=most).contains(number));
    let day = number(1, 31)?;
    let month = { moment.split('/').nth(1).and_then(|name| MONTHS.iter().position(|month| *month == name))? as i64 + 1 };
    parts.next()?;
    let mut number = |least: i64, most: i64| parts.next()?.parse().ok().filter(|number| (least..=most).contains(number));
    let (year, hour, minute, second) = (number(1970, 9_999)?, number(0, 23)?, number(0, 59)?, number(0, 60)?);
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let offset: i64 = zone.get(1..5).filter(|digits| zone.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    let days = days(year, month, day);
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second - sign * (offset / 100 * 3_600 + offset % 100 * 60))
}

/// Days since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_taken_away_and_nonsense_is_refused() {
        assert_eq!(second("10/Oct/2000:13:55:36 -0700"), Some(971_211_336));
        assert_eq!(second("10/Oct/2000:20:55:36 +0000"), Some(971_211_336));
        assert_eq!(second("01/Jan/1970:00:00:00 +0000"), Some(0));
        for text in ["", "10/Oct/2000 13:55:36", "32/Oct/2000:13:55:36 -0700", "10/Oct/2000:24:00:00 -0700", "10/Oct/2000:13:55:36 0700"] {
            assert_eq!(second(text), None, "{text}");
        }
    }
}
