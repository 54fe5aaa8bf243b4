//! How unequally something is shared out.

/// The Gini coefficient, in thousandths: 0 where all have alike, nearly 1,000 where one of many has it all.
pub fn gini(mut values: Vec<u64>) -> i64 {
    values.sort_unstable();
    let (n, sum) = (values.len() as i128, values.iter().map(|value| i128::from(*value)).sum::<i128>());
    let ranked: i128 = (1..).zip(&values).map(|(rank, value): (i128, _)| rank * i128::from(*value)).sum();
    (2_000 * ranked).checked_div(n * sum).map_or(0, |of| i64::try_from(of - 1_000 * (n + 1) / n).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gini_is_nought_for_equals_and_nearly_one_for_one_alone() {
        assert_eq!([gini(vec![5; 10]), gini(vec![]), gini(vec![0; 4])], [0, 0, 0]);
        let mut alone = vec![0; 99];
        alone.push(7);
        assert_eq!(gini(alone), 990);
        assert_eq!(gini(vec![1, 3]), 250);
    }
}
