//! A scenario on stage: real agents, in real time, from the first action to rest, told as it goes, beside what the simulator's sites did.

use std::{
    process::Child,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use overspill_governance::charter::Charter;
use overspill_simulations::{
    scenario::{Action, Expectation, Plot, Scenario},
    traffic::load::Demand,
    world::{Faults, caps},
};

use super::{
    beside::Course,
    books,
    measure::{Found, look},
    net::Net,
    pace::Pace,
    site::Site,
    visitors::Visitors,
};

/// How often what is wanted changes.
const STEP_MS: u64 = 100;
/// How often it is told how visitors fare.
const LOOK_MS: u64 = 10_000;
/// How long sites may take to know each other, and to come to rest.
const PATIENCE: Duration = Duration::from_secs(120);
/// Requests in each second that a site serves by itself, unless told: the simulator's.
const BUDGET: u32 = 20;

/// What became of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What must never be, in words: other bytes, ledgers that disagree, no rest.
    pub(crate) broken: Vec<String>,
    /// What was not as the scenario expects, in words.
    pub(crate) unexpected: Vec<String>,
    /// In which way the machine did not keep up, if it did not.
    pub(crate) fell_behind: Option<String>,
}

/// Plays a scenario.
pub(crate) fn play(scenario: &Scenario) -> Outcome {
    let plot = &scenario.plot;
    if let Some(what) = unplayable(plot) {
        return Outcome { broken: vec![format!("no real agent plays that: {what}")], ..Outcome::default() };
    }
    println!("# {}", scenario.about);
    let mut stage = Stage::set(plot);
    let mut expected: Vec<_> = scenario.expected.iter().collect();
    expected.sort_by_key(|(at, _)| at.unwrap_or(u64::MAX));
    let mut unexpected = stage.run(plot, &mut expected);
    let fell_behind = stage.pace.fell_behind();
    let mut broken: Vec<String> = stage.rest().into_iter().collect();
    for (_, expected) in expected {
        unexpected.extend(stage.tell(expected, None));
    }
    broken.extend(books::disagree(&stage.sites));
    for (site, tally) in stage.visitors.tallies.iter().enumerate() {
        let bytes = tally.wrong.load(Ordering::Relaxed);
        broken.extend((bytes > 0).then(|| format!("{bytes} visitors of site {site} got other bytes than the site's")));
    }
    stage.course.compare(plot, &stage.visitors.tallies);
    if !broken.is_empty() || !unexpected.is_empty() {
        for (at, site) in stage.sites.iter().enumerate() {
            println!("---- log of site {at}\n{}", site.log());
        }
    }
    Outcome { broken, unexpected, fell_behind }
}

/// What of a plot cannot be done to real agents.
fn unplayable(plot: &Plot) -> Option<String> {
    let Faults { crash, crash_weighty, crash_at, manifests_lost_at, .. } = plot.faults;
    let weather = crash > 0 || crash_weighty > 0 || crash_at.is_some() || manifests_lost_at.is_some();
    let conduct = plot.conducts.first().map(|(site, conduct)| format!("site {site} is {conduct:?}"));
    let other = [
        (weather, "crashes by chance"),
        (!plot.links.is_empty(), "links of their own"),
        (plot.drifts.iter().any(|drift| *drift != 0), "clocks that run wrong"),
        (plot.patience.is_some(), "visitors who come again"),
    ];
    let action = plot.actions.iter().find(|(_, action)| {
        use Action as A;
        let playable = matches!(action, A::Want(..) | A::Purge(_) | A::Crash(..) | A::Stop(..) | A::Cut(..) | A::Mute(..) | A::Clog(..));
        !playable && !matches!(action, A::Full(..) | A::Join(..) | A::Leave(_) | A::Weather(_) | A::Mend)
    });
    conduct
        .or_else(|| other.iter().find(|(is_so, _)| *is_so).map(|(_, what)| (*what).to_owned()))
        .or_else(|| action.map(|(_, action)| action.to_string()))
}

#[derive(Debug)]
struct Stage {
    sites: Vec<Site>,
    net: Net,
    visitors: Visitors,
    /// What visitors want beside crowds and loads.
    base: Vec<u32>,
    /// Commands that have not ended yet.
    leaving: Vec<Child>,
    course: Course,
    pace: Pace,
    begun: Instant,
}

impl Stage {
    /// Runs all agents and makes the members partners.
    fn set(plot: &Plot) -> Self {
        let net = Net::make(plot.sites());
        let mut sites: Vec<Site> = (0..plot.sites()).map(|site| Site::new(site, line(plot, site))).collect();
        sites.iter_mut().for_each(Site::start);
        let keys: Vec<String> = sites.iter_mut().map(|site| site.ready().short()).collect();
        net.name(&keys);
        let rules: Vec<String> = rules(&plot.charter).collect();
        let rules: Vec<&str> = rules.iter().flat_map(|rule| ["--rule", rule]).collect();
        sites[0].json(&[&["init", "--name", "scenario"], rules.as_slice()].concat());
        let visitors = Visitors::of(plot.sites());
        let stage = Self {
            base: vec![0; plot.sites()],
            leaving: Vec::new(),
            sites,
            net,
            visitors,
            course: Course::default(),
            pace: Pace::begin(),
            begun: Instant::now(),
        };
        for member in 1..plot.members {
            stage.join(0, member);
        }
        stage.eventually("members know each other", |stage| (0..plot.members).all(|site| stage.knows(site, plot.members - 1)));
        Self { pace: Pace::begin(), begun: Instant::now(), ..stage }
    }

    fn join(&self, sponsor: usize, joiner: usize) {
        let invite = self.sites[sponsor].json(&["invite"]);
        self.sites[joiner].json(&["join", invite["token"].as_str().unwrap()]);
    }

    /// Whether a site has so many partners that offer something.
    fn knows(&self, site: usize, partners: usize) -> bool {
        let known = self.sites[site].try_json(&["partners"]).unwrap_or_default();
        let ready = |partner: &&serde_json::Value| partner["connected"] == true && partner["proved"] == true && !partner["offer"].is_null();
        known["partners"].as_array().is_some_and(|known| known.iter().filter(ready).count() >= partners)
    }

    #[track_caller]
    fn eventually(&self, what: &str, is_true: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_true(self) {
            let said: Vec<String> = self.sites.iter().map(Site::log).collect();
            assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}\n{}", said.join("\n----\n"));
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Plays the plot to its length. Gives what was not as expected at its moment.
    fn run(&mut self, plot: &Plot, expected: &mut Vec<&(Option<u64>, Expectation)>) -> Vec<String> {
        let length = u64::try_from(plot.length.as_millis()).unwrap();
        let demands: Vec<(usize, Demand)> = plot.loads.iter().map(|(site, load)| (*site, Demand::of(load, length))).collect();
        let mut actions = plot.actions.clone();
        let (mut wrong, mut owed) = (Vec::new(), vec![0_u64; plot.sites()]);
        self.net.weather(&plot.faults);
        if let Some(what) = self.net.lacks {
            self.say(0, &format!("(not played, {what})"));
        }
        for now in (0..length).step_by(STEP_MS as usize) {
            let due = self.begun + Duration::from_millis(now);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            self.pace.step(due.elapsed());
            while let Some(at) = actions.iter().position(|(at, _)| *at <= now) {
                let (_, action) = actions.remove(at);
                self.say(now, &format!("> {action}"));
                actions.extend(self.act(action).map(|(later, action)| (now + later, action)));
            }
            while let Some((_, due)) = expected.first().filter(|(at, _)| at.is_some_and(|at| at <= now)) {
                wrong.extend(self.tell(due, Some(now)));
                expected.remove(0);
            }
            for (site, owed) in owed.iter_mut().enumerate() {
                let loads = demands.iter().filter(|(loaded, _)| *loaded == site).map(|(_, demand)| demand.rate(now));
                // Requests times a thousand milliseconds: what a step does not fill is left for the next.
                *owed += STEP_MS * u64::from(loads.fold(plot.wanted(site, self.base[site], now), u32::saturating_add));
                (0..*owed / 1_000).for_each(|_| self.visitors.come(site));
                *owed %= 1_000;
            }
            if now > 0 && now.is_multiple_of(1_000) {
                self.course.note(&self.visitors.tallies);
            }
            if now > 0 && now.is_multiple_of(LOOK_MS) {
                self.fares(now);
            }
        }
        wrong
    }

    /// Does something to the agents or between them; what has to be undone comes back, with the milliseconds until then.
    fn act(&mut self, action: Action) -> Option<(u64, Action)> {
        match action {
            Action::Want(site, requests) => self.base[site] = requests,
            Action::Purge(site) => self.sites[site].purge(),
            Action::Crash(site, 0) => self.sites[site].start(),
            Action::Crash(site, millis) => {
                self.sites[site].kill();
                return Some((millis, Action::Crash(site, 0)));
            }
            Action::Stop(site, still) => self.sites[site].stand_still(still),
            Action::Cut(one, other, cut) => self.net.cut(one, other, cut),
            Action::Mute(from, to, mute) => self.net.mute(from, to, mute),
            Action::Clog(from, to, millis) => {
                self.net.mute(from, to, true);
                return Some((millis, Action::Mute(from, to, false)));
            }
            Action::Full(site, full) => self.sites[site].fill(full),
            Action::Join(sponsor, joiner) => self.join(sponsor, joiner),
            // It waits until everything is settled; the crowd does not.
            Action::Leave(site) => self.leaving.push(self.sites[site].spawn(&["leave"])),
            Action::Weather(faults) => self.net.weather(&faults),
            Action::Mend => self.mend(),
            _ => unreachable!("{action} was refused before the start"),
        }
        None
    }

    fn mend(&mut self) {
        self.net.mend();
        for site in &mut self.sites {
            site.stand_still(false);
            site.fill(false);
            site.start();
        }
    }

    /// Mends everything and waits until no visitor is under way and all lines are signed by both ends; what is open after that.
    fn rest(&mut self) -> Option<String> {
        self.mend();
        let begun = Instant::now();
        loop {
            let statements: Vec<_> = self.sites.iter().filter_map(|site| site.try_json(&["statement"])).collect();
            let sum: i64 = statements.iter().filter_map(|statement| statement["balance_micro"].as_i64()).sum();
            let lines = statements.iter().filter_map(|statement| statement["lines"].as_array()).flatten();
            let open = lines.filter(|line| line["condition"] != "co-signed").count();
            // An agent that does not answer is not at rest: nobody killed it any more.
            let statuses: Vec<_> = self.sites.iter().filter_map(|site| site.try_json(&["status"])).collect();
            let leases: usize = statuses.iter().map(|status| status["mesh"]["leases"].as_array().map_or(0, Vec::len)).sum();
            let silent = 2 * self.sites.len() - statements.len() - statuses.len();
            let under_way = self.visitors.under_way();
            self.leaving.retain_mut(|leaving| leaving.try_wait().is_ok_and(|ended| ended.is_none()));
            if (sum, open, leases, under_way, silent, self.leaving.len()) == (0, 0, 0, 0, 0, 0) {
                self.say(self.millis(), "all is mended and at rest");
                return None;
            }
            if begun.elapsed() > PATIENCE {
                return Some(format!(
                    "no rest within {PATIENCE:?}: balances come to {sum}, {open} lines are open, {leases} leases, {under_way} visitors are under \
                     way, {silent} questions are not answered, {} members still leave",
                    self.leaving.len()
                ));
            }
            thread::sleep(Duration::from_secs(1));
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn say(&self, millis: u64, words: &str) {
        println!("{:>6}.{}  {words}", millis / 1_000, millis % 1_000 / 100);
    }

    /// Looks whether it is as expected, and tells.
    fn tell(&self, expected: &Expectation, now: Option<u64>) -> Option<String> {
        let (mark, found, wrong) = match look(expected, &self.sites, &self.visitors) {
            Found::Holds(found) => ("=", format!(": {found}"), None),
            Found::Broken(words) => ("!", format!(": {words}"), Some(words)),
            Found::Unseen => ("?", String::from(": cannot be seen from outside"), None),
        };
        self.say(now.unwrap_or_else(|| self.millis()), &format!("{mark} {expected}{found}"));
        wrong
    }

    fn fares(&self, now: u64) {
        for (site, tally) in self.visitors.tallies.iter().enumerate() {
            let counts = [
                ("served", &tally.own),
                ("spilled", &tally.spilled),
                ("came home", &tally.home),
                ("shed", &tally.shed),
                ("guests", &tally.guests),
            ];
            let counts = counts.map(|(name, count)| (name, count.load(Ordering::Relaxed)));
            let words: Vec<String> = counts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}")).collect();
            if !words.is_empty() {
                self.say(now, &format!("site {site} so far: {}", words.join(", ")));
            }
        }
    }
}

/// Requests in each second that a site's line carries. The simulator's sites carry guests beside what they serve by themselves; an agent has one line
/// for both, so that of a site of which nobody wants anything it is wide enough for its guests.
fn line(plot: &Plot, site: usize) -> u32 {
    let own = plot.budgets.iter().find(|(named, _)| *named == site).map_or(BUDGET, |(_, budget)| *budget);
    let is_wanted = plot.crowds.iter().any(|crowd| crowd.site == site)
        || plot.loads.iter().any(|(loaded, _)| *loaded == site)
        || plot.actions.iter().any(|(_, action)| matches!(action, Action::Want(wanted, _) if *wanted == site));
    if is_wanted { own } else { own + caps().requests.0 }
}

/// The rules that are not as by default, as `overspill init` takes them.
fn rules(charter: &Charter) -> impl Iterator<Item = String> {
    let differs = |(parameter, value): &(&overspill_governance::charter::Parameter, i64)| *value != parameter.default;
    charter.values().filter(differs).map(|(parameter, value)| format!("{}={value}", parameter.name)).collect::<Vec<_>>().into_iter()
}
