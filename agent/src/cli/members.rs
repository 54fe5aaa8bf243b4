//! `overspill members`: who belongs to the mesh, who once did, and who brought in whom.

use std::path::Path;

use serde_json::Value;

use super::{
    ask,
    exit::Outcome,
    out,
    show::{credits, integer, number, short, table, text, truth},
};
use crate::{
    admin::{members, talk::Ask},
    offline,
    run::agent::no_mesh,
};

/// Levels of the tree that are indented: deeper ones would leave no room for names.
const INDENTED_MAX: u64 = 16;

/// Shows the tree of sponsors, by the running agent or by the ledger.
///
/// # Errors
/// When there is neither, or this site is in no mesh.
pub fn run(directory: &Path, json: bool) -> Outcome {
    let told = match ask::try_ask(directory, Ask::Members)? {
        Some(told) => told,
        None => {
            let (site, _) = offline::look(directory)?;
            members::members(&site.members().ok_or_else(no_mesh)?, site.id())
        }
    };
    if json { out::line(told) } else { out::text(words(&told)) }
}

fn words(told: &Value) -> String {
    let members = told["members"].as_array().map_or(&[][..], Vec::as_slice);
    let gone = members.iter().filter(|member| member["ended"].is_object()).count();
    let mut shown = table(&["", "member", "site", "since", "standing"]);
    for member in members {
        let depth = usize::try_from(number(member, "/depth").min(INDENTED_MAX)).unwrap_or_default();
        shown.add_row([
            if truth(member, "/own_branch") { "*" } else { "" }.to_owned(),
            format!("{}{}", "  ".repeat(depth), short(text(member, "/site"))),
            text(member, "/canonical").to_owned(),
            text(member, "/since").to_owned(),
            standing(member),
        ]);
    }
    let there = members.len().saturating_sub(gone);
    let count = format!("{there} {}, {gone} gone", if there == 1 { "member" } else { "members" });
    let mesh = text(told, "/mesh");
    format!("mesh {mesh:?}: {count}. Each stands below who brought it in; * is the branch of this site.\n{shown}\n")
}

fn standing(member: &Value) -> String {
    let mut said = Vec::new();
    if truth(member, "/this_site") {
        said.push("this site".to_owned());
    }
    if member["sponsor"].is_null() {
        said.push("founder".to_owned());
    }
    match (text(member, "/ended/how"), text(member, "/ended/date")) {
        ("left", date) => said.push(format!("left on {date}")),
        ("removed", date) => said.push(format!("removed on {date}")),
        ("fell", date) => said.push(format!("went with {} on {date}", short(text(member, "/ended/with")))),
        _ => {}
    }
    match (text(member, "/standing"), member["standing_until"].as_str()) {
        ("good", _) => {}
        (standing, Some(until)) => said.push(format!("{standing} until {until}")),
        (standing, None) => said.push(standing.to_owned()),
    }
    for (path, what) in [("/unpaid_micro", "left unpaid here"), ("/answers_micro", "answered for here")] {
        let micro = integer(member, path);
        if micro > 0 {
            said.push(format!("{} {what}", credits(micro)));
        }
    }
    if said.is_empty() { "good".to_owned() } else { said.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_tree_is_told_with_who_is_gone_and_what_weighs_on_whom() {
        let member = |site: &str, depth: u64, more: Value| {
            let mut member = json!({
                "site": site, "canonical": "http://x.example", "sponsor": "aaaaaaaa", "depth": depth, "since": "2026-11-22T00:00:00Z",
                "ended": null, "this_site": false, "own_branch": false, "standing": "good", "standing_until": null, "unpaid_micro": 0, "answers_micro": 0,
            });
            member.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            member
        };
        let told = json!({ "mesh": "friends", "members": [
            member("aaaaaaaa22", 0, json!({ "sponsor": null, "answers_micro": 500_000 })),
            member("bbbbbbbb22", 1, json!({ "own_branch": true, "this_site": true })),
            member("cccccccc22", 2, json!({ "own_branch": true, "standing": "warned", "standing_until": "2026-12-22T00:00:00Z" })),
            member("dddddddd22", 1, json!({ "ended": { "date": "2026-11-23T00:00:00Z", "how": "removed", "with": "dddddddd22" }, "unpaid_micro": 500_000 })),
            member("eeeeeeee22", 2, json!({ "ended": { "date": "2026-11-23T00:00:00Z", "how": "fell", "with": "dddddddd22" } })),
        ]});
        let lines: Vec<String> = words(&told).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "mesh \"friends\": 3 members, 2 gone. Each stands below who brought it in; * is the branch of this site.",
                "member site since standing",
                "aaaaaaaa http://x.example 2026-11-22T00:00:00Z founder, 0.5 credits answered for here",
                "* bbbbbbbb http://x.example 2026-11-22T00:00:00Z this site",
                "* cccccccc http://x.example 2026-11-22T00:00:00Z warned until 2026-12-22T00:00:00Z",
                "dddddddd http://x.example 2026-11-22T00:00:00Z removed on 2026-11-23T00:00:00Z, 0.5 credits left unpaid here",
                "eeeeeeee http://x.example 2026-11-22T00:00:00Z went with dddddddd on 2026-11-23T00:00:00Z",
            ]
        );
        assert!(words(&told).contains("\n *      cccccccc  "), "{}", words(&told));
    }
}
