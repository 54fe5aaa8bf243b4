//! A ledger that is an old copy, or gone: nobody signs twice, nobody is convicted, and both ends go on with what both had signed.

use std::{fs, path::Path};

use overspill_governance::entry::Entry;

use crate::{
    spill::{assert_settled, crowd_until_helped, two_partners},
    support::{
        Site,
        books::{assert_no_second_signature, entries},
        crowd::Tally,
        eventually,
    },
};

/// What a line stands at, seen from a site, by its own statement.
pub(crate) fn balance(site: &Site) -> i64 {
    site.json(&["statement"])["lines"][0]["balance_micro"].as_i64().unwrap_or_default()
}

fn convictions(site: &Site) -> usize {
    entries(site).iter().filter(|entry| matches!(entry, Entry::Convicted { .. })).count()
}

fn began_anew(site: &Site) -> bool {
    entries(site).iter().any(|entry| matches!(entry, Entry::Renewed { .. }))
}

/// The ledger of a site that is not running becomes this copy of it, or nothing; the key stays.
fn forget(site: &Site, copy: Option<&Path>) {
    let ledger = site.state().join("ledger");
    fs::remove_file(&ledger).unwrap();
    let _ = fs::remove_dir_all(site.state().join("index"));
    if let Some(copy) = copy {
        fs::copy(copy, ledger).unwrap();
    }
}

/// A crowd comes and goes, and is paid for.
pub(crate) fn one_crowd(owner: &Site, helper: &Site) {
    let tally = crowd_until_helped(owner, 40).ends();
    assert_eq!(Tally::read(&tally.wrong), 0, "{tally:?}");
    eventually("both ends stand at the same", || balance(owner) != 0 && balance(owner) == -balance(helper));
}

/// After the line began anew, at a balance that is not less than before.
fn goes_on(owner: &Site, helper: &Site, before: i64, after: &[Entry]) {
    eventually("the line begins anew at both ends", || began_anew(owner) && began_anew(helper));
    eventually("what both had signed stands", || balance(owner) == -balance(helper) && balance(owner) <= before);
    one_crowd(owner, helper);
    eventually("the owner owes for this crowd, too", || balance(owner) < before && balance(owner) == -balance(helper));
    assert_no_second_signature(&[owner, helper]);
    assert_eq!((convictions(owner), convictions(helper)), (0, 0));
    // What the new ledger has forgotten counts as well: nothing that is signed now contradicts what was signed then.
    let states = |entries: &[Entry]| -> Vec<_> {
        let state = |entry: &Entry| match entry {
            Entry::Proposed { proposal, .. } => Some(proposal.state),
            Entry::Agreed { receipt, .. } => Some(receipt.state),
            _ => None,
        };
        entries.iter().filter_map(state).collect()
    };
    for old in states(after) {
        let twice = states(&entries(owner)).into_iter().find(|new| (new.line, new.seq) == (old.line, old.seq) && *new != old);
        assert!(twice.is_none(), "two states at place {}", old.seq);
    }
    for site in [owner, helper] {
        site.overspill(&["ledger", "verify"]).ok();
    }
}

#[test]
fn an_old_copy_of_a_ledger_convicts_nobody() {
    let (mut owner, helper) = two_partners();
    one_crowd(&owner, &helper);
    owner.kill();
    let copy = owner.state().join("ledger.copy");
    fs::copy(owner.state().join("ledger"), &copy).unwrap();
    owner.run();
    let first = balance(&helper);
    let crowd = crowd_until_helped(&owner, 40);
    eventually("more is owed", || balance(&helper) > first);
    crowd.ends();
    assert_settled(&owner, &helper);
    owner.kill();
    let (after, before) = (entries(&owner), -balance(&helper));
    forget(&owner, Some(&copy));
    owner.run();
    goes_on(&owner, &helper, before, &after);
}

#[test]
fn a_key_is_enough_to_come_back() {
    let (mut owner, helper) = two_partners();
    one_crowd(&owner, &helper);
    assert_settled(&owner, &helper);
    owner.kill();
    let (after, before) = (entries(&owner), -balance(&helper));
    forget(&owner, None);
    owner.run();
    let (name, address) = (helper.json(&["partners"])["site"].clone(), format!("/ip4/127.0.0.1/tcp/{}", helper.mesh_port));
    owner.overspill(&["recover", name.as_str().unwrap(), &address]).ok();
    goes_on(&owner, &helper, before, &after);
}
