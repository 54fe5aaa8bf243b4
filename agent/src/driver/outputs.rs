//! Carrying out what a site asks of the world, in its order.

use std::sync::Arc;

use overspill_edge::{FillFailed, Handle as Edge};
use overspill_governance::{entry::Entry, site::SiteId};
use overspill_protocol::{
    event::Event,
    io::Output,
    plan::FillWanted,
    sampling::{Answer, Sample},
    wire,
};
use tokio::sync::mpsc;

use super::tell;
use crate::{
    fills::Fetcher,
    prove::{Reach, prove},
    samples::{self, Ways},
    swarm::SwarmHandle,
};

/// What tasks beside the driver bring back.
#[derive(Debug)]
pub(super) enum Done {
    /// A fetch has ended.
    Fetched { want: FillWanted, from: SiteId, good: bool },
    /// A host name was checked.
    Proved { site: SiteId, host: String, good: bool },
    /// A ticket for a sample was drawn, or none could be.
    Drawn { number: u64, ticket: Option<String> },
    /// A sample was answered, or not.
    Sampled { number: u64, answer: Option<Answer> },
}

/// A run of outputs, cut where something must first be durable.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Carried out at once.
    pub(super) before: Vec<Output>,
    /// Made durable together.
    pub(super) entries: Vec<Entry>,
    /// Carried out when they are.
    pub(super) after: Vec<Output>,
}

impl Run {
    /// Sorts outputs. An entry is only ever made durable *earlier* than it had to be: what stood between two entries waits for
    /// both, so that one sync serves all.
    pub(super) fn of(outputs: impl Iterator<Item = Output>) -> Self {
        let mut run = Self::default();
        for output in outputs {
            match output {
                Output::Persist(entry) => run.entries.push(*entry),
                other if run.entries.is_empty() => run.before.push(other),
                other => run.after.push(other),
            }
        }
        run
    }

    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.entries.is_empty() && self.after.is_empty()
    }
}

/// Hands of the driver: everything that outputs are carried out with.
pub(super) struct Hands {
    pub(super) edge: Arc<Edge>,
    pub(super) reach: Reach,
    pub(super) ways: Arc<Ways>,
    /// Absent while there is no mesh to listen to.
    pub(super) net: Option<(SwarmHandle, Fetcher)>,
    pub(super) done: mpsc::Sender<Done>,
}

impl Hands {
    /// Carries one output out; hands back the answer to a command.
    pub(super) fn carry_out(&self, output: Output) -> Option<Event> {
        match output {
            Output::Persist(_) => unreachable!("entries are taken out of every run before it is carried out"),
            Output::Send { to, message } => {
                tracing::trace!(to = %to.short(), kind = message.kind(), "said");
                self.swarm(|swarm| swarm.send(to, wire::encode(&message)));
            }
            Output::Broadcast(message) => self.swarm(|swarm| swarm.broadcast(wire::encode(&message))),
            Output::Dial { peer, addresses } => {
                tracing::debug!(peer = %peer.short(), ?addresses, "dialling");
                self.swarm(|swarm| swarm.dial(peer, addresses));
            }
            Output::Hang { peer } => {
                tracing::debug!(peer = %peer.short(), "hanging up");
                self.swarm(|swarm| swarm.hang(peer));
            }
            Output::Apply(plan) => self.edge.apply(plan),
            Output::Fetch { want, from } => self.fetch(want, from),
            Output::StandBy { want } => self.stand_by(want),
            Output::Keep { owner, digests } => self.edge.keep_standby(&owner, &digests),
            Output::Refuse { want } => self.edge.filled(&want, Err(FillFailed::Gone)),
            Output::Prove { site, host } => self.prove(site, host),
            Output::Draw { number, lease, path } => {
                // Where nobody listens, the sample is forgotten, and another follows.
                let _ = self.done.try_send(Done::Drawn { number, ticket: self.edge.draw(lease, &path) });
            }
            Output::Sample(sample) => self.sample(*sample),
            Output::Tell(event) => {
                tell::log(&event);
                return matches!(event, Event::Answered { .. }).then_some(event);
            }
        }
        None
    }

    fn swarm(&self, with: impl FnOnce(&SwarmHandle)) {
        if let Some((swarm, _)) = &self.net {
            with(swarm);
        }
    }

    fn fetch(&self, want: FillWanted, from: SiteId) {
        let Some((_, fetcher)) = &self.net else { return self.edge.filled(&want, Err(FillFailed::Late)) };
        let (fetcher, edge, done) = (fetcher.clone(), self.edge.clone(), self.done.clone());
        tokio::spawn(async move {
            let came = fetcher.fetch(&want, from).await;
            let good = came.is_ok();
            match &came {
                Ok(bytes) => tracing::debug!(owner = %from.short(), digest = ?want.digest, len = bytes.len(), "filled"),
                Err(error) => tracing::debug!(owner = %from.short(), digest = ?want.digest, %error, "not filled"),
            }
            // Straight to the edge: its visitors wait.
            edge.filled(&want, came);
            let _ = done.send(Done::Fetched { want, from, good }).await;
        });
    }

    /// Nobody waits for a standby copy, unless a visitor came for it meanwhile.
    fn stand_by(&self, want: FillWanted) {
        let held = self.edge.stands_by(&want);
        let fetcher = self.net.as_ref().map(|(_, fetcher)| fetcher.clone());
        let (edge, done) = (self.edge.clone(), self.done.clone());
        tokio::spawn(async move {
            let good = match fetcher {
                _ if held => true,
                Some(fetcher) => match fetcher.fetch(&want, want.owner).await {
                    Ok(bytes) => edge.stand_by(&want, bytes),
                    Err(error) => {
                        tracing::debug!(owner = %want.owner.short(), digest = ?want.digest, %error, "no standby copy came");
                        false
                    }
                },
                None => false,
            };
            let from = want.owner;
            let _ = done.send(Done::Fetched { want, from, good }).await;
        });
    }

    fn sample(&self, sample: Sample) {
        let (ways, done) = (self.ways.clone(), self.done.clone());
        tokio::spawn(async move {
            let answer = samples::take(&sample, &ways).await;
            if let Err(error) = &answer {
                tracing::debug!(helper = %sample.helper.short(), %error, "a sample was not answered");
            }
            let _ = done.send(Done::Sampled { number: sample.number, answer: answer.ok() }).await;
        });
    }

    fn prove(&self, site: SiteId, host: String) {
        let (reach, done) = (self.reach, self.done.clone());
        tokio::spawn(async move {
            let proved = prove(&site, &host, reach).await;
            if let Err(error) = &proved {
                tracing::info!(member = %site.short(), %error, "a host name does not prove to be a member's");
            }
            let _ = done.send(Done::Proved { site, host, good: proved.is_ok() }).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::payword::LeaseId;

    fn ended(lease: u8) -> Output {
        Output::Persist(Box::new(Entry::LeaseEnded { lease: LeaseId([lease; 8]) }))
    }

    fn hang(peer: u8) -> Output {
        Output::Hang { peer: SiteId([peer; 32]) }
    }

    fn peers(outputs: &[Output]) -> Vec<u8> {
        outputs.iter().map(|output| if let Output::Hang { peer } = output { peer.0[0] } else { 0 }).collect()
    }

    #[test]
    fn nothing_overtakes_the_entry_before_it() {
        let run = Run::of([hang(1), ended(1), hang(2), ended(2), hang(3)].into_iter());
        assert_eq!(peers(&run.before), [1]);
        assert_eq!(run.entries, [1, 2].map(|lease| Entry::LeaseEnded { lease: LeaseId([lease; 8]) }));
        assert_eq!(peers(&run.after), [2, 3]);
    }

    #[test]
    fn a_run_without_entries_waits_for_nothing() {
        let run = Run::of([hang(1), hang(2)].into_iter());
        assert_eq!((peers(&run.before), run.entries.len(), run.after.len()), (vec![1, 2], 0, 0));
        assert!(Run::of(std::iter::empty()).is_empty());
    }
}
