//! Keys that are rotated, with the real machines: a member goes on as itself, and its old key is nobody.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use overspill_governance::{
    audit::Audit,
    chain::Record,
    charter::Charter,
    entry::Entry,
    line::{Line, LineKey, Moves},
    rotation::{Commitment, Rotation},
    site::{Key, Signed, SiteId},
    time::{Date, Now, Time},
    units::Credit,
};
use overspill_protocol::{
    event::{Answer, Event},
    io::{Caps, Command, Config, Input, Output},
    report::LineReport,
    site::Site,
    wire,
};

/// A few agents with their ledgers, all of them in reach of each other.
struct Village {
    agents: BTreeMap<SiteId, Agent>,
    now: u64,
    lives: u8,
}

struct Agent {
    machine: Site,
    ledger: Vec<Entry>,
    first: SiteId,
    told: Vec<Event>,
}

fn key(seed: u8) -> Key {
    Key::from_seed([seed; 32])
}

fn site(seed: u8) -> SiteId {
    key(seed).site()
}

impl Village {
    /// Site 1, and those that it brought in.
    fn of(members: &[u8]) -> Self {
        let mut village = Self { agents: BTreeMap::new(), now: 0, lives: 100 };
        for seed in [1].iter().chain(members) {
            village.open(*seed, site(*seed), Vec::new());
        }
        village.command(1, Command::Found { name: "Village".into(), charter: Charter::default() });
        for member in members {
            village.command(1, Command::Invite { lifetime: Duration::from_secs(600) });
            let token = village.agents[&site(1)].told.iter().rev().find_map(|event| match event {
                Event::Answered { answer: Ok(Answer::Invited { token }), .. } => Some(token.clone()),
                _ => None,
            });
            village.command(*member, Command::Join { token: token.unwrap() });
            village.run(30);
        }
        village
    }

    fn now(&self) -> Now {
        Now { time: Time::from_micros(self.now * 1_000), date: Date::from_millis(1_700_000_000_000 + self.now) }
    }

    fn config(&mut self, seed: u8) -> Config {
        self.lives += 1;
        Config {
            key: key(seed),
            seed: [self.lives; 32],
            canonical: format!("http://site-{seed}.example"),
            addresses: vec![format!("/memory/{seed}")],
            guest: None,
            caps: Caps::NOTHING,
        }
    }

    /// Starts the agent that holds this key from a ledger that began under `first`.
    fn open(&mut self, seed: u8, first: SiteId, ledger: Vec<Entry>) {
        let config = self.config(seed);
        let machine = Site::restore_from(config, first, ledger.iter().cloned(), self.now()).unwrap();
        self.agents.insert(site(seed), Agent { machine, ledger, first, told: Vec::new() });
    }

    fn command(&mut self, seed: u8, command: Command) {
        self.tell(site(seed), Input::Command { id: 1, command });
    }

    fn tell(&mut self, to: SiteId, input: Input) {
        let there: Vec<SiteId> = self.agents.keys().copied().collect();
        let mut next = VecDeque::from([(to, input)]);
        while let Some((to, input)) = next.pop_front() {
            let now = self.now();
            let Some(agent) = self.agents.get_mut(&to) else { continue };
            agent.machine.handle(input, now);
            let outputs: Vec<Output> = std::iter::from_fn(|| agent.machine.poll()).collect();
            for output in outputs {
                match output {
                    Output::Persist(entry) => agent.ledger.push(*entry),
                    Output::Tell(event) => agent.told.push(event),
                    Output::Send { to: peer, message } => {
                        next.push_back((peer, Input::Message { from: to, bytes: wire::encode(&message) }));
                    }
                    Output::Dial { peer, .. } if there.contains(&peer) => {
                        next.push_back((to, Input::Connected { peer }));
                        next.push_back((peer, Input::Connected { peer: to }));
                    }
                    Output::Dial { peer, .. } => next.push_back((to, Input::DialFailed { peer })),
                    Output::Prove { site, host } => next.push_back((to, Input::Proved { site, host, good: true })),
                    _ => {}
                }
            }
        }
    }

    /// Lets so many seconds pass.
    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 4 {
            self.now += 250;
            let due = |agent: &Agent, now: Now| agent.machine.deadline().is_some_and(|(at, _)| at <= now.time);
            let due: Vec<SiteId> = self.agents.iter().filter(|(_, agent)| due(agent, self.now())).map(|(id, _)| *id).collect();
            due.into_iter().for_each(|id| self.tell(id, Input::Wake));
        }
    }

    /// Ends an agent; its partners see that it is gone.
    fn end(&mut self, seed: u8) -> Agent {
        let ended = self.agents.remove(&site(seed)).unwrap();
        let others: Vec<SiteId> = self.agents.keys().copied().collect();
        others.into_iter().for_each(|other| self.tell(other, Input::Disconnected { peer: site(seed) }));
        ended
    }

    /// The member with key `old` goes on with key `new`: what a person does while its agent stands still.
    fn rotate(&mut self, old: u8, new: u8) {
        let ended = self.end(old);
        let config = self.config(old);
        let succession =
            Site::succession(config, (ended.first, site(old)), false, ended.ledger.iter().cloned(), self.now()).unwrap().unwrap();
        let rotation = Rotation::by_key(succession, &key(old), &key(new));
        let mut ledger = ended.ledger;
        ledger.push(Entry::Rotated { rotation: rotation.into(), heard: self.now().date });
        self.open(new, ended.first, ledger);
    }

    /// Both write down that one served the other; nobody has to serve for that here.
    fn owe(&mut self, one: u8, other: u8, amount: i64) {
        let mesh = self.agents[&site(one)].machine.report(self.now()).mesh.unwrap().id;
        let (low, high) = if site(one) < site(other) { (one, other) } else { (other, one) };
        let line = LineKey::between(mesh, site(one), site(other));
        let charter = Charter::default();
        let mut ours = Line::new(line, site(low), &charter).unwrap();
        let mut theirs = Line::new(line, site(high), &charter).unwrap();
        let moves = Moves { earner: site(one), amount: Credit(amount) };
        let proposal = ours.propose(&key(low), moves, None, &charter).unwrap();
        let receipt = theirs.countersign(&key(high), &proposal, &charter).unwrap();
        for (seed, with) in [(one, other), (other, one)] {
            let mut ended = self.end(seed);
            ended.ledger.push(Entry::Agreed { with: site(with), receipt: receipt.clone() });
            self.open(seed, ended.first, ended.ledger);
        }
    }

    fn balance(&self, of: u8, with: u8) -> i64 {
        let lines = self.agents[&site(of)].machine.report(self.now()).lines;
        lines.iter().find(|line| line.partner == site(with)).map_or(0, |line| line.balance.0)
    }

    fn line(&self, of: u8, with: u8) -> LineReport {
        let lines = self.agents[&site(of)].machine.report(self.now()).lines;
        lines.into_iter().find(|line| line.partner == site(with)).unwrap()
    }

    fn may_sign(&self, of: u8, with: u8) -> bool {
        let lines = self.agents[&site(of)].machine.report(self.now()).lines;
        lines.iter().any(|line| line.partner == site(with) && !line.frozen)
    }

    fn knows(&self, of: u8, member: u8) -> bool {
        self.agents[&site(of)].machine.is_member(&site(member))
    }

    /// Every ledger makes sense to whoever reads it.
    fn audit(&self) {
        for agent in self.agents.values() {
            let mut audit = Audit::new(agent.first);
            for (at, entry) in agent.ledger.iter().enumerate() {
                let record = Record { seq: at as u64 + 1, date: Date::default(), entry: entry.clone(), at: 0 };
                // What `owe` writes settles no lease.
                audit.take(&record).unwrap_or_else(|finding| panic!("entry {at}, {entry}: {finding}"));
            }
        }
    }
}

#[test]
fn a_member_goes_on_with_its_balances_under_a_new_key() {
    // Keys on either side of those of its partners, so that lines turn.
    for new in 11..17 {
        let mut village = Village::of(&[2, 3]);
        village.owe(2, 1, 400);
        village.owe(3, 2, 300);
        village.run(40);
        assert!(village.may_sign(2, 1) && village.may_sign(3, 2));
        village.rotate(2, new);
        village.run(60);
        for other in [1, 3] {
            assert!(village.knows(other, new) && !village.knows(other, 2));
            assert!(village.may_sign(other, new) && village.may_sign(new, other), "the line of {other} with {new} goes on");
            assert_eq!(village.balance(new, other), -village.balance(other, new));
        }
        assert_eq!((village.balance(new, 1), village.balance(new, 3)), (400, -300));
        // And once more, over a restart of both ends.
        village.rotate(new, 21);
        let partner = village.end(1);
        village.open(1, partner.first, partner.ledger);
        village.run(60);
        for other in [1, 3] {
            assert!(village.knows(other, 21), "{other} knows the newest key, from {new}");
            assert!(village.may_sign(other, 21) && village.may_sign(21, other), "the line of {other} goes on again, from {new}");
        }
        assert_eq!((village.balance(21, 1), village.balance(1, 21), village.balance(21, 3)), (400, -400, -300));
        assert!(village.agents.values().all(|agent| !agent.told.contains(&Event::Recovered)), "nobody takes its ledger for an old copy");
        village.audit();
    }
}

#[test]
fn both_ends_may_rotate_while_they_do_not_hear_each_other() {
    let mut village = Village::of(&[2, 3]);
    village.owe(3, 2, 300);
    village.run(40);
    village.rotate(2, 12);
    village.rotate(3, 13);
    village.run(90);
    assert!(village.knows(12, 13) && village.knows(13, 12));
    assert!(village.may_sign(12, 13) && village.may_sign(13, 12));
    assert_eq!((village.balance(13, 12), village.balance(12, 13)), (300, -300));
    village.audit();
}

#[test]
fn whoever_holds_the_old_key_is_nobody_and_is_told_so() {
    let mut village = Village::of(&[2, 3]);
    village.owe(2, 1, 400);
    village.run(40);
    let copy = village.agents[&site(2)].ledger.clone();
    village.rotate(2, 12);
    village.run(60);
    // The thief's agent has the old key and an old copy of the ledger.
    village.open(2, site(2), copy);
    village.run(60);
    for other in [1, 3] {
        assert!(!village.knows(other, 2) && village.knows(other, 12) && !village.may_sign(other, 2));
    }
    assert_eq!(village.balance(12, 1), 400);
    assert!(village.agents[&site(2)].told.contains(&Event::Rotated { old: site(2), new: site(12) }));
    assert!(village.agents[&site(2)].machine.report(village.now()).mesh.is_none());
}

#[test]
fn what_a_member_leaves_unpaid_its_sponsor_answers_for_whatever_keys_they_have() {
    let mut village = Village::of(&[2, 3]);
    village.owe(3, 2, 700);
    village.run(40);
    let before = village.line(3, 2);
    village.rotate(2, 12);
    village.run(60);
    let after = village.line(3, 12);
    assert_eq!(
        (after.vouched, after.limit_given, after.granted),
        (before.vouched, before.limit_given, before.granted),
        "no fresh stake or limit"
    );
    village.rotate(1, 11);
    village.run(60);
    village.command(12, Command::Leave);
    village.run(60);
    assert_eq!((village.line(3, 11).answers, village.line(3, 11).granted), (Credit(700), Credit(before.granted.0 - 700)));
    // Neither a restart nor another key of the sponsor's sheds it.
    let partner = village.end(3);
    village.open(3, partner.first, partner.ledger);
    village.rotate(11, 21);
    village.run(60);
    assert_eq!(village.line(3, 21).answers, Credit(700));
    village.audit();
}

#[test]
fn who_contradicts_its_own_rotation_leaves_its_debt_to_its_sponsor() {
    let mut village = Village::of(&[2, 3]);
    village.owe(3, 2, 700);
    village.run(40);
    let copy = village.agents[&site(2)].ledger.clone();
    village.rotate(2, 12);
    village.run(60);
    assert_eq!(village.balance(3, 12), 700);
    // The same ledger goes on under a third key.
    village.open(2, site(2), copy);
    village.rotate(2, 22);
    village.run(60);
    assert!(!village.knows(3, 12) && !village.knows(3, 22));
    assert_eq!(village.line(3, 1).answers, Credit(700));
    let partner = village.end(3);
    village.open(3, partner.first, partner.ledger);
    village.run(60);
    assert_eq!(village.line(3, 1).answers, Credit(700), "once");
}

#[test]
fn a_recovery_key_takes_the_place_back_that_a_thief_took() {
    for new in 22..28 {
        let mut village = Village::of(&[2, 3]);
        village.owe(3, 2, 700);
        village.run(40);
        let copy = village.agents[&site(2)].ledger.clone();
        // The thief goes on with a copy of everything, and the owner is told that it is nobody.
        village.rotate(2, 12);
        village.run(60);
        village.open(2, site(2), copy);
        village.run(60);
        assert!(village.knows(3, 12) && village.agents[&site(2)].machine.report(village.now()).mesh.is_none());
        let ended = village.end(2);
        let mesh = village.agents[&site(3)].machine.report(village.now()).mesh.unwrap().id;
        let [by_key, by_recovery] = [false, true].map(|by_recovery| {
            let config = village.config(2);
            Site::succession(config, (site(2), site(2)), by_recovery, ended.ledger.iter().cloned(), village.now()).unwrap()
        });
        assert_eq!(by_key, None, "two by the old key would end the membership");
        let commitment = Signed::new(Commitment { mesh, member: site(2), recovery: site(30), date: Date::default() }, &key(2));
        let rotation = Rotation::by_recovery(by_recovery.unwrap(), &key(30), commitment, &key(new));
        let heard = village.now().date;
        let mut ledger = ended.ledger;
        ledger.push(Entry::Rotated { rotation: rotation.into(), heard });
        village.open(new, site(2), ledger);
        village.run(60);
        for other in [1, 3] {
            assert!(village.knows(other, new) && !village.knows(other, 12));
        }
        assert!(village.may_sign(3, new) && village.may_sign(new, 3));
        assert_eq!((village.balance(3, new), village.balance(new, 3), village.line(3, new).answers), (700, -700, Credit::ZERO));
        village.end(12);
        village.audit();
    }
}

#[test]
fn a_ledger_that_does_not_name_the_key_of_now_is_not_ours() {
    let village = Village::of(&[2]);
    let ledger = village.agents[&site(2)].ledger.clone();
    let config = Config {
        key: key(12),
        seed: [9; 32],
        canonical: "http://site-2.example".into(),
        addresses: vec![],
        guest: None,
        caps: Caps::NOTHING,
    };
    assert!(Site::restore_from(config, site(2), ledger, village.now()).is_err());
}
