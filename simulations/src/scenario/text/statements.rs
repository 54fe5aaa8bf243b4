//! What stands behind the first word of a statement: faults, links, conducts, actions, expectations.

use overspill_governance::charter::PARAMETERS;

use super::{
    LENGTH_MS_MAX, Mistake, STRANGERS_AT_ONCE_MAX, WANTED_MAX,
    print::calm,
    words::{Line, kebab, of_kebab},
};
use crate::{
    conduct::{CONDUCTS, Conduct},
    link::{Latency, Link},
    scenario::{
        Action, Expectation,
        expect::{EVENTS, Quantity, Relation},
    },
    world::{Faults, Signer},
};

const ALL: u32 = 1_000_000;
/// Longest latency: an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

impl Line<'_> {
    /// The number of a site that is there.
    pub(super) fn site(&mut self, sites: usize) -> Result<usize, Mistake> {
        let word = self.word("the number of a site")?;
        let site = word.parse::<usize>().ok().filter(|site| *site < sites);
        site.map_or_else(|| self.mistake(format!("`{word}` is no site: they are numbered from 0 to {}", sites.saturating_sub(1))), Ok)
    }

    /// Two sites that are not one.
    fn two(&mut self, between: Option<&str>, sites: usize) -> Result<(usize, usize), Mistake> {
        let one = self.site(sites)?;
        between.map_or(Ok(()), |word| self.keyword(word))?;
        let other = self.site(sites)?;
        if one == other { self.mistake(format!("site {one} stands where two different sites should stand")) } else { Ok((one, other)) }
    }

    /// One word of some, and what it means.
    pub(super) fn one_of<T: Copy>(&mut self, what: &str, words: &[(&str, T)]) -> Result<T, Mistake> {
        let word = self.word(what)?;
        let found = words.iter().find(|(name, _)| *name == word).map(|(_, means)| *means);
        found.map_or_else(|| self.mistake(format!("`{word}` stands where {what} should stand")), Ok)
    }

    /// A latency in microseconds.
    fn latency(&mut self) -> Result<u32, Mistake> {
        let micros = self.micros("a latency")?;
        let fits = u32::try_from(micros).ok().filter(|_| micros <= LATENCY_US_MAX);
        fits.map_or_else(|| self.mistake("a latency is an hour at most"), Ok)
    }
}

/// What goes wrong everywhere.
pub(super) fn weather(line: &mut Line<'_>, sites: usize) -> Result<Faults, Mistake> {
    let mut faults = calm();
    while let Some(key) = line.next() {
        match key {
            "latency" => faults.latency_max = u32::try_from(line.millis("a latency", LATENCY_US_MAX / 1_000)?).unwrap_or(u32::MAX),
            "loss" => faults.loss = line.ppm("a share", ALL)?,
            "doubling" => faults.doubling = line.ppm("a share", ALL)?,
            "crash" => faults.crash = line.ppm("a share", ALL)?,
            "breaks" => faults.breaks = line.ppm("a share", ALL)?,
            "crash-weighty" => faults.crash_weighty = line.ppm("a share", ALL)?,
            "crash-at" => faults.crash_at = Some(line.number_in("the number of an output", 0..=i64::MAX)?),
            "manifests-lost-at" => faults.manifests_lost_at = Some(line.site(sites)?),
            _ => {
                let keys = "latency, loss, doubling, crash, breaks, crash-weighty, crash-at, manifests-lost-at";
                return line.mistake(format!("there is no fault `{key}`; there are {keys}"));
            }
        }
    }
    Ok(faults)
}

/// A direction of a link that is not as the others.
pub(super) fn link(line: &mut Line<'_>, sites: usize) -> Result<(usize, usize, Link), Mistake> {
    let (from, to) = line.two(Some("to"), sites)?;
    let mut link = Link::default();
    while let Some(key) = line.next() {
        match key {
            "latency" => link.latency = latency(line)?,
            "loss" => link.loss = line.ppm("a share", ALL)?,
            "doubling" => link.doubling = line.ppm("a share", ALL)?,
            "breaks" => link.breaks = line.ppm("a share", ALL)?,
            "bandwidth" => link.bandwidth = line.number_in("a number of bytes a second", 1..=1 << 40)?,
            "ordered" => link.reorders = false,
            _ => return line.mistake(format!("a link has no `{key}`; it has latency, loss, doubling, breaks, bandwidth, ordered")),
        }
    }
    Ok((from, to, link))
}

/// `280ms`, `1ms to 5ms`, `log-normal 40ms 500`, `measured 18ms 19ms 31ms`.
fn latency(line: &mut Line<'_>) -> Result<Latency, Mistake> {
    match line.peek() {
        Some("log-normal") => {
            line.next();
            let median = line.latency()?;
            // Beyond five the tail would be longer than any latency may be.
            let sigma = line.number_in("a sigma in thousandths", 0..=5_000)?;
            Ok(Latency::log_normal(core::time::Duration::from_micros(u64::from(median)), sigma))
        }
        Some("measured") => {
            line.next();
            let mut samples = Vec::new();
            while line.peek().is_some_and(|word| word.starts_with(|letter: char| letter.is_ascii_digit())) {
                samples.push(core::time::Duration::from_micros(u64::from(line.latency()?)));
            }
            Latency::measured(&samples).map_or_else(|| line.mistake("`measured` wants samples, such as 18ms 19ms 31ms"), Ok)
        }
        _ => {
            let low = line.latency()?;
            if line.peek() != Some("to") {
                return Ok(Latency::Constant(low));
            }
            line.next();
            let high = line.latency()?;
            if low > high { line.mistake("the longer latency stands before the shorter") } else { Ok(Latency::Uniform(low, high)) }
        }
    }
}

pub(super) fn conduct(line: &mut Line<'_>) -> Result<Conduct, Mistake> {
    let word = line.word("a conduct")?;
    let all = || CONDUCTS.map(|conduct| kebab(&format!("{conduct:?}"))).join(", ");
    of_kebab(word, &CONDUCTS).map_or_else(|| line.mistake(format!("there is no conduct `{word}`; there are {}", all())), Ok)
}

/// What stands behind `at TIME WORD`.
pub(super) fn action(word: &str, line: &mut Line<'_>, sites: usize) -> Result<Action, Mistake> {
    const KNOWN: &str = "want, purge, crash, stop, continue, cut, uncut, mute, unmute, clog, disk, rotate, knock, calendar, invite, recover, leave, propose, second, object, \
                         weather, mend, expect";
    let pause = |line: &mut Line<'_>| -> Result<u64, Mistake> {
        line.keyword("for")?;
        line.millis("a span", LENGTH_MS_MAX)
    };
    Ok(match word {
        "want" => Action::Want(line.site(sites)?, line.number_in("a number of requests a second", 0..=i64::from(WANTED_MAX))?),
        "purge" => Action::Purge(line.site(sites)?),
        "crash" => Action::Crash(line.site(sites)?, pause(line)?),
        "stop" | "continue" => Action::Stop(line.site(sites)?, word == "stop"),
        "cut" | "uncut" => {
            let (one, other) = line.two(None, sites)?;
            Action::Cut(one, other, word == "cut")
        }
        "mute" | "unmute" => {
            let (from, to) = line.two(Some("to"), sites)?;
            Action::Mute(from, to, word == "mute")
        }
        "clog" => {
            let (from, to) = line.two(Some("to"), sites)?;
            Action::Clog(from, to, pause(line)?)
        }
        "disk" => {
            let site = line.site(sites)?;
            let ways = [
                ("full", Action::Full(site, true)),
                ("free", Action::Full(site, false)),
                ("fails", Action::Broken(site)),
                ("lies", Action::Lies(site)),
                ("rots", Action::Rot(site)),
                ("copied", Action::Copy(site)),
                ("put-back", Action::PutBack(site)),
                ("lost", Action::Lose(site)),
            ];
            line.one_of("full, free, fails, lies, rots, copied, put-back or lost", &ways)?
        }
        "rotate" => {
            let site = line.site(sites)?;
            line.keyword("by")?;
            let signers = [("old-key", Signer::OldKey), ("recovery-key", Signer::RecoveryKey)];
            Action::Rotate(site, line.one_of("old-key or recovery-key", &signers)?)
        }
        "knock" => {
            let site = line.site(sites)?;
            line.keyword("by")?;
            Action::Knock(site, line.number_in("a number of strangers", 0..=STRANGERS_AT_ONCE_MAX as i64)?)
        }
        "calendar" => {
            let site = line.site(sites)?;
            let sign = line.one_of("`ahead`, `behind` or `right`", &[("ahead", 1), ("behind", -1), ("right", 0)])?;
            let by = if sign == 0 { 0 } else { line.millis("a span", LENGTH_MS_MAX)? };
            Action::Jump(site, sign * i64::try_from(by).unwrap_or_default())
        }
        "invite" => {
            let (sponsor, joiner) = line.two(Some("to"), sites)?;
            Action::Join(sponsor, joiner)
        }
        "recover" => {
            let (site, partner) = line.two(Some("from"), sites)?;
            Action::Recover(site, partner)
        }
        "leave" => Action::Leave(line.site(sites)?),
        "propose" => proposal(line, sites)?,
        "second" => Action::Second(line.site(sites)?),
        "object" => Action::Object(line.site(sites)?),
        "weather" => Action::Weather(weather(line, sites)?),
        "mend" => Action::Mend,
        _ => return line.mistake(format!("nothing is called `{word}` that could happen; there are {KNOWN}")),
    })
}

/// What stands behind `propose`.
fn proposal(line: &mut Line<'_>, sites: usize) -> Result<Action, Mistake> {
    let mover = line.site(sites)?;
    if !line.one_of("`charter` or `remove`", &[("charter", true), ("remove", false)])? {
        return Ok(Action::Expel(mover, line.site(sites)?));
    }
    let name = line.word("a parameter of the charter")?;
    let Some(parameter) = PARAMETERS.iter().position(|parameter| parameter.name == name) else {
        return line.mistake(format!("the charter has no parameter `{name}`; its table lists them"));
    };
    let within = PARAMETERS[parameter].min..=PARAMETERS[parameter].max;
    Ok(Action::Amend(mover, parameter, line.whole("a value of it", within)?))
}

/// What stands behind `expect`.
pub(super) fn expectation(mut line: Line<'_>, sites: usize) -> Result<Expectation, Mistake> {
    const KNOWN: &str = "kept, own, spilled, guests, shed, balance, members, rules, told, met, deaths, receipts, broken";
    let quantity = match line.word("a quantity")? {
        "broken" => {
            let (number, words) = (line.clone(), line.remainder());
            return if words.is_empty() {
                number.mistake("say which words the broken promise has")
            } else {
                Ok(Expectation::Broken(words))
            };
        }
        "kept" => Quantity::Kept(line.site(sites)?),
        "own" => Quantity::Own(line.site(sites)?),
        "spilled" => Quantity::Spilled(line.site(sites)?),
        "guests" => Quantity::Guests(line.site(sites)?),
        "shed" => Quantity::Shed(line.site(sites)?),
        "balance" => Quantity::Balance(line.site(sites)?),
        "members" => Quantity::Members(line.site(sites)?),
        "rules" => Quantity::Rules(line.site(sites)?),
        "told" => {
            let site = line.site(sites)?;
            let name = line.word("the name of an event")?;
            if !EVENTS.contains(&name) {
                return line.mistake(format!("there is no event `{name}`; there are {}", EVENTS.join(", ")));
            }
            Quantity::Told(site, name.to_owned())
        }
        "met" => {
            let name = line.word("a condition")?;
            let met = Quantity::met(name);
            met.map_or_else(|| line.mistake(format!("there is no condition `{name}`; simulations/src/sometimes.rs lists them")), Ok)?
        }
        "deaths" => Quantity::Deaths,
        "receipts" => Quantity::Receipts,
        other => return line.mistake(format!("nobody measures `{other}`; there are {KNOWN}")),
    };
    let relation = match line.word("at least, at most or exactly")? {
        "exactly" => Relation::Exactly,
        "at" => line.one_of("at least, at most or exactly", &[("least", Relation::AtLeast), ("most", Relation::AtMost)])?,
        other => return line.mistake(format!("`{other}` stands where `at least`, `at most` or `exactly` should stand")),
    };
    let bound = if matches!(quantity, Quantity::Kept(_)) {
        let ppm = line.ppm("a share", ALL)?;
        if !ppm.is_multiple_of(1_000) {
            return line.mistake("a share kept is compared in tenths of a per cent");
        }
        i64::from(ppm / 1_000)
    } else {
        line.whole("a number", i64::MIN..=i64::MAX)?
    };
    line.end()?;
    Ok(Expectation::Compared(quantity, relation, bound))
}
