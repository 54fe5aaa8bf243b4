//! What is popular: the object of rank r is asked for r^-alpha times as often as the first.

use crate::{
    dice::Dice,
    fixed::{exp, ln},
};

/// A Zipf distribution over ranks from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zipf {
    /// Weights of all ranks up to each.
    sums: Vec<u64>,
}

impl Zipf {
    /// Over so many ranks, at least one; alpha in thousandths. Logs of small sites have about 1,000.
    pub fn new(ranks: usize, alpha: u32) -> Self {
        let mut sum = 0_u64;
        let weight = |rank: u64| exp(-(i128::from(ln(rank)) * i128::from(alpha) / 1_000) as i64);
        let sums = (1..=ranks.max(1) as u64).map(|rank| {
            sum = sum.saturating_add(u64::try_from(weight(rank)).unwrap_or(u64::MAX));
            sum
        });
        Self { sums: sums.collect() }
    }

    /// A rank.
    pub fn draw(&self, dice: &mut Dice) -> usize {
        let place = dice.any() % self.sums.last().copied().unwrap_or(1).max(1);
        self.sums.partition_point(|sum| *sum <= place).min(self.sums.len() - 1)
    }

    /// Which share of all the first ranks have together, in thousandths.
    pub fn share(&self, first: usize) -> u64 {
        let of =
            |ranks: usize| ranks.checked_sub(1).and_then(|last| self.sums.get(last.min(self.sums.len() - 1))).copied().unwrap_or_default();
        u64::try_from(u128::from(of(first)) * 1_000 / u128::from(of(self.sums.len()).max(1))).unwrap_or(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_drawn_as_often_as_their_weights_say() {
        let (zipf, mut dice) = (Zipf::new(1_000, 1_000), Dice::new(5));
        let mut drawn = vec![0_u64; 1_000];
        (0..200_000).for_each(|_| drawn[zipf.draw(&mut dice)] += 1);
        // The thousandth harmonic number is 7.485: the first rank has 13.36 % of all, the second half of that.
        assert!(drawn[0].abs_diff(26_719) < 500 && drawn[1].abs_diff(13_360) < 400 && drawn[9].abs_diff(2_672) < 200, "{:?}", &drawn[..10]);
        let ten: u64 = drawn[..10].iter().sum();
        assert_eq!(zipf.share(10), 391);
        assert!((ten / 200).abs_diff(391) < 6, "{ten}");
        assert_eq!((zipf.share(0), zipf.share(1_000), Zipf::new(0, 1_000).draw(&mut dice)), (0, 1_000, 0));
    }

    #[test]
    fn with_no_alpha_all_are_equal_and_with_much_the_first_is_all() {
        assert_eq!(Zipf::new(100, 0).share(25), 250);
        assert!(Zipf::new(100, 8_000).share(1) >= 995);
    }
}
