//! The sampled exchange of adverts: partners tell of some of their partners, so that each site hears of members whom it does not know,
//! at a cost that does not grow with the mesh.
//!
//! What is told is what its site signed, so that a teller can leave out and not make up; half of our places do not follow from it at all.

use alloc::vec::Vec;

use overspill_governance::{
    site::{Signed, SiteId},
    time::SKEW_MAX,
};

use super::{Partner, Partners, spare};
use crate::{
    advert::{Advert, AdvertError, Heard},
    desk::Desk,
    limits::{ADVERTS_PAUSE, ADVERTS_TOLD, OFFER_LIFETIME},
    membership::Membership,
    message::Message,
    timer::Reason,
};

impl Partners {
    /// Asks one partner, drawn by lot, of whom it knows.
    pub(crate) fn ask_around(&mut self, desk: &mut Desk) {
        if !self.choice.is_to_choose {
            return;
        }
        let pause = desk.jittered(ADVERTS_PAUSE);
        desk.wake_in(Reason::Acquaint, pause);
        let there: Vec<SiteId> = self.all.iter().filter(|(_, partner)| partner.connected).map(|(site, _)| *site).collect();
        let Some(asked) = draw(desk, &there).copied() else { return };
        if let Some(partner) = self.all.get_mut(&asked) {
            partner.adverts_asked = Some(desk.now.time);
            desk.send(asked, Message::AdvertsAsk(()));
        }
    }

    /// Answers a partner that asks of whom we know, not more often than we would ask: with some of those who are here, drawn by lot.
    pub(crate) fn on_adverts_ask(&mut self, desk: &mut Desk, from: SiteId) {
        let now = desk.now.time;
        let Some(partner) = self.all.get_mut(&from) else { return };
        if partner.adverts_told.is_some_and(|at| now < at.after(ADVERTS_PAUSE / 2)) {
            return;
        }
        partner.adverts_told = Some(now);
        let fresh =
            |partner: &Partner| partner.connected && partner.heard.as_ref().is_some_and(|heard| now.since(heard.at.time) <= OFFER_LIFETIME);
        let mut there: Vec<SiteId> =
            self.all.iter().filter(|(site, partner)| **site != from && fresh(partner)).map(|(site, _)| *site).collect();
        let mut told = Vec::new();
        while told.len() < ADVERTS_TOLD {
            let Some(drawn) = draw(desk, &there).copied() else { break };
            there.retain(|site| *site != drawn);
            told.extend(self.all.get(&drawn).and_then(|partner| partner.heard.as_ref()).map(Heard::signed));
        }
        desk.send(from, Message::AdvertsTell(told));
    }

    /// Takes what a partner tells of others. What is wrong with it is returned for its manners; what is merely late, or of no use, is left out.
    pub(crate) fn on_adverts_tell(
        &mut self,
        desk: &Desk,
        membership: &Membership,
        from: &SiteId,
        told: Vec<Signed<Advert>>,
    ) -> Option<&'static str> {
        let (now, mesh, teller) = (desk.now, membership.mesh()?, self.all.get_mut(from)?);
        // Nobody asked, or not any more.
        let asked = teller.adverts_asked.take()?;
        teller.away = Some(now.time.since(asked));
        if told.len() > ADVERTS_TOLD {
            return Some("more adverts than there may be");
        }
        for signed in told {
            let site = signed.body.site;
            if site == desk.id || self.choice.is_sought(&site) || !membership.is_welcome(&site) {
                continue;
            }
            match Heard::check(signed, site, mesh, None, now) {
                // Where all places are taken nobody is to knock: a large member would be dialled by everybody who hears of it.
                Ok(heard) if heard.advert.places > 0 && now.date.since(heard.advert.date) <= OFFER_LIFETIME + SKEW_MAX => {
                    self.choice.prospects.hear(site, spare::of(&heard.advert, membership.is_https()), now.time);
                }
                Ok(_) | Err(AdvertError::Old | AdvertError::Skewed { .. }) => {}
                Err(AdvertError::Foreign) => return Some("another mesh's advert, passed on"),
                Err(AdvertError::Unsigned) => return Some("an advert passed on that its site did not sign"),
                Err(AdvertError::Oversized) => return Some("an advert passed on beyond its bounds"),
            }
        }
        None
    }
}

fn draw<'a>(desk: &mut Desk, among: &'a [SiteId]) -> Option<&'a SiteId> {
    let drawn = u64::from_le_bytes(desk.draw()).checked_rem(among.len() as u64)?;
    among.get(drawn as usize)
}
