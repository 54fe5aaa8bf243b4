//! What is done to a helper in mid-crowd, if that is asked for, and what came of it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::Signal;

use crate::demo::{
    Options,
    agent::Agent,
    visitors::{Journal, Outcome},
};

/// A helper was lost in mid-crowd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `kill -9` or `SIGSTOP`.
    pub kind: &'static str,
    /// Which helper, counted from 0.
    pub helper: usize,
    /// When, after the run's start.
    pub at: Duration,
    /// From then to the last redirect to it.
    pub last_redirect_after: Duration,
    /// Requests lost that had been sent to it.
    pub lost_requests: u64,
}

/// A fault before its consequences are known.
#[derive(Debug)]
pub(super) struct Done {
    kind: &'static str,
    at: Duration,
}

/// Does to `helper` what the options ask for, when it is time.
pub(super) async fn inflict(options: &Options, onset: Duration, start: Instant, helper: Option<&Agent>) -> anyhow::Result<Option<Done>> {
    let (kind, signal, after) = match (options.kill_helper_at, options.stop_helper_at) {
        (Some(after), _) => ("kill -9", Signal::KILL, after),
        (None, Some(after)) => ("SIGSTOP", Signal::STOP, after),
        (None, None) => return Ok(None),
    };
    let helper = helper.context("there is no helper to lose")?;
    let after = Duration::try_from_secs_f64(after).context("the helper is to be lost at no time there is")?;
    tokio::time::sleep_until((start + onset + after).into()).await;
    helper.process.signal(signal)?;
    Ok(Some(Done { kind, at: start.elapsed() }))
}

impl Done {
    /// Reads from the journal what came of it.
    pub(super) fn judge(self, journal: &Journal) -> Fault {
        let Self { kind, at } = self;
        let sent_there =
            || journal.records.iter().filter_map(|record| record.redirect.filter(|redirect| redirect.to == 0).map(|to| (record, to)));
        let last = sent_there().map(|(_, redirect)| redirect.at).max().unwrap_or_default();
        let lost = sent_there().filter(|(record, _)| record.outcome != Outcome::Right && record.ended >= at).count();
        Fault { kind, helper: 0, at, last_redirect_after: last.saturating_sub(at), lost_requests: lost as u64 }
    }
}

impl Fault {
    /// Lets a helper that was frozen go on, so that it can settle.
    pub(super) fn undo(&self, helper: &Agent) {
        if self.kind == "SIGSTOP" {
            let _ = helper.process.signal(Signal::CONT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::visitors::{Carrier, Record, Redirect};

    #[test]
    fn only_what_was_sent_to_the_lost_helper_is_its_loss() {
        let millis = Duration::from_millis;
        let record = |to, at, ended, outcome| {
            let redirect = Some(Redirect { at: millis(at), to });
            Record { wanted: millis(at), ended: millis(ended), resource: 0, outcome, carrier: Carrier::Nobody, redirect, sent_back: false }
        };
        let mut journal = Journal::default();
        journal.add(vec![
            record(0, 900, 950, Outcome::Late),
            record(0, 990, 2_990, Outcome::Late),
            record(0, 1_150, 1_160, Outcome::Broken),
            record(1, 1_900, 1_950, Outcome::Late),
            record(0, 1_100, 1_300, Outcome::Right),
        ]);
        let fault = Done { kind: "kill -9", at: millis(1_000) }.judge(&journal);
        assert_eq!((fault.last_redirect_after, fault.lost_requests), (millis(150), 2));
    }
}
