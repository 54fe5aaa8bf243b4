//! The words that tests of worlds are written in.
//!
//! A story founds a mesh, lets things happen to it, heals it, and asks whether every promise was kept.

use std::time::Duration;

use overspill_governance::{charter::Charter, entry::Entry, site::SiteId, units::Credit};
use overspill_protocol::{
    event::{Answer, Event},
    io::Command,
    report::Report,
};

use crate::{
    checkers::{bounds, clearing, conservation, keys::Keys, liveness, paid, sense, single_settlement},
    world::{Faults, World},
};

/// How long anything may take at most that a story waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Mends a world, and lets time pass until it has come to rest.
///
/// # Errors
/// What has not, in words, after [`PATIENCE`].
pub fn heal(world: &mut World) -> Result<(), String> {
    heal_in_sight(world, |_| ())
}

/// The same before a watcher, which sees the world every second.
///
/// # Errors
/// As [`heal`].
pub fn heal_in_sight(world: &mut World, mut watch: impl FnMut(&World)) -> Result<(), String> {
    world.mend();
    let deadline = world.now().after(PATIENCE);
    for second in 1.. {
        world.run(Duration::from_secs(1));
        if second % 10 == 1 {
            world.help_back();
        }
        watch(world);
        if second >= 5 && liveness::unrest(world).is_empty() {
            return Ok(());
        }
        if world.now() >= deadline {
            break;
        }
    }
    Err(format!("long after healing: {}", liveness::unrest(world).join("; ")))
}

/// Asks every checker what was broken. `settled`: everything had time to come to rest, and nobody lost what was durable.
pub fn judge(world: &World, settled: bool) -> Vec<String> {
    let mut wrong: Vec<String> = world.checkers.violations().to_vec();
    let ledgers: Vec<(SiteId, Vec<Entry>)> = world.bodies.iter().map(|body| (body.id, body.disk.read())).collect();
    let honest = |site: &SiteId| world.checkers.is_honest(site);
    let (gone, keys) = (conservation::gone(&ledgers), Keys::of(&ledgers));
    let is_whole = |site: &SiteId| honest(site) && world.checkers.is_whole(site);
    // A departure ends what is unsettled on both ends; what that may come to, `exposure` has watched.
    let pays = |site: &SiteId| settled && is_whole(site) && !gone.contains(site);
    if settled {
        wrong.extend(conservation::check(&ledgers, honest, |site| world.checkers.is_whole(site)));
        wrong.extend(clearing::check(&ledgers, is_whole));
    }
    for (site, entries) in &ledgers {
        wrong.extend(single_settlement::check(*site, entries, &keys));
        if honest(site) {
            wrong.extend(sense::check(world.first_key_of(site), entries));
        }
        wrong.extend(world.checkers.truth.check(*site, entries, honest, pays));
        if pays(site) {
            wrong.extend(paid::check(*site, entries, &keys, pays));
        }
    }
    let reports = world.bodies.iter().filter_map(|body| Some(body.agent.as_ref()?.report(body.clock.read(world.now()))));
    wrong.extend(reports.flat_map(|report| bounds::check(&report)));
    wrong
}

/// A world with a mesh in it, in the making.
#[derive(Debug)]
pub struct Story {
    /// The world.
    pub world: World,
    seed: u64,
}

/// A charter that settles often, so that a short story has much of it.
pub fn brisk() -> Charter {
    let rules = [("settle_window", 2), ("lease_length", 10), ("clearing_pause", 10), ("clearing_patience", 10)];
    rules.into_iter().try_fold(Charter::default(), |charter, (name, value)| charter.with(name, value)).unwrap_or_default()
}

impl Story {
    /// A mesh of `sites`, founded by the first, each invited by the one before it, under `faults` from the start.
    pub fn of(seed: u64, sites: usize, faults: Faults) -> Self {
        Self::under(brisk(), seed, sites, faults)
    }

    /// The same under a charter of one's own.
    pub fn under(charter: Charter, seed: u64, sites: usize, faults: Faults) -> Self {
        let mut story = Self { world: World::new(seed, sites), seed };
        story.world.faults = faults;
        story.found(0, &charter);
        for joiner in 1..sites {
            story.join(joiner - 1, joiner);
        }
        story
    }

    /// A mesh of `sites` that have known each other for long: nobody has to be founded or joined.
    pub fn settled(charter: Charter, seed: u64, sites: usize) -> Self {
        Self { world: World::settled(seed, sites, &charter), seed }
    }

    /// A site founds a mesh; a crash in between makes it try again, as a person would.
    pub fn found(&mut self, founder: usize, charter: &Charter) {
        for _ in 0..20 {
            if self.report(founder).is_some_and(|report| report.mesh.is_some()) {
                return;
            }
            self.world.command(founder, Command::Found { name: String::from("story"), charter: charter.clone() });
            self.pass(4);
        }
        self.fail("the mesh was never founded");
    }

    /// One site invites another, and it joins; each tries again when a crash swallowed its command.
    pub fn join(&mut self, sponsor: usize, joiner: usize) {
        for _ in 0..20 {
            let Some(token) = self.invite(sponsor) else { continue };
            for _ in 0..4 {
                self.world.command(joiner, Command::Join { token: token.clone() });
                self.pass(5);
                if self.report(joiner).is_some_and(|report| report.mesh.is_some()) {
                    return;
                }
            }
            self.pass(60);
        }
        self.fail("a site never joined");
    }

    /// A token of `sponsor`, if it lived to show it.
    pub fn invite(&mut self, sponsor: usize) -> Option<String> {
        self.world.bodies[sponsor].answers.clear();
        self.world.command(sponsor, Command::Invite { lifetime: Duration::from_secs(3_600) });
        self.pass(4);
        self.world.bodies[sponsor].answers.iter().rev().find_map(|answer| match answer {
            Ok(Answer::Invited { token }) => Some(token.clone()),
            _ => None,
        })
    }

    /// Gives a site a token, and tells what it was answered.
    pub fn redeem(&mut self, joiner: usize, token: &str) -> Result<Answer, String> {
        self.world.bodies[joiner].answers.clear();
        self.world.command(joiner, Command::Join { token: token.into() });
        self.pass(40);
        self.world.bodies[joiner].answers.pop().unwrap_or_else(|| Err(String::from("no answer")))
    }

    /// Whether an owner's data plane may send visitors to a helper now.
    pub fn is_sent_to(&self, owner: usize, helper: usize) -> bool {
        let helper = self.world.bodies[helper].id;
        self.world.bodies[owner].server.plan().is_some_and(|plan| plan.spill.iter().any(|spill| spill.helper == helper && !spill.held_back))
    }

    /// Milliseconds pass.
    pub fn pass_ms(&mut self, millis: u64) {
        self.world.run(Duration::from_millis(millis));
    }

    /// Seconds pass.
    pub fn pass(&mut self, seconds: u64) {
        self.world.run(Duration::from_secs(seconds));
    }

    /// Visitors want `requests` in each second of a site for some seconds.
    pub fn crowd(&mut self, site: usize, requests: u32, seconds: u64) {
        self.world.want(site, requests);
        self.pass(seconds);
        self.world.want(site, 0);
    }

    /// Each of these members comes to owe the next, and the last the first: while it is struck, it can reach nobody else.
    pub fn owe_around(&mut self, ring: &[usize]) {
        for (debtor, creditor) in ring.iter().zip(ring.iter().cycle().skip(1)) {
            let others: Vec<usize> = (0..self.world.bodies.len()).filter(|other| other != debtor && other != creditor).collect();
            others.iter().for_each(|other| self.world.cut(*debtor, *other, true));
            self.pass_ms(300);
            self.crowd(*debtor, 100, 5);
            self.pass(2);
            others.iter().for_each(|other| self.world.cut(*debtor, *other, false));
            self.pass(1);
        }
    }

    /// Nothing goes wrong any more, and time passes until everything has come to rest.
    pub fn heal(&mut self) {
        if let Err(open) = heal(&mut self.world) {
            self.fail(&open);
        }
    }

    /// Asks every checker; a broken promise ends the story.
    pub fn check(&self) {
        let wrong = judge(&self.world, true);
        if !wrong.is_empty() {
            self.fail(&wrong.join("\n"));
        }
    }

    /// The durable entries of a site.
    pub fn ledger(&self, site: usize) -> Vec<Entry> {
        self.world.bodies[site].disk.read()
    }

    /// What a site says of itself, if it lives.
    pub fn report(&self, site: usize) -> Option<Report> {
        self.world.bodies[site].agent.as_ref().map(|agent| agent.report(self.world.now_of(site)))
    }

    /// Sum of what partners owe a site, or of what it owes them when negative.
    pub fn balance(&self, site: usize) -> Credit {
        Credit(self.report(site).map_or(0, |report| report.lines.iter().map(|line| line.balance.0).sum()))
    }

    /// How often a site told something that `is` looks for.
    pub fn told(&self, site: usize, is: impl Fn(&Event) -> bool) -> usize {
        self.world.bodies[site].events.iter().filter(|event| is(event)).count()
    }

    /// How often any agent died.
    pub fn deaths(&self) -> u32 {
        self.world.bodies.iter().map(|body| body.life).sum()
    }

    /// How many receipts all ledgers hold.
    pub fn receipts(&self) -> usize {
        let sites = 0..self.world.bodies.len();
        sites.flat_map(|site| self.ledger(site)).filter(|entry| matches!(entry, Entry::Agreed { .. })).count()
    }

    /// Ends the story with all that is known of it.
    pub fn fail(&self, words: &str) -> ! {
        let reports: Vec<String> = (0..self.world.bodies.len()).map(|site| format!("site {site}: {:#?}", self.report(site))).collect();
        panic!(
            "seed {}: {words}\n--- the last that happened:\n{}\n--- reports:\n{}",
            self.seed,
            self.world.trace.tail(),
            reports.join("\n")
        );
    }
}
