//! What the ledgers of both ends say after a run, each read by itself with the program's own commands.

use overspill_governance::units::Credit;
use serde_json::Value;

use super::agent::Agent;

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

/// Has each agent's ledger verified and read; a helper that is gone is read too, as its ledger is a file.
pub async fn read(owner: &Agent, helpers: &[Agent]) -> Books {
    let mut books = Books::default();
    let owners = books.statement(owner).await;
    for (number, helper) in helpers.iter().enumerate() {
        let statement = books.statement(helper).await;
        let site = |statement: &Option<Value>| statement.as_ref().and_then(|one| one["site"].as_str().map(str::to_owned));
        let with = |statement: &Option<Value>, partner: Option<String>| balance(statement.as_ref()?, &partner?);
        let (owner_says, helper_says) = (with(&owners, site(&statement)), with(&statement, site(&owners)));
        books.lines.push(Line { helper: number, owner_says, helper_says });
    }
    books
}

impl Books {
    async fn statement(&mut self, agent: &Agent) -> Option<Value> {
        self.whole += usize::from(agent.ask(&["ledger", "verify"]).await.is_ok());
        let statement = agent.ask(&["statement"]).await.ok()?;
        self.read += 1;
        Some(statement)
    }
}

/// What a statement says of the line with `partner`; 0 when there has never been anything on it.
fn balance(statement: &Value, partner: &str) -> Option<i64> {
    let lines = statement["lines"].as_array()?;
    lines.iter().find(|line| line["partner"] == partner).map_or(Some(0), |line| line["balance_micro"].as_i64())
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

    #[test]
    fn a_balance_is_found_by_the_other_end() {
        let statement = serde_json::json!({ "lines": [{ "partner": "b", "balance_micro": -7 }, { "partner": "c" }] });
        assert_eq!(balance(&statement, "b"), Some(-7));
        assert_eq!(balance(&statement, "d"), Some(0));
        assert_eq!(balance(&statement, "c"), None, "not a statement as we know it");
        assert_eq!(balance(&Value::Null, "b"), None);
    }
}
