//! What `ledger show` and `statement` say: one plain sentence for each entry.

use overspill_governance::{
    entry::Entry,
    invite::Founding,
    site::{Signed, SiteId},
};

use super::samples;

#[test]
fn every_entry_is_one_plain_sentence() {
    let said: Vec<String> = samples::entries().iter().map(Entry::to_string).collect();
    let expected = include_str!("../golden/sentences.txt");
    if std::env::var_os("OVERSPILL_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/sentences.txt");
        std::fs::write(path, said.join("\n") + "\n").unwrap();
    }
    assert_eq!(said, expected.lines().collect::<Vec<_>>());
}

#[test]
fn a_balance_is_told_from_where_one_stands() {
    let (_, receipt) = samples::settlement();
    let (owner, helper) = (samples::owner().site(), samples::helper().site());
    let owners = Entry::Agreed { with: helper, receipt: receipt.clone() }.seen_by(owner).to_string();
    let helpers = Entry::Agreed { with: owner, receipt }.seen_by(helper).to_string();
    let lease = "for 90 requests and 10.0 MiB under lease 61206c6561736521";
    assert_eq!(owners, format!("Agreed with qe4xodvi, {lease}: state 1, in which we owe qe4xodvi 0.010900."));
    assert_eq!(helpers, format!("Agreed with rkeohxlu, {lease}: state 1, in which rkeohxlu owes us 0.010900."));
    let anew = Entry::Renewed { with: helper, head: samples::head().into() }.seen_by(owner).to_string();
    assert_eq!(anew, "The line with qe4xodvi began anew as epoch 1795305600, in which we owe qe4xodvi 0.010900.");
    assert_eq!(Entry::LeaseEnded { lease: samples::LEASE }.seen_by(owner).to_string(), "Lease 61206c6561736521 ended.");
}

#[test]
fn a_name_from_outside_cannot_write_on_our_terminal() {
    let founding = samples::founding();
    let body = Founding { name: "\u{1b}[2J\"\nlies".into(), founder: SiteId([0; 32]), ..founding.body };
    let sentence = Entry::Founded(Box::new(Signed { body, signature: founding.signature })).to_string();
    assert!(!sentence.contains(char::is_control));
}
