//! `simulate strategies`: what each strategy brings in that must not pay.

use overspill_simulations::laboratory::strategies::{Played, Profit, STRATEGIES, Strategy, Taking, play};
use serde_json::{Value, json};

use crate::{
    args,
    cores::on_all_cores,
    ending::{Ending, Fault},
    object, told,
};

/// Plays them.
///
/// # Errors
/// When what was found cannot be written.
pub fn strategies(options: &args::Strategies) -> Result<Ending, Fault> {
    let seeds = options.from..options.from + u64::from(options.seeds);
    // Strategies that begin alike share a twin.
    let kinds: Vec<(Strategy, u64)> = [Strategy::FreeRider, Strategy::CollusiveInflation, Strategy::SybilFarm, Strategy::VoteFarm]
        .into_iter()
        .flat_map(|strategy| seeds.clone().map(move |seed| (strategy, seed)))
        .collect();
    let twins: Vec<Played> = on_all_cores(&kinds, |(strategy, seed)| play(*strategy, *seed, options.crowd, true));
    let jobs: Vec<(&str, Strategy, u64)> =
        STRATEGIES.iter().flat_map(|(name, strategy)| seeds.clone().map(move |seed| (*name, *strategy, seed))).collect();
    let found = on_all_cores(&jobs, |(_, strategy, seed)| {
        let at = kinds.iter().position(|(kind, of)| kind.twin() == strategy.twin() && of == seed).unwrap_or_default();
        Profit::beside(*strategy, *seed, options.crowd, &twins[at])
    });
    let failures: Vec<&String> = found.iter().flat_map(|profit| &profit.failures).collect();
    if options.json {
        let rows: Vec<Value> = jobs.iter().zip(&found).map(|((name, _, seed), profit)| row(name, *seed, profit)).collect();
        told::line(
            json!({ "schema": object::SCHEMA, "command": "strategies", "crowd": options.crowd, "failures": failures, "rows": rows }),
        )?;
    } else {
        told::line("Micro-credits; `took` is what it got, less what it gave, and what it made others sign beyond that.")?;
        told::line(
            "| strategy | seed | got | gave | invented | took | its twin got | took | profit | visitors lost | of the twin | bound |",
        )?;
        told::line("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        for ((name, _, seed), profit) in jobs.iter().zip(&found) {
            let Profit { strategist, twin, bound, .. } = profit;
            let Taking { got, gave, invented, shed, .. } = strategist;
            told::line(format_args!(
                "| {name} | {seed} | {got} | {gave} | {invented} | {} | {} | {} | {} | {shed} | {} | {bound} |",
                strategist.net(),
                twin.got,
                twin.net(),
                profit.profit(),
                twin.shed
            ))?;
        }
        failures.iter().try_for_each(|words| told::line(format_args!("! {words}")))?;
    }
    Ok(Ending::of(!failures.is_empty()))
}

fn row(name: &str, seed: u64, profit: &Profit) -> Value {
    let taking = |Taking { got, gave, invented, signed, bytes, shed }: &Taking| {
        json!({ "got": got.to_string(), "gave": gave.to_string(), "invented": invented.to_string(), "signed": signed.to_string(),
            "bytes": bytes, "visitors_lost": shed })
    };
    json!({
        "strategy": name, "seed": seed, "profit": profit.profit().to_string(), "bound": profit.bound.to_string(),
        "made_up": profit.made_up.to_string(),
        "rules_changed": profit.rules_changed, "convicted_by": profit.convicted_by,
        "strategist": taking(&profit.strategist), "twin": taking(&profit.twin),
    })
}
