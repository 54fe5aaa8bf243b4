//! A run told line by line: what was done to the mesh, what sites told people, how visitors fared, and whether all is as expected.
//!
//! Sites have their numbers in it, not their keys, and times have tenths of seconds: what a reviewer of a changed transcript compares.

use overspill_protocol::event::Event;

use super::{
    Expectation, Scenario,
    play::{Moment, Outcome, watched},
    text::words::kebab,
};
use crate::{server::Tally, world::World};

/// Plays a scenario and tells it; expectations that are not met are broken promises. Of a broken one the last `lines` of what happened are kept.
pub fn perform(scenario: &Scenario, lines: usize, tell: &mut impl FnMut(&str)) -> Outcome {
    let mut teller = Teller::new(scenario);
    let mut outcome = watched(&scenario.plot, lines, &mut |world, millis, moment| teller.look(world, millis, moment, tell));
    let canary = scenario.expected.iter().find_map(|(_, expected)| match expected {
        Expectation::Broken(words) => Some(words),
        Expectation::Compared(..) => None,
    });
    if let Some(words) = canary {
        if outcome.failures.iter().any(|failure| failure.contains(words)) {
            tell(&format!("{:>8}  broken, as expected: {words}", ""));
            (outcome.failures, outcome.promise) = (Vec::new(), None);
        } else {
            outcome.failures.push(format!("expected that a promise is broken with the words: {words}"));
        }
    }
    for failure in &outcome.failures {
        tell(&format!("{:>8}  ! {failure}", ""));
    }
    outcome
}

/// Longest time between two looks at how visitors fare in a short run, in milliseconds.
const LOOK_MS: u64 = 5_000;
/// Looks at how visitors fare in a long run.
const LOOKS_MAX: u64 = 60;
/// Letters of an event in words of its own.
const WORDS_MAX: usize = 160;

/// What was told so far.
#[derive(Debug)]
struct Teller<'a> {
    expected: Vec<&'a (Option<u64>, Expectation)>,
    /// Events of each site that were told.
    told: Vec<usize>,
    /// Deaths of each site that were told.
    deaths: Vec<u32>,
    /// Counts at the last look.
    last: Vec<Tally>,
    every: u64,
}

impl<'a> Teller<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let mut expected: Vec<_> = scenario.expected.iter().collect();
        expected.sort_by_key(|(at, _)| at.unwrap_or(u64::MAX));
        let (sites, length) = (scenario.plot.sites(), scenario.plot.length.as_millis() as u64);
        let every = LOOK_MS.max((length / LOOKS_MAX).next_multiple_of(1_000));
        Self { expected, told: vec![0; sites], deaths: vec![0; sites], last: vec![Tally::default(); sites], every }
    }

    fn look(&mut self, world: &World, millis: u64, moment: Moment, tell: &mut impl FnMut(&str)) -> Vec<String> {
        let mut say = |words: &str| tell(&format!("{:>6}.{}  {words}", millis / 1_000, millis % 1_000 / 100));
        if let Moment::Acted(action) = moment {
            say(&format!("> {action}"));
        }
        self.news(world, &mut say);
        if !matches!(moment, Moment::Acted(_)) && (millis.is_multiple_of(self.every) || matches!(moment, Moment::Rested)) {
            self.fares(world, &mut say);
        }
        let rested = matches!(moment, Moment::Rested);
        if rested {
            say("all is mended and at rest");
        }
        let mut wrong = Vec::new();
        while let Some((at, expected)) = self.expected.first().filter(|(at, _)| rested || at.is_some_and(|at| at <= millis)) {
            if at.is_some_and(|at| at == millis) && matches!(moment, Moment::Acted(_)) {
                break;
            }
            self.expected.remove(0);
            let found = expected.check(world);
            if matches!(expected, Expectation::Compared(..)) {
                say(&format!("{} {}", if found.is_none() { "=" } else { "!" }, expected.told(world)));
            }
            wrong.extend(found);
        }
        wrong
    }

    /// What sites told people since the last look, and who died.
    fn news(&mut self, world: &World, say: &mut impl FnMut(&str)) {
        for (site, body) in world.bodies.iter().enumerate() {
            if body.life != self.deaths[site] {
                say(&format!("site {site} died"));
                self.deaths[site] = body.life;
            }
            for event in body.events.iter().skip(self.told[site]) {
                if let Some(words) = words(event, world) {
                    say(&format!("site {site}: {words}"));
                }
            }
            self.told[site] = body.events.len();
        }
    }

    /// How visitors of each site fared since the last look.
    fn fares(&mut self, world: &World, say: &mut impl FnMut(&str)) {
        for (site, body) in world.bodies.iter().enumerate() {
            let (now, last) = (body.server.tally, self.last[site]);
            self.last[site] = now;
            let fields = [
                ("served", now.own - last.own),
                ("spilled", now.spilled - last.spilled),
                ("shed", now.shed - last.shed),
                ("guests", now.guests - last.guests),
                ("sent back", now.sent_back - last.sent_back),
                ("came home", now.came_home - last.came_home),
            ];
            let fields: Vec<String> =
                fields.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}")).collect();
            if fields.is_empty() {
                continue;
            }
            let report = body.agent.as_ref().map(|agent| agent.report(world.now_of(site)));
            let balance = report.map_or(0, |report| report.lines.iter().map(|line| line.balance.0).sum());
            let balance = overspill_governance::units::Credit(balance);
            say(&format!("site {site} wants {}/s: {}; stands at {balance}", body.server.wanted, fields.join(", ")));
        }
    }
}

/// An event in words, with sites by their numbers; `None` for receipts, of which there are many, and which the balances tell of.
fn words(event: &Event, world: &World) -> Option<String> {
    let of = |id| world.index_of(id).map_or_else(|| String::from("a stranger"), |site| format!("site {site}"));
    let side = |as_owner: bool| if as_owner { "as owner" } else { "as helper" };
    Some(match event {
        Event::Settled { .. } => return None,
        Event::Faded { partner, moved, .. } => format!("the day's demurrage on its line with {} comes to {moved}", of(partner)),
        Event::CrowdBegan => String::from("a crowd began"),
        Event::CrowdEnded => String::from("the crowd is over"),
        Event::PartnerUp { site } => format!("{} is there", of(site)),
        Event::PartnerDown { site, reason } => format!("{} is gone: {reason}", of(site)),
        Event::PartnerExchanged { gone, taken: Some(taken) } => format!("seeks {} instead of {}", of(taken), of(gone)),
        Event::PartnerExchanged { gone, taken: None } => format!("seeks {} no more", of(gone)),
        Event::LeaseHeld { partner, as_owner, .. } => format!("holds a lease with {}, {}", of(partner), side(*as_owner)),
        Event::LeaseRefused { partner, reason } => format!("{} refused a lease: {reason}", of(partner)),
        Event::LeaseDraining { partner, reason, .. } => format!("a lease with {} drains: {reason}", of(partner)),
        Event::LeaseEnded { partner, reason, .. } => format!("a lease with {} ended: {reason}", of(partner)),
        Event::ClaimReduced { partner, reason, .. } => format!("a claim of {} was reduced: {reason}", of(partner)),
        Event::Noted { partner, note } => format!("notes of {}: {note}", of(partner)),
        Event::Altered { helper, owner } => format!("a sample of {} at {} was altered", of(owner), of(helper)),
        Event::Testified { auditor, helper } => format!("{} says that {} alters files", of(auditor), of(helper)),
        Event::Suspended { helper, until } => format!("{} is suspended until {until}", of(helper)),
        Event::Locked { partner, amount, .. } => format!("{amount} is locked with {}", of(partner)),
        Event::Cleared { amount, members, .. } => format!("{amount} is cleared in a circle of {members}"),
        Event::Renewed { partner, balance } => format!("the line with {} began anew at {balance}", of(partner)),
        Event::Rotated { new, .. } => format!("{} goes on under another key", of(new)),
        Event::Misspoke { peer, reason } => format!("{} misspoke: {reason}", of(peer)),
        Event::Shunned { peer, reason } => format!("{} is shunned: {reason}", of(peer)),
        Event::Convicted { peer, bundle } => format!("convicts {}: {}", of(peer), bundle.crime().sentence()),
        Event::Warned { reason } | Event::Silent { reason } => format!("{}: {reason}", kebab(&format!("{event:?}"))),
        Event::Answered { answer: Ok(answer), .. } => kebab(&format!("{answer:?}")),
        Event::Answered { answer: Err(reason), .. } => format!("refused: {reason}"),
        other => {
            // Anything else as it prints, with numbers in the place of keys.
            let named = world.bodies.iter().enumerate();
            named.fold(format!("{other:?}"), |text, (site, body)| {
                text.replace(&format!("SiteId({})", body.id.short()), &format!("site {site}"))
            })
        }
    })
    .map(|words| words.chars().take(WORDS_MAX).collect())
}
