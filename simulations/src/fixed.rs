//! Powers, logarithms and the normal distribution in integers: a world is the same on every machine, and floats need not be.

use crate::dice::Dice;

/// Bits behind the point of [`exp`] and [`ln`].
pub const FRACTION: u32 = 32;

/// The logarithm of 2, with [`FRACTION`] bits behind the point.
const LN_2: i64 = 2_977_044_472;

/// Farthest from nought that [`exp`] looks: beyond it nothing is left of the fraction.
const EXPONENT_MAX: i64 = 20 << FRACTION;

/// Quantiles of the standard normal distribution in thousandths, at (n + 1/2) / 65: its tails end at 2.4 standard deviations.
pub const NORMAL: [i32; 65] = [
    -2423, -1994, -1769, -1609, -1482, -1375, -1282, -1198, -1123, -1053, -988, -927, -869, -814, -762, -711, -662, -615, -569, -524, -481,
    -438, -396, -354, -314, -273, -233, -194, -155, -116, -77, -39, 0, 39, 77, 116, 155, 194, 233, 273, 314, 354, 396, 438, 481, 524, 569,
    615, 662, 711, 762, 814, 869, 927, 988, 1053, 1123, 1198, 1282, 1375, 1482, 1609, 1769, 1994, 2423,
];

/// So many thousandths, with [`FRACTION`] bits behind the point.
pub fn thousandths(thousandths: i64) -> i64 {
    i64::try_from((i128::from(thousandths) << FRACTION) / 1_000).unwrap_or(if thousandths < 0 { i64::MIN } else { i64::MAX })
}

/// e to the power of `x`, from e^-20 to e^20; both with [`FRACTION`] bits behind the point.
pub fn exp(x: i64) -> u128 {
    const HALVINGS: u32 = 8;
    let one = 1_i128 << FRACTION;
    let x = i128::from(x.clamp(-EXPONENT_MAX, EXPONENT_MAX)) >> HALVINGS;
    // So near to nought six terms of the series suffice; squaring as often as x was halved gives the whole.
    let mut term = one;
    let mut sum = one;
    for n in 1..=6 {
        term = ((term * x) >> FRACTION) / n;
        sum += term;
    }
    for _ in 0..HALVINGS {
        sum = (sum * sum) >> FRACTION;
    }
    u128::try_from(sum).unwrap_or(0)
}

/// The natural logarithm of `n`, with [`FRACTION`] bits behind the point; that of 0 counts as that of 1.
pub fn ln(n: u64) -> i64 {
    const POINT: u32 = 62;
    let Some(whole) = n.checked_ilog2() else { return 0 };
    // What is left lies between 1 and 2; each squaring tells one more binary digit of its logarithm.
    let mut left = (u128::from(n) << POINT) >> whole;
    let mut log = i64::from(whole);
    for _ in 0..FRACTION {
        left = (left * left) >> POINT;
        let two = left >> (POINT + 1);
        left >>= two;
        log = log * 2 + two as i64;
    }
    i64::try_from((i128::from(log) * i128::from(LN_2)) >> FRACTION).unwrap_or(i64::MAX)
}

/// A number of the standard normal distribution, in thousandths, within 2.4 standard deviations.
pub fn normal(dice: &mut Dice) -> i64 {
    let place = (u128::from(dice.any()) * (NORMAL.len() as u128 - 1)) >> FRACTION;
    let (below, part) = ((place >> FRACTION) as usize, (place & 0xffff_ffff) as i64);
    let (low, high) = (i64::from(NORMAL[below]), i64::from(NORMAL[(below + 1).min(NORMAL.len() - 1)]));
    low + (((high - low) * part) >> FRACTION)
}

/// A number of a log-normal distribution: half are below `median`; `sigma` in thousandths says how heavy the tail is.
pub fn log_normal(dice: &mut Dice, median: u64, sigma: u32) -> u64 {
    let factor = exp(thousandths(normal(dice) * i64::from(sigma) / 1_000));
    u64::try_from((u128::from(median) * factor) >> FRACTION).unwrap_or(u64::MAX)
}

/// How long until the next of things that come by themselves, `mean` apart from each other: the exponential distribution.
pub fn exponential(dice: &mut Dice, mean: u64) -> u64 {
    let below_one = (dice.any() >> FRACTION) + 1;
    let waited = (i64::from(FRACTION) * LN_2 - ln(below_one)).max(0);
    u64::try_from((u128::from(mean) * waited.unsigned_abs() as u128) >> FRACTION).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_e_are_right_to_a_millionth() {
        for (thousandths, expected) in [(0, 1_000_000_000), (1_000, 2_718_281_828), (-1_000, 367_879_441), (2_500, 12_182_493_960_u128)] {
            let found = (exp(super::thousandths(thousandths)) * 1_000_000_000) >> FRACTION;
            assert!(found.abs_diff(expected) <= expected / 1_000_000 + 1, "e^{thousandths}/1000: {found}");
        }
    }

    #[test]
    fn logarithms_undo_powers() {
        for (n, expected) in [(1, 0), (2, 693_147_181), (10, 2_302_585_093), (1_000_000, 13_815_510_558_i128), (u64::MAX, 44_361_419_556)] {
            let found = (i128::from(ln(n)) * 1_000_000_000) >> FRACTION;
            assert!((found - expected).abs() <= 20, "ln {n}: {found}");
        }
        for n in [2_u64, 3, 17, 999, 65_536] {
            let back = (exp(ln(n)) * 1_000_000) >> FRACTION;
            assert!(back.abs_diff(u128::from(n) * 1_000_000) <= u128::from(n), "{n}: {back}");
        }
    }

    #[test]
    fn waits_have_their_mean_and_normal_numbers_their_spread() {
        let mut dice = Dice::new(3);
        let sum: u64 = (0..20_000).map(|_| exponential(&mut dice, 1_000)).sum();
        assert!((sum / 20_000).abs_diff(1_000) < 30, "{}", sum / 20_000);
        let long = (0..20_000).filter(|_| exponential(&mut dice, 1_000) > 3_000).count();
        assert!(long.abs_diff(996) < 120, "one in twenty waits three times the mean: {long}");
        let numbers: Vec<i64> = (0..20_000).map(|_| normal(&mut dice)).collect();
        assert!((numbers.iter().sum::<i64>() / 20_000).abs() < 20);
        let inner = numbers.iter().filter(|number| number.abs() < 1_000).count();
        assert!(inner.abs_diff(13_653) < 250, "{inner}");
    }
}
