//! What agents say to each other, version 1.
//!
//! Until release 0.1.0 this may change with its golden bytes; afterwards a change is a version 2 beside it. Everything here is foreign
//! when it arrives: [`crate::wire`] bounds it by class, and each part of the site checks what it is told.

use alloc::{string::String, vec::Vec};

use overspill_governance::{
    allotment::Allotment,
    claim::Claim,
    clearing::{Locked, Round, Ruled},
    codec::{Decode, Encode},
    digest::{Digest, ObjectDigest},
    docket::Paper,
    invite::{Admission, Founding, MeshId, Redeemed},
    line::{Fade, Head, Proposal},
    payword::LeaseId,
    roster::Notice,
    site::{Signature, Signed, SiteId, Statement},
    testimony::Testimony,
    time::Date,
    units::{ByteRate, Bytes, Credit, RequestRate},
};

use crate::{
    advert::Advert,
    limits::{BATCH_BYTES_MAX, CONTROL_BYTES_MAX, SMALL_BYTES_MAX},
    manifest::Manifest,
    ticket::TicketKey,
};

macro_rules! messages {
    ($($(#[doc = $doc:literal])* $name:ident($body:ty), $limit:ident;)*) => {
        /// One message. The order of the kinds is their number on the wire.
        #[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
        pub enum Message {
            $($(#[doc = $doc])* $name($body),)*
        }

        /// Most bytes of each kind of message, by its number on the wire.
        pub(crate) const KIND_LIMITS: &[usize] = &[$($limit,)*];

        impl Message {
            /// The kind's name, for logs and counters.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)*
                }
            }
        }
    };
}

// kind, most bytes
messages! {
    /// The first word on a connection: how a member shows a partner that does not know it yet that it belongs.
    Hello(Hello), SMALL_BYTES_MAX;
    /// A joiner redeems an invite.
    JoinAsk(Redeemed), SMALL_BYTES_MAX;
    /// The sponsor's answer: the mesh's founding and what a newcomer needs to believe its admission.
    JoinDone(JoinDone), BATCH_BYTES_MAX;
    /// The sponsor's refusal, in words for the person who pasted the token.
    JoinRefused(String), SMALL_BYTES_MAX;
    /// Names the roster statements that one knows, to be told the others.
    RosterAsk(RosterAsk), BATCH_BYTES_MAX;
    /// Roster statements: by gossip a new one, in answer to a question those that the asker lacks.
    RosterTell(Vec<Notice>), BATCH_BYTES_MAX;
    /// How an agent fares and what it offers.
    Advert(Signed<Advert>), CONTROL_BYTES_MAX;
    /// "I am here", between the ends of a lease.
    Beat(Beat), SMALL_BYTES_MAX;
    /// An owner takes a helper's standing offer.
    LeaseTake(LeaseTake), SMALL_BYTES_MAX;
    /// The helper's promise.
    LeaseHeld(LeaseHeld), SMALL_BYTES_MAX;
    /// The helper would not.
    LeaseRefused(LeaseRefused), SMALL_BYTES_MAX;
    /// The owner sends no more visitors.
    LeaseClosed(LeaseClosed), SMALL_BYTES_MAX;
    /// What a helper may serve.
    Manifest(Signed<Manifest>), BATCH_BYTES_MAX;
    /// What a helper served, in all.
    Claim(ClaimMade), SMALL_BYTES_MAX;
    /// The owner asks for the last claim of a lease that is over: its helper may never have heard of it.
    ClaimAsk(ClaimAsk), SMALL_BYTES_MAX;
    /// What the owner makes of a claim, when no proposal says it.
    ClaimAnswer(ClaimAnswer), SMALL_BYTES_MAX;
    /// The next state of a line with the lower end's signature.
    Propose(Proposal), SMALL_BYTES_MAX;
    /// The higher end's signature under a proposal: with it the receipt is whole.
    Agree(Agree), SMALL_BYTES_MAX;
    /// What an owner would like its partner to hold before a crowd comes.
    Preposition(Preposition), CONTROL_BYTES_MAX;
    /// Names the papers of votes that one knows, to be told the others.
    VoteAsk(VoteAsk), BATCH_BYTES_MAX;
    /// Papers of votes: by gossip a new one, in answer to a question those that the asker lacks.
    VoteTell(Vec<Paper>), BATCH_BYTES_MAX;
    /// A debtor looks for a circle of debts, along those who are owed.
    Seek(Seek), SMALL_BYTES_MAX;
    /// A debtor wants its line locked for a round of clearing.
    Lock(LockAsk), SMALL_BYTES_MAX;
    /// Somebody with a lock wants to know what was ruled.
    RulingAsk(RulingAsk), SMALL_BYTES_MAX;
    /// What was ruled on a round, with its proof.
    Ruled(Ruled), SMALL_BYTES_MAX;
    /// Why the sender disputes the line, or that it does not: while it does, neither end takes or holds a new lease.
    Dispute(Option<String>), SMALL_BYTES_MAX;
    /// An owner hands a member that is drawn to look at a helper a ticket to do it with.
    SampleAsk(SampleAsk), SMALL_BYTES_MAX;
    /// What drawn members say of helpers: by gossip a new testimony, on a connection all that matter.
    Testify(Vec<Signed<Testimony>>), CONTROL_BYTES_MAX;
    /// How far the sender knows the line with the receiver: the first word on every line of a process.
    Head(HeadTold), SMALL_BYTES_MAX;
    /// A member that knows nothing of its mesh any more asks a partner for it, and is told.
    Return(Return), BATCH_BYTES_MAX;
    /// A round's initiator may have forgotten what it ruled: it rules no more.
    RulingLost(Digest), SMALL_BYTES_MAX;
    /// The higher end of a line wants a day's demurrage proposed.
    FadeAsk(Fade), SMALL_BYTES_MAX;
    /// Asks a partner for what some of its partners stated lately.
    AdvertsAsk(()), SMALL_BYTES_MAX;
    /// Adverts of partners of the sender's, as they signed them.
    AdvertsTell(Vec<Signed<Advert>>), CONTROL_BYTES_MAX;
}

impl Message {
    /// Whether it may say or repeat what only an entry of the ledger entitles its sender to say.
    #[must_use]
    pub fn rests_on_entries(&self) -> bool {
        match self {
            Self::JoinDone(_)
            | Self::RosterTell(_)
            | Self::VoteTell(_)
            | Self::LeaseTake(_)
            | Self::LeaseHeld(_)
            | Self::Claim(_)
            | Self::ClaimAnswer(_)
            | Self::Propose(_)
            | Self::Agree(_)
            | Self::Lock(_)
            | Self::Ruled(_)
            | Self::Dispute(_)
            | Self::Head(_)
            | Self::RulingLost(_) => true,
            Self::Hello(_)
            | Self::JoinAsk(_)
            | Self::JoinRefused(_)
            | Self::RosterAsk(_)
            | Self::VoteAsk(_)
            | Self::Advert(_)
            | Self::Beat(_)
            | Self::LeaseRefused(_)
            | Self::LeaseClosed(_)
            | Self::Manifest(_)
            | Self::ClaimAsk(_)
            | Self::Preposition(_)
            | Self::Seek(_)
            | Self::RulingAsk(_)
            | Self::SampleAsk(_)
            | Self::Testify(_)
            | Self::Return(_)
            | Self::FadeAsk(_)
            | Self::AdvertsAsk(())
            | Self::AdvertsTell(_) => false,
        }
    }
}

/// The first word on a connection between members.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The mesh that the speaker belongs to.
    pub mesh: MeshId,
    /// The speaker's admission; the founder has none.
    pub admission: Option<Signed<Admission>>,
}

/// What a newcomer is told.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct JoinDone {
    /// The mesh's first statement; its digest is the mesh named in the invite.
    pub founding: Signed<Founding>,
    /// The newcomer's admission.
    pub admission: Signed<Admission>,
    /// Other roster statements; what is missing comes by [`RosterAsk`].
    pub notices: Vec<Notice>,
}

/// A question for what one lacks of a roster.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RosterAsk {
    /// Digests of the statements that the asker knows, strictly ascending; at most [`crate::limits::ROSTER_DIGESTS_MAX`].
    pub known: Vec<Digest>,
}

/// A question for what one lacks of the mesh's votes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct VoteAsk {
    /// Names of the papers that the asker knows, strictly ascending; at most [`crate::limits::PAPERS_MAX`].
    pub known: Vec<Digest>,
}

/// A heartbeat between the ends of leases.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Beat {
    /// Leases that the sender holds as owner, with the receiver as helper; at most [`crate::limits::LEASES_MAX`].
    pub owned: Vec<LeaseId>,
    /// Leases that the sender holds as helper, with the receiver as owner; at most [`crate::limits::LEASES_MAX`].
    pub hosted: Vec<LeaseId>,
    /// As owner: the manifest that is in force. A helper that sees none stops serving.
    pub generation: Option<Signed<Generation>>,
    /// As helper: generation of the receiver's manifest that is held, 0 for none.
    pub holds: u64,
}

/// The owner's word on which manifest is in force.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Generation {
    /// Whose manifest.
    pub owner: SiteId,
    /// The newest generation.
    pub newest: u64,
    /// Manifests of generations below this one must not be served: something was purged since.
    pub floor: u64,
    /// Digest of the newest manifest.
    pub manifest: Digest,
    /// When it was said; an older word than the last changes nothing.
    pub date: Date,
}

impl Statement for Generation {
    const DOMAIN: &'static str = "overspill generation v1";
}

/// An owner takes a standing offer: the allotment is already in its ledger.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LeaseTake {
    /// The bound on what may be served and claimed.
    pub allotment: Signed<Allotment>,
    /// Key of the lease's tickets. Never stored.
    pub key: TicketKey,
    /// Requests in each second that are wanted.
    pub requests: RequestRate,
    /// Body bytes in each second that are wanted.
    pub bytes: ByteRate,
    /// Bytes of objects that are to be stored.
    pub storage: Bytes,
    /// The lease that this one takes over from; it drains once this one is held.
    pub replaces: Option<LeaseId>,
}

/// A helper's promise.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LeaseHeld {
    /// The lease.
    pub lease: LeaseId,
    /// Scheme and authority of the hostname under which the owner's visitors are served.
    pub base: String,
    /// Requests in each second.
    pub requests: RequestRate,
    /// Body bytes in each second.
    pub bytes: ByteRate,
}

/// A helper's refusal. Nothing of the lease remains at the helper.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LeaseRefused {
    /// The lease.
    pub lease: LeaseId,
    /// Why.
    pub reason: LeaseRefusal,
}

/// Why a helper does not hold a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum LeaseRefusal {
    /// It hosts nobody, or nothing more at present.
    NoRoom,
    /// The allotment is not signed by its owner under this charter, or its dates are not ours.
    BadTerms,
    /// The owner's host name does not publish its key, as far as the helper could see.
    Unproven,
    /// The owner owes as much as the line allows, or has not settled.
    NoCredit,
    /// A lease of that name is or was there with other terms.
    Taken,
    /// The helper's ledger cannot be written.
    Silent,
    /// One end disputes the line.
    Disputed,
}

impl LeaseRefusal {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NoRoom => "the helper has no room at present",
            Self::BadTerms => "the helper did not accept the allotment's terms",
            Self::Unproven => "the helper could not see our key at our canonical host",
            Self::NoCredit => "the line to the helper has no credit left",
            Self::Taken => "the lease's name is in use with other terms",
            Self::Silent => "the helper's ledger cannot be written",
            Self::Disputed => "the line with the helper is disputed",
        }
    }
}

/// The owner's word that a lease drains.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LeaseClosed {
    /// The lease.
    pub lease: LeaseId,
}

/// A helper's account of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClaimMade {
    /// The lease.
    pub lease: LeaseId,
    /// What was served in all; `None` when nothing was.
    pub claim: Option<Claim>,
    /// Nothing more will be served under the lease.
    pub last: bool,
}

/// The owner's question for the last claim of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClaimAsk {
    /// The lease.
    pub lease: LeaseId,
}

/// The owner's answer to a claim. When the helper sequences the line it is what a proposal may carry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClaimAnswer {
    /// The lease.
    pub lease: LeaseId,
    /// The claim that the owner would sign a receipt for now; `None` when nothing is due.
    pub accepted: Option<Claim>,
    /// Whether the owner considers the lease settled: no more will ever be accepted, or all was.
    pub done: bool,
    /// Why less is accepted than was claimed, for people; empty when all was.
    pub reason: String,
}

/// The higher end's signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Agree {
    /// Place of the state that was signed.
    pub seq: u64,
    /// The signature.
    pub signature: Signature,
}

/// Objects that an owner places with a partner in calm (CDNI's "preposition": RFC 8007). The list is whole: it replaces the
/// last one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Preposition {
    /// The name under which they are asked for, in place of a lease's.
    pub permit: LeaseId,
    /// The objects; at most [`crate::limits::STANDBY_OBJECTS_MAX`].
    pub objects: Vec<StandbyObject>,
    /// Something was purged: what is not in the list is to be dropped.
    pub only: bool,
}

/// One object of a [`Preposition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct StandbyObject {
    /// Which bytes.
    pub digest: ObjectDigest,
    /// How many.
    pub size: Bytes,
}

/// A search for a circle of debts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Seek {
    /// Who began it, and through whom it came: each owes the next, and the last owes the receiver. At most
    /// [`overspill_governance::limits::CYCLE_MAX`].
    pub path: Vec<SiteId>,
    /// How much of every debt on the way could be cleared.
    pub amount: Credit,
    /// Chosen by who began it.
    pub number: u64,
}

/// A debtor's wish that its line with the receiver is locked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LockAsk {
    /// The round.
    pub round: Signed<Round>,
    /// Proofs of the locks so far, from the initiator's debt on; at most one for each line of the circle.
    pub locks: Vec<Locked>,
}

/// A question for the ruling on a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct RulingAsk {
    /// The round.
    pub round: Digest,
    /// The asker knows of none, and would open the lock because the round's initiator belongs no more.
    pub gone: bool,
}

/// An owner's ticket for a sample.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SampleAsk {
    /// Whom to look at.
    pub helper: SiteId,
    /// Path and raw query as the owner keys them.
    pub path: String,
    /// What is listed there.
    pub body: ObjectDigest,
    /// The ticket's text.
    pub ticket: String,
}

/// How far an end knows its line.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HeadTold {
    /// What it can show; with a wish of its own for a new epoch when it may have forgotten what it signed.
    pub head: Head,
    /// It wants to be told the same by the receiver, of whom it has not heard since its process began.
    pub asks: bool,
}

/// What a member is told that has nothing left but its key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Return {
    /// The mesh's first statement; `None` asks for it.
    pub founding: Option<Signed<Founding>>,
    /// Roster statements, those that the asker's own admission rests on before it.
    pub notices: Vec<Notice>,
    /// The sender's calendar: until when the asker may have signed what it has forgotten is told by a date.
    pub date: Date,
}
