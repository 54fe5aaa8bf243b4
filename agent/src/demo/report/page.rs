//! The report as one HTML file that needs nothing else.

use std::fmt::Write as _;

use super::{Measured, charts, log, table};
use crate::demo::{figures::Arm, limits, setting};

/// Writes the page.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn page(measured: &Measured) -> anyhow::Result<String> {
    let (setting, marks) = (&measured.setting, &measured.setting.crowd.marks);
    let arms = measured.arms();
    let mut html = String::from(HEAD);
    let _ = write!(
        html,
        "<h1>A crowd strikes, and partners carry it</h1><p>One site and {} helpers on this machine, each with an agent, a web site that renders \
         {} pages per second, and an emulated uplink of {:.1} MB/s. A crowd of {} visitors, at its height {} times what the origin renders, \
         seed {}. A request counts as right when every byte of its body is the expected one within {} s, redirects included.</p>",
        setting.helpers,
        setting::RENDERS,
        setting.uplink as f64 / 1e6,
        setting.crowd.visits.len(),
        setting.factor,
        setting.seed,
        limits::DEADLINE.as_secs(),
    );
    figures(&mut html, &arms);
    if let Some(account) = &setting.account {
        html.push_str("<h2>The log</h2><table>");
        for (name, value) in log::facts(account) {
            let _ = write!(html, "<tr><th>{name}</th><td>{}</td></tr>", escaped(&value));
        }
        html.push_str("</table>");
    }
    if let Some(mesh) = &measured.mesh {
        html.push_str("<h2>The mesh</h2><table>");
        for (name, value) in table::facts(mesh) {
            let _ = write!(html, "<tr><th>{name}</th><td>{value}</td></tr>");
        }
        html.push_str("</table>");
        lines(&mut html, mesh);
    }
    section(
        &mut html,
        "Failed requests",
        "By when they were wanted. One that is never sent because its page failed counts.",
        &charts::errors(&arms, marks)?,
    );
    for (name, arm) in arms.iter().rev() {
        let _ = write!(html, "<h2>{name}</h2>");
        section(
            &mut html,
            "Who carried it",
            "Right body bytes by their sender; the black line is what visitors wanted.",
            &charts::carried(arm, marks)?,
        );
        if *name == "mesh" {
            section(&mut html, "Redirected requests", "Share of the requests wanted in each half second.", &charts::redirects(arm, marks)?);
        }
        let text = "All bytes that left each site, headers, fills and talk included, counted by the relay in front of it.";
        section(&mut html, "Use of the uplinks", text, &charts::uplinks(arm, marks, setting.uplink)?);
        section(&mut html, "Latency", "From the intended time; a failed request counts as two seconds.", &charts::latency(arm, marks)?);
        section(&mut html, "At the origin", "Requests in flight, counted by the origin itself.", &charts::origin(arm, marks)?);
        section(&mut html, "Processor", "Visitors, relays, agents and origins share this machine.", &charts::processor(arm, marks)?);
    }
    html.push_str(HOW);
    Ok(html)
}

fn figures(html: &mut String, arms: &[(&str, &Arm)]) {
    html.push_str("<table><tr><th></th>");
    for (name, _) in arms {
        let _ = write!(html, "<th>{name}</th>");
    }
    html.push_str("</tr>");
    let mut row = |name: &str, cell: &dyn Fn(&Arm) -> String| {
        let _ = write!(html, "<tr><th>{name}</th>");
        for (_, arm) in arms {
            let _ = write!(html, "<td>{}</td>", cell(arm));
        }
        html.push_str("</tr>");
    };
    row("requests", &|arm| arm.seen.requests.to_string());
    row("right bytes in time", &|arm| format!("{} of {}", table::megabytes(arm.seen.right_bytes), table::megabytes(arm.wanted_bytes)));
    row("of all wanted", &|arm| table::percent(arm.seen.right_bytes_ratio));
    row("failed requests", &|arm| arm.seen.errors.to_string());
    row("refused, late, wrong, broken, not asked", &|arm| {
        let ends = &arm.ends;
        format!("{}, {}, {}, {}, {}", ends.refused, ends.late, ends.wrong, ends.broken, ends.not_asked)
    });
    row("latency: median, 95 %, 99 %", &|arm| {
        format!(
            "{}, {}, {}",
            table::milliseconds(arm.seen.p50_ms),
            table::milliseconds(arm.seen.p95_ms),
            table::milliseconds(arm.seen.p99_ms)
        )
    });
    row("most in flight at the origin", &|arm| arm.origin.in_flight_max.to_string());
    html.push_str("</table>");
}

/// The lines between the owner and its helpers, as both ends have them.
fn lines(html: &mut String, mesh: &super::MeshArm) {
    html.push_str("<h2>Credit moved</h2><p>Each end's ledger was read by itself, with <code>overspill</code>'s own commands. The two sides of a line add up to nothing.</p>");
    html.push_str("<table><tr><th>line with</th><th>the owner's ledger says</th><th>the helper's says</th></tr>");
    for line in &mesh.books.lines {
        let said = |amount: Option<i64>| amount.map_or_else(|| "not read".to_owned(), crate::demo::ledgers::credit);
        let _ = write!(
            html,
            "<tr><th>helper {}</th><td>{}</td><td>{}</td></tr>",
            line.helper + 1,
            said(line.owner_says),
            said(line.helper_says)
        );
    }
    html.push_str("</table>");
}

/// A log's paths are anybody's words.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn section(html: &mut String, title: &str, text: &str, chart: &str) {
    let _ = write!(html, "<section><h3>{title}</h3><p>{text}</p>{chart}</section>");
}

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
<title>overspill demo</title><style>\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#24262b;background:#fff}\
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid #dde}h3{margin-bottom:0}\
section p{margin:.2rem 0;color:#555}.legend span{margin-right:1rem;white-space:nowrap}.legend i{display:inline-block;width:.8rem;height:.8rem;margin-right:.3rem}svg{max-width:100%;height:auto}\
table{border-collapse:collapse;margin:1rem 0}th,td{padding:.25rem .8rem;border-bottom:1px solid #e2e4e8;text-align:right}\
th:first-child{text-align:left;font-weight:500}td:only-of-type{text-align:left}code{background:#f2f3f5;padding:0 .2rem}</style>";

const HOW: &str = "<h2>How this was measured</h2><ul>\
<li>Every site is a set of real processes on loopback: a web site that renders pages in a small pool of workers, and in the second and third arm \
an <code>overspill run</code> in front of it. Members were joined by invite tokens.</li>\
<li>The load is open: arrivals are fixed before the first visitor sets out and do not wait for answers. Latency counts from the intended time, an \
asset's from the moment its page arrived.</li>\
<li>Uplinks are emulated outside the agents, by a relay in front of each that passes bytes at the line's rate and shares a queue of a quarter of a \
second among its connections. Downlinks are not limited.</li>\
<li>On the peer-to-peer ports of helpers, bytes into the helper are charged to the owner's uplink, as fills cross it. The relay cannot tell who opened \
a connection, so talk between helpers is charged to the owner too: that only ever takes from the owner.</li>\
<li>Visitors are not shaped and have no latency of their own. All visitors, relays, agents and origins share one machine; where its processor is \
full, figures tell of it and not of the mesh.</li></ul>";

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        for part in [super::HEAD, super::HOW] {
            assert!(!part.contains("http:") && !part.contains("https:") && !part.contains("src="));
        }
    }
}
