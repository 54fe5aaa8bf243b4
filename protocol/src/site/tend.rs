//! What time itself asks for, one reason at a time.

use core::time::Duration;

use overspill_governance::{
    regard::Note,
    site::{Signed, SiteId},
};

use super::Site;
use crate::{
    event::Event,
    lease::{owner::crowd::Change, table::Phase},
    limits::{ADVERT_BUSY, ADVERT_CALM, BEAT_PAUSE, CHECKPOINT_PAUSE, LEASE_LOOK},
    message::{Beat, Generation, Message},
    timer::Reason,
};

impl Site {
    pub(super) fn on_wake(&mut self) {
        for reason in self.desk.timers.take_all_due(self.desk.now.time).into_iter().flatten() {
            self.tend(reason);
        }
    }

    fn tend(&mut self, reason: Reason) {
        match reason {
            Reason::Join => {
                self.membership.press_on(&mut self.desk);
                self.membership.on_prove_timer(&mut self.desk);
            }
            Reason::Stranger => self.strangers.on_time(&mut self.desk, |peer| self.membership.is_sponsor_of_ours(peer)),
            Reason::Dial => self.dial(),
            Reason::Advert => self.advertise(),
            Reason::Beat => self.beat(),
            Reason::Lease => self.tend_leases(),
            Reason::Checkpoint => self.helper.checkpoint(&mut self.desk),
            Reason::Settle => {
                let (desk, settle, mut ends, partners) = self.ends();
                settle.on_time(desk, &mut ends, partners);
            }
            // The plan is looked at after every input.
            Reason::Plan => {}
            Reason::Leave => self.tend_leaving(),
            Reason::Vote => self.council.tend(&mut self.desk, &mut self.membership),
            Reason::Clear => self.tend_rounds(),
            Reason::Acquaint => self.tend_acquaintance(),
        }
    }

    fn advertise(&mut self) {
        let busy = self.owner.crowd.is_on() || !self.owner.leases.is_empty() || !self.helper.leases.is_empty();
        let pause = if busy { ADVERT_BUSY } else { ADVERT_CALM };
        let offer = self.helper.offer(self.desk.now.date).filter(|_| self.membership.leaving().is_none());
        let load = self.owner.crowd.load_permille();
        let votes = self.council.digest(&self.membership);
        self.partners.advertise(&mut self.desk, &self.membership, pause, offer, load, votes);
        let (desk, settle, ends, partners) = self.ends();
        settle.ask_for_fades(desk, ends.around(partners));
    }

    /// Leases changed: look at them soon, keep beating, keep checkpoints, and let partners know what is left to offer.
    pub(super) fn tend_soon(&mut self) {
        self.desk.wake_in(Reason::Lease, LEASE_LOOK);
        self.desk.wake_in(Reason::Beat, BEAT_PAUSE);
        self.desk.wake_in(Reason::Checkpoint, CHECKPOINT_PAUSE);
        self.desk.wake_in(Reason::Settle, CHECKPOINT_PAUSE);
        self.desk.wake_in(Reason::Advert, ADVERT_BUSY);
    }

    fn tend_leases(&mut self) {
        if self.owner.crowd.on_time(self.desk.now.time) == Some(Change::Ended) {
            self.desk.tell(Event::CrowdEnded);
        }
        let leaving = self.membership.leaving().is_some();
        let release = !self.owner.crowd.is_on() || leaving;
        let lost = self.owner.on_time(&mut self.desk, &self.membership, &self.partners, release);
        let unpaid = self.helper.on_time(&mut self.desk, &self.membership, &self.partners, leaving);
        lost.into_iter().for_each(|helper| self.settle.note(&mut self.desk, helper, Note::Undelivered));
        unpaid.into_iter().for_each(|owner| self.settle.note(&mut self.desk, owner, Note::Unpaid));
        self.take_leases();
        if self.owner.crowd.is_on() || !self.owner.leases.is_empty() || !self.helper.leases.is_empty() {
            self.tend_soon();
        }
        if leaving {
            self.desk.wake_in(Reason::Leave, Duration::ZERO);
        }
    }

    /// Says "I am here" to the other end of every live lease.
    pub(super) fn beat(&mut self) {
        let asked = self.owner.leases.values().filter(|owned| owned.terms.phase == Phase::Asked).map(|owned| owned.terms.helper());
        let mut ends: alloc::vec::Vec<SiteId> = self.owner.helpers().into_iter().chain(asked).chain(self.helper.owners()).collect();
        ends.sort_unstable();
        ends.dedup();
        if ends.is_empty() {
            return;
        }
        self.desk.wake_in(Reason::Beat, BEAT_PAUSE);
        let generation = self.owner.publisher.generation(&self.desk);
        for partner in ends {
            self.beat_to(partner, generation.clone());
        }
    }

    /// Says to one partner what is held with it.
    pub(super) fn beat_to(&mut self, partner: SiteId, generation: Option<Signed<Generation>>) {
        let owned = self.owner.leases.iter().filter(|(_, owned)| owned.terms.helper() == partner && owned.terms.phase <= Phase::Held);
        let beat = Beat {
            owned: owned.map(|(id, _)| *id).collect(),
            hosted: self
                .helper
                .live_with(&partner)
                .filter(|_| !self.helper.withholds(&partner, self.desk.now.date))
                .map(|(id, _)| *id)
                .collect(),
            generation: generation.filter(|_| self.owner.live_with(&partner).next().is_some()),
            holds: self.helper.shelves.get(&partner).map_or(0, |shelf| shelf.manifest().generation),
        };
        self.desk.send(partner, Message::Beat(beat));
    }

    /// Claims at once when much is unsettled, so that a helper does not have to stop at its cap.
    pub(super) fn settle_if_pressing(&mut self) {
        let Some(cap) = self.membership.charter().map(|charter| charter.unsettled_cap) else { return };
        let pressing = self.helper.leases.values().any(|guest| guest.claiming.tries == 0 && guest.unsettled().0 >= cap.0 / 2);
        if pressing {
            let (desk, settle, mut ends, partners) = self.ends();
            settle.on_time(desk, &mut ends, partners);
        }
    }

    /// Leaves once nothing is open, or patience is over.
    fn tend_leaving(&mut self) {
        let Some(leaving) = self.membership.leaving() else { return };
        // Who has left before us answers nothing any more.
        let waits = |partner: &SiteId| !self.membership.has_left(partner);
        let pending = self.settle.lines.iter().any(|(partner, account)| account.line.pending().is_some() && waits(partner));
        let open = !self.owner.leases.is_empty() || !self.helper.leases.is_empty() || pending || self.settle.rounds.count() > 0;
        if open && self.desk.now.time < leaving.until {
            self.desk.wake_in(Reason::Leave, LEASE_LOOK);
            return;
        }
        if open {
            self.desk.tell(Event::Warned { reason: "left with service unsettled: the partners did not settle in time" });
        }
        self.membership.leave(&mut self.desk);
        self.on_roster_changed();
    }
}
