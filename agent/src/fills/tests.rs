//! Fills between two real swarms: whole objects, lies, refusals and silence.

use overspill_governance::{digest::ObjectDigest, payword::LeaseId, site::Key, units::Bytes as Size};
use tokio::sync::mpsc;

use super::*;
use crate::swarm::{FillReply, SwarmEvent};

/// Longer than any of these takes; the fetch has its own patience within.
const TEST_PATIENCE: Duration = Duration::from_secs(40);

fn object(size: usize) -> Bytes {
    (0..size).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}

fn wanted(owner: SiteId, object: &Bytes) -> FillWanted {
    FillWanted { lease: LeaseId([1; LEASE_BYTES]), owner, digest: ObjectDigest::of(object), size: Size(object.len() as u64) }
}

const LEASE_BYTES: usize = std::mem::size_of::<LeaseId>();

/// A helper's fetcher, connected to an owner whose answers `answer` makes.
async fn connected(answer: impl Fn(FillAsk) -> Option<FillAnswer> + Send + 'static) -> (Fetcher, SiteId) {
    let (helper, mut helper_events) = swarm::start(&[1; 32], &[]).unwrap();
    let (owner, mut owner_events) = swarm::start(&[2; 32], &["/ip4/127.0.0.1/tcp/0".into()]).unwrap();
    let owner_site = Key::from_seed([2; 32]).site();
    let address = loop {
        if let Some(SwarmEvent::Listening { address }) = owner_events.recv().await {
            break address;
        }
    };
    helper.dial(owner_site, vec![address]);
    while !matches!(helper_events.recv().await, Some(SwarmEvent::Connected { .. })) {}
    tokio::spawn(async move {
        let _kept = (owner, helper_events);
        serve(&mut owner_events, answer).await;
    });
    (Fetcher::new(helper), owner_site)
}

async fn serve(events: &mut mpsc::Receiver<SwarmEvent>, answer: impl Fn(FillAsk) -> Option<FillAnswer>) {
    // Unanswered requests are kept, so that they look like silence and not like a refusal.
    let mut silent: Vec<FillReply> = Vec::new();
    while let Some(event) = events.recv().await {
        let SwarmEvent::FillAsked { ask, reply, .. } = event else { continue };
        match answer(wire::decode_fill_ask(&ask.into_bytes()).unwrap()) {
            Some(answer) => reply.send(wire::encode_fill_answer(&answer)),
            None => silent.push(reply),
        }
    }
}

#[tokio::test]
async fn an_object_comes_whole_in_slices() {
    let object = object(FILL_SLICE_BYTES as usize * 9 + 1);
    let held = object.clone();
    let (fetcher, owner) = connected(move |ask| Some(cut(Some(&held), &ask))).await;
    let came = tokio::time::timeout(TEST_PATIENCE, fetcher.fetch(&wanted(owner, &object), owner)).await.unwrap();
    assert_eq!(came.unwrap(), object);
}

#[tokio::test]
async fn many_objects_at_once_wait_for_their_place() {
    let objects: Vec<Bytes> = (1..40).map(|kib| object(kib * 1024)).collect();
    let held = objects.clone();
    let answer = move |ask: FillAsk| Some(cut(held.iter().find(|object| ObjectDigest::of(object) == ask.digest), &ask));
    let (fetcher, owner) = connected(answer).await;
    let wants: Vec<_> = objects.iter().map(|object| wanted(owner, object)).collect();
    let fetches = wants.iter().map(|want| fetcher.fetch(want, owner));
    let came = tokio::time::timeout(TEST_PATIENCE, futures::future::join_all(fetches)).await.unwrap();
    assert_eq!(came, objects.into_iter().map(Ok).collect::<Vec<_>>());
}

#[tokio::test]
async fn other_bytes_than_were_signed_are_not_let_in() {
    let object = object(700_000);
    let held = object.clone();
    let (fetcher, owner) = connected(move |ask| match cut(Some(&held), &ask) {
        FillAnswer::Slice(mut slice) => {
            slice.bytes[7] ^= 1;
            Some(FillAnswer::Slice(slice))
        }
        refused => Some(refused),
    })
    .await;
    assert_eq!(fetcher.fetch(&wanted(owner, &object), owner).await, Err(FillFailed::Wrong));
}

#[tokio::test]
async fn a_refusal_is_final_and_busy_is_not() {
    let object = object(1_000);
    let (fetcher, owner) = connected(|_| Some(FillAnswer::Refused(FillRefusal::NotHeld))).await;
    assert_eq!(fetcher.fetch(&wanted(owner, &object), owner).await, Err(FillFailed::Gone));

    let (held, asked) = (object.clone(), std::sync::atomic::AtomicU32::new(0));
    let (fetcher, owner) = connected(move |ask| {
        let first = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        Some(if first { FillAnswer::Refused(FillRefusal::Busy) } else { cut(Some(&held), &ask) })
    })
    .await;
    assert_eq!(fetcher.fetch(&wanted(owner, &object), owner).await, Ok(object));
}

#[tokio::test]
async fn nobody_waits_for_an_owner_who_is_not_there() {
    let (helper, _events) = swarm::start(&[1; 32], &[]).unwrap();
    let owner = Key::from_seed([2; 32]).site();
    assert_eq!(Fetcher::new(helper).fetch(&wanted(owner, &object(10)), owner).await, Err(FillFailed::Late));
}

#[test]
fn only_slices_of_the_object_are_cut() {
    let object = object(1_000);
    let ask = |offset, len| FillAsk { lease: LeaseId([1; LEASE_BYTES]), digest: ObjectDigest::of(&object), offset, len };
    assert!(matches!(cut(Some(&object), &ask(0, 1_000)), FillAnswer::Slice(slice) if slice.bytes == object));
    for bad in [ask(0, 1_001), ask(1_000, 1), ask(u64::MAX, 1), ask(u64::MAX, u32::MAX), ask(0, 0)] {
        assert_eq!(cut(Some(&object), &bad), FillAnswer::Refused(FillRefusal::BadSlice), "{bad:?}");
    }
    assert_eq!(cut(None, &ask(0, 1)), FillAnswer::Refused(FillRefusal::NotHeld));
}
