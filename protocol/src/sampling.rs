//! Samples: requests that are made as visitors make them, to see what a helper serves.
//!
//! Of the requests that an owner sends to a helper, the charter's share is added as samples, each behind as many tickets as chance has it. A sample
//! wants what visitors want, bears a ticket like theirs, and is counted and paid like theirs. Some the owner makes itself; the others it
//! hands to the members who are drawn to look at that helper in this hour ([`overspill_governance::testimony`]).
//!
//! | what came | what follows |
//! |---|---|
//! | the listed bytes | nothing |
//! | a signature against the manifest that it names | evidence |
//! | other bytes than the signature names, or none that the owner ever listed | the observer takes no help of that helper for a while; one who was drawn says so to all |
//! | most of the owner's last samples were turned away, too late or not answered | one breach, for the owner's own line |
//!
//! Whether nobody answers is held against a helper only while another one does answer.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    string::String,
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use overspill_governance::{
    digest::ObjectDigest,
    payword::LeaseId,
    site::{Signed, SiteId},
    testimony::{Testimonies, Testimony, auditors, turn_of},
    time::Time,
};

use crate::{
    bucket::Bucket,
    desk::Desk,
    io::Output,
    lease::owner::OwnerSide,
    limits::{
        PATH_MAX, SAMPLE_ASKS_BURST, SAMPLE_ASKS_PER_SECOND, SAMPLE_LIFETIME, SAMPLE_REACHED, SAMPLES_AT_ONCE, SAMPLES_FOR_OTHERS,
        SAMPLES_JUDGED, SAMPLES_TO_CONFIRM, TESTIMONIES_BURST, TESTIMONIES_PER_SECOND,
    },
    manifest::Manifest,
    membership::Membership,
    message::{Message, SampleAsk},
    observation::HotObject,
    partners::Partners,
    ticket::Ticket,
};

mod weigh;

pub use weigh::Answer;
pub(crate) use weigh::{Finding, Looked};

/// A request that the driver makes as a visitor's browser would, at the helper's public address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Comes back with the answer.
    pub number: u64,
    /// Whose content it is.
    pub owner: SiteId,
    /// Who serves it.
    pub helper: SiteId,
    /// Scheme and authority.
    pub base: String,
    /// Path and raw query as the owner keys them.
    pub path: String,
    /// The text of the ticket that goes with it.
    pub ticket: String,
    /// The owner's canonical scheme and authority: from there a visitor would come.
    pub referrer: String,
}

/// A sample under way.
#[derive(Debug, Clone)]
struct Open {
    looked: Looked,
    lease: LeaseId,
    since: Time,
    /// To whom its ticket is handed, if not to ourselves.
    auditor: Option<SiteId>,
}

/// How the last samples at one helper went.
#[derive(Debug, Clone, Default)]
struct Record {
    last: VecDeque<bool>,
    answered: Option<Time>,
}

/// What this site looks at, and what it has heard from others who look.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    /// The serial behind which each lease's next sample is taken.
    due: BTreeMap<LeaseId, u32>,
    open: BTreeMap<u64, Open>,
    number: u64,
    records: BTreeMap<SiteId, Record>,
    /// The last lists that visitors were sent out by: what one of them names was listed.
    listed: VecDeque<Arc<Manifest>>,
    asked: Bucket,
    gossip: Bucket,
    pub(crate) testimonies: Testimonies,
}

/// Lists of one's own that are remembered: they change at most twice a second, and a sample takes no longer than some seconds.
const LISTS_KEPT: usize = 16;

impl Sampler {
    pub(crate) fn new() -> Self {
        Self {
            due: BTreeMap::new(),
            open: BTreeMap::new(),
            number: 0,
            records: BTreeMap::new(),
            listed: VecDeque::new(),
            asked: Bucket::new(SAMPLE_ASKS_PER_SECOND, SAMPLE_ASKS_BURST, Time::ZERO),
            gossip: Bucket::new(TESTIMONIES_PER_SECOND, TESTIMONIES_BURST, Time::ZERO),
            testimonies: Testimonies::default(),
        }
    }

    /// Whether the gossip may tell one more testimony now.
    pub(crate) fn may_hear(&mut self, now: Time) -> bool {
        self.gossip.takes(now)
    }

    /// Takes the samples that are due, now that so many tickets have gone out.
    pub(crate) fn look(&mut self, desk: &mut Desk, membership: &Membership, partners: &Partners, owner: &OwnerSide, hot: &[HotObject]) {
        let Some((charter, manifest)) = membership.charter().zip(owner.publisher.manifest()) else { return };
        self.remember(&manifest);
        self.expire(desk.now.time);
        self.due.retain(|lease, _| owner.leases.contains_key(lease));
        for (lease, owned) in &owner.leases {
            let Some(live) = owned.live.as_ref().filter(|_| owned.terms.phase.is_live()) else { continue };
            let share = charter.sample_share.0;
            let due = *self.due.entry(*lease).or_insert_with(|| live.serial.saturating_add(gap(desk, share)));
            let helper = owned.terms.helper();
            if live.serial < due || owner.is_held_back(partners, owned, desk.now.time) {
                continue;
            }
            self.due.insert(*lease, live.serial.saturating_add(gap(desk, share)));
            if self.open.len() >= SAMPLES_AT_ONCE {
                continue;
            }
            let Some((path, body)) = wanted(desk, hot, &manifest) else { continue };
            let auditor = self.auditor(desk, membership, partners, &helper);
            let looked = Looked { mesh: manifest.mesh, owner: desk.id, helper, path, body };
            let number = self.open(looked, *lease, auditor, desk.now.time);
            if let Some(Open { looked, .. }) = self.open.get(&number) {
                desk.put(Output::Draw { number, lease: *lease, path: looked.path.clone() });
            }
        }
    }

    /// Who makes the next sample: this site, or one of those that are drawn and there, by chance.
    fn auditor(&self, desk: &mut Desk, membership: &Membership, partners: &Partners, helper: &SiteId) -> Option<SiteId> {
        let (roster, charter) = membership.roster().zip(membership.charter())?;
        let drawn = auditors(roster, helper, turn_of(desk.now.date), charter);
        let there: Vec<SiteId> = drawn.into_iter().filter(|site| *site != desk.id && partners.is_connected(site)).collect();
        there.get(below(desk, there.len() as u64 + 1) as usize).copied()
    }

    fn open(&mut self, looked: Looked, lease: LeaseId, auditor: Option<SiteId>, since: Time) -> u64 {
        self.number = self.number.wrapping_add(1);
        self.open.insert(self.number, Open { looked, lease, since, auditor });
        self.number
    }

    fn remember(&mut self, manifest: &Arc<Manifest>) {
        if self.listed.back().is_none_or(|last| last.generation != manifest.generation) {
            self.listed.push_back(manifest.clone());
            while self.listed.len() > LISTS_KEPT {
                self.listed.pop_front();
            }
        }
    }

    fn expire(&mut self, now: Time) {
        self.open.retain(|_, open| now.since(open.since) < SAMPLE_LIFETIME);
    }

    /// A ticket was drawn, or none could be: then no visitor would have been sent either.
    pub(crate) fn on_drawn(&mut self, desk: &mut Desk, membership: &Membership, side: &OwnerSide, number: u64, ticket: Option<String>) {
        let Some(open) = self.open.get(&number) else { return };
        let base = side.leases.get(&open.lease).and_then(|owned| owned.live.as_ref()).map(|live| live.base.clone());
        let Some((ticket, base)) = ticket.zip(base).filter(|_| open.looked.owner == desk.id) else {
            self.open.remove(&number);
            return;
        };
        let Looked { owner, helper, ref path, body, .. } = open.looked;
        if let Some(auditor) = open.auditor {
            desk.send(auditor, Message::SampleAsk(SampleAsk { helper, path: path.clone(), body, ticket }));
            self.open.remove(&number);
        } else {
            let (path, referrer) = (path.clone(), referrer(membership, &owner));
            desk.put(Output::Sample(Box::new(Sample { number, owner, helper, base, path, ticket, referrer })));
        }
    }

    /// An owner hands us a ticket. It is used if we are drawn to look at that helper, at the address that the helper itself tells.
    pub(crate) fn on_ask(
        &mut self,
        desk: &mut Desk,
        membership: &Membership,
        partners: &Partners,
        from: SiteId,
        ask: SampleAsk,
    ) -> Option<&'static str> {
        let SampleAsk { helper, path, body, ticket } = ask;
        if !path.starts_with('/') || path.len() > PATH_MAX || Ticket::from_text(&ticket).is_err() || [from, desk.id].contains(&helper) {
            return Some("a sample that cannot be made");
        }
        let (roster, charter) = membership.roster().zip(membership.charter())?;
        self.expire(desk.now.time);
        let is_drawn = auditors(roster, &helper, turn_of(desk.now.date), charter).contains(&desk.id);
        let base = partners.partner(&helper).filter(|partner| partner.proof.is_good()).and_then(|partner| partner.base_for(&from))?;
        if !is_drawn || self.open.len() >= SAMPLES_AT_ONCE + SAMPLES_FOR_OTHERS || !self.asked.takes(desk.now.time) {
            return None;
        }
        let looked = Looked { mesh: roster.mesh(), owner: from, helper, path: path.clone(), body };
        let number = self.open(looked, LeaseId([0; 8]), None, desk.now.time);
        desk.put(Output::Sample(Box::new(Sample {
            number,
            owner: from,
            helper,
            base,
            path,
            ticket,
            referrer: referrer(membership, &from),
        })));
        None
    }

    /// Before the owner sends nobody there any more, the drawn members who are there get tickets for what it found altered.
    pub(crate) fn confirm(&mut self, desk: &mut Desk, membership: &Membership, partners: &Partners, lease: LeaseId, looked: &Looked) {
        let Some((roster, charter)) = membership.roster().zip(membership.charter()) else { return };
        let drawn = auditors(roster, &looked.helper, turn_of(desk.now.date), charter);
        let us = desk.id;
        for auditor in drawn.into_iter().filter(|site| *site != us && partners.is_connected(site)) {
            for _ in 0..SAMPLES_TO_CONFIRM {
                let number = self.open(looked.clone(), lease, Some(auditor), desk.now.time);
                desk.put(Output::Draw { number, lease, path: looked.path.clone() });
            }
        }
    }

    /// A sample was answered, or not; tells under which lease who was looked at, and what it comes to.
    pub(crate) fn on_answer(&mut self, desk: &Desk, number: u64, answer: Option<&Answer>) -> Option<(LeaseId, Looked, Finding)> {
        let Open { looked, lease, .. } = self.open.remove(&number)?;
        let now = desk.now.time;
        let finding = looked.weigh(answer, &self.listed);
        if answer.is_some() {
            self.records.entry(looked.helper).or_default().answered = Some(now);
        }
        Some((lease, looked, finding))
    }

    /// Takes into account how a sample of our own went; tells whether most of the last ones went badly. The count begins anew then.
    pub(crate) fn judge(&mut self, helper: SiteId, finding: &Finding, now: Time) -> bool {
        let good = match finding {
            Finding::Good => true,
            Finding::TurnedAway | Finding::Late => false,
            Finding::Unanswered if self.others_answer(&helper, now) => false,
            _ => return false,
        };
        let record = self.records.entry(helper).or_default();
        record.last.push_back(good);
        while record.last.len() > SAMPLES_JUDGED {
            record.last.pop_front();
        }
        let bad = record.last.iter().filter(|good| !**good).count();
        let judged = record.last.len() >= SAMPLES_JUDGED && 2 * bad > SAMPLES_JUDGED;
        if judged {
            record.last.clear();
        }
        judged
    }

    /// Whether another helper than this answered a moment ago: then our own link is not to blame.
    fn others_answer(&self, helper: &SiteId, now: Time) -> bool {
        let mut others = self.records.iter().filter(|(site, _)| *site != helper);
        others.any(|(_, record)| record.answered.is_some_and(|at| now.since(at) < SAMPLE_REACHED))
    }

    /// Of a helper's last samples, how many quarters went badly.
    pub(crate) fn bad_quarters(&self, helper: &SiteId) -> usize {
        let record = self.records.get(helper).map(|record| &record.last).filter(|last| !last.is_empty());
        record.map_or(0, |last| last.iter().filter(|good| !**good).count() * 4 / last.len())
    }

    /// Forgets who is no partner any more.
    pub(crate) fn retain(&mut self, is_partner: impl Fn(&SiteId) -> bool) {
        self.records.retain(|site, _| is_partner(site));
    }

    /// What this site, if it is drawn, says of a response with other bytes than were signed.
    pub(crate) fn testimony(desk: &Desk, membership: &Membership, finding: &Finding) -> Option<Signed<Testimony>> {
        let Finding::Altered(Some((served, body))) = finding else { return None };
        let (roster, charter) = membership.roster().zip(membership.charter())?;
        let testimony = Testimony { auditor: desk.id, served: (**served).clone(), body: *body };
        let drawn = auditors(roster, &served.body.helper, testimony.turn(), charter).contains(&desk.id);
        desk.sign(testimony).filter(|signed| drawn && signed.body.is_well_formed())
    }
}

fn referrer(membership: &Membership, owner: &SiteId) -> String {
    membership.contact(owner).map(|(canonical, _)| String::from(canonical)).unwrap_or_default()
}

/// How many tickets stand before the next sample: on average the inverse of the share.
fn gap(desk: &mut Desk, share: u32) -> u32 {
    if share == 0 {
        return u32::MAX;
    }
    let most = 2 * 1_000 / u64::from(share);
    u32::try_from(1 + below(desk, most.max(1))).unwrap_or(u32::MAX)
}

fn below(desk: &mut Desk, bound: u64) -> u64 {
    u64::from_le_bytes(desk.draw()) % bound.max(1)
}

/// What the next visitor may want: each listed object by how often it is asked for.
fn wanted(desk: &mut Desk, hot: &[HotObject], manifest: &Manifest) -> Option<(String, ObjectDigest)> {
    let times = |object: &HotObject| 1 + object.wanted.0 / object.size.0.max(1);
    let fresh = |object: &&HotObject| {
        manifest.object(&object.path).is_some_and(|listed| listed.digest == object.digest && listed.fresh_until > desk.now.date)
    };
    let listed: Vec<(&HotObject, u64)> = hot.iter().filter(fresh).map(|object| (object, times(object))).collect();
    let all = listed.iter().map(|(_, times)| *times).fold(0, u64::saturating_add);
    let mut at = below(desk, all);
    listed.into_iter().find_map(|(object, times)| match at.checked_sub(times) {
        Some(left) => {
            at = left;
            None
        }
        None => Some((object.path.clone(), object.digest)),
    })
}

/// How long a sample may wait for its first byte before it counts as too late: who visits has turned away by then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
