//! Partners: the members with whom we talk, whether they are there, what they state and how they behave.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::time::Duration;

use overspill_governance::{
    digest::Digest,
    planted,
    site::{Signed, SiteId},
    time::{SKEW_MAX, Time},
};

use crate::{
    advert::{Advert, AdvertError, Heard, Offer},
    bucket::Bucket,
    desk::Desk,
    event::Event,
    io::{Config, GuestAddress, Output},
    limits::{
        ADVERT_CALM, ADVERTS_PAUSE, CONNECTION_BRIEF, DIAL_COURTESY, DIALS_MAX, OFFER_LIFETIME, PAPERS_BURST, PAPERS_PER_SECOND,
        PARTNERS_INBOUND_MAX,
    },
    membership::Membership,
    message::Message,
    timer::Reason,
};

mod acquaint;
pub(crate) mod choice;
pub(crate) mod dial;
pub(crate) mod manners;
pub(crate) mod merit;
pub(crate) mod proof;
mod prospects;
mod spare;

use choice::{Choice, Place};
use dial::Dial;
use manners::Manners;
use proof::Proof;
use spare::Spare;

/// One partner as this process knows it. Nothing of it is remembered across a restart.
#[derive(Debug, Clone)]
pub(crate) struct Partner {
    /// Whether a connection is up.
    pub(crate) connected: bool,
    /// When anything was last heard.
    pub(crate) last_heard: Time,
    /// The last advert.
    pub(crate) heard: Option<Heard>,
    /// What is known of its host name.
    pub(crate) proof: Proof,
    /// What is known of the host name under which it would serve our visitors.
    pub(crate) guest_proof: Proof,
    /// That name with its scheme, as its last advert has it.
    guest_base: Option<String>,
    /// When it was last asked for its roster.
    pub(crate) roster_asked: Option<Time>,
    /// When it was last asked for papers of votes.
    pub(crate) papers_asked: Option<Time>,
    /// When its own question was last answered.
    pub(crate) papers_told: Option<Time>,
    /// How many papers it may tell.
    pub(crate) papers: Bucket,
    /// When a beat of it was last answered out of turn.
    pub(crate) beat_answered: Option<Time>,
    /// What it had to spare.
    pub(crate) spare: Option<Spare>,
    /// When it was last asked of whom it knows, if it has not answered.
    adverts_asked: Option<Time>,
    /// When its own question was last answered.
    adverts_told: Option<Time>,
    /// How long it took to answer the last question.
    pub(crate) away: Option<Duration>,
    /// How it behaves.
    pub(crate) manners: Manners,
    /// No help is taken of it for now: it served altered files.
    pub(crate) avoided: bool,
    dial: Dial,
    /// Since when the connection stands, and how many before it were brief, in a row.
    standing: Time,
    brief: u32,
    skewed: bool,
}

/// All partners, and our own adverts to them.
#[derive(Debug, Clone)]
pub(crate) struct Partners {
    all: BTreeMap<SiteId, Partner>,
    /// Whom of them we sought.
    pub(crate) choice: Choice,
    canonical: String,
    addresses: Vec<String>,
    guest_suffix: String,
    sequence: u64,
    advertised: Option<Time>,
}

impl Partners {
    pub(crate) fn new(config: &Config) -> Self {
        let (canonical, addresses) = (config.canonical.clone(), config.addresses.clone());
        let guest_suffix = config.guest.as_ref().map_or_else(String::new, |guest| guest.suffix.clone());
        Self { all: BTreeMap::new(), choice: Choice::default(), canonical, addresses, guest_suffix, sequence: 0, advertised: None }
    }

    /// Takes up members that are not known yet, and drops those who left. Those to whom we are `bound` come first, then those with whom
    /// our lines were `used`.
    pub(crate) fn sync(&mut self, desk: &mut Desk, membership: &Membership, bound: Vec<SiteId>, used: Vec<SiteId>) {
        self.all.retain(|site, _| membership.is_welcome(site));
        let mut others = membership.others(&desk.id);
        others.retain(|site| membership.is_welcome(site));
        self.choice.sync(&desk.id, others, bound.iter().chain(&used).copied(), desk.now.time);
        for site in self.choice.sought().chain(bound.iter().filter(|site| membership.is_welcome(site))) {
            if self.all.len() < PARTNERS_INBOUND_MAX || self.choice.is_sought(site) {
                self.all.entry(*site).or_insert_with(|| Partner::new(*site, desk));
            }
        }
        desk.wake_in(Reason::Dial, Duration::ZERO);
        if self.choice.is_to_choose {
            desk.wake_in(Reason::Acquaint, ADVERTS_PAUSE);
        }
    }

    /// Forgets who is gone, whom we do not seek, and to whom nothing binds us; a ban is remembered.
    pub(crate) fn forget(&mut self, now: Time, is_bound: impl Fn(&SiteId) -> bool) {
        let choice = &self.choice;
        self.all.retain(|site, partner| partner.connected || choice.is_sought(site) || partner.manners.is_banned(now) || is_bound(site));
    }

    /// One partner.
    pub(crate) fn partner(&self, site: &SiteId) -> Option<&Partner> {
        self.all.get(site)
    }

    /// How somebody came to be a partner.
    pub(crate) fn place(&self, site: &SiteId) -> Place {
        self.choice.place(site)
    }

    /// One partner, to be changed.
    pub(crate) fn partner_mut(&mut self, site: &SiteId) -> Option<&mut Partner> {
        self.all.get_mut(site)
    }

    /// All partners, in the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SiteId, &Partner)> {
        self.all.iter()
    }

    /// Takes note of whom no help is taken for now.
    pub(crate) fn avoid(&mut self, is_avoided: impl Fn(&SiteId) -> bool) {
        self.all.iter_mut().for_each(|(site, partner)| partner.avoided = is_avoided(site));
    }

    /// Whether a connection to `site` is up.
    pub(crate) fn is_connected(&self, site: &SiteId) -> bool {
        self.all.get(site).is_some_and(|partner| partner.connected)
    }

    /// Whether `site`'s host name publishes its key, as far as we have seen.
    pub(crate) fn is_proved(&self, site: &SiteId) -> bool {
        self.all.get(site).is_some_and(|partner| partner.proof.is_good())
    }

    /// Takes note of a connection to a member, which may be one beyond the partners that we chose.
    pub(crate) fn on_connected(&mut self, desk: &mut Desk, site: SiteId) {
        let partner = self.all.entry(site).or_insert_with(|| Partner::new(site, desk));
        if partner.manners.is_banned(desk.now.time) {
            desk.put(Output::Hang { peer: site });
            return;
        }
        (partner.connected, partner.dial, partner.last_heard, partner.heard) = (true, Dial::Done, desk.now.time, None);
        partner.standing = desk.now.time;
        desk.tell(Event::PartnerUp { site });
        desk.wake_in(Reason::Dial, Duration::ZERO);
        desk.wake_in(Reason::Advert, Duration::ZERO);
        self.advertised = None;
    }

    /// Takes note that a partner is gone; it is dialled again soon, or later each time if its connections are brief.
    pub(crate) fn on_disconnected(&mut self, desk: &mut Desk, site: &SiteId) {
        let Some(partner) = self.all.get_mut(site).filter(|partner| partner.connected) else { return };
        partner.connected = false;
        let was_brief = desk.now.time.since(partner.standing) < CONNECTION_BRIEF;
        partner.brief = if was_brief { partner.brief.saturating_add(1) } else { 0 };
        // The first may be bad luck, as when both ends dialled each other.
        let penalty = partner.brief.checked_sub(2).map_or(Duration::ZERO, dial::backoff);
        let pause = desk.jittered(courtesy(&desk.id, site) + Duration::from_millis(200) + penalty);
        partner.dial = if planted!(DialsOnce) { Dial::Done } else { Dial::NotBefore { at: desk.in_(pause), failed: 0 } };
        desk.tell(Event::PartnerDown { site: *site, reason: "the connection is gone" });
        desk.wake_in(Reason::Dial, pause);
    }

    /// Takes note that a partner could not be reached; it is dialled again after a pause. A sponsor is dialled by the join's own timer.
    pub(crate) fn on_dial_failed(&mut self, desk: &mut Desk, site: &SiteId) {
        let Some(partner) = self.all.get_mut(site) else { return };
        if let Some(at) = partner.dial.fail(desk.now.time, |pause| desk.jittered(pause)) {
            desk.timers.set_by(Reason::Dial, at);
        }
    }

    /// Takes an advert; what is wrong with a refused one is returned for the sender's manners.
    pub(crate) fn on_advert(
        &mut self,
        desk: &mut Desk,
        membership: &Membership,
        from: SiteId,
        signed: Signed<Advert>,
    ) -> Option<&'static str> {
        let (mesh, partner) = (membership.mesh()?, self.all.get_mut(&from)?);
        match Heard::check(signed, from, mesh, partner.heard.as_ref(), desk.now) {
            Ok(heard) => {
                let guest_base = heard.advert.guest_base(&desk.id);
                if guest_base.is_some() && guest_base != partner.guest_base {
                    (partner.guest_base, partner.guest_proof) = (guest_base, Proof::Open { at: desk.now.time, failed: 0 });
                    desk.wake_in(Reason::Dial, Duration::ZERO);
                }
                partner.state_spare(spare::of(&heard.advert, membership.is_https()), desk.now.time);
                (partner.heard, partner.skewed) = (Some(heard), false);
                // Our calendar was ahead when we began anew. It is right now, as a partner's says the same: what we forgot is of before today.
                if desk.recovered().is_some_and(|date| date > desk.now.date.after(SKEW_MAX)) {
                    desk.begin_anew();
                }
                None
            }
            Err(AdvertError::Old) => None,
            Err(AdvertError::Skewed { offset_ms }) => {
                if !core::mem::replace(&mut partner.skewed, true) {
                    desk.tell(Event::ClocksApart { peer: from, offset_ms });
                }
                None
            }
            Err(AdvertError::Foreign) => Some("an advert about another site or mesh"),
            Err(AdvertError::Unsigned) => Some("an advert that its site did not sign"),
            Err(AdvertError::Oversized) => Some("an advert beyond its bounds"),
        }
    }

    /// Takes the answer to a proof.
    pub(crate) fn on_proved(&mut self, desk: &mut Desk, site: &SiteId, host: &str, good: bool) {
        if let Some(partner) = self.all.get_mut(site) {
            let guest = partner.guest_base.as_deref() == Some(host);
            let proof = if guest { &mut partner.guest_proof } else { &mut partner.proof };
            proof.answer(good, desk.now.time, |pause| desk.jittered(pause));
            if !proof.is_good() {
                desk.tell(Event::Unproven { peer: *site });
            }
        }
    }

    /// Dials who is due and asks for proofs that are due. Who is neither sought nor `is_bound` to us dials us, or nobody does.
    pub(crate) fn on_dial_timer(&mut self, desk: &mut Desk, membership: &Membership, is_bound: impl Fn(&SiteId) -> bool) {
        let now = desk.now.time;
        let mut under_way = self.all.values().filter(|partner| partner.dial.is_under_way()).count();
        let mut next: Option<Time> = None;
        for (site, partner) in &mut self.all {
            let Some((canonical, addresses)) = membership.contact(site) else { continue };
            let addresses = partner.heard.as_ref().map_or(addresses, |heard| &heard.advert.addresses);
            partner.dial.expire(now, |pause| desk.jittered(pause));
            if partner.manners.is_banned(now) {
                next = earlier(next, partner.manners.banned_until());
                continue;
            }
            // A member that named no address dials us.
            let wanted = self.choice.is_sought(site) || is_bound(site);
            let dial_due = partner.dial.due().filter(|_| wanted && !addresses.is_empty());
            if dial_due.is_some() && under_way < DIALS_MAX && partner.dial.starts(now) {
                under_way += 1;
                desk.put(Output::Dial { peer: *site, addresses: addresses.to_vec() });
            }
            if partner.connected && partner.proof.starts(now, |pause| desk.jittered(pause)) {
                desk.put(Output::Prove { site: *site, host: canonical.into() });
            }
            if let Some(base) = partner.guest_base.as_ref().filter(|_| partner.connected)
                && partner.guest_proof.starts(now, |pause| desk.jittered(pause))
            {
                desk.put(Output::Prove { site: *site, host: base.clone() });
            }
            if partner.connected {
                let guest_due = partner.guest_base.as_ref().map(|_| partner.guest_proof.due());
                next = earlier(earlier(next, Some(partner.proof.due())), guest_due);
            }
            next = earlier(next, dial_due.and_then(|_| partner.dial.due()));
        }
        if let Some(at) = next {
            // A dial that is due but found no room is looked at again soon, not at once.
            desk.timers.set_by(Reason::Dial, at.max(desk.in_(Duration::from_millis(50))));
        }
    }

    /// What we offer has changed for the better: partners hear of it at once.
    pub(crate) fn advertise_soon(&mut self, desk: &mut Desk) {
        self.advertised = None;
        desk.wake_in(Reason::Advert, Duration::ZERO);
    }

    /// Sends our advert to every connected partner if the last is older than `pause`.
    pub(crate) fn advertise(
        &mut self,
        desk: &mut Desk,
        membership: &Membership,
        pause: Duration,
        offer: Option<Offer>,
        load_permille: u16,
        votes: Digest,
    ) {
        let (Some(mesh), Some(roster)) = (membership.mesh(), membership.roster_digest()) else { return };
        let due = self.advertised.map_or(Time::ZERO, |at| at.after(pause));
        if due > desk.now.time {
            desk.timers.set_by(Reason::Advert, due);
            return;
        }
        self.advertised = Some(desk.now.time);
        desk.wake_in(Reason::Advert, pause.min(ADVERT_CALM));
        self.sequence = desk.now.date.as_millis().max(self.sequence + 1);
        let (canonical, addresses, guest_suffix) = (self.canonical.clone(), self.addresses.clone(), self.guest_suffix.clone());
        let (site, date, sequence) = (desk.id, desk.now.date, self.sequence);
        let places = u8::try_from(PARTNERS_INBOUND_MAX.saturating_sub(self.all.len())).unwrap_or(u8::MAX);
        let advert = Advert { mesh, site, date, sequence, canonical, addresses, offer, guest_suffix, places, load_permille, roster, votes };
        let Some(signed) = desk.sign(advert) else { return };
        for (site, _) in self.all.iter().filter(|(_, partner)| partner.connected) {
            desk.send(*site, Message::Advert(signed.clone()));
        }
    }
}

impl Partner {
    fn new(site: SiteId, desk: &mut Desk) -> Self {
        let now = desk.now.time;
        let pause = desk.jittered(courtesy(&desk.id, &site));
        Self {
            connected: false,
            last_heard: Time::ZERO,
            heard: None,
            proof: Proof::Open { at: now, failed: 0 },
            guest_proof: Proof::Open { at: now, failed: 0 },
            guest_base: None,
            roster_asked: None,
            papers_asked: None,
            papers_told: None,
            papers: Bucket::new(PAPERS_PER_SECOND, PAPERS_BURST, now),
            beat_answered: None,
            spare: None,
            adverts_asked: None,
            adverts_told: None,
            away: None,
            manners: Manners::new(now),
            avoided: false,
            dial: Dial::NotBefore { at: now.after(pause), failed: 0 },
            standing: Time::ZERO,
            brief: 0,
            skewed: false,
        }
    }

    /// Notes what it has to spare.
    fn state_spare(&mut self, spare: u64, now: Time) {
        match &mut self.spare {
            Some(known) => known.note(spare, now),
            None => self.spare = Some(Spare::first(spare, now)),
        }
    }

    /// The standing offer, if the partner is there, proved, with a clock like ours, and stated it lately.
    pub(crate) fn offer(&self, now: Time) -> Option<Offer> {
        let heard = self.heard.as_ref().filter(|heard| now.since(heard.at.time) <= OFFER_LIFETIME)?;
        let fit = self.connected
            && !self.skewed
            && !self.avoided
            && self.proof.is_good()
            && self.proved_base().is_some()
            && !self.manners.is_banned(now);
        heard.advert.offer.filter(|_| fit)
    }

    /// Where it would serve our visitors, if that name publishes its key.
    pub(crate) fn proved_base(&self) -> Option<&str> {
        self.guest_base.as_deref().filter(|_| self.guest_proof.is_good())
    }

    /// Where it would serve another owner's visitors, whether it offers anything at present or not.
    pub(crate) fn base_for(&self, owner: &SiteId) -> Option<String> {
        let (scheme, _) = self.guest_base.as_deref()?.split_once("://")?;
        let suffix = &self.heard.as_ref()?.advert.guest_suffix;
        (!suffix.is_empty()).then(|| GuestAddress { scheme: scheme.into(), suffix: suffix.clone() }.base(owner))
    }

    /// The partner's calendar minus ours, in milliseconds.
    pub(crate) fn clock_offset_ms(&self) -> i64 {
        self.heard.as_ref().map_or(0, Heard::clock_offset_ms)
    }

    /// Whether the partner's clock and ours are too far apart for anything dated.
    pub(crate) fn is_skewed(&self) -> bool {
        self.skewed
    }
}

/// The end with the higher key lets the other dial first.
fn courtesy(us: &SiteId, them: &SiteId) -> Duration {
    if us < them { Duration::ZERO } else { DIAL_COURTESY }
}

fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::{
        site::Key,
        time::{Date, Now},
    };

    #[test]
    fn whoever_hangs_up_on_us_again_and_again_is_dialled_less_and_less_often() {
        let now = Now { time: Time::ZERO, date: Date::from_millis(1_000_000) };
        let (mut desk, them) = (Desk::new(Key::from_seed([1; 32]), [2; 32], now), Key::from_seed([3; 32]).site());
        let (all, addresses) = (BTreeMap::new(), Vec::new());
        let (canonical, guest_suffix) = (String::new(), String::new());
        let choice = Choice::default();
        let mut partners = Partners { all, choice, canonical, addresses, guest_suffix, sequence: 0, advertised: None };
        let mut pause_after = |stands: Duration| {
            partners.on_connected(&mut desk, them);
            desk.now.time = desk.now.time.after(stands);
            partners.on_disconnected(&mut desk, &them);
            let due = partners.partner(&them).and_then(|partner| partner.dial.due()).unwrap();
            let pause = due.since(desk.now.time);
            desk.now.time = due;
            pause
        };
        let usual = DIAL_COURTESY + Duration::from_secs(1);
        assert!(pause_after(CONNECTION_BRIEF) < usual);
        assert!(pause_after(Duration::ZERO) < usual, "once is bad luck");
        let pauses: Vec<Duration> = (0..8).map(|_| pause_after(Duration::from_millis(10))).collect();
        assert!(pauses[0] < pauses[3] && pauses[3] < pauses[6] && pauses[7] > Duration::from_secs(15), "{pauses:?}");
        assert!(pause_after(CONNECTION_BRIEF) < usual, "one that stood for a while is believed again");
    }
}
