//! What the ledgers of both ends say after a run, each read by itself with the program's own commands.

use overspill_governance::units::Credit;

/// Balances of the owner's lines, from both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// One line for each helper.
    pub lines: Vec<Line>,
    /// Ledgers that `ledger verify` found whole.
    pub whole: usize,
    /// Ledgers that were read.
    pub read: usize,
}

/// One line in micro-credits, each end's own view: positive is owed to that end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// Which helper, counted from 0.
    pub helper: usize,
    /// By the owner's ledger; `None` when it could not be read.
    pub owner_says: Option<i64>,
    /// By the helper's.
    pub helper_says: Option<i64>,
}

impl Books {
    /// Micro-credits that moved from the owner to its helpers, by the helpers' ledgers.
    #[must_use]
    pub fn moved(&self) -> i64 {
        self.lines.iter().filter_map(|line| line.helper_says).fold(0, i64::saturating_add)
    }

    /// Sum of both views of all lines in micro-credits: 0 when both ends agree.
    #[must_use]
    pub fn sum(&self) -> i64 {
        self.lines.iter().flat_map(|line| [line.owner_says, line.helper_says]).flatten().fold(0, i64::saturating_add)
    }
}

/// Writes micro-credits as people read them.
#[must_use]
pub fn credit(micro: i64) -> String {
    format!("{} credits", Credit(micro))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_views_of_a_line_add_up_to_nothing() {
        let line = |helper, amount: i64| Line { helper, owner_says: Some(-amount), helper_says: Some(amount) };
        let mut books = Books { lines: vec![line(0, 1_500_000), line(1, 250)], whole: 3, read: 3 };
        assert_eq!((books.moved(), books.sum()), (1_500_250, 0));
        books.lines[1].owner_says = Some(-249);
        assert_eq!(books.sum(), 1, "a difference shows");
        assert_eq!(credit(-1_500_250), "-1.500250 credits");
    }
}
