//! Membership: which mesh this site belongs to, who else does, and how sites come and go.

use alloc::{format, string::String, vec::Vec};

use overspill_governance::{
    charter::Charter,
    decision::Decision,
    digest::Digest,
    docket::Paper,
    entry::Entry,
    evidence::Bundle,
    invite::{Departure, Founding, MeshId},
    minutes::Minutes,
    motion::Change,
    register::Register,
    roster::{Notice, Received, Roster},
    site::{SiteId, Statement},
    time::{Date, Time},
};

use crate::{
    desk::Desk,
    event::{Answer, Event},
    io::Config,
    lease::Terms,
    limits::{OBITUARY_MAX, REASON_MAX},
    message::{Hello, Message},
};

pub(crate) mod evidence;
pub(crate) mod join;
pub(crate) mod recover;
pub(crate) mod rotate;
pub(crate) mod sponsor;
pub(crate) mod spread;
pub(crate) mod strangers;

use join::Joining;
use recover::Returning;
use sponsor::Invites;

/// What this site knows of its mesh.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    roster: Option<Roster>,
    digest: Option<Digest>,
    /// What the mesh has decided; as good as the roster.
    minutes: Option<Minutes>,
    /// What of the removals is carried out: how often the minutes had been read by then, and how many of them were due.
    buried: (u64, usize),
    /// Whom that removed, and nobody was told of yet.
    removed: Vec<SiteId>,
    /// What members were convicted of.
    register: Register,
    date: Date,
    joining: Option<Joining>,
    returning: Option<Returning>,
    invites: Invites,
    leaving: Option<Leaving>,
    left: bool,
    us: SiteId,
    canonical: String,
    addresses: Vec<String>,
}

/// A wish to leave that waits for leases to end and settle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving {
    /// The command's number.
    pub(crate) id: u64,
    /// When to leave whatever is open.
    pub(crate) until: Time,
}

impl Membership {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            roster: None,
            digest: None,
            minutes: None,
            buried: (0, 0),
            removed: Vec::new(),
            register: Register::default(),
            date: Date::default(),
            joining: None,
            returning: None,
            invites: Invites::default(),
            leaving: None,
            left: false,
            us: config.key.site(),
            canonical: config.canonical.clone(),
            addresses: config.addresses.clone(),
        }
    }

    /// Takes back what the ledger knows; tells whether it could.
    pub(crate) fn restore(&mut self, entry: Entry) -> bool {
        match entry {
            Entry::Founded(founding) => {
                self.set_roster(Roster::new(*founding));
                self.roster.is_some()
            }
            Entry::Invited(invite) => {
                self.invites.restore(invite);
                true
            }
            Entry::Admitted(admission) => {
                if admission.body.sponsor == self.us {
                    self.invites.use_up(admission.body.invite, admission.body.digest());
                }
                self.receive(Notice::Admitted(admission)).is_ok()
            }
            Entry::Departed(departure) => {
                self.left |= departure.body.member == self.us;
                self.receive(Notice::Departed(departure)).is_ok()
            }
            Entry::Rotated { rotation, heard } => {
                self.left |= rotation.body.old == self.us;
                let restored = self.receive(Notice::Rotated(rotation)).is_ok();
                self.succeed(heard);
                restored
            }
            Entry::Convicted { bundle, heard } => {
                self.restore_convicted(bundle, heard);
                true
            }
            _ => false,
        }
    }

    /// Every entry was taken back. A join that was cut short left a mesh in which we are no member: it is forgotten.
    pub(crate) fn finish_restoring(&mut self) {
        let belongs = self.roster.as_ref().is_some_and(|roster| roster.contains(&self.us));
        if !belongs && !self.left {
            self.set_roster(None);
        }
    }

    /// Who we are.
    pub(crate) fn us(&self) -> SiteId {
        self.us
    }

    /// The mesh, while we belong to one.
    pub(crate) fn mesh(&self) -> Option<MeshId> {
        self.roster().map(Roster::mesh)
    }

    /// Its rules, as they are in force now.
    pub(crate) fn charter(&self) -> Option<&Charter> {
        self.minutes().map(|minutes| minutes.in_force(self.date))
    }

    /// The rules under which a lease was allotted: what is settled of it is judged by those.
    pub(crate) fn charter_of(&self, terms: &Terms) -> Option<&Charter> {
        self.minutes()?.version(terms.allotment.body.charter)
    }

    /// What it has decided.
    pub(crate) fn minutes(&self) -> Option<&Minutes> {
        self.minutes.as_ref().filter(|_| !self.left)
    }

    /// Takes a decision whose certificate was checked; tells whether it changes anything. Whom it removed is out at once: later votes are
    /// read without it.
    pub(crate) fn record(&mut self, decision: Decision) -> bool {
        let news = self.minutes.as_mut().is_some_and(|minutes| minutes.record(decision));
        self.bury();
        news
    }

    /// The calendar has moved on: rules come into force. Tells whom votes removed since this was asked last.
    pub(crate) fn turn_to(&mut self, date: Date) -> Vec<SiteId> {
        self.date = date;
        self.bury();
        // Not while a ledger is read: what stands in it after the vote still rests on the mesh.
        self.left |= self.roster.as_ref().is_some_and(|roster| roster.is_removed(&self.us));
        core::mem::take(&mut self.removed)
    }

    /// Carries out the removals that are due.
    fn bury(&mut self) {
        let (Some(minutes), Some(roster), date) = (&self.minutes, &mut self.roster, self.date) else { return };
        let due = || minutes.removals().iter().filter(|removal| removal.from <= date);
        let buried = (minutes.readings(), due().count());
        if buried == self.buried {
            return;
        }
        let before: Vec<SiteId> = roster.members().map(|member| member.site).collect();
        for removal in due() {
            roster.bury(removal.member, removal.from, &removal.keeps);
        }
        self.buried = buried;
        self.removed.extend(before.into_iter().filter(|site| !roster.contains(site)));
    }

    /// What a member who was removed while it was away is told when it comes: the vote, and those that it rests on. It checks them itself.
    /// Who left, or goes on under another key, is told its own word: an old copy of its ledger may not know that.
    pub(crate) fn obituary(&self, site: &SiteId) -> Option<Message> {
        let (roster, minutes) = (self.roster()?, self.minutes()?);
        let Some(removed) = roster.removed_with(site) else { return self.departure_of(site).filter(|_| roster.has_left(site)) };
        let is_it = |decision: &&Decision| matches!(&decision.motion.body.change, Change::Remove { member, .. } if *member == removed);
        let mut told: Vec<Paper> = Vec::new();
        let mut next = minutes.decisions().find(is_it);
        while let Some(decision) = next.filter(|_| told.len() < OBITUARY_MAX) {
            told.push(Paper::Decided(decision.clone().into()));
            next = minutes.decision(&decision.motion.body.rules).map(|(_, decision)| decision);
        }
        told.reverse();
        Some(Message::VoteTell(told))
    }

    /// Its roster.
    pub(crate) fn roster(&self) -> Option<&Roster> {
        self.roster.as_ref().filter(|_| !self.left)
    }

    /// Digest of the roster, kept because every advert names it.
    pub(crate) fn roster_digest(&self) -> Option<Digest> {
        self.digest.filter(|_| !self.left)
    }

    /// Whether `site` belongs to our mesh.
    pub(crate) fn is_member(&self, site: &SiteId) -> bool {
        self.roster().is_some_and(|roster| roster.contains(site))
    }

    /// Whether `site` was a member and is none any more, which is final; or whether we are none, to whom nobody answers.
    pub(crate) fn has_left(&self, site: &SiteId) -> bool {
        self.left || self.roster().is_some_and(|roster| roster.has_left(site))
    }

    /// The other members, in the order of their keys.
    pub(crate) fn others(&self, us: &SiteId) -> Vec<SiteId> {
        let members = self.roster().into_iter().flat_map(Roster::members);
        members.map(|member| member.site).filter(|site| site != us).collect()
    }

    /// A member's canonical scheme and authority, and its transport addresses.
    pub(crate) fn contact(&self, site: &SiteId) -> Option<(&str, &Vec<String>)> {
        self.roster()?.member(site).map(|member| (member.canonical.as_str(), &member.addresses))
    }

    /// Whether our visitors come over HTTPS: then only helpers with HTTPS will do.
    pub(crate) fn is_https(&self) -> bool {
        self.canonical.starts_with("https://")
    }

    /// The first word to a peer.
    pub(crate) fn hello(&self) -> Option<Message> {
        let roster = self.roster()?;
        let notice = roster.member(&self.us).and_then(|us| roster.notice(&us.notice));
        let admission = match notice {
            Some(Notice::Admitted(admission)) => Some(admission.clone()),
            _ => None,
        };
        Some(Message::Hello(Hello { mesh: roster.mesh(), admission }))
    }

    /// Founds a mesh with this site as its only member.
    pub(crate) fn found(&mut self, desk: &mut Desk, name: String, charter: Charter) -> Result<Answer, String> {
        self.may_enter()?;
        let (canonical, addresses) = (self.canonical.clone(), self.addresses.clone());
        let founding = Founding { name, charter, founder: desk.id, date: desk.now.date, canonical, addresses };
        let founding = desk.sign(founding).ok_or_else(silent)?;
        let roster = Roster::new(founding.clone());
        let words = "the mesh's name, its charter or this site's canonical address is malformed; correct it and try again";
        self.set_roster(Some(roster.ok_or_else(|| String::from(words))?));
        desk.persist(Entry::Founded(founding.into()));
        Ok(Answer::Founded)
    }

    /// Takes a roster notice from anywhere; persists and tells what is new. Tells who was admitted or left by it.
    pub(crate) fn take_notice(&mut self, desk: &mut Desk, notice: Notice) -> Result<bool, &'static str> {
        let settled = self.receive(notice)?;
        for digest in &settled {
            let Some(notice) = self.roster.as_ref().and_then(|roster| roster.notice(digest)).cloned() else { continue };
            match &notice {
                Notice::Admitted(admission) => desk.tell(Event::Admitted { site: admission.body.member }),
                Notice::Departed(departure) => {
                    // An old copy of our ledger does not know that we left.
                    self.left |= departure.body.member == self.us;
                    desk.tell(Event::Departed { site: departure.body.member });
                }
                Notice::Rotated(rotation) => {
                    // Whoever goes on under another key does so with another process.
                    self.left |= rotation.body.old == self.us;
                    desk.tell(Event::Rotated { old: rotation.body.old, new: rotation.body.new });
                }
            }
            desk.persist(notice.into_entry(desk.now.date));
        }
        self.succeed(desk.now.date);
        let doubles = self.roster.iter().flat_map(Roster::double_admissions);
        doubles.for_each(|proof| desk.accuse(Bundle::DoubleAdmission(proof.clone().into())));
        Ok(!settled.is_empty())
    }

    /// Starts to leave: the caller lets leases end and settle first.
    pub(crate) fn start_leaving(&mut self, desk: &Desk, id: u64) -> Result<(), String> {
        if self.roster().is_none() {
            return Err(String::from("this site is in no mesh; there is nothing to leave"));
        }
        if desk.is_silent() {
            return Err(silent());
        }
        if self.leaving.is_some() {
            return Err(String::from("this site is leaving already; wait for its leases to settle"));
        }
        self.leaving = Some(Leaving { id, until: desk.in_(crate::limits::LEAVE_PATIENCE) });
        Ok(())
    }

    /// The wish to leave, if there is one.
    pub(crate) fn leaving(&self) -> Option<Leaving> {
        self.leaving
    }

    /// Leaves for good: in the ledger first, then said to all.
    pub(crate) fn leave(&mut self, desk: &mut Desk) {
        let (Some(mesh), Some(leaving)) = (self.mesh(), self.leaving) else { return };
        let Some(departure) = desk.sign(Departure { mesh, member: desk.id, date: desk.now.date }) else { return };
        desk.persist(Entry::Departed(departure.clone()));
        let told = Message::RosterTell(alloc::vec![Notice::Departed(departure.clone())]);
        for site in self.others(&desk.id) {
            desk.send(site, told.clone());
        }
        desk.broadcast(told);
        // So that whoever did not hear it now can be told it later.
        let _ = self.receive(Notice::Departed(departure));
        (self.left, self.leaving) = (true, None);
        desk.tell(Event::Answered { id: leaving.id, answer: Ok(Answer::Left) });
    }

    /// What a site that has left tells whoever comes: a crash or a bad link may have kept its departure from them, and they would keep
    /// a place for it for ever.
    pub(crate) fn farewell(&self) -> Option<Message> {
        self.departure_of(&self.us).filter(|_| self.left)
    }

    fn departure_of(&self, site: &SiteId) -> Option<Message> {
        let theirs = |notice: &&Notice| match notice {
            Notice::Departed(departure) => departure.body.member == *site,
            Notice::Rotated(rotation) => rotation.body.old == *site,
            Notice::Admitted(_) => false,
        };
        let notice = self.roster.as_ref()?.unknown_to(&[]).find(theirs)?;
        Some(Message::RosterTell(alloc::vec![notice.clone()]))
    }

    /// Whether a site may found or join: not twice, and never with a key that has left.
    fn may_enter(&self) -> Result<(), String> {
        if self.left {
            return Err(String::from("this site's key has left its mesh, which is final; start afresh with a new state directory"));
        }
        match self.roster() {
            Some(roster) => Err(format!("this site is in the mesh \"{}\" already; leave that first", roster.founding().body.name)),
            None => Ok(()),
        }
    }

    fn set_roster(&mut self, roster: Option<Roster>) {
        self.digest = roster.as_ref().map(Roster::digest);
        let founding = roster.as_ref().map(|roster| &roster.founding().body);
        self.minutes = founding.map(|founding| Minutes::new(founding.charter.clone(), founding.date));
        (self.buried, self.removed) = ((0, 0), Vec::new());
        self.register = Register::default();
        self.roster = roster;
    }

    /// Digests of what now counts, in an order in which it can be replayed.
    fn receive(&mut self, notice: Notice) -> Result<Vec<Digest>, &'static str> {
        let Some(roster) = self.roster.as_mut() else { return Ok(Vec::new()) };
        match roster.receive(notice) {
            Ok(Received::Settled(digests)) => {
                self.digest = Some(roster.digest());
                Ok(digests)
            }
            Ok(Received::Waiting | Received::Known) => Ok(Vec::new()),
            Err(overspill_governance::roster::RosterError::NotGood) => Err("a roster notice that is not valid"),
            Err(_) => Ok(Vec::new()),
        }
    }
}

/// The words for a site whose ledger failed.
pub(crate) fn silent() -> String {
    String::from("the ledger cannot be written, so nothing can be signed; mend the disk and restart the agent")
}

/// Shortens words that a peer sent, so that they fit a log line.
pub(crate) fn clip(words: &mut String) {
    words.retain(|letter| !letter.is_control());
    while words.len() > REASON_MAX {
        words.pop();
    }
}
