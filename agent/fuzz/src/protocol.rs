//! Messages, tickets, fills, and the proof that a host publishes.

use overspill_governance::{
    digest::ObjectDigest,
    payword::{Chain, LeaseId},
    site::SiteId,
    units::Bytes,
};
use overspill_protocol::{
    fill::{Assembly, FillAnswer, FillAsk, FillRefusal, FillSlice, Unfinished},
    limits::{FILL_MESSAGE_BYTES_MAX, FILL_SLICE_BYTES, MESSAGE_BYTES_MAX, OBJECT_BYTES_MAX},
    message::Message,
    proof,
    ticket::{BackMark, Bound, Method, Ticket, TicketKey},
    wire,
};

use crate::talk::{now, said};

const LEASE: LeaseId = LeaseId(*b"a lease!");
const STRANGER: SiteId = SiteId([9; 32]);

pub(crate) fn messages() -> Vec<Vec<u8>> {
    let mut seeds = said();
    seeds.extend(fills());
    seeds
}

/// Messages of all three kinds of exchange: what is read is written back as it was, and is within its bound.
pub(crate) fn wire(bytes: &[u8]) {
    if let Ok(message) = wire::decode(bytes) {
        assert!(bytes.len() <= MESSAGE_BYTES_MAX);
        assert_eq!(wire::encode(&message), bytes, "a message was taken in a second form");
        if let Ok(small) = wire::decode_small(bytes) {
            assert_eq!(small, message);
        }
        if let Message::Manifest(manifest) = &message
            && manifest.body.is_well_formed()
        {
            assert!(manifest.body.objects.iter().all(|object| manifest.body.object(&object.path) == Some(object)));
        }
    }
    if let Ok(ask) = wire::decode_fill_ask(bytes) {
        assert_eq!(wire::encode_fill_ask(&ask), bytes);
    }
    if let Ok(answer) = wire::decode_fill_answer(bytes) {
        assert!(bytes.len() <= FILL_MESSAGE_BYTES_MAX);
        assert_eq!(wire::encode_fill_answer(&answer), bytes);
    }
}

const KEY: TicketKey = TicketKey([5; 32]);

fn bound(path: &str) -> Bound<'_> {
    Bound { method: Method::Get, owner: &STRANGER, path }
}

pub(crate) fn tickets() -> Vec<Vec<u8>> {
    let word = Chain::from_seed([4; 32], LEASE, 10).word(3).unwrap();
    let ticket = Ticket::issue(&KEY, LEASE, 3, word, u32::MAX, bound("/a.css"));
    let mark = BackMark::issue(&KEY, LEASE, u32::MAX, "/a.css");
    vec![ticket.to_text().into_bytes(), mark.to_text().into_bytes()]
}

/// Tickets and marks: one text for each, and none is good that was not made with the key.
pub(crate) fn ticket(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let made = tickets();
    if let Ok(ticket) = Ticket::from_text(text) {
        assert_eq!(ticket.to_text(), text, "a ticket was taken in a second form");
        assert_eq!(ticket.check(&KEY, bound("/a.css"), now(0).date).is_ok(), bytes == made[0], "a ticket was forged");
        assert!(ticket.check(&KEY, bound("/b.css"), now(0).date).is_err());
    }
    if let Ok(mark) = BackMark::from_text(text) {
        assert_eq!(mark.to_text(), text, "a mark was taken in a second form");
        assert_eq!(mark.check(&KEY, "/a.css", now(0).date).is_ok(), bytes == made[1], "a mark was forged");
    }
}

const OBJECT: &[u8] = b"body { color: black }";

pub(crate) fn fills() -> Vec<Vec<u8>> {
    let digest = ObjectDigest::of(OBJECT);
    let answer = |answer| wire::encode_fill_answer(&answer);
    vec![
        wire::encode_fill_ask(&FillAsk { lease: LEASE, digest, offset: 0, len: FILL_SLICE_BYTES }),
        answer(FillAnswer::Slice(FillSlice { digest, offset: 0, bytes: OBJECT.to_vec() })),
        answer(FillAnswer::Slice(FillSlice { digest: ObjectDigest::of(b"other"), offset: 0, bytes: OBJECT.to_vec() })),
        answer(FillAnswer::Refused(FillRefusal::Busy)),
    ]
}

/// A slice that somebody sends: only the right bytes come out of the assembly.
pub(crate) fn fill(bytes: &[u8]) {
    let Ok(FillAnswer::Slice(slice)) = wire::decode_fill_answer(bytes) else { return };
    for (digest, size) in
        [(ObjectDigest::of(OBJECT), OBJECT.len() as u64), (slice.digest, slice.bytes.len() as u64), (slice.digest, slice.offset)]
    {
        let Ok(mut assembly) = Assembly::new(LEASE, digest, Bytes(size)) else {
            assert!(size > OBJECT_BYTES_MAX);
            continue;
        };
        let taken = assembly.insert(&slice);
        let _ = assembly.insert(&slice);
        match assembly.finish() {
            Ok(body) => assert_eq!(ObjectDigest::of(&body), digest, "unverified bytes came out"),
            Err(Unfinished::Missing(_)) => assert!(taken.is_err() || size > u64::from(FILL_SLICE_BYTES)),
            Err(Unfinished::Lost(_)) => {}
        }
    }
}

pub(crate) fn proofs() -> Vec<Vec<u8>> {
    let line = proof::published(&STRANGER);
    vec![line.clone().into_bytes(), [b"\xff\n<html>\r\n", line.as_bytes(), b"\n"].concat()]
}

/// A document at `/.well-known/overspill`: it names a member only where the member's line stands in it.
pub(crate) fn proof(document: &[u8]) {
    let line = proof::published(&STRANGER);
    let stands = document.windows(line.trim().len()).any(|part| part == line.trim().as_bytes());
    assert!(stands || !proof::names(document, &STRANGER), "a key was read where none stands");
    assert!(!proof::names(document, &SiteId([8; 32])) || document.len() > line.len() / 2);
}
