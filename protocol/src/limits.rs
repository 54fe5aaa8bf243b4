//! Every bound of the protocol, each with one line of why. A bound without a tested behaviour at the bound is a wish.

use core::time::Duration;

/// Partners with whom lines are kept: enough that one is free when a crowd comes, few enough to know each.
pub const PARTNERS_MAX: usize = 30;
/// Of those, chosen by lot where there are more members; the others by merit, or because lines with them are used.
pub const PARTNERS_DRAWN: usize = 15;
/// Partners in all: those whom we seek, and those who seek us.
pub const PARTNERS_INBOUND_MAX: usize = 2 * PARTNERS_MAX;
/// How long a partner keeps a place by merit whatever it turns out to be worth, so that there is something to judge it by.
pub const PARTNER_TRIAL: Duration = Duration::from_secs(3_600);
/// Pause, with a quarter of jitter, between two looks at who holds places by merit: each exchanges one at most.
pub const PARTNERS_REVIEW: Duration = Duration::from_secs(600);
/// Pause, with a quarter of jitter, between two partners' being asked for adverts of theirs: discovery costs every site the same, however
/// large the mesh.
pub const ADVERTS_PAUSE: Duration = Duration::from_secs(60);
/// Adverts in one answer.
pub const ADVERTS_TOLD: usize = 8;
/// Members who are no partners and of whom it is remembered what they had to spare, and as many who gave up a place.
pub const PROSPECTS_MAX: usize = 64;
/// How long that is believed.
pub const PROSPECT_LIFETIME: Duration = Duration::from_secs(3_600);
/// How long who gave up a place takes none again.
pub const PROSPECT_DECLINED: Duration = Duration::from_secs(24 * 3_600);
/// What a site has to spare is a mean: after so long without news, the next counts a half.
pub const SPARE_SMOOTHING: Duration = Duration::from_secs(3_600);
/// At so long an answer a partner is worth half of one next door.
pub const DISTANCE_HALVES: Duration = Duration::from_millis(200);
/// Objects in one manifest: the hot set of a small site; more would not fit a control message.
pub const MANIFEST_OBJECTS_MAX: usize = 512;
/// Bytes of a path with its query in a manifest or ticket: what servers accept in practice (RFC 9110 section 4.1 asks for 8000).
pub const PATH_MAX: usize = 2_048;
/// Bytes of a media type kept with an object.
pub const MEDIA_TYPE_MAX: usize = 128;
/// Bytes of an authority (`host:port`, RFC 3986): a DNS name and a port.
pub const AUTHORITY_MAX: usize = 261;
/// Leases that a site runs at once as owner, and at once as helper.
pub const LEASES_MAX: usize = 64;
/// Largest object that is spilled: held in memory while its digest is checked before the first byte.
pub const OBJECT_BYTES_MAX: u64 = 8 << 20;
/// Bytes of one slice of a fill.
pub const FILL_SLICE_BYTES: u32 = 512 * 1024;
/// How long a ticket is good for, in the helper's time: a visitor follows a redirect at once.
pub const TICKET_LIFETIME: Duration = Duration::from_secs(30);
/// A plan older than this names no helpers: the mesh task may be dead.
pub const PLAN_LIFETIME: Duration = Duration::from_secs(5);
/// How long a helper serves without having seen the owner's signed generation.
pub const GENERATION_LIFETIME: Duration = Duration::from_secs(10);

/// Bytes of any message of the talk protocol, whatever its class: the codec's recursion is safe well above it.
pub const MESSAGE_BYTES_MAX: usize = BATCH_BYTES_MAX;
/// Bytes of a message that a stranger may send, and of one that travels by gossip: an invite and a redemption, one admission.
pub const SMALL_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a control message between members: a lease, a claim, a proposal, an advert.
pub const CONTROL_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a manifest, of a list of roster digests, or of a batch of roster statements.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Bytes of the objects in one manifest, so that the whole stays within [`BATCH_BYTES_MAX`] with its envelope and signature.
pub const MANIFEST_BYTES_MAX: usize = BATCH_BYTES_MAX - 1_024;
/// Bytes of one message of the fill protocol: a slice and its few words.
pub const FILL_MESSAGE_BYTES_MAX: usize = FILL_SLICE_BYTES as usize + 256;
/// Bytes of a reason in words, as a peer may send one to a person.
pub const REASON_MAX: usize = 256;

/// Connected peers that are no members at once: room for several that join, none for a flood.
pub const STRANGERS_MAX: usize = 16;
/// How long a stranger may stay: proving its host name takes two seconds at most.
pub const STRANGER_LIFETIME: Duration = Duration::from_secs(10);
/// Messages that a stranger may send: one wish to join and its repetitions on a bad link.
pub const STRANGER_MESSAGES_MAX: u32 = 8;
/// Joiners whose host name is being proved at once.
pub const PROVING_MAX: usize = 16;
/// How long the proof of a joiner's host name may take before the joiner is refused.
pub const PROVE_PATIENCE: Duration = Duration::from_secs(8);
/// Pause between two attempts of a joiner to reach its sponsor or to be answered by it.
pub const JOIN_RETRY: Duration = Duration::from_millis(1_500);
/// Attempts of a joiner before it gives up and says so.
pub const JOIN_TRIES_MAX: u32 = 20;
/// Invites that a member may have open at once.
pub const INVITES_OPEN_MAX: usize = 64;

/// Dials under way at once: a restart must not open thirty connections in one breath.
pub const DIALS_MAX: usize = 8;
/// First pause before dialling a partner again; it doubles with each failure.
pub const DIAL_BACKOFF_MIN: Duration = Duration::from_millis(500);
/// Longest pause before dialling a partner again.
pub const DIAL_BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A connection that ends sooner than this counts as a failed dial: the other end may be hanging up on us, and will do so again.
pub const CONNECTION_BRIEF: Duration = Duration::from_secs(5);
/// How long a dial may be unanswered before it counts as failed.
pub const DIAL_PATIENCE: Duration = Duration::from_secs(5);
/// How much longer the end with the higher key waits before it dials, so that two ends do not dial each other at once.
pub const DIAL_COURTESY: Duration = Duration::from_millis(1_500);
/// Messages that a member may send in each second, sustained; beyond the burst they are dropped and counted.
pub const MESSAGES_PER_SECOND: u32 = 60;
/// Messages that a member may send at once.
pub const MESSAGES_BURST: u32 = 240;
/// Wire versions ahead of ours that a partner may speak without blame: what it says is passed over. Bytes of any other are garbage.
pub const VERSIONS_AHEAD_MAX: u16 = 8;
/// Incorrect messages forgiven in each minute before a peer is hung up on.
pub const MISSPEAKS_FORGIVEN: u32 = 4;
/// How long a peer that misspoke too often is neither dialled nor heard.
pub const MISSPEAK_BAN: Duration = Duration::from_secs(120);
/// First pause before a failed proof of a partner's host name is tried again; it doubles.
pub const PROOF_RETRY_MIN: Duration = Duration::from_secs(5);
/// Longest pause before a failed proof is tried again.
pub const PROOF_RETRY_MAX: Duration = Duration::from_secs(600);
/// Pause, with a quarter of jitter, before a good proof is asked for again: a name that changed hands gets no visitors for longer.
pub const PROOF_AGAIN: Duration = Duration::from_secs(1_800);
/// Failures in a row at which a host that was good is taken for the partner's no more.
pub const PROOF_MISSES_MAX: u32 = 2;

/// Pause between two adverts while a lease runs or the site is pressed.
pub const ADVERT_BUSY: Duration = Duration::from_secs(2);
/// Pause between two adverts in calm: a crowd is answered by offers at most this old.
pub const ADVERT_CALM: Duration = Duration::from_secs(10);
/// An offer older than this is not taken: its maker may be gone.
pub const OFFER_LIFETIME: Duration = Duration::from_secs(30);
/// Pause between two roster questions to one partner.
pub const ROSTER_PAUSE: Duration = Duration::from_secs(2);
/// Roster statements in one batch: with addresses each stays under 4 KiB, so that a batch fits [`BATCH_BYTES_MAX`].
pub const ROSTER_BATCH: usize = 64;
/// Statement digests in one roster question; equals the roster's bound, so that a whole roster can be compared.
pub const ROSTER_DIGESTS_MAX: usize = 8_000;

/// Rotations that a peer is told with a first word: a stranger may say eight things, and nobody changes keys so often in a year.
pub const ROTATIONS_TOLD: usize = 6;

/// Papers of votes named in one question: all that an orderly mesh has open, and its decisions of years.
pub const PAPERS_MAX: usize = 8_000;
/// Bytes of papers in one answer; the longest single paper is a decision of 16 KiB.
pub const PAPERS_BYTES_MAX: usize = BATCH_BYTES_MAX - 32 * 1024;
/// Papers that one partner, or the gossip, may tell in each second: each is a signature to check.
pub const PAPERS_PER_SECOND: u32 = 50;
/// Papers that one partner, or the gossip, may tell at once: a whole vote of a large committee.
pub const PAPERS_BURST: u32 = 2_000;
/// Decisions that a removed member is told when it comes: those of its own removal, and the last changes of the rules before it.
pub const OBITUARY_MAX: usize = 4;
/// Longest pause before votes are looked at again, whatever the calendar promised: calendars are set.
pub const VOTE_LOOK: Duration = Duration::from_secs(600);

/// Pause between two heartbeats to a partner with whom a lease is held.
pub const BEAT_PAUSE: Duration = Duration::from_millis(400);
/// A helper not heard for this long gets no visitors: three beats lost. Plans are looked at with every observation, ten times a second,
/// so that the next one is out before two seconds are over.
pub const HELPER_SILENCE: Duration = Duration::from_millis(1_500);
/// How long it is counted how many of those who were sent to a helper come home before that is judged.
pub const RETURNS_WINDOW: Duration = Duration::from_secs(1);
/// Fewer visitors than that say nothing of a helper.
pub const RETURNS_SENT_MIN: u32 = 10;
/// How long a helper gets no visitors that sent home three of four; twice as long each further time.
pub const RETURNS_REST: Duration = Duration::from_secs(1);
/// The longest: a crowd of its own lasts longer than that, and is found to be over by one second's visitors.
pub const RETURNS_REST_MAX: Duration = Duration::from_secs(16);
/// How long a helper may take to say that it holds the manifest that a purge made; then it gets no visitors until it does. Two beats fit.
pub const PURGE_PATIENCE: Duration = Duration::from_secs(1);
/// A helper not heard for this long has lost its lease.
pub const HELPER_LOST: Duration = Duration::from_secs(20);
/// Pause between two manifests of a changed hot set; a purge does not wait for it.
pub const MANIFEST_PAUSE: Duration = Duration::from_millis(500);
/// Pause between two manifests when objects only left the hot set.
pub const MANIFEST_SHRINK_PAUSE: Duration = Duration::from_secs(5);
/// The plan is remade at least this often, so that it never looks stale.
pub const PLAN_PAUSE: Duration = Duration::from_secs(1);

/// Leases asked for in one breath at a crowd's onset.
pub const LEASES_AT_ONCE: usize = 16;
/// Pause between two looks at whether the leases held suffice.
pub const LEASE_LOOK: Duration = Duration::from_millis(500);
/// How long a helper may take to answer a lease before it is asked again.
pub const LEASE_RETRY: Duration = Duration::from_millis(700);
/// Attempts to take one lease.
pub const LEASE_TRIES_MAX: u32 = 4;
/// How long a helper that refused a lease, or lost one, is not asked again.
pub const REFUSAL_PAUSE: Duration = Duration::from_secs(5);
/// How long leases are kept after the last pressure: crowds come in waves. Hysteresis belongs here and nowhere else.
pub const RELEASE_AFTER: Duration = Duration::from_secs(15);
/// How long a lease drains: the last ticket's life, a visitor's download and the clocks' disagreement.
pub const DRAIN_TIME: Duration = Duration::from_secs(34);
/// Share of a helper's caps, in percent, that is never promised: leases that drain live on it beside their successors.
pub const DRAIN_SHARE_PERCENT: u64 = 10;
/// Share of a lease's words, bytes or time, in percent, after which its successor is taken.
pub const SUCCESSOR_PERCENT: u64 = 60;
/// Smallest chain worth a lease.
pub const CHAIN_WORDS_MIN: u32 = 64;
/// Smallest credit worth a lease, in micro-credits.
pub const LEASE_CREDIT_MIN: i64 = 100;
/// Leases of one owner that a helper keeps, the unsettled ones included: an owner that never settles must not crowd out the others.
pub const LEASES_PER_OWNER_MAX: usize = 16;
/// Last claims that are sent for a lease under which nothing was served, before it is closed without an answer.
pub const EMPTY_CLAIMS_MAX: u32 = 4;
/// Leases over but unsettled that are remembered: a helper that was away comes back for its claim. The oldest are given up beyond it.
pub const UNSETTLED_MAX: usize = 256;
/// How long an unsettled lease is remembered.
pub const UNSETTLED_LIFETIME: Duration = Duration::from_secs(24 * 3_600);

/// Pause between two checkpoints of what a helper has taken.
pub const CHECKPOINT_PAUSE: Duration = Duration::from_secs(1);
/// First pause before an unanswered claim or proposal is sent again; it doubles.
pub const SETTLE_RETRY_MIN: Duration = Duration::from_secs(1);
/// How long an owner waits for a helper's last claim before it asks for it.
pub const CLAIM_ASK_AFTER: Duration = Duration::from_secs(4);
/// How long an epoch of a line lasts at least before a partner that forgot its word again gets another: each costs an entry.
pub const RENEWAL_PAUSE: Duration = Duration::from_secs(30);
/// How long partners have to show an agent that began again what it signed of votes; less when all of them hold what it holds.
pub const BALLOT_HEARING: Duration = Duration::from_secs(60);
/// How long a ruling that its initiator has forgotten has to come round, before locks of its round are opened without one.
pub const RULING_LOST: Duration = Duration::from_secs(30);
/// How long neighbours have to show an initiator that began again what it ruled, once both are heard.
pub const RULING_HEARING: Duration = Duration::from_secs(5);
/// Longest pause before an unanswered claim or proposal is sent again.
pub const SETTLE_RETRY_MAX: Duration = Duration::from_secs(30);
/// How long leaving waits for leases to end and settle.
pub const LEAVE_PATIENCE: Duration = Duration::from_secs(150);

/// Objects that an owner places with one partner: no more than one manifest could name.
pub const STANDBY_OBJECTS_MAX: usize = MANIFEST_OBJECTS_MAX;
/// Bytes that an owner places with one partner: the hot set of a small site, shared among a few.
pub const STANDBY_BYTES_MAX: u64 = 32 << 20;
/// Bytes of standby copies that a partner fetches for one owner within [`STANDBY_INBOUND_WINDOW`].
pub const STANDBY_INBOUND_MAX: u64 = 2 * STANDBY_BYTES_MAX;
/// How long [`STANDBY_INBOUND_MAX`] has to last.
pub const STANDBY_INBOUND_WINDOW: Duration = Duration::from_secs(3_600);
/// Standby copies that are fetched at once: visitors' fills come first.
pub const STANDBY_FETCHES_MAX: usize = 4;
/// Pause between two looks at what is hot and stands by nowhere.
pub const STANDBY_PAUSE: Duration = Duration::from_secs(1);
/// Share of the uplink's budget, in percent, that goes into standby copies in calm. A larger object than this for one second is not
/// placed: it would crowd out visitors.
pub const STANDBY_SHARE_PERCENT: u64 = 12;
/// Bytes per second for standby copies where no budget is set.
pub const STANDBY_RATE: u64 = 128 * 1024;
/// Share of the budget, in percent, up to which the site's own visitors leave room for standby copies.
pub const STANDBY_CALM_PERCENT: u64 = 50;
/// How much more than an object's share of the demand, in percent, its standby copies are for: partners are not loaded evenly.
pub const STANDBY_RESERVE_PERCENT: u64 = 50;
/// How long an object must stay fresh to be worth placing.
pub const STANDBY_FRESH_MIN: Duration = Duration::from_secs(60);

/// Fetches under way at once, all owners together.
pub const FETCHES_MAX: usize = 64;
/// Slices that one peer may have asked of us and not yet got.
pub const FILLS_OUTSTANDING_MAX: usize = 16;

/// Smallest debt worth clearing, in micro-credits: a mebibyte served.
pub const CLEARED_MIN: i64 = 1_000;
/// Creditors to whom a search for a circle of debts goes, at each step: the largest debts close the largest circles.
pub const SEEK_FANOUT: usize = 3;
/// Searches of others that are looked at in each second: thirty partners search once an hour.
pub const SEEKS_PER_SECOND: u32 = 2;
/// Searches of others that are looked at at once.
pub const SEEKS_BURST: u32 = 60;
/// Searches that are remembered, so that none is passed on twice.
pub const SEEKS_KEPT: usize = 64;
/// Rounds of one initiator that may be without a ruling here, before we lock nothing more for it.
pub const ROUNDS_OF_ONE_MAX: usize = 2;

/// Samples of one's own under way at once.
pub const SAMPLES_AT_ONCE: usize = 4;
/// Samples under way at once that others asked for.
pub const SAMPLES_FOR_OTHERS: usize = 4;
/// Samples that others may ask for in each second.
pub const SAMPLE_ASKS_PER_SECOND: u32 = 2;
/// Samples that others may ask for at once.
pub const SAMPLE_ASKS_BURST: u32 = 20;
/// Tickets that each drawn member gets for what an owner found altered.
pub const SAMPLES_TO_CONFIRM: usize = 2;
/// A sample of which nothing was heard for so long is forgotten.
pub const SAMPLE_LIFETIME: Duration = Duration::from_secs(30);
/// Samples at one helper of which most must have gone badly to be a breach.
pub const SAMPLES_JUDGED: usize = 20;
/// Another helper's answer of so long ago shows that our own link is well.
pub const SAMPLE_REACHED: Duration = Duration::from_secs(60);
/// Testimonies that the gossip may tell in each second: each is a draw to make and two signatures to check.
pub const TESTIMONIES_PER_SECOND: u32 = 5;
/// Testimonies that the gossip may tell at once.
pub const TESTIMONIES_BURST: u32 = 100;
/// Testimonies in one message to a partner.
pub const TESTIMONIES_TOLD: usize = 64;
/// Load, in thousandths, from which a site is busy when histories are compared: beyond it, it has little to offer.
pub const BUSY_PERMILLE: u16 = 800;
/// How long one window of a load history is: a crowd fills one, and adverts come several times in each.
pub const TOGETHER_WINDOW: Duration = Duration::from_secs(600);
/// Weeks of load histories that are kept.
pub const TOGETHER_WEEKS: usize = 4;
/// Rulings that are remembered after their round is over: a lock is not made later than [`overspill_governance::time::SKEW_MAX`] after its round
/// was written, and nobody sees so many rounds in that time.
pub const RULINGS_KEPT: usize = 256;
/// Between two looks for members that owe us and do not come back.
pub const WRITE_OFF_PAUSE: Duration = Duration::from_secs(3_600);
/// A member that owes us, had no lease for long and was not heard for this long is taken to be gone: one that lives is reached within minutes of a start.
pub const ABSENT_FOR: Duration = Duration::from_secs(86_400);
