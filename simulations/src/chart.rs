//! Charts as SVG that needs nothing else: each stands in a report, or alone in the docs.

use std::fmt::Write as _;

/// Cells with a number and its words, the worse the darker.
#[derive(Debug)]
pub struct Heat<'a> {
    /// What it shows.
    pub title: &'a str,
    /// Their names.
    pub columns: Vec<String>,
    /// Each with its name; of each cell how bad it is, and its words.
    pub rows: Vec<(String, Vec<(u64, String)>)>,
    /// From this on nothing is darker.
    pub worst: u64,
}

/// One bar.
#[derive(Debug)]
pub struct Bar {
    /// What stands before it.
    pub name: String,
    /// How long it is.
    pub value: f64,
}

const WIDTH: f64 = 860.0;
const STYLE: &str = "<style>text{font:12px system-ui,sans-serif;fill:#222}.t{font-weight:600}.g{fill:#3e6eb4}.r{stroke:#fff}</style>";

fn open(title: &str, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">{STYLE}<rect width=\"100%\" height=\"100%\" \
         fill=\"#fff\"/><text class=\"t\" x=\"8\" y=\"18\">{}</text>\n",
        escaped(title)
    )
}

/// A table of colours.
pub fn heat(heat: &Heat<'_>) -> String {
    let (left, top, line) = (150.0, 46.0, 24.0);
    let mut svg = open(heat.title, top + line * heat.rows.len() as f64 + 8.0);
    let wide = (WIDTH - left - 8.0) / heat.columns.len().max(1) as f64;
    for (at, column) in heat.columns.iter().enumerate() {
        let x = left + wide * (at as f64 + 0.5);
        put(&mut svg, format_args!("<text x=\"{x:.1}\" y=\"38\" text-anchor=\"middle\">{}</text>", escaped(column)));
    }
    for (row, (name, cells)) in heat.rows.iter().enumerate() {
        let y = top + line * row as f64;
        put(&mut svg, format_args!("\n<text x=\"8\" y=\"{:.1}\">{}</text>", y + 16.0, escaped(name)));
        for (at, (value, words)) in cells.iter().enumerate() {
            let x = left + wide * at as f64;
            let share = (*value).min(heat.worst) * 100 / heat.worst.max(1);
            put(
                &mut svg,
                format_args!(
                    "<rect class=\"r\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{line}\" fill=\"hsl({} 60% 75%)\"/>",
                    120 - 120 * share / 100
                ),
            );
            put(
                &mut svg,
                format_args!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>", x + wide / 2.0, y + 16.0, escaped(words)),
            );
        }
    }
    svg + "\n</svg>\n"
}

/// Bars that lie, with their values.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    let (left, top, line) = (190.0, 30.0, 22.0);
    let mut svg = open(title, top + line * bars.len() as f64 + 8.0);
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    for (at, bar) in bars.iter().enumerate() {
        let y = top + line * at as f64;
        let width = (WIDTH - left - 80.0) * bar.value / most;
        put(
            &mut svg,
            format_args!(
                "<text x=\"8\" y=\"{:.1}\">{}</text><rect class=\"g\" x=\"{left}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/><text x=\"{:.1}\" \
                 y=\"{:.1}\">{}</text>\n",
                y + 15.0,
                escaped(&bar.name),
                y + 2.0,
                line - 4.0,
                left + width + 6.0,
                y + 15.0,
                number(bar.value)
            ),
        );
    }
    svg + "</svg>\n"
}

/// A line of a chart.
#[derive(Debug)]
pub struct Line {
    /// What stands beside it.
    pub name: String,
    /// One for each step to the right.
    pub values: Vec<f64>,
}

/// Colours of lines, told apart by those who see no colours by their darkness.
const COLOURS: [&str; 4] = ["#b03a2e", "#e08e45", "#3e6eb4", "#1d3557"];

/// Lines over time, with the greatest value that there may be.
pub fn lines(title: &str, lines: &[Line], most: f64) -> String {
    let (left, top, wide, high) = (60.0, 34.0, WIDTH - 260.0, 180.0);
    let mut svg = open(title, top + high + 12.0);
    for tick in 0..=4 {
        let (value, y) = (most * f64::from(tick) / 4.0, top + high * (1.0 - f64::from(tick) / 4.0));
        put(
            &mut svg,
            format_args!(
                "<path stroke=\"#e3e6ea\" d=\"M{left} {y:.1}h{wide}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                left - 6.0,
                y + 4.0,
                number(value)
            ),
        );
    }
    for (at, (line, colour)) in lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let x = |at: usize| left + wide * at as f64 / (line.values.len().max(2) - 1) as f64;
        let points = line.values.iter().enumerate().map(|(at, value)| format!("{:.1},{:.1}", x(at), top + high * (1.0 - value / most)));
        let (points, y) = (points.collect::<Vec<_>>().join(" "), top + 14.0 + 20.0 * at as f64);
        put(&mut svg, format_args!("<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{points}\"/>"));
        put(
            &mut svg,
            format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"14\" height=\"4\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{y:.1}\">{}</text>\n",
                left + wide + 12.0,
                y - 6.0,
                left + wide + 32.0,
                escaped(&line.name)
            ),
        );
    }
    svg + "</svg>\n"
}

/// Writes into text.
pub fn put(to: &mut String, text: core::fmt::Arguments<'_>) {
    to.write_fmt(text).expect("strings take text");
}

/// Names of files and parameters are anybody's words.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A number with as many digits as tell something.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value == 0.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.4}"),
    }
}
