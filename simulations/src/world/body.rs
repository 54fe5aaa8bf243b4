//! One site: its agent, which may be dead; its disk, which is not; its server.

use std::sync::Arc;

use overspill_governance::{
    digest::Digest,
    entry::Entry,
    site::{Key, SiteId},
    time::Time,
};
use overspill_protocol::{
    event::{Answer, Event},
    io::{Caps, Config, GuestAddress, Input},
    site::Site,
};

use crate::{clock::Clock, conduct::Conduct, disk::Disk, server::Server};

/// In what share of its answers one that alters them does, unless told otherwise.
const ALTERS: u32 = 100_000;

/// One site.
#[derive(Debug)]
pub struct Body {
    /// Who.
    pub id: SiteId,
    /// The agent; `None` while it is dead.
    pub agent: Option<Site>,
    /// Counts the agent's lives.
    pub life: u32,
    /// The disk with the ledger.
    pub disk: Disk,
    /// The data plane.
    pub server: Server,
    /// What it believes of time.
    pub clock: Clock,
    /// How it behaves.
    pub conduct: Conduct,
    /// In what share of its answers it alters what it serves, in millionths, if it does.
    pub alters: u32,
    /// Its samples do not come from its own address.
    pub veiled: bool,
    /// What it is willing to carry.
    pub caps: Caps,
    /// Where guests really reach it.
    pub guest_suffix: String,
    /// Where its agent says that guests reach it.
    pub stated_suffix: String,
    /// Its host name publishes nothing.
    pub mute_host: bool,
    /// Stopped by a signal: it is alive and does nothing.
    pub stopped: bool,
    /// Its control plane does not hear what the data plane counts.
    pub blind: bool,
    /// Its ledger cannot be opened: a person has to look at it.
    pub damaged: bool,
    /// Its ledger is not what it was: the disk was lost, or is an old copy.
    pub forgot: bool,
    /// Answers to commands, the newest last.
    pub answers: Vec<Result<Answer, String>>,
    /// Everything that the agent told, of all its lives.
    pub events: Vec<Event>,
    /// When it first said something of which it may say one thing, in two ways: its conduct has it so.
    pub lied: Option<Time>,
    /// Since when nobody there answers visitors.
    pub(super) down_since: Option<Time>,
    /// When its process went on after it was stopped last: what it hears first it cannot tell from what is new.
    pub(super) went_on: Time,
    /// Its ledger failed in this life.
    pub(super) silent: bool,
    /// When its agent is woken.
    pub(super) armed: Option<Time>,
    /// Counts how often the data plane's next look was put forward.
    pub(super) round: u32,
    /// What a stopped process finds when it goes on.
    pub(super) backlog: Vec<Input>,
    /// Entries that are written and not synced.
    pub(super) unsynced: Vec<Entry>,
    /// Entries of which the world knows that they are durable.
    pub(super) durable: usize,
    /// Proposals of former lives that were not answered when the last began.
    pub(super) unanswered: Vec<Digest>,
    seed: [u8; 32],
    host: Arc<str>,
    at: usize,
}

impl Body {
    pub(super) fn new(at: usize, seed: [u8; 32]) -> Self {
        let caps = super::caps();
        Self {
            id: Key::from_seed(seed).site(),
            agent: None,
            life: 0,
            disk: Disk::default(),
            server: Server::new(at, 20_000, 20),
            clock: Clock::default(),
            conduct: Conduct::default(),
            alters: ALTERS,
            veiled: false,
            caps,
            guest_suffix: format!("guests-{at}.example"),
            stated_suffix: format!("guests-{at}.example"),
            mute_host: false,
            stopped: false,
            blind: false,
            damaged: false,
            forgot: false,
            answers: Vec::new(),
            events: Vec::new(),
            lied: None,
            down_since: Some(Time::ZERO),
            went_on: Time::ZERO,
            silent: false,
            armed: None,
            round: 0,
            backlog: Vec::new(),
            unsynced: Vec::new(),
            durable: 0,
            unanswered: Vec::new(),
            seed,
            host: format!("http://site-{at}.example").into(),
            at,
        }
    }

    /// The site goes by the key of this seed from now on.
    pub(super) fn take_key(&mut self, seed: [u8; 32]) -> SiteId {
        self.seed = seed;
        self.id = self.key().site();
        self.id
    }

    /// The site's key.
    pub fn key(&self) -> Key {
        Key::from_seed(self.seed)
    }

    /// Its canonical scheme and authority.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Transport addresses.
    pub(super) fn addresses(&self) -> Vec<String> {
        vec![format!("/memory/{}", self.at)]
    }

    /// What its agent is told at its start; `seed` is that of its chance.
    pub fn config(&self, seed: [u8; 32]) -> Config {
        Config {
            key: self.key(),
            seed,
            canonical: self.host.to_string(),
            addresses: self.addresses(),
            guest: Some(GuestAddress { scheme: String::from("http"), suffix: self.stated_suffix.clone() }),
            caps: self.caps,
        }
    }

    /// Whether `host` is one of this site's names and publishes its key, as seen by `guest`.
    pub(super) fn publishes(&self, host: &str, guest: &SiteId) -> bool {
        let as_helper = || format!("http://{}.{}", guest.short(), self.guest_suffix);
        !self.mute_host && (host == &*self.host || host == as_helper())
    }
}
