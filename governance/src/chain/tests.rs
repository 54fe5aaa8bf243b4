use super::*;
use crate::{
    claim::Claim,
    invite::{Departure, MeshId, token::Token},
    payword::{LeaseId, Word},
    site::{Key, Signed},
    units::Bytes,
};
use alloc::{vec, vec::Vec};
use proptest::prelude::*;

fn entry(number: u64) -> Entry {
    let key = Key::from_seed([number as u8; 32]);
    match number % 4 {
        0 => Entry::Taken(Claim { lease: LeaseId([1; 8]), serial: 3, word: Word([7; 16]), requests: 3, bytes: Bytes(number) }),
        1 => Entry::LeaseEnded { lease: LeaseId([0; 8]) },
        2 => Entry::Departed(Signed::new(Departure { mesh: MeshId(Digest::ZERO), member: key.site(), date: Date::MAX }, &key)),
        _ => {
            let addresses = vec!["/ip4/192.0.2.1/tcp/7400".into(); number as usize % 9];
            Entry::Invited(Token::issue(&key, MeshId(Digest::ZERO), addresses, Date::MAX, number, [1; 32]).invite())
        }
    }
}

/// A log of `count` entries, and where its frames end.
fn log(count: u64) -> (Vec<u8>, Vec<u64>) {
    let (mut writer, header) = Writer::create(Key::from_seed([1; 32]).site());
    let (mut bytes, mut ends) = (header.to_vec(), vec![HEADER_BYTES as u64]);
    for number in 0..count {
        bytes.extend_from_slice(&writer.append(Date::from_millis(number), &entry(number)).unwrap());
        ends.push(bytes.len() as u64);
    }
    (bytes, ends)
}

fn verdict(bytes: &[u8]) -> Verdict {
    read(bytes).2
}

/// Where the last frame ends that is whole within the first `len` bytes.
fn last_end(ends: &[u64], len: usize) -> u64 {
    ends.iter().copied().rfind(|end| *end <= len as u64).unwrap_or(0)
}

#[test]
fn what_was_written_is_read_in_pieces_of_any_size() {
    let (bytes, _) = log(20);
    for size in [1, 31, 512, 100_000] {
        let mut reader = Reader::new();
        let mut entries = Vec::new();
        for piece in bytes.chunks(size) {
            reader.feed(piece);
            while let Some(record) = reader.poll() {
                assert_eq!(record.seq, entries.len() as u64 + 1);
                entries.push(record.entry);
            }
            assert!(reader.buffered() <= ENTRY_FRAME_MAX + size);
        }
        assert_eq!(entries, (0..20).map(entry).collect::<Vec<_>>());
        assert_eq!(reader.head().unwrap().len, bytes.len() as u64);
        assert_eq!(reader.finish(), Verdict::Whole);
    }
}

#[test]
fn a_reader_goes_on_where_another_stopped() {
    let (bytes, ends) = log(5);
    let at = ends[2] as usize;
    let mut reader = Reader::resume(read(&bytes[..at]).1.unwrap());
    reader.feed(&bytes[at..]);
    let records: Vec<Record> = core::iter::from_fn(|| reader.poll()).collect();
    assert_eq!(records, read(&bytes).0[2..]);
    assert_eq!((reader.head(), reader.finish()), (read(&bytes).1, Verdict::Whole));
}

const ENTRY_FRAME_MAX: usize = crate::limits::ENTRY_BYTES_MAX + 128;

#[test]
fn a_writer_goes_on_where_the_reader_ended() {
    let (mut bytes, ends) = log(5);
    bytes.truncate(bytes.len() - 7);
    let (records, head, torn) = read(&bytes);
    let head = head.unwrap();
    assert_eq!((records.len(), torn), (4, Verdict::Torn { at: ends[4] }));
    bytes.truncate(head.len as usize);
    let mut writer = Writer::resume(head);
    let unwritten = writer.head();
    let lost = writer.append(Date::from_millis(9), &entry(9)).unwrap();
    writer.rewind(unwritten);
    assert_eq!(writer.append(Date::from_millis(9), &entry(9)).unwrap(), lost);
    bytes.extend_from_slice(&lost);
    assert_eq!((read(&bytes).0.len(), verdict(&bytes)), (5, Verdict::Whole));
}

#[test]
fn every_single_flipped_bit_is_reported_and_nothing_before_it_is_lost() {
    let (bytes, ends) = log(7);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let at = if bit / 8 < HEADER_BYTES { 0 } else { last_end(&ends, bit / 8) };
        match read(&flipped) {
            (records, _, Verdict::Corrupt { at: found, .. }) => {
                assert_eq!(found, at, "bit {bit}");
                assert!(records.iter().all(|record| record.at < at) && at.saturating_sub(1) <= records.last().map_or(at, |_| at));
            }
            (_, _, other) => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn every_truncation_is_a_torn_tail_at_the_last_whole_frame() {
    let (bytes, ends) = log(7);
    for len in 0..bytes.len() {
        let at = last_end(&ends, len);
        let expected = if at == len as u64 && len > 0 { Verdict::Whole } else { Verdict::Torn { at } };
        assert_eq!(verdict(&bytes[..len]), expected, "{len} bytes");
    }
}

#[test]
fn every_tail_of_lost_sectors_is_torn_at_the_last_whole_frame() {
    let (bytes, ends) = log(30);
    for sector in 0..=bytes.len() / SECTOR as usize {
        let mut torn = bytes.clone();
        torn[sector * SECTOR as usize..].fill(0);
        let at = last_end(&ends, sector * SECTOR as usize);
        assert_eq!(verdict(&torn), Verdict::Torn { at }, "from sector {sector}");
        torn.resize(bytes.len() + 5_000, 0);
        assert_eq!(verdict(&torn), Verdict::Torn { at }, "from sector {sector}, with room allocated behind");
    }
}

#[test]
fn a_lost_sector_with_frames_behind_it_is_not_taken_for_a_torn_tail() {
    let (bytes, ends) = log(30);
    let mut holed = bytes;
    holed[512..1024].fill(0);
    assert!(matches!(verdict(&holed), Verdict::Corrupt { at, .. } if at == last_end(&ends, 512)));
}

#[test]
fn what_is_no_ledger_of_ours_is_named() {
    let mut other = log(1).0;
    other[18] = b'2';
    assert_eq!(verdict(&other), Verdict::Corrupt { at: 0, reason: Reason::OtherFormat });
    assert_eq!(verdict(b"PK\x03\x04"), Verdict::Corrupt { at: 0, reason: Reason::NotALedger });
    assert_eq!(verdict(&[7; 500]), Verdict::Corrupt { at: 0, reason: Reason::NotALedger });
}

/// A log of one frame, made by a writer that is wrong about what it writes but right about how.
fn log_of(body: &[u8]) -> Vec<u8> {
    let (writer, header) = Writer::create(Key::from_seed([1; 32]).site());
    let (previous, len) = (writer.head().link, body.len() as u32);
    let mut padded = body.to_vec();
    padded.resize(padded_len(body.len()), 0);
    let link = frame_link(&previous, &padded);
    [&header[..], &len.to_le_bytes(), &length_check(&previous, len), &padded, &link.0].concat()
}

#[test]
fn whole_frames_that_make_no_sense_are_told_apart() {
    use crate::codec::{DecodeError, encode};
    let reason = |body: &[u8]| match verdict(&log_of(body)) {
        Verdict::Corrupt { at: 96, reason } => reason,
        other => panic!("{other:?}"),
    };
    let ended = Entry::LeaseEnded { lease: LeaseId([0; 8]) };
    assert_eq!(verdict(&log_of(&encode(&(1_u16, 1_u64, Date::MAX, &ended)))), Verdict::Whole);
    assert_eq!(reason(&encode(&(1_u16, 2_u64, Date::MAX, &ended))), Reason::Sequence);
    assert_eq!(reason(&encode(&(2_u16, 1_u64, Date::MAX, &ended))), Reason::OtherVersion(2));
    assert_eq!(reason(&encode(&(1_u16, 1_u64, Date::MAX, u32::MAX))), Reason::Body(DecodeError::Malformed));
    assert_eq!(reason(&encode(&(1_u16, 1_u64, Date::MAX, &ended, 0_u8))), Reason::Body(DecodeError::Trailing { left: 1 }));
    assert_eq!(reason(&[1]), Reason::Body(DecodeError::Malformed));
    assert_eq!(reason(&[0; crate::limits::ENTRY_BYTES_MAX + 1]), Reason::Length);
}

#[test]
fn frames_moved_within_or_between_ledgers_are_noticed() {
    let (bytes, ends) = log(9);
    let frame = |at: usize| bytes[ends[at] as usize..ends[at + 1] as usize].to_vec();
    // Entries 1 and 5 are equal; only their place tells them apart.
    let moved = [&bytes[..ends[1] as usize], &frame(5), &bytes[ends[2] as usize..]].concat();
    assert_eq!(verdict(&moved), Verdict::Corrupt { at: ends[1], reason: Reason::Length });
    let (_, header) = Writer::create(Key::from_seed([2; 32]).site());
    let stolen = [&header[..], &bytes[HEADER_BYTES..]].concat();
    assert_eq!(verdict(&stolen), Verdict::Corrupt { at: HEADER_BYTES as u64, reason: Reason::Length });
}

#[test]
fn an_entry_longer_than_the_bound_is_not_written() {
    let (mut writer, _) = Writer::create(Key::from_seed([1; 32]).site());
    let before = writer.head();
    let key = Key::from_seed([3; 32]);
    let addresses = vec!["x".repeat(256); 80];
    let invite = Token::issue(&key, MeshId(Digest::ZERO), addresses, Date::MAX, 1, [1; 32]).invite();
    assert!(writer.append(Date::MAX, &Entry::Invited(invite)).is_err());
    assert_eq!(writer.head(), before);
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic_and_are_never_whole(bytes in proptest::collection::vec(any::<u8>(), 0..600), keep in 0_usize..400) {
        let (mut good, ends) = log(2);
        good.truncate(keep);
        good.extend_from_slice(&bytes);
        let whole = ends.contains(&(good.len() as u64)) && log(2).0.starts_with(&good);
        prop_assert_eq!(verdict(&good) == Verdict::Whole, whole);
    }

    #[test]
    fn a_flip_in_a_long_ledger_is_corrupt(count in 1_u64..60, at: proptest::sample::Index, bit in 0_u8..8) {
        let (mut bytes, _) = log(count);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let is_corrupt = matches!(verdict(&bytes), Verdict::Corrupt { .. });
        prop_assert!(is_corrupt);
    }
}
