//! Days and weeks of an ordinary small site: quiet before dawn, busy in the evening, quieter at weekends.

/// An hour, in milliseconds.
const HOUR: u64 = 3_600_000;

/// Requests in each hour of a day against the mean, in thousandths, from midnight; their mean is 1,000.
const HOURS: [u64; 24] = [
    760, 580, 450, 380, 350, 390, 520, 720, 920, 1_070, 1_160, 1_200, 1_210, 1_230, 1_240, 1_240, 1_250, 1_270, 1_340, 1_440, 1_510, 1_450,
    1_270, 1_050,
];

/// The same for the days of a week, from Monday; their mean is 1,000.
const DAYS: [u64; 7] = [1_080, 1_090, 1_080, 1_070, 1_020, 810, 850];

/// Requests in each second at a moment of a week that begins on Monday at midnight, around a mean.
pub fn rate(mean: u32, millis_of_week: u64) -> u32 {
    let hour = millis_of_week / HOUR;
    let part = millis_of_week % HOUR;
    let of_hour = |hour: u64| HOURS[(hour % 24) as usize] * DAYS[(hour / 24 % 7) as usize];
    // Straight from each full hour to the next: millionths of the mean.
    let level = (of_hour(hour) * (HOUR - part) + of_hour(hour + 1) * part) / HOUR;
    u32::try_from(u64::from(mean) * level / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_has_its_mean_its_nights_and_its_weekend() {
        let mean = |hours: core::ops::Range<u64>| {
            let len = (hours.end - hours.start) * 6;
            (hours.start * 6..hours.end * 6).map(|tenth| u64::from(rate(10_000, tenth * HOUR / 6))).sum::<u64>() / len
        };
        assert!(mean(0..168).abs_diff(10_000) < 30, "{}", mean(0..168));
        assert!(mean(3..5) * 3 < mean(19..21), "{} {}", mean(3..5), mean(19..21));
        assert!(mean(120..168) < mean(0..120));
        assert_eq!(rate(10_000, 0), rate(10_000, 168 * HOUR), "weeks follow each other");
        assert_eq!(HOURS.iter().sum::<u64>(), 24_000);
        assert_eq!(DAYS.iter().sum::<u64>(), 7_000);
    }
}
