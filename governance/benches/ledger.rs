//! What signing, settling and the ledger's file cost: `cargo bench -p overspill-governance`.
#![allow(missing_docs, clippy::unwrap_used)]

use core::time::Duration;

use divan::{Bencher, black_box, counter::BytesCount};
use overspill_governance::{
    chain::{self, Writer},
    charter::Charter,
    claim::Claim,
    codec,
    digest::Digest,
    entry::Entry,
    invite::{MeshId, token::Token},
    line::{Line, LineKey, Moves},
    payword::{Chain, LeaseId},
    site::Key,
    time::Date,
    units::{Bytes, Credit},
};

const NOON: Date = Date::from_millis(1_795_305_600_000);
const LEASE: LeaseId = LeaseId(*b"a lease!");
const MESH: MeshId = MeshId(Digest::ZERO);

fn main() {
    divan::main();
}

/// The two ends of a line, the lower key first.
fn ends() -> (Key, Key) {
    let (one, other) = (Key::from_seed([1; 32]), Key::from_seed([2; 32]));
    if one.site() < other.site() { (one, other) } else { (other, one) }
}

fn claim() -> Claim {
    let word = Chain::from_seed([4; 32], LEASE, 100).word(100).unwrap();
    Claim { lease: LEASE, serial: 100, word, requests: 90, bytes: Bytes(10 << 20) }
}

fn lines() -> (Line, Line) {
    let ((low, high), charter) = (ends(), Charter::default());
    let key = LineKey::between(MESH, low.site(), high.site());
    (Line::new(key, low.site(), &charter).unwrap(), Line::new(key, high.site(), &charter).unwrap())
}

fn moves(high: &Key) -> Moves {
    Moves { earner: high.site(), amount: Credit(10_900) }
}

/// The lower end's part of a receipt.
#[divan::bench]
fn receipt_proposed(bencher: Bencher<'_, '_>) {
    let ((low, high), charter) = (ends(), Charter::default());
    bencher.with_inputs(|| lines().0).bench_local_refs(|ours| ours.propose(&low, moves(&high), Some(claim()), &charter).unwrap());
}

/// The other end's part: a check and a signature.
#[divan::bench]
fn receipt_countersigned(bencher: Bencher<'_, '_>) {
    let ((low, high), charter) = (ends(), Charter::default());
    let proposal = lines().0.propose(&low, moves(&high), Some(claim()), &charter).unwrap();
    bencher.with_inputs(|| lines().1).bench_local_refs(|theirs| theirs.countersign(&high, &proposal, &charter).unwrap());
}

/// A claim's word against the signed anchor: one hash for each ticket.
#[divan::bench(args = [100, 1_000, 16_000])]
fn word_reaches_its_anchor(bencher: Bencher<'_, '_>, tickets: u32) {
    let chain = Chain::from_seed([4; 32], LEASE, tickets);
    let (anchor, word) = (chain.anchor(), chain.word(tickets).unwrap());
    bencher.bench_local(|| assert!(black_box(word).reaches(anchor, LEASE, tickets)));
}

#[divan::bench]
fn token_read(bencher: Bencher<'_, '_>) {
    let expires = NOON.after(Duration::from_secs(86_400));
    let text = Token::issue(&ends().0, MESH, vec!["/ip4/192.0.2.1/tcp/7400".into()], expires, 1, [3; 32]).to_text();
    bencher.bench_local(|| Token::from_text(black_box(&text)).unwrap());
}

#[divan::bench]
fn entry_encoded(bencher: Bencher<'_, '_>) {
    let entry = Entry::Taken(claim());
    bencher.bench_local(|| codec::encode(black_box(&entry)));
}

#[divan::bench]
fn entry_decoded(bencher: Bencher<'_, '_>) {
    let bytes = codec::encode(&Entry::Taken(claim()));
    bencher.bench_local(|| codec::decode::<Entry>(black_box(&bytes), 16 * 1024).unwrap());
}

#[divan::bench]
fn frame_written(bencher: Bencher<'_, '_>) {
    let (mut writer, _) = Writer::create(ends().0.site());
    let entry = Entry::Taken(claim());
    bencher.bench_local(|| writer.append(NOON, black_box(&entry)).unwrap());
}

/// What a start or `ledger verify` reads: 1,000 entries.
#[divan::bench]
fn thousand_entries_read(bencher: Bencher<'_, '_>) {
    let (mut writer, header) = Writer::create(ends().0.site());
    let frames = (0..1_000).flat_map(|_| writer.append(NOON, &Entry::Taken(claim())).unwrap());
    let log: Vec<u8> = header.into_iter().chain(frames).collect();
    bencher.counter(BytesCount::new(log.len())).bench_local(|| assert_eq!(chain::read(black_box(&log)).0.len(), 1_000));
}
