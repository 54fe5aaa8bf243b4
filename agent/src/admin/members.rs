//! The `--json` form of `members`, made by the running agent or of its ledger; the command line renders this same object.

use std::{cmp::Reverse, collections::BTreeMap};

use overspill_governance::site::SiteId;
use overspill_protocol::report::{Ended, MemberReport, MembersReport};
use serde_json::{Value, json};

/// Name and version of the form.
pub const MEMBERS: &str = "overspill.members/1";

/// The tree of sponsors, each member after its sponsor and before its sponsor's next.
pub fn members(report: &MembersReport, us: SiteId) -> Value {
    let mut children: BTreeMap<Option<SiteId>, Vec<&MemberReport>> = BTreeMap::new();
    for member in &report.members {
        children.entry(member.sponsor).or_default().push(member);
    }
    children.values_mut().for_each(|brought| brought.sort_by_key(|member| Reverse((member.since, member.site))));
    let mut told = Vec::new();
    // Not by recursion: a chain of sponsors may be as long as the mesh is large.
    let mut next: Vec<(usize, &MemberReport)> = children.remove(&None).into_iter().flatten().map(|founder| (0, founder)).collect();
    while let Some((depth, at)) = next.pop() {
        told.push(member(at, depth, us));
        next.extend(children.remove(&Some(at.site)).into_iter().flatten().map(|child| (depth + 1, child)));
    }
    json!({ "schema": MEMBERS, "site": us.to_string(), "mesh": report.name, "members": told })
}

fn member(member: &MemberReport, depth: usize, us: SiteId) -> Value {
    json!({
        "site": member.site.to_string(),
        "canonical": member.canonical,
        "sponsor": member.sponsor.map(|sponsor| sponsor.to_string()),
        "depth": depth,
        "since": member.since.to_string(),
        "ended": member.ended.as_ref().map(|ended| self::ended(ended, member.site)),
        "this_site": member.site == us,
        "own_branch": member.our_branch,
        "standing": member.standing.word(),
        "standing_until": member.until.map(|date| date.to_string()),
        "unpaid_micro": member.unpaid.0,
        "answers_micro": member.answers.0,
    })
}

fn ended(ended: &Ended, site: SiteId) -> Value {
    let how = match ended.removed_with {
        None => "left",
        Some(removed) if removed == site => "removed",
        Some(_) => "fell",
    };
    json!({ "date": ended.date.to_string(), "how": how, "with": ended.removed_with.map(|removed| removed.to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::{site::Key, standing::Standing, time::Date, units::Credit};

    fn site(seed: u8) -> SiteId {
        Key::from_seed([seed; 32]).site()
    }

    fn came(seed: u8, sponsor: Option<u8>, day: u64) -> MemberReport {
        MemberReport {
            site: site(seed),
            canonical: format!("http://site-{seed}.example"),
            sponsor: sponsor.map(site),
            since: Date::from_millis(day * 86_400_000),
            ended: None,
            our_branch: false,
            standing: Standing::Good,
            until: None,
            unpaid: Credit::ZERO,
            answers: Credit::ZERO,
        }
    }

    #[test]
    fn members_stand_below_their_sponsors_the_earlier_first() {
        let members = vec![came(1, None, 1), came(2, Some(1), 3), came(3, Some(1), 2), came(4, Some(3), 5), came(5, Some(3), 4)];
        let told = super::members(&MembersReport { name: "friends".into(), members }, site(4));
        let row = |member: &Value| (member["canonical"].as_str().unwrap()[12..13].to_owned(), member["depth"].as_u64().unwrap());
        let rows: Vec<(String, u64)> = told["members"].as_array().unwrap().iter().map(row).collect();
        assert_eq!(rows, [("1", 0), ("3", 1), ("5", 2), ("4", 2), ("2", 1)].map(|(name, depth)| (name.to_owned(), depth)));
        assert_eq!((&told["members"][3]["this_site"], &told["members"][0]["sponsor"]), (&Value::Bool(true), &Value::Null));
    }

    #[test]
    fn a_chain_as_long_as_a_mesh_may_be_is_told() {
        let chain = (0..4_096_u64).map(|at| {
            let site = |at: u64| SiteId(overspill_governance::digest::Digest::of("test", &at.to_le_bytes()).0);
            MemberReport { site: site(at), sponsor: at.checked_sub(1).map(site), ..came(1, None, at) }
        });
        let told = super::members(&MembersReport { name: "chain".into(), members: chain.collect() }, site(1));
        assert_eq!(told["members"][4_095]["depth"], 4_095);
    }

    #[test]
    fn how_a_membership_ended_is_told() {
        let date = Date::from_millis(0);
        let how = |removed_with: Option<u8>| ended(&Ended { date, removed_with: removed_with.map(site) }, site(2))["how"].clone();
        assert_eq!([how(None), how(Some(2)), how(Some(1))], ["left", "removed", "fell"]);
    }
}
