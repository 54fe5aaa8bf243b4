//! `overspill init`, `invite`, `join`, `recover` and `leave`: what a person wishes of the mesh.

use std::{path::Path, time::Duration};

use overspill_protocol::{event::Answer, io::Command};
use serde_json::{Value, json};

use super::{
    ask,
    exit::{Exit, Failure, Outcome},
    out,
};
use crate::{
    admin::talk::Ask,
    config::{quantity, table::Settings},
    offline,
    run::agent::{charter, no_site},
    state,
};

/// Options of `overspill init`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Init {
    /// The mesh's name for people.
    #[arg(long, default_value = "mesh")]
    name: String,
    /// A rule of the charter that differs from its default, as name=number. May be given several times.
    #[arg(long = "rule", value_name = "NAME=NUMBER", value_parser = rule)]
    rules: Vec<(String, i64)>,
    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Options of `overspill invite`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Invite {
    /// How long the token can be redeemed.
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = span)]
    lifetime: Duration,
    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Options of `overspill join`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Join {
    /// The token's one line; `-` reads it from standard input, so that it does not stand in the shell's history.
    token: String,
    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Options of `overspill recover`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Recover {
    /// A partner's name, as its `overspill status` shows it.
    partner: String,
    /// Where the partner's agent is reached, for example /ip4/203.0.113.7/tcp/7400. May be given several times.
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Reads `name=number`.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn rule(text: &str) -> Result<(String, i64), String> {
    let (name, value) = text.split_once('=').ok_or("write name=number")?;
    Ok((name.to_owned(), value.parse().map_err(|_| "the value is a whole number")?))
}

fn span(text: &str) -> Result<Duration, String> {
    quantity::span(text).map_err(|misread| format!("{}; write {}", misread.wrong, misread.write))
}

/// Founds a mesh, through the running agent or without one.
///
/// # Errors
/// When the agent or the machine refuses.
pub fn init(options: &Init, settings: &Settings) -> Outcome {
    let ask = Ask::Init { name: options.name.clone(), rules: options.rules.clone() };
    let told = match ask::try_ask(&state::directory(settings), ask)? {
        Some(told) => told,
        None => {
            if settings.site.is_none() {
                return Err(no_site());
            }
            let command = Command::Found { name: options.name.clone(), charter: charter(&options.rules)? };
            let (_, site) = offline::wish(settings, command)?;
            json!({ "schema": "overspill.init/1", "name": options.name, "site": site })
        }
    };
    let founded = format!("The mesh {:?} is founded; this site is its first member.", options.name);
    tell(&told, options.json, &format!("{founded}\nNext: `overspill invite` makes a token for a partner."))
}

/// Makes a token, through the running agent or without one.
///
/// # Errors
/// When the agent or the machine refuses.
pub fn invite(options: &Invite, settings: &Settings) -> Outcome {
    let seconds = options.lifetime.as_secs();
    let told = match ask::try_ask(&state::directory(settings), Ask::Invite { seconds })? {
        Some(told) => told,
        None => {
            if offline::addresses(settings).is_empty() {
                let what = "an invite must say where this agent is reached, and nothing here says so";
                return Err(Failure::new(
                    Exit::Usage,
                    what,
                    "start the agent first, or set mesh.announce, for example /ip4/203.0.113.7/tcp/7400",
                ));
            }
            match offline::wish(settings, Command::Invite { lifetime: options.lifetime })? {
                (Answer::Invited { token }, _) => json!({ "schema": "overspill.invite/1", "token": token, "seconds": seconds }),
                (other, _) => {
                    return Err(Failure::new(Exit::Failed, format!("an invite was answered with {other:?}"), "please report this"));
                }
            }
        }
    };
    // The token alone on standard output: it is meant to be piped and copied.
    tell(&told, options.json, told["token"].as_str().unwrap_or_default())
}

/// Redeems a token; the running agent talks to the sponsor.
///
/// # Errors
/// When no agent runs, or the sponsor refuses.
pub fn join(options: &Join, directory: &Path) -> Outcome {
    let token = if options.token == "-" {
        let read = std::io::read_to_string(std::io::Read::take(std::io::stdin(), 16 * 1024));
        read.map_err(|error| Failure::of_system("the token cannot be read", error))?
    } else {
        options.token.clone()
    };
    let told = ask::ask(directory, Ask::Join { token: token.trim().to_owned() })?;
    tell(&told, options.json, "This site is a member now; `overspill partners` shows with whom.")
}

/// Asks a partner for the mesh that this site's key is a member of; the running agent talks to it.
///
/// # Errors
/// When no agent runs, or no partner at that address knows the key.
pub fn recover(options: &Recover, directory: &Path) -> Outcome {
    let ask = Ask::Recover { partner: options.partner.clone(), addresses: options.addresses.clone() };
    let told = ask::ask(directory, ask)?;
    tell(
        &told,
        options.json,
        "This site is a member again. What partners hold of our lines comes back as they are reached; `overspill partners` shows them.",
    )
}

/// Leaves the mesh, after leases have ended and settled.
///
/// # Errors
/// When no agent runs, or it refuses.
pub fn leave(json: bool, directory: &Path) -> Outcome {
    let told = ask::ask(directory, Ask::Leave)?;
    tell(&told, json, "This site has left the mesh; `overspill statement` shows what is still owed.")
}

fn tell(told: &Value, json: bool, people: &str) -> Outcome {
    if json { out::line(told) } else { out::line(people) }
}
