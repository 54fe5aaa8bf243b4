//! Phase diagrams: `simulate sweep` with two parameters, each value of the first with each of the second.

use std::time::Instant;

use overspill_simulations::laboratory::{
    arms::Diagram,
    measures::{Quantity, TABLE},
};
use serde_json::{Value, json};

use crate::{
    args,
    chart::{self, Heat},
    ending::{Ending, Fault},
    experiment::{Row, play},
    policies::with_unit,
    report, run, told,
};

/// What diagrams show, and whether little of it is bad.
const SHOWN: [(&str, bool); 5] = [("refused_spill", false), ("overflow", true), ("indebted", false), ("exposed", false), ("burden", false)];

/// Plays a diagram; `about` makes a sentence of what is changed.
///
/// # Errors
/// When the report cannot be written.
pub fn phase(diagram: &Diagram, about: impl Fn(&str) -> String, common: &args::Common) -> Result<Ending, Fault> {
    std::panic::set_hook(Box::new(|_| ()));
    let (one, other) = &diagram.names;
    let about = about(&format!("{one} from row to row, {other} from column to column"));
    let began = Instant::now();
    let (rows, sum) = play(&diagram.arms);
    let wall = began.elapsed();
    let failures: Vec<String> = rows.iter().flat_map(|row| row.failures.clone()).collect();
    let name = format!("{one} x {other}");
    if let Some(file) = &common.report {
        let pictures: Vec<String> = SHOWN.iter().map(|(name, _)| picture(diagram, &rows, name)).collect();
        report::write(file, &report::pictures(&format!("simulate sweep: {name}"), &about, &pictures, &failures))?;
    }
    if common.json {
        let mut object = sum.object(("sweep", &name), common, wall, &rows);
        let axis = |name: &str, values: &[i64]| -> Value { json!({ "parameter": name, "values": values }) };
        object["axes"] = json!([axis(one, &diagram.rows), axis(other, &diagram.columns)]);
        told::line(object)?;
    } else {
        told::line(about)?;
        SHOWN.iter().try_for_each(|(name, _)| grid(diagram, &rows, name))?;
        failures.iter().try_for_each(|words| told::line(format_args!("! {words}")))?;
        told::line(run::summary(&failures, sum.events, sum.virtual_time, wall))?;
    }
    Ok(Ending::of(!failures.is_empty()))
}

/// Where a quantity stands in the table.
fn place(name: &str) -> Option<(usize, &'static Quantity)> {
    TABLE.iter().enumerate().find(|(_, quantity)| quantity.name == name)
}

/// One quantity as a picture, the worse the redder.
pub fn picture(diagram: &Diagram, rows: &[Row], name: &str) -> String {
    let Some((at, quantity)) = place(name) else { return String::new() };
    let scarce = SHOWN.iter().any(|(shown, scarce)| *shown == name && *scarce);
    let cell = |row: &Row| {
        let mean = row.spans[at].1;
        let whole = if quantity.unit == "%" { 100.0 } else { 1.0 };
        let bad = if scarce { whole - mean } else { mean };
        ((bad / whole * 1_000.0) as u64, chart::number(mean))
    };
    let unit = if quantity.unit.is_empty() { String::new() } else { format!(" ({})", quantity.unit) };
    let lines = diagram.rows.iter().zip(rows.chunks(diagram.columns.len().max(1)));
    let (one, other) = &diagram.names;
    chart::heat(&Heat {
        title: &format!("{}{unit}; {one} by row, {other} by column", name.replace('_', " ")),
        columns: diagram.columns.iter().map(i64::to_string).collect(),
        rows: lines.map(|(value, cells)| (value.to_string(), cells.iter().map(cell).collect())).collect(),
        worst: 1_000,
    })
}

/// One quantity as a table.
fn grid(diagram: &Diagram, rows: &[Row], name: &str) -> Result<(), Fault> {
    let Some((at, quantity)) = place(name) else { return Ok(()) };
    let (one, other) = &diagram.names;
    told::line(format_args!("\n{}", with_unit(quantity)))?;
    let corner = format!("{one} \\ {other}");
    let heads: String = diagram.columns.iter().map(|value| format!("{value:>9}")).collect();
    told::line(format_args!("{corner}{heads}"))?;
    diagram.rows.iter().zip(rows.chunks(diagram.columns.len().max(1))).try_for_each(|(value, cells)| {
        let cells: String = cells.iter().map(|row| format!("{:>9}", chart::number(row.spans[at].1))).collect();
        told::line(format_args!("{value:<width$}{cells}", width = corner.len()))
    })
}
