//! Whatever a peer says, in whatever order, a site neither panics nor forgets itself: it goes on answering its own commands.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use overspill_governance::{
    allotment::Allotment,
    charter::Charter,
    digest::Digest,
    docket::Paper,
    invite::{Admission, MeshId, Redeemed, token::Token},
    motion::{Change, Motion, Schedule, Second},
    payword::{LeaseId, Word},
    roster::Notice,
    site::{Key, Signed, SiteId, Statement},
    time::{Date, Now, Time},
    units::{ByteRate, Bytes, Credit, RequestRate},
};
use overspill_protocol::{
    event::{Answer, Event},
    io::{Caps, Command, Config, GuestAddress, Input, Output},
    limits::{LEASES_PER_OWNER_MAX, MISSPEAKS_FORGIVEN, PAPERS_BURST, STRANGER_LIFETIME, STRANGER_MESSAGES_MAX, STRANGERS_MAX},
    message::{LeaseClosed, LeaseRefusal, LeaseRefused, LeaseTake, Message, VoteAsk},
    report::LineReport,
    site::Site,
    ticket::TicketKey,
    wire,
};
use proptest::prelude::*;

fn now(micros: u64) -> Now {
    Now { time: Time::from_micros(micros), date: Date::from_millis(1_700_000_000_000 + micros / 1_000) }
}

fn config(seed: u8) -> Config {
    Config {
        key: Key::from_seed([seed; 32]),
        seed: [seed; 32],
        canonical: format!("http://site-{seed}.example"),
        addresses: vec![format!("/memory/{seed}")],
        guest: Some(GuestAddress { scheme: "http".into(), suffix: "guests.example".into() }),
        caps: Caps {
            requests: RequestRate(100),
            bytes: ByteRate(1 << 20),
            month: Bytes(1 << 40),
            storage: Bytes(1 << 30),
            ..Caps::NOTHING
        },
    }
}

fn drain(site: &mut Site) -> Vec<Output> {
    std::iter::from_fn(|| site.poll()).collect()
}

fn founded(seed: u8) -> Site {
    let mut site = Site::new(config(seed), now(0));
    site.handle(Input::Command { id: 1, command: Command::Found { name: "mesh".into(), charter: Charter::default() } }, now(1));
    drain(&mut site);
    site
}

/// Two members that know and have proved each other, and everything that they said until then.
fn pair() -> (Site, Site, Vec<Vec<u8>>) {
    let (mut a, mut b) = (founded(1), Site::new(config(2), now(0)));
    a.handle(Input::Command { id: 2, command: Command::Invite { lifetime: Duration::from_secs(600) } }, now(2));
    let token = drain(&mut a).into_iter().find_map(|output| match output {
        Output::Tell(Event::Answered { answer: Ok(Answer::Invited { token }), .. }) => Some(token),
        _ => None,
    });
    b.handle(Input::Connected { peer: a.id() }, now(3));
    a.handle(Input::Connected { peer: b.id() }, now(3));
    b.handle(Input::Command { id: 3, command: Command::Join { token: token.unwrap() } }, now(4));
    let mut said = Vec::new();
    for round in 0..40 {
        let at = now(1_000_000 + round * 100_000);
        a.handle(Input::Wake, at);
        b.handle(Input::Wake, at);
        exchange(&mut a, &mut b, at, &mut said);
        exchange(&mut b, &mut a, at, &mut said);
    }
    assert_eq!(b.report(now(0)).mesh.unwrap().members, 2);
    (a, b, said)
}

fn exchange(from: &mut Site, to: &mut Site, at: Now, said: &mut Vec<Vec<u8>>) {
    for output in drain(from) {
        match output {
            Output::Send { message, .. } => {
                let bytes = wire::encode(&message);
                said.push(bytes.clone());
                to.handle(Input::Message { from: from.id(), bytes }, at);
            }
            Output::Prove { site, host } => from.handle(Input::Proved { site, host, good: true }, at),
            _ => {}
        }
    }
}

#[test]
fn strangers_are_few_and_short() {
    let mut site = founded(1);
    for peer in 0..40_u8 {
        site.handle(Input::Connected { peer: SiteId([peer; 32]) }, now(10));
    }
    let hung = drain(&mut site).iter().filter(|output| matches!(output, Output::Hang { .. })).count();
    assert_eq!((hung, site.report(now(10)).strangers), (40 - STRANGERS_MAX, STRANGERS_MAX));
    let later = now(10 + u64::try_from(STRANGER_LIFETIME.as_micros()).unwrap());
    site.handle(Input::Wake, later);
    let hung = drain(&mut site).iter().filter(|output| matches!(output, Output::Hang { .. })).count();
    assert_eq!((hung, site.report(later).strangers), (STRANGERS_MAX, 0));
}

/// A site that has nothing left but its key is no member in its own eyes, and a partner of many leases in its partner's.
#[test]
fn who_is_asked_the_way_back_finds_room_and_may_talk() {
    let (mut a, b, said) = pair();
    let mut lost = Site::new(config(2), now(9_000_000));
    for peer in 10..40_u8 {
        lost.handle(Input::Connected { peer: SiteId([peer; 32]) }, now(9_000_000));
    }
    drain(&mut lost);
    let addresses = vec![String::from("/memory/1")];
    lost.handle(Input::Command { id: 5, command: Command::Recover { partner: a.id(), addresses } }, now(9_000_001));
    lost.handle(Input::Connected { peer: a.id() }, now(9_000_002));
    assert_eq!(lost.report(now(9_000_002)).strangers, STRANGERS_MAX, "it has the place of another");
    // What it says first is of another matter, and more than a stranger may say.
    let advert = said.iter().find(|bytes| wire::decode(bytes).is_ok_and(|message| matches!(message, Message::Advert(_)))).unwrap();
    for _ in 0..STRANGER_MESSAGES_MAX * 3 {
        lost.handle(Input::Message { from: a.id(), bytes: advert.clone() }, now(9_000_003));
    }
    let mut said = Vec::new();
    exchange(&mut lost, &mut a, now(9_000_004), &mut said);
    exchange(&mut a, &mut lost, now(9_000_005), &mut said);
    let outputs = drain(&mut lost);
    assert!(!outputs.iter().any(|output| matches!(output, Output::Hang { peer } if *peer == a.id())), "{outputs:?}");
    assert_eq!((lost.id(), lost.report(now(9_000_006)).mesh.map(|mesh| mesh.members)), (b.id(), Some(2)));
}

#[test]
fn a_stranger_that_speaks_garbage_is_hung_up_on_and_a_member_after_a_few_times() {
    let (mut a, b, _) = pair();
    let stranger = SiteId([9; 32]);
    a.handle(Input::Connected { peer: stranger }, now(9_000_000));
    drain(&mut a);
    a.handle(Input::Message { from: stranger, bytes: b"GET / HTTP/1.1".to_vec() }, now(9_000_001));
    assert!(drain(&mut a).iter().any(|output| matches!(output, Output::Hang { peer } if *peer == stranger)));
    let mut hung = 0;
    for _ in 0..=MISSPEAKS_FORGIVEN {
        assert_eq!(hung, 0);
        a.handle(Input::Message { from: b.id(), bytes: vec![0xFF; 40] }, now(9_000_002));
        hung += drain(&mut a).iter().filter(|output| matches!(output, Output::Hang { .. })).count();
    }
    assert_eq!(hung, 1);
}

/// Ten minutes after both came in: members have a voice.
const VOICED: u64 = 700_000_000;

/// A motion of the second member, as anybody may make one.
fn motion(mesh: MeshId, date: Date, to: i64) -> Signed<Motion> {
    let change = Change::Amend { parameter: "price_mib".into(), from: 1_000, to };
    let key = Key::from_seed([2; 32]);
    Signed::new(Motion { mesh, mover: key.site(), rules: Digest::ZERO, change, discuss: "http://forum.example".into(), date }, &key)
}

fn says(site: &mut Site, from: SiteId, message: &Message, at: Now) {
    site.handle(Input::Message { from, bytes: wire::encode(message) }, at);
}

fn misspoke(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Tell(Event::Misspoke { .. }))).count()
}

#[test]
fn papers_that_nobody_signed_are_faults_and_those_out_of_place_are_not() {
    let (mut a, b, _) = pair();
    let (mesh, at) = (a.report(now(0)).mesh.unwrap().id, now(VOICED));
    drain(&mut a);
    let good = motion(mesh, at.date, 2_000);
    let unknown = Second { mesh, motion: Digest([7; 32]), seconder: a.id() };
    says(&mut a, b.id(), &Message::VoteTell(vec![Paper::Seconded(Signed::new(unknown, &Key::from_seed([1; 32])))]), at);
    assert_eq!(misspoke(&drain(&mut a)), 0);
    let mut forged = good.clone();
    forged.body.date = forged.body.date.before(Duration::from_secs(1));
    says(&mut a, b.id(), &Message::VoteTell(vec![Paper::Moved(forged)]), at);
    assert_eq!(misspoke(&drain(&mut a)), 1);
    let known = vec![Digest([2; 32]), Digest([1; 32])];
    says(&mut a, b.id(), &Message::VoteAsk(VoteAsk { known }), at);
    assert_eq!(misspoke(&drain(&mut a)), 1, "a question names papers in order");
    says(&mut a, b.id(), &Message::VoteTell(vec![Paper::Moved(good)]), at);
    assert_eq!((misspoke(&drain(&mut a)), a.report(at).council.votes.len()), (0, 1));
}

#[test]
fn a_motion_is_written_down_when_somebody_seconds_it_and_signed_by_nobody_before_its_time() {
    let (mut a, b, _) = pair();
    let (mesh, at) = (a.report(now(0)).mesh.unwrap().id, now(VOICED));
    let good = motion(mesh, at.date, 2_000);
    let written = |outputs: Vec<Output>| outputs.iter().filter(|output| matches!(output, Output::Persist(_))).count();
    drain(&mut a);
    says(&mut a, b.id(), &Message::VoteTell(vec![Paper::Moved(good.clone())]), at);
    assert_eq!(written(drain(&mut a)), 0, "who moves things does not fill others' disks");
    let name = good.body.digest().to_string();
    a.handle(Input::Command { id: 9, command: Command::Second { motion: name[..6].into() } }, at);
    assert_eq!(written(drain(&mut a)), 2, "the motion, and the second");
    let deadline = a.report(at).council.votes[0].deadline;
    let when = |date: Date| Now { time: at.time.after(date.since(at.date)), date };
    a.handle(Input::Wake, when(deadline));
    assert_eq!(written(drain(&mut a)), 0);
    a.handle(Input::Wake, when(deadline.after(Duration::from_secs(121))));
    let outputs = drain(&mut a);
    let weighty = |output: &Output| match output {
        Output::Persist(_) => Some(true),
        Output::Broadcast(_) => Some(false),
        _ => None,
    };
    let places: Vec<bool> = outputs.iter().filter_map(weighty).collect();
    assert_eq!(places, [true, false], "a ballot is durable before it is told");
}

#[test]
fn who_asks_for_all_papers_again_and_again_is_answered_as_often_as_partners_ask() {
    let (mut a, b, _) = pair();
    let (mesh, at) = (a.report(now(0)).mesh.unwrap().id, now(VOICED));
    says(&mut a, b.id(), &Message::VoteTell(vec![Paper::Moved(motion(mesh, at.date, 2_000))]), at);
    drain(&mut a);
    for _ in 0..20 {
        says(&mut a, b.id(), &Message::VoteAsk(VoteAsk { known: Vec::new() }), at);
    }
    let told = |output: &&Output| matches!(output, Output::Send { message, .. } if matches!(**message, Message::VoteTell(_)));
    assert_eq!(drain(&mut a).iter().filter(told).count(), 1);
}

/// Two members move and second one motion after the other, each dated back so far that it lapses at once and makes room for the next.
#[test]
fn two_colluders_fill_no_disk() {
    let (mut a, b, _) = pair();
    let (mesh, [second, third]) = (a.report(now(0)).mesh.unwrap().id, [2, 3].map(|seed| Key::from_seed([seed; 32])));
    let token = Token::issue(&second, mesh, vec![], Date::MAX, 1, [5; 32]);
    let date = now(5_000_000).date;
    let redeemed = Redeemed::new(&token, &third, "http://site-3.example".into(), vec![], date);
    let admission = Signed::new(Admission::answering(&redeemed, date), &second);
    says(&mut a, b.id(), &Message::RosterTell(vec![Notice::Admitted(admission)]), now(VOICED));
    drain(&mut a);
    let lapses = Schedule::of(&motion(mesh, now(0).date, 2_000).body, &Charter::default()).lapses();
    let life = lapses.since(now(0).date);
    let (mut moved, mut written) = (0, 0);
    for second_later in 0..10 {
        let heard = now(VOICED + u64::try_from(life.as_micros()).unwrap() + second_later * 1_000_000);
        let motion = motion(mesh, heard.date.before(life).after(Duration::from_millis(50)), 2_000);
        let seconded = Signed::new(Second { mesh, motion: motion.body.digest(), seconder: third.site() }, &third);
        says(&mut a, b.id(), &Message::VoteTell(vec![Paper::Moved(motion), Paper::Seconded(seconded)]), heard);
        moved += a.report(heard).council.votes.len();
        written += drain(&mut a).iter().filter(|output| matches!(output, Output::Persist(_))).count();
        a.handle(Input::Wake, now(heard.time.as_micros() + 500_000));
    }
    assert_eq!((moved, written), (10, 0), "who was told too late consents to nothing, and remembers nothing");
}

#[test]
fn a_partner_tells_no_more_papers_than_it_may() {
    let (mut a, b, _) = pair();
    let (mesh, at) = (a.report(now(0)).mesh.unwrap().id, now(VOICED));
    drain(&mut a);
    let junk = Paper::Seconded(Signed::new(Second { mesh, motion: Digest([7; 32]), seconder: b.id() }, &Key::from_seed([2; 32])));
    let batch = vec![junk; 1_000];
    for _ in 0..usize::try_from(PAPERS_BURST).unwrap() / batch.len() {
        says(&mut a, b.id(), &Message::VoteTell(batch.clone()), at);
    }
    let good = Message::VoteTell(vec![Paper::Moved(motion(mesh, at.date, 2_000))]);
    says(&mut a, b.id(), &good, at);
    assert_eq!(a.report(at).council.votes.len(), 0, "what is beyond its share is not looked at");
    says(&mut a, b.id(), &good, now(VOICED + 1_000_000));
    assert_eq!(a.report(at).council.votes.len(), 1, "a second later it is");
}

#[test]
fn nobody_dials_or_signs_before_there_is_a_mesh() {
    let mut site = Site::new(config(7), now(0));
    site.handle(Input::Connected { peer: SiteId([1; 32]) }, now(1));
    site.handle(Input::Wake, now(60_000_000));
    let loud = |output: &Output| matches!(output, Output::Send { .. } | Output::Dial { .. } | Output::Persist(_) | Output::Broadcast(_));
    assert!(!drain(&mut site).iter().any(loud));
}

#[test]
fn a_failed_ledger_leaves_nothing_to_sign() {
    let (mut a, _, _) = pair();
    a.handle(Input::LedgerFailed, now(9_000_000));
    drain(&mut a);
    for id in 0..3 {
        a.handle(Input::Command { id, command: Command::Invite { lifetime: Duration::from_secs(60) } }, now(9_000_001));
    }
    for at in 0..100 {
        a.handle(Input::Wake, now(10_000_000 + at * 1_000_000));
    }
    for output in drain(&mut a) {
        match output {
            Output::Persist(entry) => panic!("persisted {entry}"),
            Output::Send { message, .. } => {
                assert!(!matches!(message.kind(), "Advert" | "Claim" | "Propose" | "Agree" | "LeaseTake" | "JoinDone"))
            }
            Output::Tell(Event::Answered { answer, .. }) => assert!(answer.unwrap_err().contains("ledger")),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn replayed_bent_and_misdirected_messages_change_no_allegiance(
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..60),
    ) {
        let (mut a, b, said) = pair();
        let stranger = SiteId([9; 32]);
        let mut at = 9_000_000;
        a.handle(Input::Connected { peer: stranger }, now(at));
        for (which, place, bend, how) in picks {
            at += 50_000;
            let mut bytes = which.get(&said).clone();
            let place = place.index(bytes.len());
            bytes[place] ^= bend;
            match how {
                0 => a.handle(Input::Message { from: b.id(), bytes }, now(at)),
                1 => a.handle(Input::Message { from: stranger, bytes }, now(at)),
                2 => a.handle(Input::Gossip { bytes }, now(at)),
                _ => a.handle(Input::Wake, now(at)),
            }
            drain(&mut a);
        }
        let report = a.report(now(at));
        prop_assert_eq!(report.mesh.unwrap().members, 2);
        prop_assert!(!report.lines.iter().any(LineReport::is_used) && report.leases.is_empty());
    }
}

/// What `b` answers to a lease that `a`'s key asks for, after `bend` had its way with the terms.
fn asked(b: &mut Site, mesh: MeshId, at: Now, bend: impl FnOnce(&mut Allotment)) -> Option<Message> {
    let key = Key::from_seed([1; 32]);
    let charter = Charter::default();
    let mut allotment = Allotment {
        mesh,
        lease: LeaseId([7; 8]),
        owner: key.site(),
        helper: b.id(),
        requests: 100,
        bytes: Bytes(1 << 20),
        largest: Bytes(1 << 20),
        anchor: Word([1; 16]),
        charter: 1,
        price_request: charter.price_request,
        price_mib: charter.price_mib,
        made: at.date,
        until: at.date.after(Duration::from_secs(60)),
    };
    bend(&mut allotment);
    let allotment = Signed::new(allotment, &key);
    let (requests, bytes, storage) = (RequestRate(50), ByteRate(1 << 19), Bytes(1 << 20));
    let take = LeaseTake { allotment, key: TicketKey([3; 32]), requests, bytes, storage, replaces: None };
    b.handle(Input::Message { from: key.site(), bytes: wire::encode(&Message::LeaseTake(take)) }, at);
    drain(b).into_iter().find_map(|output| match output {
        Output::Send { message, .. } if matches!(*message, Message::LeaseHeld(_) | Message::LeaseRefused(_)) => Some(*message),
        _ => None,
    })
}

#[test]
fn a_helper_holds_only_what_the_charter_allows_and_only_once() {
    let (a, mut b, _) = pair();
    let mesh = a.report(now(0)).mesh.unwrap().id;
    let at = now(9_000_000);
    let refused = |reason| Some(Message::LeaseRefused(LeaseRefused { lease: LeaseId([7; 8]), reason }));
    let bad = refused(LeaseRefusal::BadTerms);
    assert_eq!(asked(&mut b, mesh, at, |terms| terms.price_mib = Credit(0)), bad);
    assert_eq!(asked(&mut b, mesh, at, |terms| terms.mesh = MeshId(Digest::ZERO)), bad);
    assert_eq!(asked(&mut b, mesh, at, |terms| terms.owner = SiteId([5; 32])), bad);
    assert_eq!(asked(&mut b, mesh, at, |terms| terms.helper = SiteId([5; 32])), bad);
    assert_eq!(asked(&mut b, mesh, at, |terms| terms.until = Date::MAX), bad);
    assert_eq!(asked(&mut b, mesh, at, |terms| terms.made = at.date.before(Duration::from_secs(600))), bad);
    let held = asked(&mut b, mesh, at, |_| ());
    assert!(matches!(held, Some(Message::LeaseHeld(_))), "{held:?}");
    assert_eq!(asked(&mut b, mesh, at, |_| ()), held, "an answer that was lost is given again");
    assert_eq!(asked(&mut b, mesh, at, |terms| terms.requests = 101), refused(LeaseRefusal::Taken));
    let leases = |b: &Site| b.report(at).leases.len();
    assert_eq!(leases(&b), 1);
}

#[test]
fn one_owner_does_not_fill_a_helper_with_leases() {
    let (a, mut b, _) = pair();
    let mesh = a.report(now(0)).mesh.unwrap().id;
    let mut held = 0;
    for name in 0..60_u8 {
        // Slow enough that no message is dropped for its haste, and each lease is closed at once.
        let at = now(9_000_000 + u64::from(name) * 100_000);
        let lease = LeaseId([name; 8]);
        held += usize::from(matches!(asked(&mut b, mesh, at, |terms| terms.lease = lease), Some(Message::LeaseHeld(_))));
        b.handle(Input::Message { from: a.id(), bytes: wire::encode(&Message::LeaseClosed(LeaseClosed { lease })) }, at);
        drain(&mut b);
    }
    assert_eq!(held, LEASES_PER_OWNER_MAX);
}
