use super::*;
use crate::{
    charter::Charter,
    line::{Line, Moves, Step},
    site::Key,
};
use alloc::{vec, vec::Vec};

const MESH: MeshId = MeshId(Digest::ZERO);

fn keys(members: u8) -> Vec<Key> {
    (1..=members).map(|seed| Key::from_seed([seed; 32])).collect()
}

fn round(keys: &[Key]) -> Signed<Round> {
    let cycle = keys.iter().map(Key::site).collect();
    Signed::new(Round { mesh: MESH, charter: 1, cycle, amount: Credit(100), date: Date::from_millis(5) }, &keys[0])
}

/// One end of the line between two members, where the debtor owes a thousand.
fn line(debtor: &Key, creditor: &Key, charter: &Charter) -> Line {
    let key = LineKey::between(MESH, debtor.site(), creditor.site());
    let mut line = Line::new(key, key.low, charter).unwrap();
    let low = if debtor.site() == key.low { debtor } else { creditor };
    let proposal = line.propose(low, Moves { earner: creditor.site(), amount: Credit(1_000) }, None, charter).unwrap();
    conclude(&mut line, &proposal.state, debtor, creditor);
    line
}

fn conclude(line: &mut Line, state: &LineState, debtor: &Key, creditor: &Key) -> Locked {
    let (low, high) = if debtor.site() < creditor.site() { (debtor, creditor) } else { (creditor, debtor) };
    let (low_sig, high_sig) = (state.sign(low), state.sign(high));
    let _ = line.conclude(state.seq, high_sig).unwrap();
    Locked { epoch: 0, state: *state, low_sig, high_sig }
}

/// The locks of all lines of a circle.
fn locks(keys: &[Key], round: &Signed<Round>) -> Vec<Locked> {
    let charter = Charter::default();
    let lock = |at: usize| {
        let (debtor, creditor) = (&keys[at], &keys[(at + 1) % keys.len()]);
        let mut line = line(debtor, creditor, &charter);
        let low = if line.key().low == debtor.site() { debtor } else { creditor };
        let proposal = line.propose_step(low, Step::Lock(round.clone().into()), &charter).unwrap();
        conclude(&mut line, &proposal.state, debtor, creditor)
    };
    (0..keys.len()).map(lock).collect()
}

fn ruled(keys: &[Key], moves: bool) -> Ruled {
    let round = round(keys);
    let ruling = Signed::new(Ruling { round: round.body.digest(), moves }, &keys[0]);
    let locks = if moves { locks(keys, &round) } else { vec![] };
    Ruled { round, ruling, locks }
}

#[test]
fn a_ruling_that_moves_shows_every_lock() {
    for members in [3, 5] {
        let keys = keys(members);
        let whole = ruled(&keys, true);
        assert!(whole.is_good() && ruled(&keys, false).is_good());
        for at in 0..keys.len() {
            let mut short = whole.clone();
            short.locks.remove(at);
            assert!(!short.is_good(), "one lock is missing");
            let mut twice = whole.clone();
            twice.locks[at] = twice.locks[(at + 1) % keys.len()];
            assert!(!twice.is_good(), "another's lock in its place");
            let mut unsigned = whole.clone();
            unsigned.locks[at].high_sig = unsigned.locks[at].low_sig;
            assert!(!unsigned.is_good());
        }
    }
}

#[test]
fn only_the_initiator_rules_and_only_on_its_round() {
    let keys = keys(3);
    let good = ruled(&keys, false);
    let by_another = Ruled { ruling: Signed::new(good.ruling.body, &keys[1]), ..good.clone() };
    let elsewhere = Ruled { ruling: Signed::new(Ruling { round: Digest::ZERO, moves: false }, &keys[0]), ..good.clone() };
    let mut forged = good.clone();
    forged.round.body.amount = Credit(1);
    let needless = Ruled { locks: ruled(&keys, true).locks, ..good };
    assert!(!by_another.is_good() && !elsewhere.is_good() && !forged.is_good() && !needless.is_good());
}

#[test]
fn a_round_is_a_circle_of_three_to_five_distinct_members() {
    let good = |round: &Round| Signed::new(round.clone(), &keys(1)[0]).is_good();
    let round = |members| round(&keys(members)).body;
    assert!(!good(&round(2)) && good(&round(3)) && good(&round(5)) && !good(&round(6)));
    let mut crossed = round(4);
    crossed.cycle[3] = crossed.cycle[1];
    assert!(!good(&crossed) && !good(&Round { amount: Credit::ZERO, ..round(3) }) && !good(&Round { cycle: vec![], ..round(3) }));
    assert!(!Signed::new(round(3), &keys(2)[1]).is_good(), "by its initiator");
}

#[test]
fn everybody_finds_its_own_two_lines() {
    let keys = keys(4);
    let Signed { body, .. } = round(&keys);
    let site = |at: usize| keys[at].site();
    assert_eq!(body.neighbours(&site(0)), Some((site(3), site(1))));
    assert_eq!(body.neighbours(&site(3)), Some((site(2), site(0))));
    assert_eq!(body.neighbours(&Key::from_seed([9; 32]).site()), None);
    assert_eq!(body.line(3), Some(LineKey::between(MESH, site(3), site(0))));
    assert_eq!(body.debtor_on(&LineKey::between(MESH, site(0), site(3))), Some(site(3)));
    assert_eq!(body.debtor_on(&LineKey::between(MESH, site(0), site(2))), None);
    assert_eq!(
        body.debtor_on(&LineKey { epoch: 7, ..LineKey::between(MESH, site(0), site(3)) }),
        Some(site(3)),
        "however often it began anew"
    );
}

#[test]
fn a_lock_is_shown_in_the_epoch_in_which_it_was_signed() {
    let keys = keys(3);
    let mut whole = ruled(&keys, true);
    let key = LineKey { epoch: 7, ..whole.round.body.line(0).unwrap() };
    let (low, high) = if keys[0].site() == key.low { (&keys[0], &keys[1]) } else { (&keys[1], &keys[0]) };
    let state = LineState { line: key.id(), ..whole.locks[0].state };
    whole.locks[0] = Locked { epoch: 7, state, low_sig: state.sign(low), high_sig: state.sign(high) };
    assert!(whole.is_good());
    whole.locks[0].epoch = 8;
    assert!(!whole.is_good());
}

#[test]
fn two_rulings_convict_the_initiator_and_nobody_else() {
    let keys = keys(3);
    let (moves, ends) = (ruled(&keys, true), ruled(&keys, false));
    let proof = DoubleRuling::of(&ends, &moves).unwrap();
    assert!(proof.convicts() && DoubleRuling::of(&moves, &moves.clone()).is_none());
    let framed = DoubleRuling { ends: Ruling { round: proof.round.digest(), moves: false }.sign(&keys[1]), ..proof.clone() };
    let swapped = DoubleRuling { moves: proof.ends, ends: proof.moves, ..proof.clone() };
    let mut turned = proof.clone();
    turned.round.cycle.rotate_left(1);
    assert!(!framed.convicts() && !swapped.convicts() && !turned.convicts());
}
