//! Events as log lines. Levels are a contract: INFO is what an owner would tell a friend, WARN wants a person within a day.

use overspill_protocol::event::Event;

/// Writes an event to the log. Answers to commands are not logged here: whoever asked is told.
pub(super) fn log(event: &Event) {
    match event {
        Event::Answered { id, answer } => tracing::debug!(id, refused = answer.is_err(), "a command was answered"),
        Event::Admitted { site } => tracing::info!(member = %site, "a new member was admitted"),
        Event::Departed { site } => tracing::info!(member = %site, "a member has left the mesh"),
        Event::JoinerRefused { site, reason } => tracing::info!(joiner = %site.short(), reason, "somebody was not admitted"),
        Event::PartnerUp { site } => tracing::info!(partner = %site.short(), "partner reachable"),
        Event::PartnerDown { site, reason } => tracing::info!(partner = %site.short(), reason, "partner not reachable"),
        Event::PartnerExchanged { gone, taken: Some(taken) } => {
            tracing::info!(partner = %taken.short(), instead_of = %gone.short(), "a partner worth more takes another's place");
        }
        Event::PartnerExchanged { gone, taken: None } => {
            tracing::info!(partner = %gone.short(), "one partner less, as there were too many")
        }
        Event::CrowdBegan => tracing::info!("a crowd began: more is wanted than this site can carry"),
        Event::CrowdEnded => tracing::info!("the crowd is over"),
        Event::LeaseHeld { lease, partner, as_owner: true } => tracing::info!(%lease, partner = %partner.short(), "a partner helps"),
        Event::LeaseHeld { lease, partner, as_owner: false } => tracing::info!(%lease, partner = %partner.short(), "helping a partner"),
        Event::LeaseRefused { partner, reason } => tracing::debug!(partner = %partner.short(), reason, "a partner does not help"),
        Event::LeaseDraining { lease, partner, reason } => tracing::debug!(%lease, partner = %partner.short(), reason, "lease draining"),
        Event::LeaseEnded { lease, partner, reason } => tracing::info!(%lease, partner = %partner.short(), reason, "lease ended"),
        Event::ClaimReduced { lease, partner, reason } => {
            tracing::warn!(%lease, partner = %partner.short(), reason, "the owner accepted less than its helper claims");
        }
        Event::Settled { partner, moved, balance } => {
            tracing::info!(partner = %partner.short(), %moved, %balance, "settled: both ends have signed");
        }
        Event::Faded { partner, moved, balance, .. } => {
            tracing::info!(partner = %partner.short(), %moved, %balance, "a day's demurrage: both ends have signed");
        }
        Event::Misspoke { peer, reason } => tracing::debug!(peer = %peer.short(), reason, "a peer said what a correct agent does not"),
        Event::Shunned { peer, reason } => {
            tracing::warn!(peer = %peer.short(), reason, "a partner said what a correct agent does not, too often: it is left alone for two minutes");
        }
        Event::ClocksApart { peer, offset_ms } => {
            tracing::warn!(peer = %peer.short(), offset_ms, "a partner's clock and ours are too far apart: no leases with it until mended");
        }
        Event::Unproven { peer } => {
            tracing::warn!(peer = %peer.short(), "a partner's host does not publish its key: no leases with it until it does");
        }
        Event::Forked { peer, .. } => {
            tracing::warn!(peer = %peer, "a partner signed two states of one line: the proof is kept, nothing more is signed with it");
        }
        Event::Moved { motion, change, deadline } => {
            tracing::info!(motion = %motion.short(), change, %deadline, "a motion is up for discussion: who is silent until its deadline consents");
        }
        Event::Decided { motion, adopts } => tracing::info!(motion = %motion.short(), adopted = adopts, "a motion was decided"),
        Event::Lapsed { motion } => {
            tracing::info!(motion = %motion.short(), "a motion lapsed: nobody seconded it, or too few agents were there")
        }
        Event::RulesChanged { version } => tracing::info!(version, "other rules are in force; `overspill rules diff` shows them"),
        Event::Removed { site } => tracing::info!(member = %site, "a member was removed by a vote, or fell with its sponsor"),
        Event::Convicted { peer, bundle } => {
            let crime = bundle.crime();
            tracing::warn!(peer = %peer, crime = crime.word(), sentence = crime.sentence(), "a member is convicted; `overspill judge --list` shows it");
        }
        Event::Noted { partner, note } => tracing::info!(partner = %partner.short(), what = %note, "noted of a partner, for our own line"),
        Event::Altered { helper, owner } => {
            tracing::warn!(helper = %helper, owner = %owner.short(), "a helper served an altered file: we send it nobody for a while");
        }
        Event::Testified { auditor, helper } => {
            tracing::info!(auditor = %auditor.short(), helper = %helper.short(), "a drawn member says that a helper serves altered files");
        }
        Event::Suspended { helper, until } => {
            tracing::warn!(helper = %helper, %until, "enough drawn members say that a helper serves altered files: it is suspended");
        }
        Event::Locked { round, partner, amount } => {
            tracing::debug!(round = %round.short(), partner = %partner.short(), %amount, "a line is locked for a round of clearing");
        }
        Event::Cleared { round, amount, members } => {
            tracing::info!(round = %round.short(), %amount, members, "debts in a circle are cancelled: we owe less, and are owed less");
        }
        Event::Recovered => {
            tracing::warn!(
                "partners hold what this site signed and its ledger does not know: it is an old copy, and goes on from what they hold"
            );
        }
        Event::Renewed { partner, balance } => {
            tracing::info!(partner = %partner.short(), %balance, "a line began anew with what both ends had signed");
        }
        Event::Rotated { old, new } => tracing::info!(member = %old, key = %new, "a member goes on under another key"),
        Event::Warned { reason } => tracing::warn!(reason, "look at this"),
        Event::Silent { reason } => tracing::error!(reason, "the ledger cannot be written: nothing is signed until that is mended"),
    }
}
