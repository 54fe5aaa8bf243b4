//! A plot: the whole of a run before anything of it happens. A seed draws it ([`super::draw`]), or a person writes it ([`super::text`]).

use std::time::Duration;

use overspill_governance::charter::Charter;

use crate::{
    conduct::Conduct,
    link::Link,
    traffic::{load::Load, retries::Patience},
    world::{Faults, Signer},
};

/// Something that happens at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Visitors want so many requests in each second of a site, beside its crowds.
    Want(usize, u32),
    /// A site purges its object.
    Purge(usize),
    /// An agent is killed, and starts again so many milliseconds later.
    Crash(usize, u64),
    /// A process stands still, or goes on.
    Stop(usize, bool),
    /// A link is cut, or mended.
    Cut(usize, usize, bool),
    /// One direction of a link carries nothing, or does again.
    Mute(usize, usize, bool),
    /// One direction of a link stands still for so many milliseconds.
    Clog(usize, usize, u64),
    /// A disk is full, or has space.
    Full(usize, bool),
    /// A disk's syncs fail from now on.
    Broken(usize),
    /// A disk says that it has synced, and leaves the last entry out. No correct machine survives that: for canaries alone.
    Lies(usize),
    /// A bit flips on a disk, and its agent starts again.
    Rot(usize),
    /// A copy of a disk is kept.
    Copy(usize),
    /// The copy is put back in the place of the disk, and its agent starts again.
    PutBack(usize),
    /// A disk is gone, and its agent starts again with nothing but its key.
    Lose(usize),
    /// A site that lost everything but its key asks a partner.
    Recover(usize, usize),
    /// A site goes on under another key.
    Rotate(usize, Signer),
    /// Strangers come to a site.
    Knock(usize, usize),
    /// A calendar is set wrong by so many milliseconds.
    Jump(usize, i64),
    /// A member invites a site that belongs nowhere.
    Join(usize, usize),
    /// A member leaves.
    Leave(usize),
    /// A member moves that a rule of the charter, by its place in the table, gets another value.
    Amend(usize, usize, i64),
    /// A member moves that another is removed.
    Expel(usize, usize),
    /// A member seconds the oldest motion that it knows.
    Second(usize),
    /// A member objects to the oldest motion that it knows.
    Object(usize),
    /// What goes wrong everywhere is this from now on.
    Weather(Faults),
    /// Everything is whole again, as at the end of a plot.
    Mend,
}

impl Action {
    /// The same for other sites: each is given to `name`, in the order in which they stand there.
    pub fn renamed(self, mut name: impl FnMut(usize) -> usize) -> Self {
        match self {
            Self::Want(site, requests) => Self::Want(name(site), requests),
            Self::Purge(site) => Self::Purge(name(site)),
            Self::Crash(site, millis) => Self::Crash(name(site), millis),
            Self::Stop(site, stopped) => Self::Stop(name(site), stopped),
            Self::Cut(one, other, cut) => Self::Cut(name(one), name(other), cut),
            Self::Mute(from, to, mute) => Self::Mute(name(from), name(to), mute),
            Self::Clog(from, to, millis) => Self::Clog(name(from), name(to), millis),
            Self::Full(site, full) => Self::Full(name(site), full),
            Self::Broken(site) => Self::Broken(name(site)),
            Self::Lies(site) => Self::Lies(name(site)),
            Self::Rot(site) => Self::Rot(name(site)),
            Self::Copy(site) => Self::Copy(name(site)),
            Self::PutBack(site) => Self::PutBack(name(site)),
            Self::Lose(site) => Self::Lose(name(site)),
            Self::Recover(site, partner) => Self::Recover(name(site), name(partner)),
            Self::Rotate(site, signer) => Self::Rotate(name(site), signer),
            Self::Knock(site, strangers) => Self::Knock(name(site), strangers),
            Self::Jump(site, millis) => Self::Jump(name(site), millis),
            Self::Join(sponsor, joiner) => Self::Join(name(sponsor), name(joiner)),
            Self::Leave(site) => Self::Leave(name(site)),
            Self::Amend(site, parameter, to) => Self::Amend(name(site), parameter, to),
            Self::Expel(mover, member) => Self::Expel(name(mover), name(member)),
            Self::Second(site) => Self::Second(name(site)),
            Self::Object(site) => Self::Object(name(site)),
            Self::Weather(faults) => Self::Weather(Faults { manifests_lost_at: faults.manifests_lost_at.map(name), ..faults }),
            Self::Mend => Self::Mend,
        }
    }

    /// The sites that it is about.
    pub fn sites(self) -> Vec<usize> {
        let mut sites = Vec::new();
        self.renamed(|site| {
            sites.push(site);
            site
        });
        sites
    }
}

/// A crowd in its three phases: it comes, it stays, it goes. All times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// Whom it strikes.
    pub site: usize,
    /// When it begins.
    pub from: u64,
    /// How long it grows.
    pub onset: u64,
    /// How long it is at its peak.
    pub plateau: u64,
    /// How long it takes to go.
    pub decay: u64,
    /// Requests in each second at its peak.
    pub peak: u32,
}

impl Crowd {
    /// How many requests it wants in each second at a moment: straight up, level, straight down.
    pub fn at(&self, millis: u64) -> u32 {
        let Some(since) = millis.checked_sub(self.from) else { return 0 };
        let part = |part: u64, whole: u64| u32::try_from(u64::from(self.peak) * part / whole.max(1)).unwrap_or(u32::MAX);
        if since < self.onset {
            return part(since, self.onset);
        }
        let since = since - self.onset;
        if since < self.plateau {
            return self.peak;
        }
        let since = since - self.plateau;
        if since < self.decay { part(self.decay - since, self.decay) } else { 0 }
    }

    /// When it is over.
    pub fn until(&self) -> u64 {
        self.from.saturating_add(self.onset).saturating_add(self.plateau).saturating_add(self.decay)
    }
}

/// Everything that a run is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plot {
    /// The seed, of the world's own chance too.
    pub seed: u64,
    /// Members from the start.
    pub members: usize,
    /// Sites that belong nowhere at the start.
    pub outside: usize,
    /// The rules.
    pub charter: Charter,
    /// What goes wrong everywhere, at any time, from the start.
    pub faults: Faults,
    /// Links that are not as the others.
    pub links: Vec<(usize, usize, Link)>,
    /// Who behaves how; who is not named is honest.
    pub conducts: Vec<(usize, Conduct)>,
    /// How much too fast each clock runs, in millionths.
    pub drifts: Vec<i32>,
    /// Requests in each second that a site can serve by itself, where it is not what all can.
    pub budgets: Vec<(usize, u32)>,
    /// Crowds in three phases.
    pub crowds: Vec<Crowd>,
    /// What else is wanted of a site, beside crowds.
    pub loads: Vec<(usize, Load)>,
    /// How patient those are who are refused; `None`: nobody comes again.
    pub patience: Option<Patience>,
    /// What happens when, by milliseconds.
    pub actions: Vec<(u64, Action)>,
    /// How long it lasts before everything is mended.
    pub length: Duration,
}

impl Plot {
    /// A plot in which nothing happens.
    pub fn quiet(seed: u64, members: usize, length: Duration) -> Self {
        Self {
            seed,
            members,
            outside: 0,
            charter: crate::story::brisk(),
            faults: Faults { latency_max: 5, ..Faults::default() },
            links: Vec::new(),
            conducts: Vec::new(),
            drifts: vec![0; members],
            budgets: Vec::new(),
            crowds: Vec::new(),
            loads: Vec::new(),
            patience: None,
            actions: Vec::new(),
            length,
        }
    }

    /// All sites, members or not.
    pub fn sites(&self) -> usize {
        self.members + self.outside
    }

    /// Requests in each second that visitors want of a site at a moment; `base` is what they want beside its crowds.
    pub fn wanted(&self, site: usize, base: u32, millis: u64) -> u32 {
        let crowds = self.crowds.iter().filter(|crowd| crowd.site == site);
        crowds.map(|crowd| crowd.at(millis)).fold(base, u32::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_comes_stays_and_goes() {
        let crowd = Crowd { site: 0, from: 1_000, onset: 2_000, plateau: 3_000, decay: 4_000, peak: 100 };
        let seen: Vec<u32> =
            [0, 999, 1_000, 2_000, 2_999, 3_000, 5_999, 6_000, 8_000, 9_999, 10_000, u64::MAX].map(|at| crowd.at(at)).into();
        assert_eq!(seen, [0, 0, 0, 50, 99, 100, 100, 100, 50, 0, 0, 0]);
        assert_eq!(crowd.until(), 10_000);
        let sudden = Crowd { onset: 0, decay: 0, ..crowd };
        assert_eq!([999, 1_000, 3_999, 4_000].map(|at| sudden.at(at)), [0, 100, 100, 0]);
    }
}
