use super::*;

use alloc::{format, string::ToString};
use overspill_governance::{
    digest::Digest,
    evidence::Verdict,
    invite::MeshId,
    site::Key,
    time::{Date, Now},
    units::Bytes,
};
use proptest::prelude::*;

use crate::{attest::Attester, manifest::Object};

const MESH: MeshId = MeshId(Digest([6; 32]));
const OWNER: SiteId = SiteId([9; 32]);
const ALTERED: ObjectDigest = ObjectDigest([66; 32]);

fn helper() -> Key {
    Key::from_seed([1; 32])
}

fn desk() -> Desk {
    Desk::new(helper(), [2; 32], Now { time: Time::ZERO, date: Date::from_millis(90_000) })
}

fn list(generation: u64) -> Arc<Manifest> {
    let object = |name: u8| Object {
        path: format!("/{name}"),
        digest: ObjectDigest::of(&[name, u8::try_from(generation).unwrap()]),
        size: Bytes(9),
        media_type: "image/png".into(),
        fresh_until: Date::MAX,
    };
    Manifest { mesh: MESH, owner: OWNER, run: 1, generation, date: Date::default(), objects: (0..5).map(object).collect() }.into()
}

fn looked(list: &Manifest) -> Looked {
    let Object { path, digest, .. } = list.objects[2].clone();
    Looked { mesh: MESH, owner: OWNER, helper: helper().site(), path, body: digest }
}

/// What an honest helper answers by a list.
fn honest(list: &Manifest) -> Answer {
    let object = &list.objects[2];
    let served = Attester::default().fields(&desk(), list).value(object).map(ToString::to_string);
    Answer { status: 200, whole: true, body: object.digest, named: Some(object.digest), served, waited: Duration::from_millis(40) }
}

fn weigh(answer: &Answer, ours: &[&Arc<Manifest>]) -> Finding {
    let newest = ours.last().unwrap();
    looked(newest).weigh(Some(answer), &ours.iter().map(|list| Arc::clone(list)).collect())
}

#[test]
fn the_listed_bytes_are_good_whoever_signs() {
    let (old, new) = (list(1), list(2));
    assert_eq!(weigh(&honest(&new), &[&old, &new]), Finding::Good);
    assert_eq!(weigh(&honest(&old), &[&old, &new]), Finding::Good, "they were listed a moment ago");
    assert_eq!(weigh(&Answer { served: None, named: None, ..honest(&new) }, &[&new]), Finding::Good);
    assert_eq!(weigh(&Answer { waited: PATIENCE, ..honest(&new) }, &[&new]), Finding::Late);
}

#[test]
fn other_bytes_under_a_right_signature_are_altered_and_no_evidence() {
    let ours = list(1);
    let Finding::Altered(Some((served, body))) = weigh(&Answer { body: ALTERED, ..honest(&ours) }, &[&ours]) else { panic!() };
    assert_eq!((served.body.body, body, served.is_by(&helper().site())), (ours.objects[2].digest, ALTERED, true));
    let unsigned = Answer { body: ALTERED, named: None, served: None, ..honest(&ours) };
    assert_eq!(weigh(&unsigned, &[&ours]), Finding::Altered(None), "what nobody signed is for its owner alone");
    let foreign = Answer { served: Some("A".repeat(139)), ..unsigned };
    assert_eq!(weigh(&foreign, &[&ours]), Finding::Altered(None));
}

#[test]
fn a_signature_against_the_list_that_it_names_convicts() {
    let ours = list(1);
    let mut theirs = Manifest::clone(&ours);
    theirs.objects[2].digest = ALTERED;
    // It signs other bytes under the root of our list.
    let (object, root) = (&theirs.objects[2], ours.edition().root);
    let value = crate::attest::lie(&desk(), &theirs, object, root);
    let answer = Answer { body: ALTERED, named: Some(ALTERED), served: Some(value), ..honest(&ours) };
    let Finding::Contradiction(bundle) = weigh(&answer, &[&ours]) else { panic!() };
    assert!(matches!(bundle.judge(), Verdict::Convicted(conviction) if conviction.who == helper().site()));
}

#[test]
fn what_is_served_by_a_list_that_we_do_not_know_is_nobodys_fault() {
    assert_eq!(weigh(&honest(&list(3)), &[&list(1), &list(2)]), Finding::Unclear);
}

#[test]
fn what_was_cut_off_or_refused_is_told_apart() {
    let ours = list(1);
    assert_eq!(weigh(&Answer { whole: false, body: ALTERED, ..honest(&ours) }, &[&ours]), Finding::Unanswered);
    for status in [206, 302, 404, 503] {
        assert_eq!(weigh(&Answer { status, body: ALTERED, ..honest(&ours) }, &[&ours]), Finding::TurnedAway);
    }
    assert_eq!(looked(&ours).weigh(None, &VecDeque::new()), Finding::Unanswered);
}

/// Where nobody answers us, the fault may be ours.
#[test]
fn silence_is_held_against_a_helper_while_another_answers() {
    let (mut sampler, one, other) = (Sampler::new(), SiteId([1; 32]), SiteId([2; 32]));
    let now = Time::ZERO.after(SAMPLE_REACHED);
    assert!((0..100).all(|_| !sampler.judge(one, &Finding::Unanswered, now)));
    sampler.records.entry(one).or_default().answered = Some(now);
    assert!((0..100).all(|_| !sampler.judge(one, &Finding::Unanswered, now)), "that it answered itself says nothing of another");
    sampler.records.entry(other).or_default().answered = Some(now);
    let judged: Vec<bool> = (0..2 * SAMPLES_JUDGED).map(|_| sampler.judge(one, &Finding::Unanswered, now)).collect();
    assert_eq!(judged.iter().filter(|judged| **judged).count(), 2);
    assert!(judged[SAMPLES_JUDGED - 1], "the count begins anew then");
}

#[test]
fn a_helper_that_serves_most_samples_breaks_nothing() {
    let (mut sampler, one) = (Sampler::new(), SiteId([1; 32]));
    let finding = |at: usize| if at.is_multiple_of(2) { Finding::Good } else { Finding::TurnedAway };
    assert!((0..400).all(|at| !sampler.judge(one, &finding(at), Time::ZERO)));
    assert_eq!(sampler.bad_quarters(&one), 2);
}

proptest! {
    /// Whatever the tickets are, the charter's share of them is followed by a sample, and no helper knows which.
    #[test]
    fn samples_come_by_chance_and_in_the_charters_share(seed: [u8; 32], share in 1_u32..200) {
        let mut desk = Desk::new(helper(), seed, Now { time: Time::ZERO, date: Date::default() });
        let gaps: Vec<u64> = (0..2_000).map(|_| u64::from(gap(&mut desk, share))).collect();
        let mean = gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
        let wanted = 1_000.0 / f64::from(share);
        prop_assert!((mean - wanted).abs() < 0.1 * wanted + 1.0, "{mean} for {wanted}");
        prop_assert_eq!(gap(&mut desk, 0), u32::MAX);
    }

    /// Whatever a helper answers, only bytes that it did not sign make a testimony, and only its own signature convicts.
    #[test]
    fn an_answer_by_the_list_is_never_altered(status in prop::sample::select(alloc::vec![200_u16, 302, 404]), whole: bool, field in prop::option::of(".{0,160}"), waited in 0_u64..20_000) {
        let ours = list(1);
        let answer = Answer { status, whole, served: field, waited: Duration::from_millis(waited), ..honest(&ours) };
        prop_assert!(!matches!(weigh(&answer, &[&ours]), Finding::Altered(_) | Finding::Contradiction(_)));
    }
}
