//! When claims and proposals are sent: by the charter's window, by worth, at a lease's end, and again until answered.

use overspill_governance::{entry::Entry, payword::LeaseId, planted, site::SiteId, time::Time, units::Credit};

use super::{Ends, Settle, account::retry_pause};
use crate::{
    desk::Desk,
    lease::{
        helper::Guest,
        table::{Phase, Turn},
    },
    limits::{EMPTY_CLAIMS_MAX, SETTLE_RETRY_MIN},
    message::{ClaimAsk, ClaimMade, Message},
    partners::Partners,
    timer::Reason,
};

impl Settle {
    /// Sends what is due.
    pub(crate) fn on_time(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, partners: &Partners) {
        if desk.is_silent() {
            return;
        }
        let Some(charter) = ends.membership.charter() else { return };
        let half_cap = Credit(charter.unsettled_cap.0 / 2);
        let now = desk.now.time;
        let mut next: Option<Time> = None;
        let due: alloc::vec::Vec<(LeaseId, SiteId)> = ends
            .helper
            .leases
            .iter()
            .filter_map(|(id, guest)| {
                let at = due_at(guest, half_cap)?;
                let reachable = partners.is_connected(&guest.terms.owner()) && self.lines.may_sign(&guest.terms.owner());
                if at > now || !reachable {
                    next = earlier(next, at.max(now.after(SETTLE_RETRY_MIN)));
                    return None;
                }
                Some((*id, guest.terms.owner()))
            })
            .collect();
        for (lease, owner) in due {
            self.claim(desk, ends, lease, owner);
            next = earlier(next, now.after(SETTLE_RETRY_MIN));
        }
        for (partner, account) in self.lines.iter_mut() {
            let Some(proposal) = account.line.pending().cloned() else { continue };
            if account.again <= now && partners.is_connected(partner) && !planted!(ProposesOnce) {
                account.sent(now);
                desk.send(*partner, Message::Propose(proposal));
            }
            next = earlier(next, account.again.max(now.after(SETTLE_RETRY_MIN)));
        }
        next = self.ask_again(desk, ends, partners).into_iter().fold(next, earlier);
        next = ask_for_last_claims(desk, ends, partners).into_iter().fold(next, earlier);
        if let Some(at) = next {
            desk.timers.set_by(Reason::Settle, at);
        }
    }

    /// As helper: the owner wants to close its books on a lease. One that we do not know has earned nothing.
    pub(crate) fn on_claim_ask(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, from: SiteId, lease: LeaseId) {
        let Some(guest) = ends.helper.leases.get(&lease) else {
            desk.send(from, Message::Claim(ClaimMade { lease, claim: None, last: true }));
            return;
        };
        if guest.terms.owner() != from || !self.lines.may_sign(&from) {
            return;
        }
        if guest.terms.phase == Phase::Held {
            ends.helper.turn(desk, lease, Turn::Released);
        }
        // The owner hands out no more and has closed the lease for good: what was served so far is all there is.
        ends.helper.turn(desk, lease, Turn::Drained);
        self.claim(desk, ends, lease, from);
    }

    /// Claims what a lease has earned so far; the checkpoint is in the ledger before the claim leaves.
    fn claim(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, lease: LeaseId, owner: SiteId) {
        let Some(guest) = ends.helper.leases.get_mut(&lease) else { return };
        let empty = guest.terms.phase == Phase::Settling && guest.seen.serial == 0;
        if empty && guest.claiming.tries >= EMPTY_CLAIMS_MAX {
            // There is nothing to lose by closing it: an owner that asks later is told that nothing was served.
            ends.helper.turn(desk, lease, Turn::GivenUp);
            return;
        }
        if guest.seen != guest.saved {
            if !planted!(ClaimsUnwritten) {
                desk.persist(Entry::Taken(guest.seen));
            }
            guest.saved = guest.seen;
        }
        guest.claiming.due = desk.in_(retry_pause(guest.claiming.tries));
        guest.claiming.tries = guest.claiming.tries.saturating_add(1);
        let claim = (guest.saved.serial > 0).then_some(guest.saved);
        let last = guest.terms.phase == Phase::Settling;
        desk.send(owner, Message::Claim(ClaimMade { lease, claim, last }));
    }

    /// A partner is there again: what waits for it is sent at once.
    pub(crate) fn on_connected(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, partner: &SiteId) {
        if let Some(account) = self.lines.account_mut(partner) {
            account.refresh(desk.now.time);
        }
        for guest in ends.helper.leases.values_mut().filter(|guest| guest.terms.owner() == *partner && guest.claiming.tries > 0) {
            (guest.claiming.due, guest.claiming.tries) = (desk.now.time, 0);
        }
        desk.wake_in(Reason::Settle, core::time::Duration::ZERO);
    }
}

/// As owner: asks for the last claim of every lease that is over and of which none was heard; tells when to look again.
fn ask_for_last_claims(desk: &mut Desk, ends: &mut Ends<'_>, partners: &Partners) -> Option<Time> {
    let now = desk.now.time;
    let mut next = None;
    for (lease, owned) in &mut ends.owner.leases {
        let heard = owned.claimed.as_ref().is_some_and(|made| made.last);
        if owned.terms.phase != Phase::Settling || heard {
            continue;
        }
        let helper = owned.terms.helper();
        if owned.asking.at <= now && partners.is_connected(&helper) {
            owned.asking.at = now.after(retry_pause(owned.asking.tries + 2));
            owned.asking.tries = owned.asking.tries.saturating_add(1).min(16);
            desk.send(helper, Message::ClaimAsk(ClaimAsk { lease: *lease }));
        }
        next = earlier(next, owned.asking.at.max(now.after(SETTLE_RETRY_MIN)));
    }
    next
}

/// When a lease's next claim is due: never while nothing is owed, unless it is the last.
fn due_at(guest: &Guest, half_cap: Credit) -> Option<Time> {
    let unsettled = guest.unsettled();
    let pressing = unsettled >= half_cap && guest.claiming.tries == 0;
    match guest.terms.phase {
        Phase::Settling => Some(guest.claiming.due),
        Phase::Held | Phase::Draining if pressing => Some(Time::ZERO),
        Phase::Held | Phase::Draining if unsettled > Credit::ZERO => Some(guest.claiming.due),
        _ => None,
    }
}

pub(super) fn earlier(a: Option<Time>, b: Time) -> Option<Time> {
    Some(a.map_or(b, |a| a.min(b)))
}
