//! The one machine that stands for a site among its partners.
//!
//! It has no logic of its own: it routes what it is told to its parts, and lets them write on one [`Desk`], in order.
//!
//! | part | its question |
//! |---|---|
//! | [`crate::membership`] | who belongs, who comes and goes |
//! | [`crate::council`] | which rules members want |
//! | [`crate::partners`] | who is there, what do they offer, how do they behave |
//! | [`crate::lease`] | who carries whose visitors, how much, until when |
//! | [`crate::settle`] | who owes whom, signed by both |
//! | [`crate::sampling`] | what do helpers really serve |
//! | [`crate::planner`] | what the data plane is to do |

use alloc::collections::{BTreeMap, BTreeSet};

use overspill_governance::{
    digest::Digest,
    planted,
    site::SiteId,
    time::{Date, Now, Time},
    units::Bytes,
};

use crate::{
    council::Council,
    desk::Desk,
    event::{Answer, Event},
    fill::{FillAsk, FillRefusal},
    io::{Command, Config, Input, Output},
    lease::{
        helper::HelperSide,
        owner::{Owned, OwnerSide},
    },
    limits::FILL_SLICE_BYTES,
    membership::{Membership, strangers::Strangers},
    partners::Partners,
    planner::{Planner, Sources},
    sampling::Sampler,
    settle::{Ends, Settle, clearing::Around},
    timer::Reason,
    together::Together,
};

mod acquaint;
mod crowds;
mod peers;
mod restore;
mod samples;
mod tend;

pub use restore::ForeignLedger;

/// A site's agent without its body: told by [`Site::handle`], asked by [`Site::poll`], woken at [`Site::deadline`].
#[derive(Debug)]
pub struct Site {
    pub(crate) desk: Desk,
    pub(crate) membership: Membership,
    pub(crate) council: Council,
    pub(crate) strangers: Strangers,
    pub(crate) partners: Partners,
    pub(crate) owner: OwnerSide,
    pub(crate) helper: HelperSide,
    pub(crate) settle: Settle,
    pub(crate) together: Together,
    pub(crate) sampler: Sampler,
    planner: Planner,
    /// Whom we do not talk to for what they were convicted of.
    expelled: BTreeSet<SiteId>,
    /// Of whom no help is taken for what drawn members said, and until when.
    suspended: BTreeMap<SiteId, Date>,
}

impl Site {
    /// A site with an empty ledger.
    #[must_use]
    pub fn new(config: Config, now: Now) -> Self {
        let (mut membership, partners) = (Membership::new(&config), Partners::new(&config));
        let _ = membership.turn_to(now.date);
        Self {
            membership,
            council: Council::new(),
            partners,
            strangers: Strangers::default(),
            owner: OwnerSide::new(run_of(&config.seed)),
            helper: HelperSide::new(config.guest, config.caps),
            settle: Settle::default(),
            together: Together::default(),
            sampler: Sampler::new(),
            suspended: BTreeMap::new(),
            planner: Planner::default(),
            expelled: BTreeSet::new(),
            desk: Desk::new(config.key, config.seed, now),
        }
    }

    /// The same machine a second time, for those who try out what it would do. Never let both speak: together they would sign twice.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self {
            desk: self.desk.twin(),
            membership: self.membership.clone(),
            council: self.council.clone(),
            strangers: self.strangers.clone(),
            partners: self.partners.clone(),
            owner: self.owner.clone(),
            helper: self.helper.clone(),
            settle: self.settle.clone(),
            together: self.together.clone(),
            sampler: self.sampler.clone(),
            planner: self.planner.clone(),
            expelled: self.expelled.clone(),
            suspended: self.suspended.clone(),
        }
    }

    /// Tells the site what happened at `now`. Take all outputs before telling the next.
    pub fn handle(&mut self, input: Input, now: Now) {
        self.desk.now = now;
        self.turn_to_date();
        match input {
            Input::Connected { peer } => self.on_connected(peer),
            Input::Disconnected { peer } => self.on_disconnected(&peer),
            Input::DialFailed { peer } => self.partners.on_dial_failed(&mut self.desk, &peer),
            Input::Message { from, bytes } => self.on_message(from, &bytes),
            Input::Gossip { bytes } => self.on_gossip(&bytes),
            Input::Observed(observation) => self.on_observed(&observation),
            Input::Wanted(want) => self.on_wanted(want),
            Input::Fetched { want, from, good } => self.on_fetched(&want, from, good),
            Input::Proved { site, host, good } => self.on_proved(&site, &host, good),
            Input::Drawn { number, ticket } => self.sampler.on_drawn(&mut self.desk, &self.membership, &self.owner, number, ticket),
            Input::Sampled { number, answer } => self.on_sampled(number, answer.as_ref()),
            Input::Command { id, command } => self.on_command(id, command),
            Input::LedgerFailed => self.on_ledger_failed(),
            Input::Wake => self.on_wake(),
        }
        self.settle.lines.hearing.close(&mut self.desk);
        self.council.accuse(&mut self.desk, &mut self.membership);
        self.turn_to_date();
        self.turn_away();
        if self.settle.is_to_look(&self.desk) {
            self.write_off();
        }
        self.avoid();
        self.refresh_plan();
    }

    /// Asks for the next thing to do, in order; `None` when there is nothing until the next input.
    pub fn poll(&mut self) -> Option<Output> {
        self.desk.poll()
    }

    /// When the site wants to be told [`Input::Wake`], and why.
    #[must_use]
    pub fn deadline(&self) -> Option<(Time, Reason)> {
        self.desk.timers.next()
    }

    /// Who this is.
    #[must_use]
    pub fn id(&self) -> SiteId {
        self.desk.id
    }

    /// Whether `peer` is a member of our mesh: what others pass on is not worth passing further.
    #[must_use]
    pub fn is_member(&self, peer: &SiteId) -> bool {
        self.membership.is_member(peer)
    }

    /// Whether `peer` may have a slice of one of our objects: it helps us under that lease and the object is in our manifest, or the object
    /// stands by with it and we are calm.
    /// That it has at most [`crate::limits::FILLS_OUTSTANDING_MAX`] outstanding is the driver's to count.
    ///
    /// # Errors
    /// [`FillRefusal`], which is the answer to send.
    pub fn admit_fill(&self, peer: &SiteId, ask: &FillAsk, _now: Now) -> Result<(), FillRefusal> {
        let size = match self.owner.placing.permitted(peer, &ask.lease, &ask.digest) {
            // In a crowd the line belongs to those who wait.
            Some(_) if self.owner.crowd.is_on() => return Err(FillRefusal::Busy),
            Some(size) => size,
            None => {
                let is_theirs = |owned: &&Owned| owned.terms.helper() == *peer || planted!(FillsForAnybody);
                let lease = self.owner.leases.get(&ask.lease).filter(|owned| is_theirs(owned) && owned.terms.phase.is_live());
                lease.ok_or(FillRefusal::NoLease)?;
                let listed = self.owner.publisher.lists(&ask.digest).map(|object| object.size);
                listed.or(planted!(FillsAnything).then_some(Bytes(u64::MAX))).ok_or(FillRefusal::NotListed)?
            }
        };
        let within = ask.offset.checked_add(u64::from(ask.len)).is_some_and(|end| Bytes(end) <= size);
        if ask.len == 0 || ask.len > FILL_SLICE_BYTES || !within {
            return Err(FillRefusal::BadSlice);
        }
        Ok(())
    }

    fn on_command(&mut self, id: u64, command: Command) {
        let answer = match command {
            Command::Found { name, charter } => self.membership.found(&mut self.desk, name, charter).map(Some),
            Command::Invite { lifetime } => self.membership.invite(&mut self.desk, lifetime).map(Some),
            Command::Join { token } => {
                let there = |peer: &SiteId| self.strangers.contains(peer);
                self.membership.start_joining(&mut self.desk, id, &token, there).map(|()| None)
            }
            Command::Recover { partner, addresses } => {
                let there = self.strangers.contains(&partner);
                self.membership.start_returning(&mut self.desk, id, (partner, addresses), there).map(|()| None)
            }
            Command::Leave => self.membership.start_leaving(&self.desk, id).map(|()| {
                self.desk.wake_in(Reason::Leave, core::time::Duration::ZERO);
                self.desk.wake_in(Reason::Lease, core::time::Duration::ZERO);
                None
            }),
            Command::Stop { members } => {
                for owner in self.helper.stop(&mut self.desk, members) {
                    // It misses its leases in our beat, and sends nobody any more.
                    self.beat_to(owner, None);
                }
                Ok(Some(Answer::Stopped))
            }
            Command::Propose { wish, discuss } => self.council.propose(&mut self.desk, &self.membership, wish, discuss).map(Some),
            Command::Second { motion } => self.council.second(&mut self.desk, &self.membership, &motion).map(Some),
            Command::Dispute { partner, reason } => self.settle.dispute(&mut self.desk, &self.membership, partner, reason).map(Some),
            Command::Object { motion, reason } => self.council.object(&mut self.desk, &self.membership, &motion, reason).map(Some),
        };
        match answer {
            Ok(None) => {}
            Ok(Some(answer)) => self.desk.tell(Event::Answered { id, answer: Ok(answer) }),
            Err(words) => self.desk.tell(Event::Answered { id, answer: Err(words) }),
        }
        self.council.tend(&mut self.desk, &mut self.membership);
    }

    /// Rules come into force and removals take effect by the calendar, whatever we are told.
    fn turn_to_date(&mut self) {
        let removed = self.membership.turn_to(self.desk.now.date);
        if !removed.is_empty() {
            removed.into_iter().for_each(|site| self.desk.tell(Event::Removed { site }));
            self.on_roster_changed();
        }
    }

    /// Sanctions begin and end: whom we do not talk to any more is hung up on, to whom we do again we dial.
    fn turn_away(&mut self) {
        let expelled = self.membership.expelled();
        if expelled != self.expelled {
            self.expelled = expelled;
            self.on_roster_changed();
        }
    }

    /// What is owed by those who are gone is their sponsors' to answer for.
    fn write_off(&mut self) {
        let Self { settle, desk, membership, partners, helper, .. } = self;
        settle.write_off(desk, membership, partners, helper);
    }

    fn on_ledger_failed(&mut self) {
        self.desk.fall_silent();
        self.planner.doubt();
        self.desk.tell(Event::Silent {
            reason: "the ledger cannot be written; nothing is signed until the agent restarts with a ledger that can",
        });
    }

    fn refresh_plan(&mut self) {
        let Self { desk, membership, partners, owner, helper, settle, planner, .. } = self;
        planner.refresh(desk, Sources { membership, partners, owner, helper, lines: &settle.lines });
    }

    /// Moves rounds of clearing on.
    fn tend_rounds(&mut self) {
        let around = Around { membership: &self.membership, partners: &self.partners, owner: &self.owner, helper: &self.helper };
        self.settle.tend_rounds(&mut self.desk, around);
    }

    /// The parts that settling works on, beside the lines.
    fn ends(&mut self) -> (&mut Desk, &mut Settle, Ends<'_>, &Partners) {
        let ends = Ends { membership: &self.membership, owner: &mut self.owner, helper: &mut self.helper };
        (&mut self.desk, &mut self.settle, ends, &self.partners)
    }
}

/// Names this process among those of its site: seeds are fresh.
fn run_of(seed: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = Digest::of("overspill run v1", seed).0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
