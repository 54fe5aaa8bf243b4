//! Ledgers in which a key is rotated.

use alloc::{vec, vec::Vec};

use super::{tests::*, *};
use crate::{
    line::{Agreed, Renewal},
    rotation::{Rotation, Succession},
    site::Key,
};

/// The owner goes on under this key.
fn rotated(mesh: MeshId, new: &Key) -> Entry {
    let (owner, helper) = keys();
    let body = Succession { mesh, old: owner.site(), new: new.site(), recovery: None, keeps: vec![helper.site()], date: NOON };
    Entry::Rotated { rotation: Rotation::by_key(body, &owner, new).into(), heard: NOON }
}

/// What both ends know of the line, with the new key's wish to begin anew.
fn head(entries: &[Entry], mesh: MeshId, new: &Key) -> Head {
    let mut receipts = entries.iter().filter_map(|entry| match entry {
        Entry::Agreed { receipt, .. } => Some(receipt.clone()),
        _ => None,
    });
    let last = receipts.next_back().map(|receipt| Agreed { epoch: 0, receipt });
    let key = LineKey { epoch: 7, ..LineKey::between(mesh, new.site(), keys().1.site()) };
    Head { renewal: Some(Signed::new(Renewal { key, by: new.site() }, new)), last, locks: Vec::new() }
}

#[test]
fn a_ledger_goes_on_under_a_new_key_at_either_end() {
    let (owner, helper) = keys();
    for new in (3..9).map(|seed| Key::from_seed([seed; 32])) {
        let (mut owners, mut helpers) = ledgers();
        let Entry::Founded(founding) = &owners[0] else { panic!("the founding") };
        let mesh = founding.body.mesh();
        let before = audit(owner.site(), &owners).unwrap().accounts().next().unwrap();
        let head = head(&owners, mesh, &new);
        for (entries, with) in [(&mut owners, helper.site()), (&mut helpers, new.site())] {
            entries.push(rotated(mesh, &new));
            entries.push(Entry::Renewed { with, head: head.clone().into() });
        }
        let (ours, theirs) = (audit(owner.site(), &owners).unwrap(), audit(helper.site(), &helpers).unwrap());
        let (ours, theirs) = (ours.accounts().next().unwrap(), theirs.accounts().next().unwrap());
        assert_eq!((ours.balance, ours.spent, ours.earned), (before.balance, before.spent, before.earned));
        assert_eq!(
            (ours.balance.checked_add(theirs.balance), ours.partner, theirs.partner),
            (Some(Credit::ZERO), helper.site(), new.site())
        );
        assert_eq!((ours.state, ours.key, theirs.key), (theirs.state, theirs.key, ours.key));
    }
}

#[test]
fn nothing_is_signed_under_the_old_key_or_before_the_line_began_anew() {
    let (owner, helper) = keys();
    let new = Key::from_seed([3; 32]);
    let (owners, helpers) = ledgers();
    let Entry::Founded(founding) = &owners[0] else { panic!("the founding") };
    let mesh = founding.body.mesh();
    // The second receipt comes after the rotation.
    let mut late = helpers.clone();
    late.insert(6, rotated(mesh, &new));
    assert_eq!(audit(helper.site(), &late).err(), Some((7, Finding::FormerKey)));
    // So does a wish of the old key.
    let mut wished = owners.clone();
    wished.push(rotated(mesh, &new));
    let mut head = head(&owners, mesh, &new);
    let key = LineKey { epoch: 7, ..LineKey::between(mesh, owner.site(), helper.site()) };
    head.renewal = Some(Signed::new(Renewal { key, by: owner.site() }, &owner));
    wished.push(Entry::Renewed { with: helper.site(), head: head.into() });
    assert_eq!(audit(owner.site(), &wished).err(), Some((wished.len() - 1, Finding::BadStatement)));
    // And the ledger of the old key is nobody else's.
    let mut stranger = owners;
    stranger.push(rotated(mesh, &new));
    assert_eq!(audit(new.site(), &stranger).err(), Some((1, Finding::NotOurs)));
}
