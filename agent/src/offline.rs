//! A site without its body: carries out the wishes that need nothing but a ledger, under the lock of the state directory, and tells what the
//! ledger says.

use std::path::Path;

use overspill_edge::Clock;
use overspill_governance::{chain::Verdict, site::Key, time::Now};
use overspill_protocol::{
    event::{Answer, Event},
    io::{Caps, Command, Config, Input, Output},
    site::Site,
};

use crate::{
    cli::{
        exit::{Exit, Failure},
        ledger,
    },
    config::table::Settings,
    entropy,
    ledger::Ledger,
    run::keep::{canonical, caps, guest, ledger_failure, state_failure},
    state::{self, State, names, next},
};

/// Carries out a wish and ends. What the machine wants to send is left unsent: the next run of the agent exchanges it.
///
/// # Errors
/// When the directory is in use, the ledger cannot be used, or the machine refuses.
pub fn wish(settings: &Settings, command: Command) -> Result<(Answer, String), Failure> {
    let state = State::open(&state::directory(settings)).map_err(|error| state_failure(&error))?;
    let site = state.key().site();
    let path = state.file(names::LEDGER);
    let (ledger, _) = Ledger::open(&path, site, Box::new(|_, _, _| ())).map_err(|error| ledger_failure(&error, &path))?;
    let clock = Clock::shifted(settings.clock_offset);
    let mut machine = restore(settings, &state, &ledger, &path, &clock)?;
    machine.handle(Input::Command { id: 1, command }, clock.now());
    let answer = carry_out(&mut machine, &ledger, &clock);
    ledger.close();
    let answer = answer?
        .ok_or_else(|| Failure::new(Exit::Failed, "this cannot be done while the agent is not running", "start it with `overspill run`"))?;
    let answer = answer.map_err(|reason| Failure::new(Exit::Refused, reason, "nothing was changed"))?;
    Ok((answer, site.to_string()))
}

/// The site as the ledger of a directory describes it, for commands that only look: nothing is locked, and nothing that it would do is done.
///
/// # Errors
/// When there is no ledger, or it cannot be read to its end.
pub fn look(directory: &Path) -> Result<(Site, Now), Failure> {
    let unreadable = |error| Failure::of_system("the ledger cannot be read", error);
    let mut records = ledger::read(directory)?;
    let first = next::first_key(directory).map_err(unreadable)?;
    let key = state::peek_key(directory).map_err(|error| state_failure(&error))?;
    let (canonical, addresses) = (String::new(), Vec::new());
    let config = Config { key, seed: entropy::seed().map_err(unreadable)?, canonical, addresses, guest: None, caps: Caps::NOTHING };
    let now = Clock::shifted(0).now();
    let first = first.unwrap_or(config.key.site());
    let site = Site::restore_from(config, first, records.by_ref().map(|record| record.entry), now);
    if let Some(error) = records.failure() {
        return Err(unreadable(error));
    }
    let damaged = |what: String| Failure::new(Exit::Damaged, what, "nothing was changed; see `overspill ledger verify`");
    match (records.finish(), site) {
        (Verdict::Corrupt { at, reason }, _) => Err(damaged(format!("the ledger is damaged at byte {at}: {reason}"))),
        (_, Err(foreign)) => Err(damaged(foreign.to_string())),
        (_, Ok(site)) => Ok((site, now)),
    }
}

fn restore(settings: &Settings, state: &State, ledger: &Ledger, path: &Path, clock: &Clock) -> Result<Site, Failure> {
    let unreadable = |error| Failure::of_system(path.display(), error);
    let config = Config {
        key: Key::from_seed(state.key().to_seed()),
        seed: entropy::seed().map_err(unreadable)?,
        canonical: canonical(settings),
        addresses: addresses(settings),
        guest: guest(settings),
        caps: caps(settings),
    };
    let mut records = ledger.records().map_err(unreadable)?;
    let machine = Site::restore_from(config, ledger.head().site, records.by_ref().map(|record| record.entry), clock.now());
    if let Some(error) = records.failure() {
        return Err(unreadable(error));
    }
    match (records.finish(), machine) {
        (Verdict::Whole, Ok(machine)) => Ok(machine),
        (Verdict::Whole, Err(foreign)) => Err(Failure::new(Exit::Damaged, foreign.to_string(), "see `overspill ledger verify`")),
        (verdict, _) => Err(Failure::new(Exit::Damaged, verdict.to_string(), "see `overspill ledger verify`")),
    }
}

/// Entries are made durable one by one: speed is of no concern here.
fn carry_out(machine: &mut Site, ledger: &Ledger, clock: &Clock) -> Result<Option<Result<Answer, String>>, Failure> {
    let mut answered = None;
    while let Some(output) = machine.poll() {
        match output {
            Output::Persist(entry) => {
                let done = ledger.persist_blocking(clock.date(), vec![*entry]);
                done.map_err(|error| Failure::new(Exit::Failed, error.to_string(), "nothing was signed; mend the disk and try again"))?;
            }
            Output::Tell(Event::Answered { answer, .. }) => answered = Some(answer),
            _ => {}
        }
    }
    Ok(answered)
}

/// Where others will reach the agent: what is announced, or else the addresses listened on that name one place.
pub fn addresses(settings: &Settings) -> Vec<String> {
    let chosen = if settings.mesh_announce.is_empty() { &settings.mesh_listen } else { &settings.mesh_announce };
    let texts = chosen.iter().map(|address| address.0.to_string());
    texts.filter(|text| !text.contains("/0.0.0.0/") && !text.contains("/::/") && !text.ends_with("/tcp/0")).collect()
}
