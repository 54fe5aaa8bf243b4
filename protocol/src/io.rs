//! The first seam: what the world tells a [`crate::site::Site`], and what it asks of the world.
//!
//! A driver (the agent's, the simulator's, a test's) follows four rules:
//! 1. Tell every input with the time at which it happened, one at a time.
//! 2. After each, take outputs until there are none, **in order**. A [`Output::Persist`] must be durable before any output
//!    after it is carried out; several in a row may share one sync.
//! 3. Tell [`Input::Wake`] when [`crate::site::Site::deadline`] comes.
//! 4. If an entry cannot be made durable, carry out nothing that stood after it and tell [`Input::LedgerFailed`].
//!
//! A crash between any two outputs is legal at all times: the next process gets the durable entries back by
//! [`crate::site::Site::restore`] and nothing else.

use alloc::{boxed::Box, collections::BTreeSet, string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use overspill_governance::{
    charter::Charter,
    digest::ObjectDigest,
    entry::Entry,
    payword::LeaseId,
    site::SiteId,
    units::{ByteRate, Bytes, RequestRate},
};

use crate::{
    event::Event,
    message::Message,
    observation::Observation,
    plan::{FillWanted, Plan},
    quota::{Hours, Quota},
    sampling::{Answer, Sample},
};

/// What the world tells a site.
#[derive(Debug, Clone)]
pub enum Input {
    /// The transport authenticated a connection: the other end holds this key. It need not be a member.
    Connected {
        /// The key at the other end.
        peer: SiteId,
    },
    /// The last connection to a peer is gone.
    Disconnected {
        /// Who is gone.
        peer: SiteId,
    },
    /// A dial that [`Output::Dial`] asked for came to nothing: nobody answered, or not with this key. May be left out: a dial of which
    /// nothing is heard counts as failed after [`crate::limits::DIAL_PATIENCE`].
    DialFailed {
        /// Who was dialled.
        peer: SiteId,
    },
    /// Bytes from an authenticated peer: foreign, perhaps hostile.
    Message {
        /// Who sent them.
        from: SiteId,
        /// As received, at most [`crate::limits::MESSAGE_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// Bytes that reached us by gossip; nothing is known of who sent them first.
    Gossip {
        /// As received.
        bytes: Vec<u8>,
    },
    /// The data plane's newest summary.
    Observed(Observation),
    /// The data plane lacks an object that a guest's visitor asked for.
    Wanted(FillWanted),
    /// A fetch that [`Output::Fetch`] asked for has ended.
    Fetched {
        /// What was wanted.
        want: FillWanted,
        /// From whom.
        from: SiteId,
        /// Whether the bytes arrived whole and matched the digest.
        good: bool,
    },
    /// The answer to [`Output::Prove`].
    Proved {
        /// The member in question.
        site: SiteId,
        /// The host name in question.
        host: String,
        /// Whether the host publishes the member's key.
        good: bool,
    },
    /// The answer to [`Output::Draw`].
    Drawn {
        /// The sample's number.
        number: u64,
        /// The ticket's text; `None`: no visitor would be sent there now.
        ticket: Option<String>,
    },
    /// What became of [`Output::Sample`].
    Sampled {
        /// The sample's number.
        number: u64,
        /// The answer; `None`: nobody answered.
        answer: Option<Answer>,
    },
    /// A person's wish, from the command line.
    Command {
        /// Chosen by the driver; comes back in [`Event::Answered`].
        id: u64,
        /// The wish.
        command: Command,
    },
    /// The ledger cannot take entries (disk full, sync failed). The machine is silent from here on: it signs nothing. When the ledger
    /// takes entries again, the driver makes a new machine by [`crate::site::Site::restore`]: this one believes entries that are lost.
    LedgerFailed,
    /// The deadline has come.
    Wake,
}

/// A person's wish.
#[derive(Debug, Clone)]
pub enum Command {
    /// Founds a mesh; refused for a member.
    Found {
        /// A name for people.
        name: String,
        /// Its rules.
        charter: Charter,
    },
    /// Makes an invite token.
    Invite {
        /// How long it can be redeemed.
        lifetime: Duration,
    },
    /// Redeems an invite token; answered when the sponsor has countersigned, or refused.
    Join {
        /// The token's one line of text.
        token: String,
    },
    /// Asks a partner for the mesh that this site's key is a member of: nothing but the key is left. Answered when the mesh is known.
    Recover {
        /// The partner.
        partner: SiteId,
        /// Its transport addresses (multiaddr text).
        addresses: Vec<String>,
    },
    /// Leaves the mesh: leases end and settle first.
    Leave,
    /// Carries nothing for these members, and for all others again. The driver keeps the list, and tells each new machine of it.
    Stop {
        /// All for whom nothing is carried.
        members: BTreeSet<SiteId>,
    },
    /// Disputes the line with a partner, or takes that back.
    Dispute {
        /// The partner.
        partner: SiteId,
        /// Why, at most [`crate::limits::REASON_MAX`] bytes; `None` takes it back.
        reason: Option<String>,
    },
    /// Moves a change.
    Propose {
        /// What is to be different.
        wish: Wish,
        /// Where it is discussed (an http or https address).
        discuss: String,
    },
    /// Seconds a motion.
    Second {
        /// The first digits of its name.
        motion: String,
    },
    /// Objects to a motion.
    Object {
        /// The first digits of its name.
        motion: String,
        /// Why, for people.
        reason: String,
    },
}

/// A change as a person wishes it; what it replaces, and who stays, is filled in by what the site knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// A rule gets another value.
    Amend {
        /// The parameter's name.
        parameter: String,
        /// The value.
        to: i64,
    },
    /// What weighs on a convicted member is lifted.
    Pardon {
        /// Who.
        member: SiteId,
    },
    /// A member is removed.
    Remove {
        /// Who.
        member: SiteId,
        /// Who stays of those that it brought in.
        keeps: Keeps,
    },
}

/// Whom of those that a removed member brought in the mesh keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing was said, which does where it brought in nobody.
    Unsaid,
    /// All; if they are more than a motion can name, those that came first.
    All,
    /// These, perhaps nobody.
    These(Vec<SiteId>),
}

/// What a site asks of the world. Order matters: see the module's rules.
#[derive(Debug, Clone)]
#[must_use]
pub enum Output {
    /// Make this entry durable before carrying out anything that follows.
    Persist(Box<Entry>),
    /// Send to a connected peer; may be lost, doubled or late.
    Send {
        /// To whom.
        to: SiteId,
        /// What.
        message: Box<Message>,
    },
    /// Tell the whole mesh by gossip; may be lost.
    Broadcast(Box<Message>),
    /// Try to connect.
    Dial {
        /// The key that must be at the other end.
        peer: SiteId,
        /// Transport addresses (multiaddr text), best first.
        addresses: Vec<String>,
    },
    /// Close all connections to a peer.
    Hang {
        /// Whom.
        peer: SiteId,
    },
    /// Hand a plan to the data plane.
    Apply(Arc<Plan>),
    /// Move an object from a peer into the guest store: in slices, verified before it is served.
    Fetch {
        /// What, under which lease.
        want: FillWanted,
        /// From whom.
        from: SiteId,
    },
    /// Move an object from its owner into the guest store before anybody asks for it; told as [`Input::Fetched`] like any other, at once
    /// if it is there already.
    StandBy {
        /// What, under which permit.
        want: FillWanted,
    },
    /// Drop all of an owner's standby copies but these: something was purged.
    Keep {
        /// Whose.
        owner: SiteId,
        /// What stays.
        digests: BTreeSet<ObjectDigest>,
    },
    /// Tell the data plane that a wanted object will not come: the visitor is sent back.
    Refuse {
        /// What was wanted.
        want: FillWanted,
    },
    /// Ask `http(s)://host/.well-known/overspill` whether it publishes this member's key. Public addresses only, no redirects.
    Prove {
        /// The member.
        site: SiteId,
        /// The authority that it says it serves, with its scheme: `https://blog.example`.
        host: String,
    },
    /// Draw a ticket from a lease for one listed object, as for the next visitor who is sent there; told as [`Input::Drawn`].
    Draw {
        /// The sample's number.
        number: u64,
        /// The lease.
        lease: LeaseId,
        /// Path and raw query as the cache keys them.
        path: String,
    },
    /// Ask a helper as a visitor's browser would; told as [`Input::Sampled`]. Public addresses only, no redirects.
    Sample(Box<Sample>),
    /// Something that people or logs want to know.
    Tell(Event),
}

/// What a site is told once, at its start.
#[derive(Debug)]
pub struct Config {
    /// The site's key.
    pub key: overspill_governance::site::Key,
    /// Seed of all the machine's randomness.
    pub seed: [u8; 32],
    /// The canonical scheme and authority that visitors use: `https://blog.example`.
    pub canonical: String,
    /// Transport addresses (multiaddr text) at which partners reach us.
    pub addresses: Vec<String>,
    /// How guests are reached here; `None`: this site hosts nobody.
    pub guest: Option<GuestAddress>,
    /// Hard caps on what is carried for others.
    pub caps: Caps,
}

/// The form of the hostnames under which guests are served: `scheme://LABEL.suffix`, one label for each owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestAddress {
    /// `http` or `https`.
    pub scheme: String,
    /// Domain and port after the label: `overflow.example:8443`. Shares no registrable domain with a real site.
    pub suffix: String,
}

impl GuestAddress {
    /// The one authority under which `owner` is served here.
    #[must_use]
    pub fn authority(&self, owner: &SiteId) -> String {
        alloc::format!("{}.{}", owner.short(), self.suffix)
    }

    /// The same with its scheme: where `owner`'s visitors are sent.
    #[must_use]
    pub fn base(&self, owner: &SiteId) -> String {
        alloc::format!("{}://{}", self.scheme, self.authority(owner))
    }
}

/// Hard caps on what a member carries for others, whatever it promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Requests in each second, all guests together.
    pub requests: RequestRate,
    /// Body bytes in each second, all guests together.
    pub bytes: ByteRate,
    /// Body bytes in 30 days.
    pub month: Bytes,
    /// Bytes of stored guest objects.
    pub storage: Bytes,
    /// What one member may have of that.
    pub member: Quota,
    /// When anything is carried at all.
    pub hours: Hours,
}

impl Caps {
    /// Nothing for anybody, at any hour.
    pub const NOTHING: Self = Self {
        requests: RequestRate(0),
        bytes: ByteRate(0),
        month: Bytes::ZERO,
        storage: Bytes::ZERO,
        member: Quota::OPEN,
        hours: Hours::ALWAYS,
    };
}
