//! A site goes on under another key: as the same member, with its line, by the key that it gives up or by one that was kept elsewhere.

use std::fs;

use overspill_governance::entry::Entry;

use crate::{
    recover::{balance, one_crowd},
    spill::{assert_settled, two_partners},
    support::{Site, books::entries, eventually},
};

fn name(site: &Site) -> String {
    site.json(&["partners"])["site"].as_str().unwrap().to_owned()
}

/// The partner talks to a member with this name, and the line stands at what it stood.
fn goes_on(site: &Site, partner: &Site, name: &str, before: i64) {
    eventually("the partner knows the new key", || {
        let told = partner.json(&["partners"]);
        let partners = told["partners"].as_array().cloned().unwrap_or_default();
        partners.iter().any(|partner| partner["site"].as_str() == Some(name) && partner["connected"].as_bool() == Some(true))
    });
    eventually("the line begins anew at both ends", || {
        let anew = |site: &Site| entries(site).iter().filter(|entry| matches!(entry, Entry::Renewed { .. })).count();
        anew(site) > 0 && anew(site) == anew(partner)
    });
    // The last receipts may have come between our look and the end of the agent; none of them pays this site.
    eventually("what both had signed stands", || balance(site) <= before && balance(partner) == -balance(site));
}

#[test]
fn a_site_goes_on_under_a_new_key_and_under_another_when_that_is_lost() {
    let (mut owner, helper) = two_partners();
    one_crowd(&owner, &helper);
    assert_settled(&owner, &helper);
    let (first, before) = (name(&owner), balance(&owner));
    let refused = owner.overspill(&["key", "rotate"]);
    assert_eq!(refused.code, Some(6), "not while the agent runs: {}{}", refused.out, refused.err);
    owner.stop();

    let told = owner.json(&["key", "rotate"]);
    let second = told["site"].as_str().unwrap().to_owned();
    assert!(told["before"] == first.as_str() && second != first);
    owner.run();
    assert_eq!(name(&owner), second);
    goes_on(&owner, &helper, &second, before);
    one_crowd(&owner, &helper);
    assert_settled(&owner, &helper);
    let before = balance(&owner);

    let kept = owner.state().join("../recovery-key");
    let file = kept.to_str().unwrap();
    owner.overspill(&["key", "recovery", file]).ok();
    assert_eq!(owner.overspill(&["key", "recovery", file]).code, Some(1), "it is not written over");
    owner.stop();
    fs::remove_file(owner.state().join("key")).unwrap();
    let told = owner.json(&["key", "rotate", "--recovery", file]);
    let third = told["site"].as_str().unwrap().to_owned();
    assert!(told["before"] == second.as_str());
    assert_eq!(owner.overspill(&["key", "rotate", "--recovery", file]).code, Some(4), "it was for the key before");
    owner.run();
    goes_on(&owner, &helper, &third, before);
    one_crowd(&owner, &helper);
    for site in [&owner, &helper] {
        site.overspill(&["ledger", "verify"]).ok();
    }
}
