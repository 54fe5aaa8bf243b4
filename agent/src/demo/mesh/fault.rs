//! What is done to an agent in mid-crowd, if that is asked for, and what came of it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::Signal;

use super::Mesh;
use crate::demo::{
    Options, figures,
    visitors::{Journal, Outcome, Record, Redirect},
};

/// How long a service manager waits before it starts a killed service again: systemd's default of `RestartSec=`.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// An agent was lost in mid-crowd.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// `kill -9` or `SIGSTOP`.
    pub kind: &'static str,
    /// `owner` or `helper-1`.
    pub who: &'static str,
    /// When, after the run's start.
    pub at: Duration,
    /// From then to the last redirect to the lost helper.
    pub last_redirect_after: Option<Duration>,
    /// Redirects to it in the second before: with none, the figure above says nothing.
    pub redirects_before: Option<u64>,
    /// From then until the owner's agent took visitors again.
    pub away: Option<Duration>,
    /// Requests lost: those that had been sent to the lost helper, or that met the owner's absence.
    pub lost_requests: u64,
    /// Those, of all requests of the run.
    pub lost_ratio: f64,
    /// Requests that failed and were wanted after the owner was back.
    pub failed_after_return: Option<u64>,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    KillHelper,
    StopHelper,
    KillOwner,
}

/// A fault before its consequences are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    deed: Deed,
    at: Duration,
    /// When the owner was back.
    back: Option<Duration>,
}

/// Does what the options ask for, when it is time. An owner that was killed is started again at once.
pub(super) async fn inflict(options: &Options, onset: Duration, start: Instant, mesh: &mut Mesh) -> anyhow::Result<Option<Done>> {
    let asked =
        [(Deed::KillHelper, options.kill_helper_at), (Deed::StopHelper, options.stop_helper_at), (Deed::KillOwner, options.kill_owner_at)];
    let Some((deed, after)) = asked.into_iter().find_map(|(deed, after)| Some((deed, after?))) else { return Ok(None) };
    let after = Duration::try_from_secs_f64(after).context("the agent is to be lost at no time there is")?;
    tokio::time::sleep_until((start + onset + after).into()).await;
    let at = start.elapsed();
    let mut back = None;
    if deed == Deed::KillOwner {
        mesh.owner.process.kill().await?;
        tokio::time::sleep(RESTART_PAUSE).await;
        mesh.owner.restart().await?;
        back = Some(start.elapsed());
    } else {
        let helper = mesh.helpers.first().context("there is no helper to lose")?;
        helper.process.signal(if deed == Deed::KillHelper { Signal::KILL } else { Signal::STOP })?;
    }
    Ok(Some(Done { deed, at, back }))
}

impl Done {
    /// Reads from the journal what came of it.
    pub(super) fn judge(&self, journal: &Journal) -> Fault {
        let Self { deed, at, back } = *self;
        let failed = || journal.records.iter().filter(|record| record.outcome != Outcome::Right);
        let there = |record: &&Record| record.redirect.is_some_and(|redirect| redirect.to == 0);
        let last = || journal.records.iter().filter(there).filter_map(|record| record.redirect).map(|Redirect { at, .. }| at).max();
        let second = at.saturating_sub(Duration::from_secs(1))..at;
        let before = || {
            journal.records.iter().filter_map(|record| record.redirect).filter(|to| to.to == 0 && second.contains(&to.at)).count() as u64
        };
        let lost = match back {
            Some(back) => failed().filter(|record| record.wanted < back && record.ended >= at).count(),
            None => failed().filter(there).filter(|record| record.ended >= at).count(),
        };
        Fault {
            kind: if deed == Deed::StopHelper { "SIGSTOP" } else { "kill -9" },
            who: if deed == Deed::KillOwner { "owner" } else { "helper-1" },
            at,
            last_redirect_after: back.is_none().then(|| last().unwrap_or_default().saturating_sub(at)),
            redirects_before: back.is_none().then(before),
            away: back.map(|back| back - at),
            lost_requests: lost as u64,
            lost_ratio: figures::ratio(lost as u64, journal.records.len() as u64),
            failed_after_return: back.map(|back| failed().filter(|record| record.wanted >= back).count() as u64),
        }
    }

    /// Lets a helper that was frozen go on, or starts one that was killed again, so that it can settle.
    pub(super) async fn undo(self, mesh: &mut Mesh) -> anyhow::Result<()> {
        let Some(helper) = mesh.helpers.first_mut() else { return Ok(()) };
        match self.deed {
            Deed::StopHelper => helper.process.signal(Signal::CONT)?,
            Deed::KillHelper => {
                helper.process.kill().await?;
                helper.restart().await?;
                helper.takes_commands().await?;
            }
            Deed::KillOwner => mesh.owner.takes_commands().await?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::visitors::Carrier;

    fn journal() -> Journal {
        let millis = Duration::from_millis;
        let record = |to, at, ended, outcome| {
            let redirect = Some(Redirect { at: millis(at), to });
            Record {
                wanted: millis(at),
                ended: millis(ended),
                resource: 0,
                outcome,
                carrier: Carrier::Nobody,
                redirect,
                named: false,
                sent_back: false,
            }
        };
        let mut journal = Journal::default();
        journal.add(vec![
            record(0, 900, 950, Outcome::Late),
            record(0, 990, 2_990, Outcome::Late),
            record(0, 1_150, 1_160, Outcome::Broken),
            record(1, 1_900, 1_950, Outcome::Late),
            record(0, 1_100, 1_300, Outcome::Right),
        ]);
        journal
    }

    #[test]
    fn only_what_was_sent_to_the_lost_helper_is_its_loss() {
        let millis = Duration::from_millis;
        let fault = Done { deed: Deed::KillHelper, at: millis(1_000), back: None }.judge(&journal());
        assert_eq!((fault.last_redirect_after, fault.lost_requests), (Some(millis(150)), 2));
        assert_eq!(fault.redirects_before, Some(2));
        assert!((fault.lost_ratio - 0.4).abs() < 1e-9);
    }

    #[test]
    fn what_met_the_owners_absence_is_its_loss_and_what_failed_later_is_told() {
        let millis = Duration::from_millis;
        let fault = Done { deed: Deed::KillOwner, at: millis(1_000), back: Some(millis(1_200)) }.judge(&journal());
        assert_eq!((fault.away, fault.lost_requests, fault.failed_after_return), (Some(millis(200)), 2, Some(1)));
        assert_eq!(fault.last_redirect_after, None);
    }
}
