//! How members behave: as a correct agent does, as one of another version, or as somebody who wants more than is due.
//!
//! A conduct bends what a correct machine says and sees. It never touches what others do: whatever comes of it, they must withstand.

use overspill_governance::{
    clearing::Ruling,
    docket::Paper,
    evidence::{Bundle, Pair},
    invite::{Admission, Redemption},
    payword::Word,
    roster::Notice,
    site::{Key, Signature, Signed, Statement},
};
use overspill_protocol::{message::Message, observation::Observation, wire};

use crate::dice::Dice;

/// How one member behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conduct {
    /// As it should.
    #[default]
    Honest,
    /// As it should, in a newer version: it also says what nobody here understands.
    Newer,
    /// As it should, in an older version: it does not know the newest kind of messages, neither to say nor to hear.
    Older,
    /// Claims more than it served, with words that nobody brought.
    OverClaims,
    /// Sends statements with signatures that do not hold.
    Forges,
    /// Asks for objects that it may not have.
    Pries,
    /// Says everything many times over.
    Floods,
    /// Signs two states at one place of its lines, and shows the second when the first is agreed.
    Forks,
    /// Accuses others of what they have not done, with half of the evidence.
    Frames,
    /// Serves other bytes than it signed, now and then.
    Tampers,
    /// Does so wherever it does not see a member's address.
    Selects,
    /// Signs two outcomes of each vote, and tells some members the one, some the other, some both.
    VotesTwice,
    /// Rules both ways on each round of clearing that it leads, and shows some the one, some the other.
    RulesTwice,
    /// Lets two sites in on each invite, and tells some members of the one, some of the other.
    AdmitsTwice,
    /// Is served, and signs for nothing that it owes.
    Withholds,
    /// Drops four of five guests, and counts them as served.
    Pretends,
    /// Can carry a tenth of what it promises, and sends the other guests home.
    Overpromises,
}

/// All conducts, in the order in which scenarios draw them.
pub const CONDUCTS: [Conduct; 17] = [
    Conduct::Honest,
    Conduct::Newer,
    Conduct::Older,
    Conduct::OverClaims,
    Conduct::Forges,
    Conduct::Pries,
    Conduct::Floods,
    Conduct::Forks,
    Conduct::Frames,
    Conduct::Tampers,
    Conduct::Selects,
    Conduct::VotesTwice,
    Conduct::Withholds,
    Conduct::Pretends,
    Conduct::Overpromises,
    Conduct::RulesTwice,
    Conduct::AdmitsTwice,
];

/// Of [`CONDUCTS`], those of who wants more than is due, or harm.
pub fn attacks() -> impl Iterator<Item = Conduct> {
    CONDUCTS.into_iter().filter(|conduct| !conduct.is_honest())
}

/// Of the messages with a signature, how many a forger bends, in a million.
const FORGED: u32 = 300_000;
/// Of a million guests, how many are dropped who are counted as served.
const DROPPED: u32 = 800_000;
/// Of a million guests, how many are too many for who promised too much.
const TOO_MANY: u32 = 900_000;
/// How often a flooder says everything.
const FLOOD: usize = 40;

impl Conduct {
    /// Whether nobody may hold anything against it.
    pub fn is_honest(self) -> bool {
        matches!(self, Self::Honest | Self::Newer | Self::Older)
    }

    /// Whether it says messages of this kind: the newest, on which nothing else rests, are unknown to a member of the version before; who
    /// withholds signs nothing.
    pub fn says(self, message: &Message) -> bool {
        match self {
            Self::Older => !matches!(message, Message::Preposition(_) | Message::FadeAsk(_)),
            Self::Withholds => !matches!(message, Message::Propose(_) | Message::Agree(_) | Message::ClaimAnswer(_)),
            _ => true,
        }
    }

    /// Whether guests who come get nothing, though they are counted as served.
    pub(crate) fn drops(self, dice: &mut Dice) -> bool {
        self == Self::Pretends && dice.happens(DROPPED)
    }

    /// Whether guests who come are too many, and go home.
    pub(crate) fn is_full(self, dice: &mut Dice) -> bool {
        self == Self::Overpromises && dice.happens(TOO_MANY)
    }

    /// How often a message leaves, and whether it was bent before.
    pub(crate) fn bends(self, message: &mut Message, dice: &mut Dice) -> (usize, bool) {
        match self {
            Self::Floods => (FLOOD, true),
            Self::Forges if dice.happens(FORGED) => (1, forge(message)),
            _ => (1, false),
        }
    }

    /// The other thing that a member says, where it may say one and says two.
    pub(crate) fn contradicts(self, message: &Message, key: &Key) -> Option<Message> {
        let mut lie = message.clone();
        match (self, &mut lie) {
            (Self::VotesTwice, Message::VoteTell(papers)) => {
                let cast = papers.iter_mut().filter_map(|paper| if let Paper::Cast(ballot) = paper { Some(ballot) } else { None });
                for ballot in cast.filter(|ballot| ballot.is_by(&key.site())) {
                    ballot.body.outcome.adopts ^= true;
                    *ballot = Signed::new(ballot.body.clone(), key);
                }
            }
            (Self::RulesTwice, Message::Ruled(ruled)) if ruled.ruling.is_by(&key.site()) && ruled.ruling.body.moves => {
                ruled.ruling = Signed::new(Ruling { moves: false, ..ruled.ruling.body }, key);
                ruled.locks.clear();
            }
            (Self::AdmitsTwice, Message::RosterTell(notices)) => {
                let admitted =
                    notices.iter_mut().filter_map(|notice| if let Notice::Admitted(admission) = notice { Some(admission) } else { None });
                for admission in admitted.filter(|admission| admission.body.sponsor == key.site()) {
                    *admission = Signed::new(in_its_place(&admission.body), key);
                }
            }
            _ => return None,
        }
        (lie != *message).then_some(lie)
    }

    /// What a member that forks says beside a proposal of its own.
    pub(crate) fn forks(self, message: &Message, key: &Key) -> Option<Message> {
        let Message::Propose(proposal) = message else { return None };
        let mut forked = proposal.clone();
        forked.state.balance.0 ^= 1;
        forked.low_sig = forked.state.sign(key);
        (self == Self::Forks).then_some(Message::Propose(forked))
    }

    /// A member that got an allotment accuses its owner of a second one that it made up.
    pub(crate) fn frames(self, heard: &Message) -> Option<Message> {
        let Message::LeaseTake(take) = heard else { return None };
        let mut other = take.allotment.clone();
        other.body.requests ^= 1;
        let bundle = Bundle::DoubleAllotment(Box::new(Pair { one: take.allotment.clone(), other }));
        (self == Self::Frames).then(|| Message::VoteTell(vec![Paper::Accused(Box::new(bundle))]))
    }

    /// Whether it serves other bytes than it signed to a visitor, who may come from a member's address.
    pub(crate) fn alters(self, from_member: bool, share: u32, dice: &mut Dice) -> bool {
        match self {
            Self::Tampers => dice.happens(share),
            Self::Selects => !from_member && dice.happens(share),
            _ => false,
        }
    }

    /// What a member of a newer version says beside a message of ours: of a kind that does not exist yet, or in a version.
    pub(crate) fn adds(self, dice: &mut Dice) -> Option<Vec<u8>> {
        if self != Self::Newer {
            return None;
        }
        let (version, kind) = if dice.happens(500_000) { (wire::VERSION, 1_000_u32) } else { (wire::VERSION + 1, 0) };
        let mut bytes = version.to_le_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&dice.any().to_le_bytes());
        Some(bytes)
    }

    /// What its control plane is made to believe of its data plane. Tells whether it was bent.
    pub(crate) fn colours(self, seen: &mut Observation, dice: &mut Dice) -> bool {
        if self != Self::OverClaims {
            return false;
        }
        let invents = dice.happens(100_000);
        for hosted in &mut seen.hosted {
            hosted.bytes.0 = hosted.bytes.0.saturating_mul(3);
            hosted.requests = hosted.requests.saturating_mul(2);
            if invents {
                (hosted.serial, hosted.word) = (hosted.serial + 10, Word([7; 16]));
            }
        }
        !seen.hosted.is_empty()
    }
}

/// Somebody whom nobody has seen, let in on the same invite.
fn in_its_place(admission: &Admission) -> Admission {
    let Admission { invite, sponsor, canonical, addresses, redeemed, .. } = admission.clone();
    let nobody = Key::from_seed(invite.0);
    let redemption = Redemption { invite, sponsor, joiner: nobody.site(), canonical, addresses, date: redeemed };
    Admission { member: nobody.site(), by_joiner: redemption.sign(&nobody), ..admission.clone() }
}

/// Breaks a message's signature, if it has one that its receiver has to check.
fn forge(message: &mut Message) -> bool {
    match message {
        Message::Manifest(signed) => {
            signed.body.objects.iter_mut().for_each(|object| object.digest.0[0] ^= 1);
            signed.body.generation += 1;
        }
        Message::Advert(signed) => unsign(signed),
        Message::LeaseTake(take) => unsign(&mut take.allotment),
        Message::Propose(proposal) => proposal.low_sig = none(),
        Message::Agree(agree) => agree.signature = none(),
        Message::Beat(beat) => match &mut beat.generation {
            Some(signed) => unsign(signed),
            None => return false,
        },
        _ => return false,
    }
    true
}

fn unsign<T>(signed: &mut Signed<T>) {
    signed.signature = none();
}

fn none() -> Signature {
    Signature([0; 64])
}
