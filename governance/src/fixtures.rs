//! Meshes for tests of votes: small keys, small dates, any tree of sponsors.

use alloc::{string::ToString, vec, vec::Vec};
use core::time::Duration;

use crate::{
    ballot::{Ballot, Outcome, Stage},
    charter::Charter,
    digest::Digest,
    docket::Place,
    electorate::Electorate,
    invite::{Admission, Founding, Redeemed, token::Token},
    minutes::Minutes,
    motion::{Change, Motion, Objection, Schedule, Second},
    roster::{Notice, Roster},
    site::{Key, Signed, SiteId, Statement},
    time::Date,
};

/// When meshes of tests are founded; the first motion is made a day later.
pub(crate) const BEGINNING: Date = Date::from_millis(1_795_305_600_000);

pub(crate) fn later(seconds: u64) -> Date {
    BEGINNING.after(Duration::from_secs(seconds))
}

pub(crate) const DAY: u64 = 86_400;

pub(crate) fn key(site: u16) -> Key {
    let mut seed = [7; 32];
    [seed[0], seed[1]] = site.to_le_bytes();
    Key::from_seed(seed)
}

pub(crate) fn site(number: u16) -> SiteId {
    key(number).site()
}

pub(crate) fn charter() -> Charter {
    Charter::default()
}

pub(crate) fn founding() -> Signed<Founding> {
    let canonical = "https://site.example".to_string();
    let body = Founding { name: "Village".into(), charter: charter(), founder: site(0), date: BEGINNING, canonical, addresses: vec![] };
    Signed::new(body, &key(0))
}

pub(crate) fn admission(sponsor: u16, member: u16, date: Date) -> Notice {
    let mut secret = [3; 32];
    [secret[0], secret[1]] = member.to_le_bytes();
    let token = Token::issue(&key(sponsor), founding().body.mesh(), vec![], Date::MAX, u64::from(member), secret);
    let redeemed = Redeemed::new(&token, &key(member), "https://site.example".into(), vec![], date);
    Notice::Admitted(Signed::new(Admission::answering(&redeemed, date), &key(sponsor)))
}

/// A mesh in which site `at + 1` was brought in by the site `sponsors[at]`.
pub(crate) fn mesh(sponsors: &[u16]) -> Roster {
    let mut roster = Roster::new(founding()).unwrap();
    for (at, sponsor) in (1..).zip(sponsors) {
        let _ = roster.receive(admission(*sponsor, at, later(60))).unwrap();
    }
    roster
}

/// A mesh in which the founder brought in everybody.
pub(crate) fn star(members: u16) -> Roster {
    mesh(&vec![0; usize::from(members) - 1])
}

pub(crate) fn minutes() -> Minutes {
    Minutes::new(charter(), BEGINNING)
}

pub(crate) fn place<'a>(roster: &'a Roster, minutes: &'a Minutes, now: Date) -> Place<'a> {
    Place { roster, digest: roster.digest(), minutes, now }
}

pub(crate) fn dearer() -> Change {
    Change::Amend { parameter: "price_mib".into(), from: 1_000, to: 2_000 }
}

/// What `mover` moves on the day after the founding.
pub(crate) fn motion(mover: u16, change: Change) -> Signed<Motion> {
    moved(mover, change, Digest::ZERO, later(DAY))
}

/// What `mover` moves under the rules that a motion made.
pub(crate) fn moved(mover: u16, change: Change, rules: Digest, date: Date) -> Signed<Motion> {
    let body = Motion { mesh: founding().body.mesh(), mover: site(mover), rules, change, discuss: "https://forum.example/1".into(), date };
    Signed::new(body, &key(mover))
}

pub(crate) fn second(motion: &Signed<Motion>, by: u16) -> Signed<Second> {
    let body = Second { mesh: motion.body.mesh, motion: motion.body.digest(), seconder: site(by) };
    Signed::new(body, &key(by))
}

pub(crate) fn objection(motion: &Signed<Motion>, by: u16) -> Signed<Objection> {
    let body = Objection { mesh: motion.body.mesh, motion: motion.body.digest(), objector: site(by), reason: "No.".into() };
    Signed::new(body, &key(by))
}

pub(crate) fn ballot(motion: &Signed<Motion>, by: u16, place: (u32, Stage), basis: Option<u32>, outcome: Outcome) -> Signed<Ballot> {
    let (epoch, stage) = place;
    let (mesh, motion) = (motion.body.mesh, motion.body.digest());
    Signed::new(Ballot { mesh, motion, voter: site(by), epoch, stage, basis, outcome }, &key(by))
}

/// The outcome of a vote to which these members object, in the order of their keys.
pub(crate) fn outcome(objectors: &[u16], adopts: bool) -> Outcome {
    let mut sites: Vec<SiteId> = objectors.iter().map(|by| site(*by)).collect();
    sites.sort();
    let parts: Vec<&[u8]> = sites.iter().map(|site| &site.0[..]).collect();
    Outcome { objections: Digest::of_parts("overspill objections v1", &parts), adopts }
}

pub(crate) fn electorate(roster: &Roster, motion: &Signed<Motion>) -> Electorate {
    let schedule = Schedule::of(&motion.body, &charter());
    Electorate::of(roster, schedule.snapshot, &motion.body.digest(), &charter())
}
