//! Two ends, a bad network, and power cuts: whatever happens, no end signs twice at one place and no credit appears or vanishes.

use super::*;
use crate::{
    clearing::{Round, Ruling},
    limits::LOCKS_MAX,
    site::Signed,
};
use alloc::{boxed::Box, collections::BTreeMap, vec};
use proptest::prelude::*;

/// What happens next.
#[derive(Debug, Clone)]
enum Act {
    /// The lower end would like to settle something.
    Propose { low_earns: bool, amount: i64 },
    /// The lower end would like to lock what somebody owes, for a round of that minute: each is another round.
    Lock { low_owes: bool, amount: i64, minute: u64 },
    /// The lower end would like to open a lock: as ruled, or because nobody will rule. Initiators of this world rule as they like, and twice.
    Open { which: usize, how: How },
    /// The lower end would like to take a day's demurrage.
    Fade { day: u32 },
    /// The lower end sends its pending proposal again.
    Resend,
    /// Some message arrives, and stays in the network: it may arrive again, in any order.
    Deliver(usize),
    /// Some message is lost.
    Lose(usize),
    /// An end stops and comes back with what it had made durable.
    Crash { low: bool },
    /// The same, but right after it made an entry durable and before it said anything.
    CrashBeforeSpeaking,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Moves,
    Ends,
    Gone,
}

fn initiator() -> Key {
    Key::from_seed([7; 32])
}

fn round(low_owes: bool, amount: i64, minute: u64) -> Signed<Round> {
    let (low, high) = keys();
    let (debtor, creditor) = if low_owes { (low, high) } else { (high, low) };
    let cycle = vec![initiator().site(), debtor.site(), creditor.site()];
    let date = Date::from_millis(60_000 * minute);
    Signed::new(Round { mesh: MeshId(Digest::ZERO), charter: 1, cycle, amount: Credit(amount), date }, &initiator())
}

#[derive(Debug, Clone)]
enum Said {
    Proposal(Box<Proposal>),
    Answer { seq: u64, high_sig: Signature },
}

struct World {
    low: Key,
    high: Key,
    ours: Line,
    theirs: Line,
    /// What each end made durable.
    logs: [Vec<Logged>; 2],
    network: Vec<Said>,
    /// Every state that ever left an end with its signature.
    signed: BTreeMap<(bool, u64), Digest>,
    mute: bool,
}

enum Logged {
    Proposed(Proposal),
    Agreed(Receipt),
}

impl World {
    fn new() -> Self {
        let (low, high, ours, theirs) = ends();
        Self { low, high, ours, theirs, logs: [vec![], vec![]], network: vec![], signed: BTreeMap::new(), mute: false }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Propose { low_earns, amount } => {
                let earner = if low_earns { self.low.site() } else { self.high.site() };
                let moves = Moves { earner, amount: Credit(amount) };
                if let Ok(proposal) = self.ours.propose(&self.low, moves, None, &charter()) {
                    self.logs[0].push(Logged::Proposed(proposal.clone()));
                    self.say(true, Said::Proposal(proposal.into()));
                }
            }
            Act::Lock { low_owes, amount, minute } => {
                let _ = self.step(Step::Lock(round(low_owes, amount, minute).into()));
            }
            Act::Open { which, how } => {
                let open: Vec<Digest> = self.ours.locks().iter().map(|(name, _)| *name).collect();
                let Some(name) = open.get(which % open.len().max(1)).copied() else { return };
                let ruling = |moves| Step::Release(Signed::new(Ruling { round: name, moves }, &initiator()));
                let step = match how {
                    How::Moves => ruling(true),
                    How::Ends => ruling(false),
                    How::Gone => Step::Gone(name),
                };
                assert!(matches!(self.step(step), Ok(()) | Err(LineError::Busy)), "an open lock can always be opened");
            }
            Act::Fade { day } => {
                let _ = self.step(Step::Fade(Fade { day, rate: Millionths(100_000) }));
            }
            Act::Resend => {
                if let Some(proposal) = self.ours.pending().cloned() {
                    self.say(true, Said::Proposal(proposal.into()));
                }
            }
            Act::Deliver(which) if !self.network.is_empty() => {
                let said = self.network[which % self.network.len()].clone();
                self.hear(said);
            }
            Act::Lose(which) if !self.network.is_empty() => {
                self.network.swap_remove(which % self.network.len());
            }
            Act::Deliver(_) | Act::Lose(_) => {}
            Act::Crash { low } => self.restart(low),
            Act::CrashBeforeSpeaking => self.mute = true,
        }
    }

    fn step(&mut self, step: Step) -> Result<(), LineError> {
        let proposal = self.ours.propose_step(&self.low, step, &charter())?;
        self.logs[0].push(Logged::Proposed(proposal.clone()));
        self.say(true, Said::Proposal(proposal.into()));
        Ok(())
    }

    /// Says it, or crashes instead, if that was ordered.
    fn say(&mut self, low: bool, said: Said) {
        if core::mem::take(&mut self.mute) {
            return self.restart(low);
        }
        let state = match &said {
            Said::Proposal(proposal) => &proposal.state,
            Said::Answer { .. } => self.theirs.state(),
        };
        let digest = state.digest();
        assert_eq!(*self.signed.entry((low, state.seq)).or_insert(digest), digest, "two signatures at one place");
        self.network.push(said);
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::Proposal(proposal) => match self.theirs.examine(&proposal, &charter()) {
                Ok(Examined::Next(_) | Examined::Step(_)) => {
                    let receipt = self.theirs.countersign(&self.high, &proposal, &charter()).unwrap();
                    self.logs[1].push(Logged::Agreed(receipt.clone()));
                    self.say(false, Said::Answer { seq: receipt.state.seq, high_sig: receipt.high_sig });
                }
                Ok(Examined::Again(receipt)) => self.say(false, Said::Answer { seq: receipt.state.seq, high_sig: receipt.high_sig }),
                Ok(Examined::Old) => {}
                other => panic!("honest ends never get here: {other:?}"),
            },
            Said::Answer { seq, high_sig } => {
                if let Concluded::New(receipt) = self.ours.conclude(seq, high_sig).unwrap() {
                    self.logs[0].push(Logged::Agreed(*receipt));
                }
            }
        }
    }

    fn restart(&mut self, low: bool) {
        let key = if low { &self.low } else { &self.high };
        let mut line = Line::new(line_key(), key.site(), &charter()).unwrap();
        for logged in &self.logs[usize::from(!low)] {
            match logged {
                Logged::Proposed(proposal) => line.restore_proposed(proposal).unwrap(),
                Logged::Agreed(receipt) => line.restore_agreed(receipt).unwrap(),
            }
        }
        *(if low { &mut self.ours } else { &mut self.theirs }) = line;
    }

    /// The network works again: what is pending comes through.
    fn heal(&mut self) {
        self.mute = false;
        self.network.clear();
        self.act(Act::Resend);
        for which in 0..2 {
            self.act(Act::Deliver(which));
        }
    }

    fn settled(log: &[Logged]) -> BTreeMap<u64, i64> {
        let agreed = log.iter().filter_map(|logged| match logged {
            Logged::Agreed(receipt) => Some((receipt.state.seq, receipt.state.balance.0)),
            Logged::Proposed(_) => None,
        });
        agreed.collect()
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (any::<bool>(), 1_i64..1_500).prop_map(|(low_earns, amount)| Act::Propose { low_earns, amount }),
        3 => (any::<bool>(), 1_i64..400, 1_u64..40).prop_map(|(low_owes, amount, minute)| Act::Lock { low_owes, amount, minute }),
        2 => (any::<usize>(), prop_oneof![Just(How::Moves), Just(How::Ends), Just(How::Gone)]).prop_map(|(which, how)| Act::Open { which, how }),
        2 => (1_u32..40).prop_map(|day| Act::Fade { day }),
        2 => Just(Act::Resend),
        8 => any::<usize>().prop_map(Act::Deliver),
        2 => any::<usize>().prop_map(Act::Lose),
        1 => any::<bool>().prop_map(|low| Act::Crash { low }),
        1 => Just(Act::CrashBeforeSpeaking),
    ];
    proptest::collection::vec(act, 0..60)
}

/// What open locks keep free for each end, that no round was ever locked or opened twice, and no day's demurrage taken twice.
fn check_locks(line: &Line, log: &[Logged]) {
    let (mut low, mut high) = (0, 0);
    for (_, round) in line.locks().iter() {
        let sum = if round.body.debtor_on(line.key()) == Some(line.key().low) { &mut low } else { &mut high };
        *sum += round.body.amount.0;
    }
    let state = line.state();
    assert_eq!((state.locked_low.0, state.locked_high.0), (low, high));
    assert!(line.locks().iter().count() <= LOCKS_MAX);
    let share = |limit| charter().clearing_share.of(limit);
    assert!(state.locked_low <= share(state.limit_low) && state.locked_high <= share(state.limit_high));
    let mut done: BTreeMap<(Option<Digest>, u32, bool), u32> = BTreeMap::new();
    for logged in log {
        if let Logged::Agreed(Receipt { step: Some(step), .. }) = logged {
            let day = if let Step::Fade(fade) = step { fade.day } else { 0 };
            *done.entry((step.round(), day, matches!(step, Step::Lock(_)))).or_default() += 1;
        }
    }
    assert!(done.values().all(|times| *times == 1), "a round was locked or opened twice, or a day taken twice");
}

proptest! {
    #[test]
    fn no_end_signs_twice_and_no_credit_appears_or_vanishes(acts in acts()) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
            prop_assert!(world.ours.state().is_within_limits() && world.theirs.state().is_within_limits());
            check_locks(&world.ours, &world.logs[0]);
            check_locks(&world.theirs, &world.logs[1]);
        }
        world.heal();
        prop_assert_eq!(world.ours.pending(), None);
        prop_assert_eq!(world.ours.state(), world.theirs.state());
        prop_assert_eq!(world.ours.locks(), world.theirs.locks());
        prop_assert_eq!(world.ours.balance().checked_add(world.theirs.balance()), Some(Credit::ZERO));
        prop_assert_eq!(World::settled(&world.logs[0]), World::settled(&world.logs[1]));
        for low in [true, false] {
            let before = *(if low { &world.ours } else { &world.theirs }).state();
            world.restart(low);
            let line = if low { &world.ours } else { &world.theirs };
            prop_assert_eq!(*line.state(), before);
            check_locks(line, &world.logs[usize::from(!low)]);
        }
    }
}
