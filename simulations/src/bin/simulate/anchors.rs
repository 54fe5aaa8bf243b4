//! `simulate anchors`: published figures of earlier systems, beside what ours comes to.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use overspill_governance::digest::Digest;
use overspill_simulations::{
    laboratory::anchors::{ANCHORS, Anchor, Figure, Found, Setting},
    traffic::{counts, series::Series},
};
use serde_json::{Value, json};

use crate::{
    args,
    chart::{self, Bar},
    cores::on_all_cores,
    ending::{Ending, Fault},
    object, report, run, told,
};

/// Names the folder with measured traffic.
const DATA: &str = "OVERSPILL_TEST_DATA";
const WORLD_CUP: &str = "wc98-per-minute.csv";

/// Plays them.
///
/// # Errors
/// When there is none of that name, or the report cannot be written.
pub fn anchors(options: &args::Anchors) -> Result<Ending, Fault> {
    let chosen = chosen(options.name.as_deref())?;
    let setting = Setting { seed: options.seed, small: options.small, world_cup: world_cup()? };
    let began = Instant::now();
    let played: Vec<(Anchor, Option<Found>)> =
        chosen.iter().copied().zip(on_all_cores(&chosen, |anchor| (anchor.play)(&setting))).collect();
    let wall = began.elapsed();
    let found = || played.iter().filter_map(|(anchor, found)| Some((anchor, found.as_ref()?)));
    let failures: Vec<String> =
        found().flat_map(|(anchor, found)| found.failures.iter().map(|words| format!("{}: {words}", anchor.name))).collect();
    let (events, span) =
        (found().map(|(_, found)| found.events).sum(), Duration::from_millis(found().map(|(_, found)| found.millis).sum()));
    if let Some(file) = &options.report {
        let pictures: Vec<String> = found().map(|(_, found)| picture(found)).collect();
        let about = format!("What earlier systems published, and what ours comes to in like trouble; seed {}.", options.seed);
        report::write(file, &report::pictures("simulate anchors", &about, &pictures, &failures))?;
    }
    if options.json {
        let hashes: Vec<u8> = found().flat_map(|(_, found)| found.hashes.iter().copied()).collect();
        told::line(json!({
            "schema": object::SCHEMA, "command": "anchors", "seed": options.seed, "sites": found().map(|(_, found)| found.sites).sum::<usize>(),
            "events": events, "virtual_seconds": object::seconds(span), "wall_seconds": object::seconds(wall),
            "trace_hash": Digest::of("overspill simulate anchors", &hashes).to_string(), "failures": failures,
            "rows": played.iter().map(|(anchor, found)| row(anchor, found.as_ref())).collect::<Vec<_>>(),
        }))?;
    } else {
        played.iter().try_for_each(|(anchor, found)| tell(anchor, found.as_ref()))?;
        failures.iter().try_for_each(|words| told::line(format_args!("! {words}")))?;
        told::line(run::summary(&failures, events, span, wall))?;
    }
    Ok(Ending::of(!failures.is_empty()))
}

fn chosen(name: Option<&str>) -> Result<Vec<Anchor>, Fault> {
    let Some(name) = name else { return Ok(ANCHORS.to_vec()) };
    let names = || ANCHORS.iter().map(|anchor| anchor.name).collect::<Vec<_>>().join(", ");
    let one = ANCHORS.iter().find(|anchor| anchor.name == name);
    one.map(|anchor| vec![*anchor])
        .ok_or_else(|| Fault::new(Ending::Usage, format!("there is no anchor `{name}`"), format!("there are {}", names())))
}

/// The real series, where somebody has it.
fn world_cup() -> Result<Option<Series>, Fault> {
    let Some(folder) = std::env::var_os(DATA) else { return Ok(None) };
    let file = PathBuf::from(folder).join(WORLD_CUP);
    let advice = format!("{DATA} names a folder that holds {WORLD_CUP}, or nothing");
    let text =
        std::fs::read_to_string(&file).map_err(|error| Fault::new(Ending::System, format!("{}: {error}", file.display()), &*advice))?;
    counts::read(&text).map(Some).map_err(|mistake| Fault::new(Ending::Usage, format!("{}, {mistake}", file.display()), &*advice))
}

fn tell(anchor: &Anchor, found: Option<&Found>) -> Result<(), Fault> {
    told::line(format_args!("{}: {}", anchor.name, anchor.source))?;
    told::line(format_args!("  like: {}", anchor.like))?;
    told::line(format_args!("  unlike: {}", anchor.unlike))?;
    let Some(found) = found else {
        return told::line(format_args!("  passed over: {DATA} names no folder with {WORLD_CUP}\n"));
    };
    let width = found.figures.iter().map(|figure| figure.what.len()).max().unwrap_or_default();
    told::line(format_args!("  {:<width$}  {:>12}  {:>12}  {:>8}", "", "original", "ours", "ratio"))?;
    for figure in &found.figures {
        let [original, ours, ratio] = cells(figure);
        told::line(format_args!("  {:<width$}  {original:>12}  {ours:>12}  {ratio:>8}  {}", figure.what, figure.unit))?;
    }
    told::line("")
}

/// Original, ours and ratio, as they are told.
fn cells(figure: &Figure) -> [String; 3] {
    let words = |value: Option<u64>| value.map_or_else(|| String::from("-"), |value| chart::number(value as f64 / 1e3));
    [words(figure.original), words(Some(figure.ours)), words(figure.ratio())]
}

fn row(anchor: &Anchor, found: Option<&Found>) -> Value {
    let thousandths = |value: Option<u64>| value.map(|value| value as f64 / 1e3);
    let figure = |figure: &Figure| {
        json!({ "what": figure.what, "unit": figure.unit, "original": thousandths(figure.original), "ours": thousandths(Some(figure.ours)),
            "ratio": thousandths(figure.ratio()) })
    };
    json!({
        "name": anchor.name, "source": anchor.source, "like": anchor.like, "unlike": anchor.unlike, "passed_over": found.is_none(),
        "figures": found.map(|found| found.figures.iter().map(figure).collect::<Vec<_>>()),
    })
}

/// An anchor's picture.
fn picture(found: &Found) -> String {
    let bars = found.bars.iter().map(|(name, value)| Bar { name: name.clone(), value: *value as f64 / 1e3 });
    chart::bars(found.title, &bars.collect::<Vec<_>>())
}

/// The pictures of all anchors that need no data, in a small setting, with the names of their files.
pub fn pictures() -> Vec<(String, String)> {
    let setting = Setting { small: true, ..Setting::default() };
    let found = on_all_cores(&ANCHORS, |anchor| (anchor.play)(&setting));
    ANCHORS.iter().zip(found).filter_map(|(anchor, found)| Some((format!("anchor-{}.svg", anchor.name), picture(&found?)))).collect()
}
