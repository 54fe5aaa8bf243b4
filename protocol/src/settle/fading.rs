//! Demurrage: the higher end of a line asks for the day's share, the lower end proposes it.
//!
//! A proposal cannot be taken back, so the lower end proposes no day that was not asked for, by either's clock and rules. What is asked is
//! asked again with the adverts, until the day was taken or is over: a day that was missed is not made up for.

use alloc::vec::Vec;

use overspill_governance::{
    line::{Fade, Step},
    site::SiteId,
    time::Date,
    units::{Credit, Millionths},
};

use super::{Settle, account::Account, clearing::Around};
use crate::{desk::Desk, membership::Membership, message::Message};

/// Which share of a balance fades on a day, by the rules in force as it begins.
fn rate_on(membership: &Membership, day: u32) -> Option<Millionths> {
    Some(membership.minutes()?.in_force(Date::of_day(day)).demurrage)
}

impl Settle {
    /// As higher end: asks for today's demurrage wherever it is not taken yet.
    pub(crate) fn ask_for_fades(&mut self, desk: &mut Desk, around: Around<'_>) {
        // Who is silent could not sign what it gets proposed.
        if desk.is_silent() {
            return;
        }
        let day = desk.now.date.day();
        let fade = Fade { day, rate: rate_on(around.membership, day).unwrap_or_default() };
        let is_due = |(partner, account): &(&SiteId, &Account)| {
            !account.line.is_low() && around.partners.is_connected(partner) && self.has_room_for(around, **partner, &fade)
        };
        let due: Vec<SiteId> = self.lines.iter().filter(is_due).map(|(partner, _)| *partner).collect();
        for partner in due {
            if let Some(account) = self.lines.account_mut(&partner) {
                account.fading = Some(fade);
                desk.send(partner, Message::FadeAsk(fade));
            }
        }
    }

    /// As lower end: proposes a day's demurrage, if it is one by our clock and rules too.
    pub(crate) fn on_fade_ask(&mut self, desk: &mut Desk, around: Around<'_>, from: SiteId, fade: Fade) {
        let agrees = fade.day == desk.now.date.day() && rate_on(around.membership, fade.day) == Some(fade.rate);
        if agrees && self.has_room_for(around, from, &fade) && !desk.is_silent() {
            self.propose_step(desk, around.membership, &from, Step::Fade(fade));
        }
    }

    /// Whether a day's share of a balance can be taken: it comes to something, and no open lease counts on it.
    fn has_room_for(&self, around: Around<'_>, partner: SiteId, fade: &Fade) -> bool {
        let Some(Account { line, .. }) = self.lines.account(&partner) else { return false };
        let takes = line.state().fading(fade.rate).abs();
        let debtor = if line.balance() > Credit::ZERO { partner } else { around.membership.us() };
        let is_due = line.state().faded < fade.day && takes > Credit::ZERO && takes <= self.spare(around, partner, debtor);
        is_due && around.membership.is_member(&partner) && self.lines.may_sign(&partner)
    }

    /// Whether, as higher end, we sign for a day's demurrage: what we have asked for, and what the rules say; more of it when it is we who owe.
    pub(super) fn may_fade(&self, desk: &Desk, membership: &Membership, from: &SiteId, fade: &Fade) -> bool {
        let Some(account) = self.lines.account(from) else { return false };
        let owes = account.line.balance() < Credit::ZERO;
        let lawful = fade.day <= desk.now.date.day() && (owes || rate_on(membership, fade.day).is_some_and(|rate| fade.rate <= rate));
        lawful || account.fading == Some(*fade)
    }
}
