//! Memory per peer is bounded: nothing that a peer says or does makes a site hold more than a constant for it.

use overspill_governance::{
    codec,
    limits::{CONVICTIONS_MAX, ENTRY_BYTES_MAX, MOTIONS_OPEN_MAX},
    site::SiteId,
};
use overspill_protocol::{
    lease::table::Phase,
    limits::{
        LEASES_MAX, LEASES_PER_OWNER_MAX, MANIFEST_OBJECTS_MAX, MESSAGE_BYTES_MAX, PAPERS_BYTES_MAX, PAPERS_MAX, PARTNERS_MAX,
        PROSPECTS_MAX, ROSTER_BATCH, STANDBY_OBJECTS_MAX, STRANGERS_MAX, UNSETTLED_MAX,
    },
    message::Message,
    report::Report,
};

/// What is said keeps its own bounds, or its receiver would have to drop it.
pub(super) fn on_message(site: SiteId, message: &Message) -> Option<String> {
    let within = match message {
        Message::Beat(beat) => beat.owned.len() <= LEASES_MAX && beat.hosted.len() <= LEASES_MAX,
        Message::Manifest(signed) => signed.body.objects.len() <= MANIFEST_OBJECTS_MAX,
        Message::RosterTell(notices) => notices.len() <= ROSTER_BATCH,
        Message::Preposition(wish) => wish.objects.len() <= STANDBY_OBJECTS_MAX,
        Message::VoteAsk(ask) => ask.known.len() <= PAPERS_MAX,
        Message::VoteTell(papers) => codec::encode(papers).len() <= PAPERS_BYTES_MAX + ENTRY_BYTES_MAX,
        Message::JoinRefused(reason) => reason.len() <= MESSAGE_BYTES_MAX,
        _ => true,
    };
    (!within).then(|| format!("{} says more in one {} than there may be", site.short(), message.kind()))
}

/// What a site holds for others, by what it says of itself.
pub fn check(report: &Report) -> Vec<String> {
    let hosted = |live: bool| report.leases.iter().filter(move |lease| !lease.as_owner && lease.phase.is_live() == live);
    let most_of_one_owner = report
        .partners
        .iter()
        .map(|partner| report.leases.iter().filter(|lease| !lease.as_owner && lease.partner == partner.site).count())
        .max()
        .unwrap_or(0);
    let owned = report.leases.iter().filter(|lease| lease.as_owner && lease.phase < Phase::Settling).count();
    let table = [
        ("strangers", report.strangers, STRANGERS_MAX),
        ("partners", report.partners.len(), 3 * PARTNERS_MAX),
        ("prospects", report.prospects, PROSPECTS_MAX),
        ("lines", report.lines.len(), report.partners.len() + 3 * PARTNERS_MAX),
        ("leases as owner", owned, LEASES_MAX),
        ("guests", hosted(true).count(), LEASES_MAX),
        ("leases to be settled", hosted(false).count(), UNSETTLED_MAX),
        ("leases of one owner", most_of_one_owner, LEASES_PER_OWNER_MAX),
        ("open votes", report.council.votes.len(), MOTIONS_OPEN_MAX),
        ("convictions", report.council.convicted.len(), CONVICTIONS_MAX),
    ];
    let over = table.iter().filter(|(_, found, most)| found > most);
    over.map(|(what, found, most)| format!("{} holds {found} {what}, where {most} are the most", report.site.short())).collect()
}
