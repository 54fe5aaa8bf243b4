use super::*;
use proptest::prelude::*;

const PATIENCE: Patience = Patience { head: Duration::from_secs(15), idle: Duration::from_secs(20), stall: Duration::from_secs(30) };
const SETTINGS: u8 = 4;
const PING: u8 = 6;

fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1_000)
}

fn frame(kind: u8, flags: u8, stream: u32, length: u32) -> Vec<u8> {
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.resize(9 + length as usize, 0);
    bytes
}

/// A connection on which the preface has come.
fn met() -> Manners {
    let mut manners = Manners::new(PATIENCE, at(0));
    manners.on_read(&[b'P'; PREFACE_BYTES as usize], at(0)).unwrap();
    manners
}

fn asks(manners: &mut Manners, stream: u32, millis: u64) {
    manners.on_read(&frame(HEADERS, END_HEADERS | END_STREAM, stream, 10), at(millis)).unwrap();
}

/// How many of such frames, so many milliseconds apart, are let through of ten thousand.
fn let_through(manners: &mut Manners, bytes: &[u8], apart: u64) -> u64 {
    (0..10_000).find(|count| manners.on_read(bytes, at(count * apart)).is_err()).unwrap_or(10_000)
}

#[test]
fn floods_of_control_end_and_a_busy_person_does_not() {
    for kind in [SETTINGS, PING, 2, RST_STREAM, 0xbe] {
        assert_eq!(let_through(&mut met(), &frame(kind, 0, 1, 8), 0), u64::from(HTTP2_CONTROL_BURST), "kind {kind}");
        assert_eq!(let_through(&mut met(), &frame(kind, 0, 1, 8), 1_000 / u64::from(HTTP2_CONTROL_RATE)), 10_000, "kind {kind}");
        let twice_as_fast = let_through(&mut met(), &frame(kind, 0, 1, 8), 500 / u64::from(HTTP2_CONTROL_RATE));
        assert!((u64::from(HTTP2_CONTROL_BURST)..2_000).contains(&twice_as_fast), "kind {kind}: {twice_as_fast}");
    }
    assert_eq!(let_through(&mut met(), &frame(DATA, 0, 1, 0), 0), u64::from(HTTP2_CONTROL_BURST), "empty bodies");
    assert_eq!(let_through(&mut met(), &frame(DATA, 0, 1, 100), 0), 10_000, "an upload is no flood");
    let mut manners = met();
    assert_eq!(let_through(&mut manners, &frame(PING, 0, 0, 8), 0), u64::from(HTTP2_CONTROL_BURST));
    assert!(manners.is_rude());
}

#[test]
fn window_updates_are_as_many_as_what_was_sent() {
    let update = frame(WINDOW_UPDATE, 0, 1, 4);
    assert_eq!(let_through(&mut met(), &update, 0), u64::from(HTTP2_UPDATES_BURST + HTTP2_CONTROL_BURST));
    let mut manners = met();
    asks(&mut manners, 1, 0);
    for _ in 0..50_000 {
        manners.on_written(&frame(DATA, 0, 1, 16), at(0));
        for _ in 0..2 {
            manners.on_read(&update, at(0)).unwrap();
        }
    }
}

#[test]
fn a_head_in_many_pieces_ends_the_connection() {
    let mut manners = met();
    manners.on_read(&frame(HEADERS, 0, 1, 1), at(0)).unwrap();
    assert_eq!(let_through(&mut manners, &frame(CONTINUATION, 0, 1, 1), 0), u64::from(HTTP2_CONTINUATIONS_MAX));
    let mut manners = met();
    manners.on_read(&frame(HEADERS, 0, 1, 16_000), at(0)).unwrap();
    assert!(let_through(&mut manners, &frame(CONTINUATION, 0, 1, 16_000), 0) < 4, "too long");
}

#[test]
fn a_head_that_does_not_end_is_not_waited_for() {
    let mut manners = met();
    manners.on_read(&frame(HEADERS, 0, 1, 20), at(1_000)).unwrap();
    assert_eq!((manners.deadline(), manners.verdict(at(15_999))), (Some(at(16_000)), Verdict::Stay));
    assert_eq!(manners.verdict(at(16_000)), Verdict::Cut);
    let mut manners = met();
    manners.on_read(&frame(PING, 0, 0, 8)[..12], at(1_000)).unwrap();
    assert_eq!(manners.verdict(at(16_000)), Verdict::Cut);
    manners.on_read(&[0; 5], at(15_000)).unwrap();
    assert_eq!(manners.verdict(at(16_000)), Verdict::Stay);
}

#[test]
fn who_asks_for_nothing_is_told_to_leave_and_then_cut() {
    let mut manners = met();
    asks(&mut manners, 1, 1_000);
    assert_eq!((manners.deadline(), manners.verdict(at(600_000))), (None, Verdict::Stay), "the origin may take its time");
    manners.on_written(&frame(HEADERS, END_HEADERS | END_STREAM, 1, 5), at(2_000));
    assert_eq!((manners.deadline(), manners.verdict(at(22_000))), (Some(at(22_000)), Verdict::Leave));
    manners.on_leave(at(22_000));
    assert_eq!(manners.verdict(at(22_001)), Verdict::Stay);
    assert_eq!((manners.deadline(), manners.verdict(at(24_000))), (Some(at(24_000)), Verdict::Cut));
}

#[test]
fn one_paused_answer_lets_the_others_finish_and_only_paused_ones_are_cut() {
    let mut manners = met();
    for stream in [1, 3] {
        asks(&mut manners, stream, 0);
        manners.on_written(&frame(HEADERS, END_HEADERS, stream, 5), at(0));
    }
    manners.on_written(&frame(DATA, 0, 3, 100), at(20_000));
    assert_eq!((manners.deadline(), manners.verdict(at(30_000))), (Some(at(30_000)), Verdict::Leave));
    manners.on_leave(at(30_000));
    assert_eq!(manners.verdict(at(31_000)), Verdict::Stay);
    manners.on_written(&frame(DATA, END_STREAM, 3, 100), at(40_000));
    assert_eq!(manners.verdict(at(40_000)), Verdict::Cut, "nothing is left but the one that stands");
}

#[test]
fn a_visitor_who_takes_is_waited_for() {
    let mut manners = met();
    asks(&mut manners, 1, 0);
    for second in 0..600 {
        manners.on_written(&frame(DATA, 0, 1, 1), at(second * 1_000));
        assert_eq!(manners.verdict(at(second * 1_000 + 900)), Verdict::Stay);
    }
}

#[test]
fn streams_are_forgotten_when_they_end_and_bounded_while_they_do_not() {
    let mut manners = met();
    for stream in (1..20_000).step_by(2) {
        asks(&mut manners, stream, 0);
        manners.on_written(&frame(HEADERS, END_STREAM, stream, 5), at(0));
    }
    assert!(manners.streams.is_empty());
    let opened = (20_001..40_000).step_by(2).position(|stream| manners.on_read(&frame(HEADERS, END_HEADERS, stream, 1), at(0)).is_err());
    assert_eq!(opened, Some(2 * HTTP2_STREAMS_MAX as usize));
}

proptest! {
    #[test]
    fn no_bytes_panic_and_every_deadline_has_a_verdict(
        steps in prop::collection::vec((any::<bool>(), 0_u8..12, any::<u8>(), 0_u32..8, 0_u32..40, 0_u64..40_000, any::<bool>()), 0..60),
    ) {
        let (mut manners, mut now) = (met(), 0);
        for (inbound, kind, flags, stream, length, later, whole) in steps {
            now += later;
            let mut bytes = frame(kind, flags, stream, length);
            bytes.truncate(if whole { bytes.len() } else { bytes.len() / 2 });
            if !inbound {
                manners.on_written(&bytes, at(now));
            } else if manners.on_read(&bytes, at(now)).is_err() {
                break;
            }
            if let Some(deadline) = manners.deadline() {
                let due = deadline.max(at(now));
                let verdict = manners.verdict(due);
                prop_assert_ne!(verdict, Verdict::Stay, "{:?}", manners);
                if verdict == Verdict::Leave {
                    manners.on_leave(due);
                    prop_assert!(manners.deadline() > Some(due), "told to leave again at once: {:?}", manners);
                }
                now = now.max(due.as_micros() / 1_000);
            }
        }
    }
}
