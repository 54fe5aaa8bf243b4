use super::*;
use crate::{
    ballot::{Ballot, Equivocation, Outcome, Stage},
    site::{Key, Signed},
};
use alloc::vec::Vec;
use core::time::Duration;
use proptest::prelude::*;

const MESH: MeshId = MeshId(Digest([6; 32]));
const NOON: Date = Date::from_millis(1_795_305_600_000);
const DAY: u64 = 86_400;

fn on(day: u64) -> Date {
    NOON.after(Duration::from_secs(day * DAY))
}

fn site(by: u8) -> SiteId {
    Key::from_seed([by; 32]).site()
}

/// `by` contradicts itself in vote number `matter`.
fn bundle(by: u8, matter: u8) -> Box<Bundle> {
    let key = Key::from_seed([by; 32]);
    let ballot = |adopts| {
        let (motion, outcome) = (Digest([matter; 32]), Outcome { objections: Digest::ZERO, adopts });
        Signed::new(Ballot { mesh: MESH, motion, voter: key.site(), epoch: 0, stage: Stage::Prepare, basis: None, outcome }, &key)
    };
    Box::new(Bundle::Equivocation(Box::new(Equivocation { one: ballot(true), other: ballot(false) })))
}

fn hear(register: &mut Register, bundle: Box<Bundle>, now: Date) -> Heard {
    register.hear(bundle, MESH, now, &Charter::default())
}

fn standing(register: &Register, by: u8, day: u64) -> Standing {
    register.standing(&site(by), None, on(day), &Charter::default()).0
}

#[test]
fn a_conviction_weighs_from_when_it_was_heard_of_until_its_term_is_over() {
    let mut register = Register::default();
    assert!(matches!(hear(&mut register, bundle(1, 1), on(1)), Heard::New(Conviction { who, .. }) if who == site(1)));
    assert_eq!(hear(&mut register, bundle(1, 1), on(20)), Heard::Nothing, "hearing it again begins nothing anew");
    assert_eq!(
        (standing(&register, 1, 1), standing(&register, 1, 31), standing(&register, 2, 1)),
        (Standing::Warned, Standing::Good, Standing::Good)
    );
    let charter = Charter::default();
    assert_eq!((register.names(on(30), &charter).len(), register.names(on(31), &charter).len()), (1, 0), "what is over is not told on");
    assert_eq!(register.known(on(31), &charter).len(), 1);
    assert_eq!(hear(&mut register, bundle(1, 1), on(40)), Heard::Nothing, "nor taken up again");
}

#[test]
fn a_pardon_lifts_what_came_to_light_before_it() {
    let mut register = Register::default();
    let _ = hear(&mut register, bundle(1, 1), on(1));
    let pardoned = |date| register.standing(&site(1), Some(date), on(3), &Charter::default()).0;
    assert_eq!((pardoned(on(2)), pardoned(on(1))), (Standing::Good, Standing::Warned));
}

#[test]
fn what_proves_nothing_or_is_of_another_mesh_is_not_kept() {
    let mut register = Register::default();
    let mut forged = bundle(1, 1);
    if let Bundle::Equivocation(proof) = &mut *forged {
        proof.other.signature = proof.other.body.sign_as(2);
    }
    assert_eq!(hear(&mut register, forged, NOON), Heard::NotProven(Because::NotSigned));
    assert_eq!(register.hear(bundle(1, 1), MeshId(Digest::ZERO), NOON, &Charter::default()), Heard::Nothing);
    assert_eq!(register.iter().count(), 0);
}

trait SignAs {
    fn sign_as(&self, by: u8) -> crate::site::Signature;
}

impl<T: crate::site::Statement> SignAs for T {
    fn sign_as(&self, by: u8) -> crate::site::Signature {
        self.sign(&Key::from_seed([by; 32]))
    }
}

#[test]
fn who_contradicts_itself_without_end_is_expelled_and_fills_no_memory() {
    let (mut register, charter) = (Register::default(), Charter::default());
    let most = u8::try_from(CONVICTIONS_PER_MEMBER).unwrap();
    for matter in 0..2 * most {
        let _ = hear(&mut register, bundle(1, matter), NOON);
        let expelled = standing(&register, 1, 0) == Standing::Expelled;
        assert_eq!(expelled, matter + 1 >= most, "as many as an old ledger explains are one offence");
    }
    assert_eq!(register.iter().count(), CONVICTIONS_PER_MEMBER);
    assert_eq!(register.names(NOON, &charter), [enough(&site(1))], "members who hold others of them have nothing to tell each other");
    assert!(register.known(NOON, &charter).contains(&enough(&site(1))));
    // A month later it begins anew, and what is remembered stays bounded.
    for matter in 0..=255 {
        let _ = hear(&mut register, bundle(1, matter), on(40 + u64::from(matter)));
    }
    assert!(register.iter().count() <= 2 * CONVICTIONS_PER_MEMBER);
}

proptest! {
    /// Members who were shown the same bundles, in any order and any number of times, keep the same.
    #[test]
    fn what_is_kept_is_a_function_of_the_set(order in Just((0..24_u8).collect::<Vec<_>>()).prop_shuffle(), again: prop::sample::Index) {
        let (mut one, mut other) = (Register::default(), Register::default());
        for at in 0..24 {
            let _ = hear(&mut one, bundle(at % 3, at), NOON);
        }
        for at in order.iter().chain(order.get(again.index(24))) {
            let _ = hear(&mut other, bundle(at % 3, *at), NOON);
        }
        let charter = Charter::default();
        prop_assert_eq!(one.names(NOON, &charter).len(), 24);
        prop_assert_eq!(one.names(NOON, &charter), other.names(NOON, &charter));
    }
}
