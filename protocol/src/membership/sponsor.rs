//! The sponsor: makes invites, and countersigns each once, for a joiner whose host name publishes its key.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;

use overspill_governance::{
    digest::Digest,
    entry::Entry,
    invite::{Admission, Invite, Redeemed, token::Token},
    roster::{Notice, Roster},
    site::{Signed, SiteId, Statement},
    time::{Date, Time},
};

use super::{Membership, silent};
use crate::{
    desk::Desk,
    event::{Answer, Event},
    io::Output,
    limits::{INVITES_OPEN_MAX, PROVE_PATIENCE, PROVING_MAX, ROSTER_BATCH},
    message::{JoinDone, Message},
    timer::Reason,
};

/// Our invites and the joiners that use them now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Invites {
    /// Made by us, by digest.
    made: BTreeMap<Digest, Signed<Invite>>,
    /// Redeemed: which admission answered an invite.
    used: BTreeMap<Digest, Digest>,
    proving: BTreeMap<SiteId, Proving>,
    serial: u64,
}

/// A joiner whose host name is being looked at.
#[derive(Debug, Clone)]
struct Proving {
    redeemed: Redeemed,
    until: Time,
}

impl Invites {
    pub(crate) fn restore(&mut self, invite: Signed<Invite>) {
        self.serial = self.serial.max(invite.body.serial);
        self.made.insert(invite.body.digest(), invite);
    }

    pub(crate) fn use_up(&mut self, invite: Digest, admission: Digest) {
        self.used.entry(invite).or_insert(admission);
    }

    /// Invites that can still be redeemed.
    pub(crate) fn open(&self, now: Date) -> usize {
        self.made.iter().filter(|(digest, invite)| !self.used.contains_key(digest) && invite.body.expires >= now).count()
    }
}

impl Membership {
    /// Makes an invite: in the ledger before its token is shown.
    pub(crate) fn invite(&mut self, desk: &mut Desk, lifetime: Duration) -> Result<Answer, String> {
        let (Some(mesh), Some(charter)) = (self.mesh(), self.charter()) else {
            return Err(String::from("this site is in no mesh; found one with `overspill init`, or join one"));
        };
        let most = (charter.invites_per_member as usize).min(INVITES_OPEN_MAX);
        if self.invites.open(desk.now.date) >= most {
            return Err(format!("{most} invites are open already; wait until one is redeemed or expires"));
        }
        let longest = charter.invite_lifetime_max.span();
        if lifetime > longest || lifetime.is_zero() {
            return Err(format!("an invite lasts at most {} seconds by the charter; choose a shorter time", longest.as_secs()));
        }
        if self.addresses.is_empty() {
            return Err(String::from("this site names no address at which others reach its agent; set the mesh addresses first"));
        }
        let secret = desk.draw();
        let key = desk.key().ok_or_else(silent)?;
        let serial = self.invites.serial + 1;
        let token = Token::issue(key, mesh, self.addresses.clone(), desk.now.date.after(lifetime), serial, secret);
        let invite = token.invite();
        self.invites.restore(invite.clone());
        desk.persist(Entry::Invited(invite));
        Ok(Answer::Invited { token: token.to_text() })
    }

    /// Open invites, for the report.
    pub(crate) fn open_invites(&self, now: Date) -> usize {
        self.invites.open(now)
    }

    /// A joiner redeems one of our invites: refused in words, answered again, or looked at first.
    pub(crate) fn on_join_ask(&mut self, desk: &mut Desk, from: SiteId, redeemed: Redeemed) {
        let digest = redeemed.invite.body.digest();
        if let Some(done) = self.answered_before(&digest, &from) {
            desk.send(from, done);
            return;
        }
        if let Err(reason) = self.check(desk, from, &redeemed) {
            self.refuse(desk, from, reason);
            return;
        }
        if self.invites.proving.contains_key(&from) {
            return;
        }
        if self.invites.proving.len() >= PROVING_MAX {
            return self.refuse(desk, from, String::from("too many sites join at this moment; try again in a minute"));
        }
        let host = redeemed.redemption.canonical.clone();
        self.invites.proving.insert(from, Proving { redeemed, until: desk.in_(PROVE_PATIENCE) });
        desk.put(Output::Prove { site: from, host });
        desk.wake_in(Reason::Join, PROVE_PATIENCE);
    }

    /// The joiner's host name was looked at. Tells whether it was a joiner's, and the notice to spread when it was admitted.
    pub(crate) fn on_joiner_proved(&mut self, desk: &mut Desk, site: &SiteId, good: bool) -> Option<Option<Notice>> {
        let Proving { redeemed, .. } = self.invites.proving.remove(site)?;
        if !good {
            let host = &redeemed.redemption.canonical;
            let words = format!(
                "{host}/.well-known/overspill does not publish the joiner's key; start its agent behind that address, then join again"
            );
            self.refuse(desk, *site, words);
            return Some(None);
        }
        // The invite may have been used, or have expired, while the host was looked at.
        if let Err(reason) = self.check(desk, *site, &redeemed) {
            self.refuse(desk, *site, reason);
            return Some(None);
        }
        let Some(admission) = desk.sign(Admission::answering(&redeemed, desk.now.date)) else {
            self.refuse(desk, *site, String::from("the sponsor's ledger cannot be written; join again later"));
            return Some(None);
        };
        let notice = Notice::Admitted(admission.clone());
        if self.take_notice(desk, notice.clone()).is_err() || !self.is_member(site) {
            self.refuse(desk, *site, String::from("the mesh is full"));
            return Some(None);
        }
        self.invites.use_up(admission.body.invite, admission.body.digest());
        if let Some(done) = self.answered_before(&admission.body.invite, site) {
            desk.send(*site, done);
        }
        Some(Some(notice))
    }

    /// Gives up on proofs that take too long.
    pub(crate) fn on_prove_timer(&mut self, desk: &mut Desk) {
        let now = desk.now.time;
        let late: Vec<SiteId> = self.invites.proving.iter().filter(|(_, proving)| proving.until <= now).map(|(site, _)| *site).collect();
        for site in late {
            self.on_joiner_proved(desk, &site, false);
        }
        if let Some(at) = self.invites.proving.values().map(|proving| proving.until).min() {
            desk.timers.set_by(Reason::Join, at);
        }
    }

    /// Why a redemption is refused, in words for the person who pasted the token.
    fn check(&self, desk: &Desk, from: SiteId, redeemed: &Redeemed) -> Result<(), String> {
        let roster = self.roster().ok_or("the sponsor is in no mesh")?;
        let invite = redeemed.invite.body.digest();
        if redeemed.redemption.joiner != from {
            return Err(String::from("the redemption is another site's; run the join again"));
        }
        if self.invites.used.contains_key(&invite) {
            return Err(String::from("the invite was used already; ask the sponsor for a new token"));
        }
        if !self.invites.made.contains_key(&invite) {
            return Err(String::from("the invite is not one of this sponsor's; ask for a new token"));
        }
        redeemed.check(desk.now.date).map_err(|error| error.to_string())?;
        if roster.has_left(&from) {
            return Err(String::from("this key has left the mesh, which is final; join with a new state directory"));
        }
        if roster.contains(&from) {
            return Err(String::from("this site is a member already"));
        }
        Ok(())
    }

    /// The answer to an invite that `joiner` has redeemed before: it may not have come through.
    fn answered_before(&self, invite: &Digest, joiner: &SiteId) -> Option<Message> {
        let roster = self.roster()?;
        let Notice::Admitted(admission) = roster.notice(self.invites.used.get(invite)?)? else { return None };
        let ours = admission.body.member == *joiner;
        ours.then(|| {
            let notices = notices_for(roster, None, &admission.body.member);
            Message::JoinDone(JoinDone { founding: roster.founding().clone(), admission: admission.clone(), notices })
        })
    }

    fn refuse(&self, desk: &mut Desk, joiner: SiteId, reason: String) {
        desk.tell(Event::JoinerRefused { site: joiner, reason: reason.clone() });
        desk.send(joiner, Message::JoinRefused(reason));
    }
}

/// The chain of sponsors that a member's admission rests on, oldest first, and its own unless that is told apart; then as many other notices as
/// fit.
pub(super) fn notices_for(roster: &Roster, own: Option<&Digest>, member: &SiteId) -> Vec<Notice> {
    let mut chain: Vec<Notice> = own.and_then(|own| roster.notice(own)).cloned().into_iter().collect();
    let above = |of: &SiteId| {
        let member = roster.everybody().find(|member| member.site == *of)?;
        match roster.notice(&member.notice)? {
            Notice::Admitted(admission) => Some(admission.body.sponsor),
            Notice::Rotated(rotation) => Some(rotation.body.old),
            Notice::Departed(_) => None,
        }
    };
    let notice_of = |of: &SiteId| roster.everybody().find(|member| member.site == *of).and_then(|member| roster.notice(&member.notice));
    let mut next = above(member);
    while let Some(notice) = next.as_ref().and_then(notice_of) {
        next = next.as_ref().and_then(above);
        chain.push(notice.clone());
        if chain.len() >= ROSTER_BATCH / 2 {
            break;
        }
    }
    chain.reverse();
    let told = roster.member(member).map(|member| member.notice);
    let known: Vec<Digest> = chain.iter().map(Notice::digest).chain(told).collect();
    let room = ROSTER_BATCH - chain.len();
    chain.extend(roster.unknown_to(&known).take(room).cloned());
    chain
}
