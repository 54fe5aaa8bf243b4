//! The report of an experiment: one HTML file that needs nothing else, with a chart and a table for each quantity.

use std::path::Path;

use overspill_simulations::laboratory::measures::{Quantity, TABLE};

use crate::{
    chart::{escaped, number, put},
    ending::{Ending, Fault},
    experiment::Row,
};

/// Size of a chart, and what its axes take of it.
const SIZE: (f64, f64) = (860.0, 240.0);
const MARGIN: (f64, f64, f64, f64) = (64.0, 12.0, 12.0, 34.0);

/// The page.
pub fn page(title: &str, about: &str, parameter: &str, rows: &[Row]) -> String {
    let mut html = format!("{HEAD}<title>{0}</title><h1>{0}</h1><p>{1}</p>", escaped(title), escaped(about));
    let broken: Vec<&String> = rows.iter().flat_map(|row| &row.failures).collect();
    if broken.is_empty() {
        html.push_str("<p>Every promise was kept in every run.</p>");
    } else {
        html.push_str("<p><b>Promises were broken:</b></p><ul>");
        broken.iter().for_each(|words| put(&mut html, format_args!("<li>{}</li>", escaped(words))));
        html.push_str("</ul>");
    }
    for (at, quantity) in TABLE.iter().enumerate() {
        put(&mut html, format_args!("<section><h2>{} ({})</h2>", escaped(quantity.words), escaped(quantity.unit)));
        html.push_str(&chart(quantity, parameter, &rows.iter().map(|row| (row.name.as_str(), row.spans[at])).collect::<Vec<_>>()));
        html.push_str("</section>");
    }
    html.push_str(&table(parameter, rows));
    html.push_str(HOW);
    html
}

/// Means as dots on a line, with whiskers from the least to the greatest.
fn chart(quantity: &Quantity, parameter: &str, points: &[(&str, (f64, f64, f64))]) -> String {
    let (left, top, right, bottom) = MARGIN;
    let highest = points.iter().map(|(_, (.., greatest))| *greatest).fold(0.0, f64::max);
    let ceiling = nice(if quantity.unit == "%" { highest.clamp(1.0, 100.0) } else { highest });
    let (width, height) = (SIZE.0 - left - right, SIZE.1 - top - bottom);
    let x = |at: usize| left + width * (at as f64 + 0.5) / points.len().max(1) as f64;
    let y = |value: f64| top + height * (1.0 - value / ceiling);
    let mut svg = format!("<svg viewBox=\"0 0 {} {}\" role=img aria-label=\"{}\">", SIZE.0, SIZE.1, escaped(quantity.words));
    for tick in 0..=4 {
        let value = ceiling * f64::from(tick) / 4.0;
        let at = y(value);
        put(&mut svg, format_args!("<path class=grid d=\"M{left} {at:.1}H{:.1}\"/>", left + width));
        put(&mut svg, format_args!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=end>{}</text>", left - 6.0, at + 4.0, number(value)));
    }
    // Between values of a parameter there are others; between two scenarios there is nothing.
    if points.iter().all(|(name, _)| name.parse::<i64>().is_ok()) {
        let line: Vec<String> = points.iter().enumerate().map(|(at, (_, (_, mean, _)))| format!("{:.1},{:.1}", x(at), y(*mean))).collect();
        put(&mut svg, format_args!("<polyline class=mean points=\"{}\"/>", line.join(" ")));
    }
    for (at, (name, (least, mean, greatest))) in points.iter().enumerate() {
        put(&mut svg, format_args!("<path class=span d=\"M{0:.1} {1:.1}V{2:.1}\"/>", x(at), y(*least), y(*greatest)));
        put(&mut svg, format_args!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/>", x(at), y(*mean)));
        put(&mut svg, format_args!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=middle>{}</text>", x(at), SIZE.1 - 18.0, escaped(name)));
    }
    put(
        &mut svg,
        format_args!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=middle>{}</text>", left + width / 2.0, SIZE.1 - 3.0, escaped(parameter)),
    );
    svg + "</svg>"
}

fn table(parameter: &str, rows: &[Row]) -> String {
    let mut html = format!(
        "<h2>All figures</h2><p>Mean over the seeds, and from the least to the greatest.</p><table><tr><th>{}</th>",
        escaped(parameter)
    );
    TABLE.iter().for_each(|quantity| put(&mut html, format_args!("<th>{} ({})</th>", quantity.name.replace('_', " "), quantity.unit)));
    for row in rows {
        put(&mut html, format_args!("</tr><tr><th>{}</th>", escaped(&row.name)));
        for (least, mean, greatest) in &row.spans {
            put(&mut html, format_args!("<td>{}<br><small>{} to {}</small></td>", number(*mean), number(*least), number(*greatest)));
        }
    }
    html + "</tr></table>"
}

/// The first of 1, 2, 2.5, 5 and 10 times a power of ten that is not below a value.
fn nice(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let unit = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|step| step * unit).find(|top| *top >= value).unwrap_or(value)
}

/// A page of pictures.
pub fn pictures(title: &str, about: &str, pictures: &[String], failures: &[String]) -> String {
    let mut html = format!("{HEAD}<title>{0}</title><h1>{0}</h1><p>{1}</p>", escaped(title), escaped(about));
    pictures.iter().for_each(|picture| html.push_str(picture));
    failures.iter().for_each(|words| put(&mut html, format_args!("<p>! {}</p>", escaped(words))));
    html
}

/// Writes a page.
///
/// # Errors
/// When it cannot be written.
pub fn write(file: &Path, page: &str) -> Result<(), Fault> {
    std::fs::write(file, page)
        .map_err(|error| Fault::new(Ending::System, format!("{}: {error}", file.display()), "name a file that can be written"))
}

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><style>\
body{font:15px/1.5 system-ui,sans-serif;max-width:58rem;margin:2rem auto;padding:0 1rem;color:#222}\
h1{font-size:1.5rem}h2{font-size:1rem;margin:2rem 0 0}svg{width:100%;height:auto}svg text{font-size:11px;fill:#555}\
.grid{stroke:#e3e6ea}.mean{fill:none;stroke:#3e6eb4;stroke-width:2}.span{stroke:#3e6eb4;stroke-width:1.5;opacity:.5}circle{fill:#3e6eb4}\
table{border-collapse:collapse;font-size:.8rem}th,td{padding:.2rem .5rem;border-bottom:1px solid #e3e6ea;text-align:right;font-weight:400}\
small{color:#777;white-space:nowrap}</style>";

const HOW: &str = "<h2>How this was measured</h2><ul>\
<li>Every point is several whole meshes in deterministic worlds: the agents' own machines, with simulated links, disks, clocks and data planes. The same \
seeds are played in every arm; a seed plays the same on every machine.</li>\
<li>A data plane is a rate: it serves so many requests a second, holds one object, and sends what is more to helpers by its plan. Its figures compare \
arms with each other; they are no promises about real servers.</li>\
<li>After the run everything is mended, settles, and is judged by every checker.</li></ul>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_escapes_what_is_not_its_own() {
        let row = |name: &str, mean: f64| Row {
            name: name.to_owned(),
            seeds: 2,
            spans: vec![(0.0, mean, mean * 2.0); TABLE.len()],
            failures: Vec::new(),
        };
        let html = page("a <title>", "about & more", "sites", &[row("<3>", 1.5), row("5", 0.0)]);
        for bad in ["http:", "https:", "src=", "<3>", "<title>a <", "NaN", "inf"] {
            assert!(!html.contains(bad), "{bad}");
        }
        assert_eq!(html.matches("<svg").count(), TABLE.len());
        assert!(html.contains("&lt;3&gt;") && html.contains("Every promise was kept") && !html.contains("<polyline"));
        let numbers = page("a", "b", "sites", &[row("3", 1.5), row("5", 0.0)]);
        assert_eq!(numbers.matches("<polyline").count(), TABLE.len());
    }

    #[test]
    fn axes_end_at_round_numbers() {
        let nice: Vec<f64> = [0.0, 0.7, 1.0, 1.3, 2.2, 26.0, 1_001.0].map(nice).into();
        let expected = [1.0, 1.0, 1.0, 2.0, 2.5, 50.0, 2_000.0];
        assert!(nice.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9), "{nice:?}");
    }
}
