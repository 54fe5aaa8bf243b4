//! What is done for each message, manifest, ticket and fill: `cargo bench -p overspill-protocol`.
#![allow(missing_docs, clippy::unwrap_used)]

use divan::{Bencher, black_box, counter::BytesCount};
use overspill_governance::{
    digest::{Digest, ObjectDigest},
    invite::MeshId,
    payword::{Chain, LeaseId},
    site::{Key, Signed, SiteId},
    time::Date,
    units::Bytes,
};
use overspill_protocol::{
    fill::{Assembly, FillAnswer, FillSlice},
    limits::FILL_SLICE_BYTES,
    manifest::{Manifest, Object},
    message::{LeaseClosed, Message},
    ticket::{Bound, Method, Ticket, TicketKey},
    wire,
};

const LEASE: LeaseId = LeaseId(*b"a lease!");
const OWNER: SiteId = SiteId([1; 32]);
const KEY: TicketKey = TicketKey([9; 32]);
const NOON: Date = Date::from_millis(1_795_305_600_000);

fn main() {
    divan::main();
}

fn bound(path: &str) -> Bound<'_> {
    Bound { method: Method::Get, owner: &OWNER, path }
}

fn ticket() -> Ticket {
    let word = Chain::from_seed([4; 32], LEASE, 10).word(3).unwrap();
    Ticket::issue(&KEY, LEASE, 3, word, u32::MAX, bound("/wp-content/uploads/2026/11/photo-1024x768.jpg"))
}

#[divan::bench]
fn ticket_made_and_written() -> String {
    ticket_of(black_box("/wp-content/uploads/2026/11/photo-1024x768.jpg"))
}

fn ticket_of(path: &str) -> String {
    let word = overspill_governance::payword::Word([3; 16]);
    Ticket::issue(&KEY, LEASE, 3, word, u32::MAX, bound(path)).to_text()
}

#[divan::bench]
fn ticket_read_and_checked(bencher: Bencher<'_, '_>) {
    let text = ticket().to_text();
    let path = "/wp-content/uploads/2026/11/photo-1024x768.jpg";
    bencher.bench_local(|| Ticket::from_text(black_box(&text)).unwrap().check(&KEY, bound(path), NOON).unwrap());
}

fn manifest(objects: usize) -> (Key, Signed<Manifest>) {
    let key = Key::from_seed([1; 32]);
    let object = |number: usize| Object {
        path: format!("/wp-content/uploads/2026/11/photo-{number:04}.jpg"),
        digest: ObjectDigest([7; 32]),
        size: Bytes(40_000),
        media_type: "image/jpeg".into(),
        fresh_until: NOON,
    };
    let body = Manifest {
        mesh: MeshId(Digest::ZERO),
        owner: key.site(),
        run: 1,
        generation: 1,
        date: NOON,
        objects: (0..objects).map(object).collect(),
    };
    let signed = Signed::new(body, &key);
    (key, signed)
}

/// As a helper takes it: decoded, its signature and its rules checked.
#[divan::bench(args = [10, 256])]
fn manifest_taken(bencher: Bencher<'_, '_>, objects: usize) {
    let (key, signed) = manifest(objects);
    let bytes = wire::encode(&Message::Manifest(signed));
    bencher.counter(BytesCount::new(bytes.len())).bench_local(|| {
        let Message::Manifest(manifest) = wire::decode(black_box(&bytes)).unwrap() else { panic!("another message") };
        assert!(manifest.is_by(&key.site()) && manifest.body.is_well_formed());
    });
}

#[divan::bench]
fn small_message_encoded(bencher: Bencher<'_, '_>) {
    let message = Message::LeaseClosed(LeaseClosed { lease: LEASE });
    bencher.bench_local(|| wire::encode(black_box(&message)));
}

#[divan::bench]
fn small_message_decoded(bencher: Bencher<'_, '_>) {
    let bytes = wire::encode(&Message::LeaseClosed(LeaseClosed { lease: LEASE }));
    bencher.bench_local(|| wire::decode(black_box(&bytes)).unwrap());
}

/// One slice of a fill, from the bytes of its message to bytes that may be served.
#[divan::bench]
fn slice_filled_and_verified(bencher: Bencher<'_, '_>) {
    let body = vec![7; FILL_SLICE_BYTES as usize];
    let digest = ObjectDigest::of(&body);
    let bytes = wire::encode_fill_answer(&FillAnswer::Slice(FillSlice { digest, offset: 0, bytes: body }));
    bencher.counter(BytesCount::new(u64::from(FILL_SLICE_BYTES))).bench_local(|| {
        let FillAnswer::Slice(slice) = wire::decode_fill_answer(black_box(&bytes)).unwrap() else { panic!("a refusal") };
        let mut assembly = Assembly::new(LEASE, digest, Bytes(u64::from(FILL_SLICE_BYTES))).unwrap();
        assembly.insert(&slice).unwrap();
        assembly.finish().unwrap()
    });
}
