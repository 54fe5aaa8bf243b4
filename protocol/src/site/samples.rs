//! Routing of samples: what they come to for this site, and what drawn members say to all.

use alloc::{vec, vec::Vec};

use overspill_governance::{
    regard::Note,
    site::{Signed, SiteId},
    testimony::{Heard, Testimony},
};

use super::Site;
use crate::{
    event::Event,
    limits::TESTIMONIES_TOLD,
    message::Message,
    sampling::{Answer, Finding, Sampler},
};

impl Site {
    /// A sample has ended.
    pub(super) fn on_sampled(&mut self, number: u64, answer: Option<&Answer>) {
        let Some((lease, looked, finding)) = self.sampler.on_answer(&self.desk, number, answer) else { return };
        let (helper, owner, now) = (looked.helper, looked.owner, self.desk.now.time);
        if owner == self.desk.id && self.sampler.judge(helper, &finding, now) {
            self.settle.note(&mut self.desk, helper, Note::Unhelpful);
        }
        let said = Sampler::testimony(&self.desk, &self.membership, &finding);
        match finding {
            Finding::Altered(_) => {
                self.desk.tell(Event::Altered { helper, owner });
                if owner == self.desk.id {
                    self.sampler.confirm(&mut self.desk, &self.membership, &self.partners, lease, &looked);
                }
                self.settle.note(&mut self.desk, helper, Note::Altered);
            }
            Finding::Contradiction(bundle) => {
                self.settle.note(&mut self.desk, helper, Note::Altered);
                self.desk.accuse(bundle);
            }
            Finding::Good | Finding::Late | Finding::TurnedAway | Finding::Unanswered | Finding::Unclear => {}
        }
        if let Some(testimony) = said
            && self.hear_testimony(testimony.clone()) == Some(Heard::New)
        {
            self.desk.broadcast(Message::Testify(vec![testimony]));
        }
    }

    /// A partner tells what drawn members said.
    pub(super) fn on_testify(&mut self, from: SiteId, testimonies: Vec<Signed<Testimony>>) -> Option<&'static str> {
        let now = self.desk.now.time;
        for testimony in testimonies.into_iter().take(TESTIMONIES_TOLD) {
            if !self.partners.partner_mut(&from).is_some_and(|partner| partner.papers.takes(now)) {
                break;
            }
            if self.hear_testimony(testimony) == Some(Heard::NotGood) {
                return Some("a testimony that is not valid");
            }
        }
        None
    }

    /// Takes testimonies from the gossip: nobody is to blame for what is wrong with them.
    pub(super) fn on_testimonies_gossiped(&mut self, testimonies: Vec<Signed<Testimony>>) {
        for testimony in testimonies {
            if !self.sampler.may_hear(self.desk.now.time) {
                return;
            }
            let _ = self.hear_testimony(testimony);
        }
    }

    /// Takes a testimony from anywhere.
    pub(super) fn hear_testimony(&mut self, testimony: Signed<Testimony>) -> Option<Heard> {
        let (auditor, helper) = (testimony.body.auditor, testimony.body.served.body.helper);
        let (roster, charter) = self.membership.roster().zip(self.membership.charter())?;
        let heard = self.sampler.testimonies.hear(testimony, roster, self.desk.now.date, charter);
        if heard == Heard::New {
            self.desk.tell(Event::Testified { auditor, helper });
            self.weigh_testimonies();
        }
        Some(heard)
    }

    /// A partner that was away is told all that matters: gossip is not repeated.
    pub(super) fn tell_testimonies(&mut self, peer: SiteId) {
        if let Some(charter) = self.membership.charter() {
            self.sampler.testimonies.forget(self.desk.now.date, charter);
        }
        let all: Vec<Signed<Testimony>> = self.sampler.testimonies.iter().cloned().collect();
        for told in all.chunks(TESTIMONIES_TOLD) {
            self.desk.send(peer, Message::Testify(told.to_vec()));
        }
    }

    /// Works out anew who is suspended, as somebody spoke or members came or went.
    pub(super) fn weigh_testimonies(&mut self) {
        let Some((roster, charter)) = self.membership.roster().zip(self.membership.charter()) else { return };
        let (now, testimonies) = (self.desk.now.date, &self.sampler.testimonies);
        let until = |helper: SiteId| Some((helper, testimonies.suspended(&helper, roster, now, charter)?));
        let suspended = testimonies.helpers().into_iter().filter_map(until).collect();
        let before = core::mem::replace(&mut self.suspended, suspended);
        for (helper, until) in self.suspended.iter().filter(|(helper, until)| before.get(helper) != Some(until)) {
            self.desk.tell(Event::Suspended { helper: *helper, until: *until });
        }
    }

    /// Of whom no help is taken begins and ends by the calendar.
    pub(super) fn avoid(&mut self) {
        let Self { suspended, settle, membership, partners, desk, .. } = self;
        let date = desk.now.date;
        suspended.retain(|_, until| date < *until);
        partners.avoid(|site| suspended.contains_key(site) || settle.lines.avoided(membership, site, date).is_some());
    }
}
