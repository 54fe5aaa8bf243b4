//! The machine of a member, hearing anything from a partner, a stranger and the gossip.

use std::time::Duration;

use overspill_governance::site::{Key, SiteId};
use overspill_protocol::{
    event::Event,
    io::{Command, Input, Output},
    site::Site,
    wire,
};

use crate::{
    protocol::messages,
    talk::{self, Scene, config, now},
};

const STRANGER: SiteId = SiteId([9; 32]);

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

/// A member in the middle of a vote.
pub(crate) fn machine(bytes: &[u8]) {
    hear(talk::vote(), bytes);
}

/// A member that is struck, and helps, and settles both.
pub(crate) fn settling(bytes: &[u8]) {
    hear(talk::settling(), bytes);
}

/// Nobody joins or leaves by what a member hears, what it says can be read, no line goes beyond its limits, and it goes on doing what its owner wishes.
fn hear(scene: &Scene, bytes: &[u8]) {
    let partner = Key::from_seed([2; 32]).site();
    let mut millis = scene.millis;
    let mut site = Site::restore(config(1), scene.entries.iter().cloned(), now(millis)).unwrap();
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
    let report = site.report(now(millis));
    assert!(
        report.lines.iter().all(|line| -line.limit_taken.0 <= line.balance.0 && line.balance.0 <= line.limit_given.0),
        "{:?}",
        report.lines
    );
    assert_eq!(report.mesh.unwrap().members, 2, "somebody came or went by what nobody signed");
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
