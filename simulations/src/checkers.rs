//! Who watches a world. Each checker knows one family of promises, believes nobody, and looks at what leaves a site, at what is durable,
//! and at what data planes really did.
//!
//! | family | file | looks |
//! |---|---|---|
//! | nobody signs twice, nothing is said before it is durable | [`forks`] | at every entry and message |
//! | who could show what was signed twice | [`witnesses`] | at every entry and message, where it arrives |
//! | no plan goes beyond caps and chains, no lease beyond credit | [`lease_caps`] | at every plan and entry |
//! | only signed bytes are served, and no longer than they may | [`signed_digests`] | at every guest |
//! | nothing private at a peer | [`private`] | at every stored object |
//! | one hop | [`one_hop`] | at every redirect |
//! | what a peer can make a site hold is bounded | [`bounds`] | from time to time |
//! | the honest are never punished, nor convicted | [`honest`] | at every event |
//! | no conviction is forgotten | [`convictions`] | at every entry and event |
//! | do no harm | [`harm`] | at every redirect and promise |
//! | no ERROR line | [`errors`] | at every event |
//! | service is never far ahead of receipts | [`exposure`] | at every guest |
//! | no two decisions of one epoch, nobody votes twice | [`vote_safety`] | at every entry and message |
//! | clearing: whoever moves, moves on both lines, once; nobody rules twice | [`clearing`] | at every entry and message, and at ledgers, at the end |
//! | demurrage is what the rules say, and of no day twice | [`demurrage`] | at every entry |
//! | credit is conserved | [`conservation`] | at ledgers, at the end |
//! | a claim is settled once | [`single_settlement`] | at ledgers, at the end |
//! | a ledger makes sense to a stranger | [`sense`] | at ledgers, at the end |
//! | service is paid | [`paid`] | at ledgers, at the end |
//! | who is who, whatever keys it had | [`keys`] | asked by the others |
//! | everything is as a model of few lines says | [`mod@reference`] | at ledgers and data planes, at the end |
//! | what was healed comes to rest | [`liveness`] | after healing |

use overspill_governance::{
    charter::Charter,
    digest::{Digest, ObjectDigest},
    entry::Entry,
    site::SiteId,
    time::Time,
    units::Bytes,
};
use overspill_protocol::{
    event::Event,
    io::Caps,
    message::Message,
    plan::{FillWanted, Plan},
};

use crate::server::Visit;

pub mod bounds;
pub mod clearing;
pub mod conservation;
pub mod convictions;
pub mod demurrage;
pub mod errors;
pub mod exposure;
pub mod forks;
pub mod harm;
pub mod honest;
pub mod keys;
pub mod lease_caps;
pub mod liveness;
pub mod one_hop;
pub mod paid;
pub mod private;
pub mod reference;
pub mod sense;
pub mod signed_digests;
pub mod single_settlement;
pub mod terms;
pub mod vote_safety;
pub mod witnesses;

/// All checkers that watch while a world runs; the others read the disks at its end.
#[derive(Debug, Clone, Default)]
pub struct Checkers {
    /// Nobody watches: for worlds in which only speed or traffic matters.
    pub blind: bool,
    forks: forks::Forks,
    votes: vote_safety::Votes,
    witnesses: witnesses::Witnesses,
    convictions: convictions::Convictions,
    lease_caps: lease_caps::LeaseCaps,
    signed: signed_digests::SignedDigests,
    private: private::Private,
    harm: harm::Harm,
    honest: honest::Honest,
    exposure: exposure::Exposure,
    clearing: clearing::Clearing,
    demurrage: demurrage::Demurrage,
    /// What really went out and was served, for the reference model.
    pub truth: reference::Truth,
    keys: keys::Keys,
    violations: Vec<String>,
}

/// Violations that are kept: the first ones tell.
const VIOLATIONS_KEPT: usize = 50;

impl Checkers {
    /// A site is made.
    pub fn on_site(&mut self, site: SiteId, caps: Caps) {
        self.honest.on_site(site);
        self.lease_caps.on_site(site, caps);
        self.exposure.on_site(site, caps);
    }

    /// A member may be accused: it behaves as no correct agent does, or its disk forgot what was durable.
    pub fn on_culprit(&mut self, site: SiteId) {
        self.honest.on_culprit(site);
    }

    /// The mesh's rules, once they are known.
    pub fn on_charter(&mut self, charter: &Charter) {
        self.exposure.on_charter(charter);
        self.lease_caps.on_charter(charter);
    }

    /// An entry becomes durable.
    pub fn on_entry(&mut self, site: SiteId, entry: &Entry) {
        if self.blind {
            return;
        }
        if let Entry::Founded(founding) = entry {
            self.on_charter(&founding.body.charter);
        }
        let is_whole = self.is_whole(&site);
        let differs = |before: &Digest, now: &Digest| is_whole || (before != now && self.witnesses.hold(&site, before));
        let sponsors_well = |sponsor: &SiteId| self.honest.is_honest(sponsor);
        self.violations.extend(self.forks.on_entry(site, entry, differs, sponsors_well));
        self.violations.extend(self.votes.on_entry(site, entry, differs));
        self.witnesses.on_entry(site, entry);
        self.convictions.on_entry(site, entry);
        self.violations.extend(self.clearing.on_entry(site, entry));
        self.violations.extend(self.demurrage.on_entry(site, entry));
        self.violations.extend(self.lease_caps.on_entry(site, entry, &self.keys));
        self.exposure.on_entry(site, entry);
        self.violations.extend(self.truth.on_entry(entry));
        self.harm.on_entry(site, entry);
        self.clip();
    }

    /// A correct machine has something sent.
    pub fn on_message(&mut self, site: SiteId, to: &SiteId, message: &Message, now: Time) {
        if self.blind {
            return;
        }
        self.violations.extend(self.forks.on_message(site, message));
        self.on_papers(site, message);
        self.violations.extend(self.clearing.on_message(site, message));
        self.violations.extend(self.harm.on_message(site, message, now));
        self.violations.extend(bounds::on_message(site, message));
        self.signed.on_message(site, message);
        self.private.on_message(site, to, message);
        self.clip();
    }

    /// A process hears something.
    pub fn on_heard(&mut self, site: SiteId, bytes: &[u8]) {
        if !self.blind {
            self.witnesses.on_heard(site, bytes);
        }
    }

    /// A correct machine tells the whole mesh.
    pub fn on_broadcast(&mut self, site: SiteId, message: &Message) {
        if !self.blind {
            self.violations.extend(self.forks.on_message(site, message));
            self.on_papers(site, message);
            self.clip();
        }
    }

    /// Papers of votes are told. Whoever signs two things hears the one that it did not write down from others, and passes it on.
    fn on_papers(&mut self, site: SiteId, message: &Message) {
        if self.honest.is_honest(&site) {
            self.violations.extend(self.votes.on_message(site, message));
        }
    }

    /// A plan is handed to a data plane; `local` is the site's own time.
    pub fn on_plan(&mut self, site: SiteId, plan: &Plan, local: Time) {
        if self.blind {
            return;
        }
        self.violations.extend(self.lease_caps.on_plan(site, plan));
        self.violations.extend(self.signed.on_plan(site, plan, local));
        self.violations.extend(one_hop::on_plan(site, plan));
        self.clip();
    }

    /// An object is to be moved into a helper's store.
    pub fn on_fetch(&mut self, site: SiteId, want: &FillWanted, from: &SiteId) {
        self.violations.extend(one_hop::on_fetch(site, want, from));
    }

    /// An object is in a helper's store.
    pub fn on_stored(&mut self, helper: SiteId, owner: SiteId, digest: ObjectDigest) {
        if !self.blind {
            self.violations.extend(self.private.on_stored(helper, owner, digest));
        }
    }

    /// Visitors are sent to a helper, which is down since some time, or not at all.
    pub fn on_sent(&mut self, visit: &Visit, down: Option<Time>, now: Time) {
        if self.blind {
            return;
        }
        self.violations.extend(one_hop::on_sent(visit));
        self.violations.extend(self.harm.on_sent(visit, down, now));
        self.truth.on_sent(visit);
        self.lease_caps.on_sent(visit);
        self.clip();
    }

    /// Guests were served.
    pub fn on_served(&mut self, visit: &Visit, digest: ObjectDigest, bytes: Bytes, now: Time) {
        if self.blind {
            return;
        }
        self.violations.extend(self.signed.on_served(visit, digest, (visit.sent, now)));
        self.violations.extend(self.exposure.on_served(visit, bytes));
        self.truth.on_served(visit, bytes);
        self.clip();
    }

    /// An object must not be served any more.
    pub fn on_purge(&mut self, owner: SiteId, old: ObjectDigest, now: Time) {
        self.signed.on_purge(owner, old, now);
    }

    /// A data plane said whether its own visitors want more than it can carry.
    pub fn on_pressure(&mut self, site: SiteId, pressed: bool, now: Time) {
        if !self.blind {
            self.harm.on_pressure(site, pressed, now);
        }
    }

    /// People are told something; `silent`: its ledger was made to fail.
    pub fn on_event(&mut self, site: SiteId, event: &Event, silent: bool, now: Time) {
        if self.blind {
            return;
        }
        self.violations.extend(errors::on_event(site, event, silent));
        self.violations.extend(self.honest.on_event(site, event));
        self.violations.extend(self.convictions.on_event(site, event));
        self.lease_caps.on_event(site, event);
        self.signed.on_event(event, now);
        self.clip();
    }

    /// An agent died: what it had not made durable is forgiven.
    pub fn on_death(&mut self, site: SiteId) {
        self.witnesses.on_death(site);
        self.forks.on_death(site);
        self.exposure.on_death(site);
        self.truth.on_death(site);
        self.harm.on_death(site);
    }

    /// A ledger takes no entries: its site may sign nothing until it begins anew.
    pub fn on_ledger_failed(&mut self, site: SiteId) {
        self.forks.on_ledger_failed(site);
    }

    /// A disk is gone, or an old copy of itself. Its site stays honest: what it signed before, and somebody holds, it must not sign otherwise.
    pub fn on_forgotten(&mut self, site: SiteId) {
        self.witnesses.on_forgotten(site);
        self.truth.on_forgotten(site);
        self.exposure.on_forgotten(site);
        self.lease_caps.on_forgotten(site);
    }

    /// A member goes on under a new key. Its old one is a tombstone; what was said and promised under it stays the member's.
    pub fn on_rotated(&mut self, old: SiteId, new: SiteId, caps: Caps) {
        self.on_site(new, caps);
        self.keys.rotate(old, new);
        self.honest.on_rotated(old, new);
        self.forks.on_rotated(old, new);
        self.witnesses.on_rotated(old, new);
        self.convictions.on_rotated(old, new);
        self.truth.on_rotated(old, new);
    }

    /// Whether a ledger is whole: nothing of it was ever lost.
    pub fn is_whole(&self, site: &SiteId) -> bool {
        self.truth.is_whole(site)
    }

    /// A promise was broken that the world itself sees.
    pub fn broken(&mut self, words: String) {
        self.violations.push(words);
        self.clip();
    }

    /// Promises that were broken so far, in words.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Whether nobody may hold anything against this member.
    pub fn is_honest(&self, site: &SiteId) -> bool {
        self.honest.is_honest(site)
    }

    fn clip(&mut self) {
        self.violations.truncate(VIOLATIONS_KEPT);
    }
}
