//! Messages, the machine that hears them, tickets, fills, and the proof that a host publishes.

use std::{sync::OnceLock, time::Duration};

use overspill_governance::{
    charter::Charter,
    digest::ObjectDigest,
    entry::Entry,
    payword::{Chain, LeaseId},
    site::{Key, SiteId},
    time::{Date, Now, Time},
    units::{ByteRate, Bytes, RequestRate},
};
use overspill_protocol::{
    event::{Answer, Event},
    fill::{Assembly, FillAnswer, FillAsk, FillRefusal, FillSlice, Unfinished},
    io::{Caps, Command, Config, GuestAddress, Input, Output, Wish},
    limits::{FILL_MESSAGE_BYTES_MAX, FILL_SLICE_BYTES, MESSAGE_BYTES_MAX, OBJECT_BYTES_MAX},
    message::Message,
    proof,
    site::Site,
    ticket::{BackMark, Bound, Method, Ticket, TicketKey},
    wire,
};

const LEASE: LeaseId = LeaseId(*b"a lease!");
const STRANGER: SiteId = SiteId([9; 32]);

fn now(millis: u64) -> Now {
    Now { time: Time::from_micros(millis * 1_000), date: Date::from_millis(1_795_305_600_000 + millis) }
}

const CAPS: Caps =
    Caps { requests: RequestRate(100), bytes: ByteRate(1 << 20), month: Bytes(1 << 40), storage: Bytes(1 << 30), ..Caps::NOTHING };

fn config(seed: u8) -> Config {
    let (key, canonical) = (Key::from_seed([seed; 32]), format!("http://site-{seed}.example"));
    let guest = Some(GuestAddress { scheme: "http".into(), suffix: "guests.example".into() });
    Config { key, seed: [seed; 32], canonical, addresses: vec![format!("/memory/{seed}")], guest, caps: CAPS }
}

/// What two sites did until they knew and had proved each other.
struct Talk {
    /// What the first wrote into its ledger.
    entries: Vec<Entry>,
    /// What was said, by both.
    said: Vec<Vec<u8>>,
}

fn talk() -> &'static Talk {
    static TALK: OnceLock<Talk> = OnceLock::new();
    TALK.get_or_init(|| {
        let (mut a, mut b) = (Site::new(config(1), now(0)), Site::new(config(2), now(0)));
        let mut talk = Talk { entries: Vec::new(), said: Vec::new() };
        a.handle(Input::Command { id: 1, command: Command::Found { name: "mesh".into(), charter: Charter::default() } }, now(1));
        a.handle(Input::Command { id: 2, command: Command::Invite { lifetime: Duration::from_secs(600) } }, now(2));
        let mut token = String::new();
        while let Some(output) = a.poll() {
            match output {
                Output::Persist(entry) => talk.entries.push(*entry),
                Output::Tell(Event::Answered { answer: Ok(Answer::Invited { token: given }), .. }) => token = given,
                _ => {}
            }
        }
        a.handle(Input::Connected { peer: b.id() }, now(3));
        b.handle(Input::Connected { peer: a.id() }, now(3));
        b.handle(Input::Command { id: 3, command: Command::Join { token } }, now(4));
        talk.pass(&mut a, &mut b, 1_000);
        assert_eq!(a.report(now(9_000)).mesh.unwrap().members, 2);
        talk.vote(&mut a, &mut b);
        talk
    })
}

/// When the first of the two has moved something and the other has seconded it.
const MOVED: u64 = 800_000;
/// When both agents sign: a week of discussion later.
const VOTING: u64 = 700_000 + 7 * 86_400_000 + 200_000;

impl Talk {
    fn pass(&mut self, a: &mut Site, b: &mut Site, from: u64) {
        for round in 0..60 {
            let at = now(from + round * 100);
            a.handle(Input::Wake, at);
            b.handle(Input::Wake, at);
            self.carry(a, b, true, at);
            self.carry(b, a, false, at);
        }
    }

    /// A motion, a second, an objection that does not stop it, the signatures of both. What is written down after the second is no part of
    /// the entries: whoever restores them is in the middle of the vote.
    fn vote(&mut self, a: &mut Site, b: &mut Site) {
        let wish = Wish::Amend { parameter: "price_mib".into(), to: 2_000 };
        a.handle(Input::Command { id: 4, command: Command::Propose { wish, discuss: "https://forum.example/1".into() } }, now(700_000));
        self.pass(a, b, 700_100);
        let motion = a.report(now(710_000)).council.votes[0].motion.to_string();
        b.handle(Input::Command { id: 5, command: Command::Second { motion: motion.clone() } }, now(710_000));
        self.pass(a, b, 710_100);
        let entries = self.entries.clone();
        assert!(entries.iter().any(|entry| matches!(entry, Entry::Moved { .. })));
        self.pass(a, b, VOTING);
        b.handle(Input::Command { id: 6, command: Command::Object { motion, reason: "Too late.".into() } }, now(VOTING + 9_000));
        self.pass(a, b, VOTING + 10_000);
        assert!(self.entries.iter().any(|entry| matches!(entry, Entry::Decided(_))), "both have signed");
        self.entries = entries;
    }

    fn carry(&mut self, from: &mut Site, to: &mut Site, first: bool, at: Now) {
        while let Some(output) = from.poll() {
            match output {
                Output::Persist(entry) if first => self.entries.push(*entry),
                Output::Send { message, .. } | Output::Broadcast(message) => {
                    let bytes = wire::encode(&message);
                    self.said.push(bytes.clone());
                    to.handle(Input::Message { from: from.id(), bytes }, at);
                }
                Output::Prove { site, host } => from.handle(Input::Proved { site, host, good: true }, at),
                _ => {}
            }
        }
    }
}

pub(crate) fn messages() -> Vec<Vec<u8>> {
    let mut seeds = talk().said.clone();
    seeds.sort();
    seeds.dedup();
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

/// Several messages in one input: who says it (a byte), how long it is (two bytes), the message.
fn said_by(who: u8, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut talk = Vec::new();
    for message in messages {
        talk.push(who);
        talk.extend_from_slice(&u16::try_from(message.len()).unwrap().to_le_bytes());
        talk.extend_from_slice(message);
    }
    talk
}

pub(crate) fn talks() -> Vec<Vec<u8>> {
    let said = messages().into_iter().filter(|message| message.len() < usize::from(u16::MAX)).collect::<Vec<_>>();
    let mut seeds: Vec<Vec<u8>> = said.iter().map(|message| said_by(1, std::slice::from_ref(message))).collect();
    seeds.extend([said_by(0, &said), said_by(1, &said), said_by(2, &said), said_by(3, &said)]);
    seeds
}

/// A member in the middle of a vote that hears anything from a partner, a stranger and the gossip: nobody joins or leaves by it, what it says can be read, and
/// it goes on doing what its owner wishes.
pub(crate) fn machine(bytes: &[u8]) {
    let partner = Key::from_seed([2; 32]).site();
    let mut millis = MOVED;
    let mut site = Site::restore(config(1), talk().entries.iter().cloned(), now(millis)).unwrap();
    site.handle(Input::Connected { peer: partner }, now(millis));
    site.handle(Input::Connected { peer: STRANGER }, now(millis));
    let mut rest = bytes;
    while let Some(([who, low, high], after)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (message, after) = after.split_at(len);
        rest = after;
        millis += 1 + u64::from(*who >> 2) * 50;
        let bytes = message.to_vec();
        match who & 3 {
            0 => site.handle(Input::Message { from: STRANGER, bytes }, now(millis)),
            1 => site.handle(Input::Message { from: partner, bytes }, now(millis)),
            2 => site.handle(Input::Gossip { bytes }, now(millis)),
            _ => site.handle(Input::Wake, now(millis)),
        }
        listen(&mut site);
    }
    site.handle(Input::Command { id: 1, command: Command::Invite { lifetime: Duration::from_secs(60) } }, now(millis));
    assert!(listen(&mut site), "it answers no more");
    assert_eq!(site.report(now(millis)).mesh.unwrap().members, 2, "somebody came or went by what nobody signed");
}

/// Takes all outputs; tells whether a wish was granted among them.
fn listen(site: &mut Site) -> bool {
    let mut granted = false;
    while let Some(output) = site.poll() {
        match output {
            Output::Send { message, .. } => assert_eq!(wire::decode(&wire::encode(&message)).as_ref(), Ok(&*message)),
            Output::Broadcast(message) => assert_eq!(wire::decode_small(&wire::encode(&message)).as_ref(), Ok(&*message)),
            Output::Tell(Event::Answered { answer, .. }) => granted |= answer.is_ok(),
            _ => {}
        }
    }
    granted
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
