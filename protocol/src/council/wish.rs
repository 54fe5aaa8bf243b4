//! What a person wishes of a vote: to move, to second, to object.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use overspill_governance::{
    digest::Digest,
    docket::Paper,
    entry::Entry,
    limits::{KEEPS_MAX, LINK_BYTES_MAX, OBJECTION_BYTES_MAX},
    motion::{Change, Motion, Objection, Schedule, Second, is_link},
    site::{Signed, SiteId, Statement},
    standing::Standing,
    vote::Vote,
};

use super::Council;
use crate::{
    desk::Desk,
    event::Answer,
    io::{Keeps, Wish},
    membership::{Membership, silent},
};

/// The words for a site that is in no mesh.
fn no_mesh() -> String {
    String::from("this site is in no mesh; found one with `overspill init`, or join one")
}

impl Council {
    /// Moves a change: in the ledger before anybody hears of it.
    pub(crate) fn propose(&mut self, desk: &mut Desk, membership: &Membership, wish: Wish, discuss: String) -> Result<Answer, String> {
        let (mesh, minutes) = membership.mesh().zip(membership.minutes()).ok_or_else(no_mesh)?;
        let (rules, charter) = (minutes.of(desk.now.date).motion, minutes.in_force(desk.now.date));
        if self.docket.votes().any(|(vote, _)| vote.motion().body.mover == desk.id) {
            return Err(String::from("a motion of this site is open already; wait until that is decided"));
        }
        if !is_link(&discuss) {
            return Err(format!("say where it is discussed: an http or https address of at most {LINK_BYTES_MAX} letters"));
        }
        let change = match wish {
            Wish::Amend { parameter, to } => {
                let (_, from) = charter.get(&parameter).map_err(|error| error.to_string())?;
                charter.amended(&parameter, from, to).map_err(|error| error.to_string())?;
                Change::Amend { parameter, from, to }
            }
            Wish::Pardon { member } if membership.standing(&member) == Standing::Good => {
                return Err(String::from("nothing weighs on that site; `overspill judge --list` shows who was convicted"));
            }
            Wish::Pardon { member } => Change::Pardon { member },
            Wish::Remove { member, keeps } => Change::Remove { member, keeps: kept(membership, &member, keeps)? },
        };
        let body = Motion { mesh, mover: desk.id, rules, change, discuss, date: desk.now.date };
        let motion = desk.sign(body).ok_or_else(silent)?;
        let digest = motion.body.digest();
        let snapshot = Schedule::of(&motion.body, charter).snapshot;
        let has_voice = membership.roster().is_some_and(|roster| roster.members_on(snapshot).any(|site| site == desk.id));
        if !has_voice {
            return Err(String::from("this site has no voice yet: members have one ten minutes after they came in"));
        }
        let _ = self.take(desk, membership, Paper::Moved(motion.clone()));
        let (vote, _) = self.docket.vote(&digest).ok_or_else(|| String::from("too many motions are open; wait until some are decided"))?;
        let deadline = vote.schedule().deadline;
        self.log_first(desk, &digest);
        self.publish(desk, membership, Paper::Moved(motion));
        Ok(Answer::Moved { motion: digest, deadline })
    }

    /// Seconds a motion.
    pub(crate) fn second(&mut self, desk: &mut Desk, membership: &Membership, name: &str) -> Result<Answer, String> {
        let mesh = membership.mesh().ok_or_else(no_mesh)?;
        let (motion, ours, _) = self.named(name).map(|vote| (vote.digest(), vote.motion().body.mover == desk.id, ()))?;
        if ours {
            return Err(String::from("another member must second it"));
        }
        let second = desk.sign(Second { mesh, motion, seconder: desk.id }).ok_or_else(silent)?;
        self.enter(desk, membership, Entry::Seconded(second.clone()), Paper::Seconded(second), motion)
    }

    /// Objects to a motion, until its deadline.
    pub(crate) fn object(&mut self, desk: &mut Desk, membership: &Membership, name: &str, reason: String) -> Result<Answer, String> {
        let mesh = membership.mesh().ok_or_else(no_mesh)?;
        let vote = self.named(name)?;
        let (motion, deadline) = (vote.digest(), vote.schedule().deadline);
        if desk.now.date > deadline {
            return Err(format!("the time of objections was over on {deadline}"));
        }
        if vote.objections().any(|objection| objection.body.objector == desk.id) {
            return Err(String::from("this site objects to it already; an objection counts once"));
        }
        let objection: Signed<Objection> = desk.sign(Objection { mesh, motion, objector: desk.id, reason }).ok_or_else(silent)?;
        if !objection.is_good() {
            return Err(format!("give a reason in one line, of at most {OBJECTION_BYTES_MAX} bytes"));
        }
        self.enter(desk, membership, Entry::Objected(objection.clone()), Paper::Objected(objection), motion)
    }

    /// A paper of our own: into the docket, into the ledger after its motion, and to everybody.
    fn enter(&mut self, desk: &mut Desk, membership: &Membership, entry: Entry, paper: Paper, motion: Digest) -> Result<Answer, String> {
        match self.take(desk, membership, paper.clone()) {
            Ok(true) => {}
            // A second beside another's changes nothing for anybody.
            Ok(false) if matches!(paper, Paper::Seconded(_)) && self.is_seconded_without(desk.id, &motion) => {
                return Ok(Answer::Noted { motion });
            }
            _ => return Err(String::from("this site has no voice in this vote: it came in too shortly before")),
        }
        self.log_first(desk, &motion);
        if matches!(entry, Entry::Seconded(_)) {
            self.seconds.insert(motion);
        }
        desk.persist(entry);
        self.publish(desk, membership, paper);
        Ok(Answer::Noted { motion })
    }

    /// Whether somebody else seconded a motion in which this member has a voice.
    fn is_seconded_without(&self, us: SiteId, motion: &Digest) -> bool {
        self.docket.vote(motion).is_some_and(|(vote, electorate)| vote.seconded().is_some() && electorate.has_voice(&us))
    }

    /// The one open motion whose name begins with these digits.
    fn named(&self, name: &str) -> Result<&Vote, String> {
        let name = name.trim().to_ascii_lowercase();
        if name.is_empty() {
            return Err(String::from("say which motion, by the first digits of its name; `overspill vote list` shows those that are open"));
        }
        let mut fit = self.docket.votes().map(|(vote, _)| vote).filter(|vote| vote.digest().to_string().starts_with(&name));
        match (fit.next(), fit.next()) {
            (Some(vote), None) => Ok(vote),
            (Some(_), _) => Err(format!("more than one open motion begins with \"{name}\"; `overspill vote list` shows their names")),
            (None, _) => Err(format!("no open motion begins with \"{name}\"; `overspill vote list` shows those that are")),
        }
    }
}

/// Who stays of those that a member brought in and that belong now.
fn kept(membership: &Membership, member: &SiteId, keeps: Keeps) -> Result<Vec<SiteId>, String> {
    let roster = membership.roster().ok_or_else(no_mesh)?;
    if !roster.contains(member) {
        return Err(String::from("that site is no member; `overspill partners` shows those we talk to"));
    }
    let mut brought: Vec<_> = roster.members().filter(|brought| brought.sponsor.as_ref() == Some(member)).collect();
    brought.sort_by_key(|brought| (brought.since, brought.site));
    let mut kept: Vec<SiteId> = match keeps {
        Keeps::Unsaid if !brought.is_empty() => {
            return Err(format!("it brought in {}: say with --keep who of them stays, `all`, `none`, or names", brought.len()));
        }
        Keeps::Unsaid => Vec::new(),
        Keeps::All => brought.iter().take(KEEPS_MAX).map(|brought| brought.site).collect(),
        Keeps::These(sites) => sites,
    };
    kept.sort_unstable();
    kept.dedup();
    if let Some(other) = kept.iter().find(|site| brought.iter().all(|brought| brought.site != **site)) {
        return Err(format!("{other} was not brought in by that member, and stays in any case"));
    }
    if kept.len() > KEEPS_MAX {
        return Err(format!("a motion can name {KEEPS_MAX} members to stay"));
    }
    Ok(kept)
}
