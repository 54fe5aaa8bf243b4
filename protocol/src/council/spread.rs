//! How papers spread: by gossip at once, and by an exchange that repairs whatever gossip lost.

use alloc::{boxed::Box, vec, vec::Vec};

use overspill_governance::{codec, digest::Digest, docket::Paper, planted, site::SiteId};

use super::Council;
use crate::{
    desk::Desk,
    limits::{PAPERS_BYTES_MAX, PAPERS_MAX, ROSTER_PAUSE},
    membership::Membership,
    message::{Message, VoteAsk},
    partners::Partners,
};

impl Council {
    /// Digest of the papers that are known here, which every advert names.
    pub(crate) fn digest(&mut self, membership: &Membership) -> Digest {
        let of = |digests: &[Digest]| {
            let parts: Vec<&[u8]> = digests.iter().map(|digest| &digest.0[..]).collect();
            Digest::of_parts("overspill votes v1", &parts)
        };
        let votes = || of(&membership.minutes().map(|minutes| self.docket.digests(minutes)).unwrap_or_default());
        let votes = *self.digest.get_or_insert_with(votes);
        // Evidence wears off, whatever we are told.
        let mut evidence = membership.evidence_names();
        if evidence.is_empty() {
            return votes;
        }
        evidence.push(votes);
        of(&evidence)
    }

    /// A partner's papers have another digest than ours: asks for what we lack, not more often than [`ROSTER_PAUSE`].
    pub(crate) fn compare(&mut self, desk: &mut Desk, membership: &Membership, partners: &mut Partners, partner: &SiteId, theirs: Digest) {
        let agrees = self.digest(membership) == theirs;
        self.hear_digest(desk, partner, agrees);
        let Some(minutes) = membership.minutes().filter(|_| !agrees && !planted!(RepairsNoVotes)) else { return };
        let Some(state) = partners.partner_mut(partner) else { return };
        if state.papers_asked.is_some_and(|at| desk.now.time < at.after(ROSTER_PAUSE)) {
            return;
        }
        state.papers_asked = Some(desk.now.time);
        let mut known = self.docket.digests(minutes);
        known.extend(membership.evidence_known());
        known.sort_unstable();
        known.dedup();
        known.truncate(PAPERS_MAX);
        desk.send(*partner, Message::VoteAsk(VoteAsk { known }));
    }

    /// Answers with what a partner lacks, a batch at a time, and not more often than a partner asks; it asks again while digests differ.
    pub(crate) fn on_vote_ask(
        &self,
        desk: &mut Desk,
        membership: &Membership,
        partners: &mut Partners,
        from: SiteId,
        ask: &VoteAsk,
    ) -> Option<&'static str> {
        let minutes = membership.minutes()?;
        if ask.known.len() > PAPERS_MAX || !ask.known.is_sorted_by(|a, b| a < b) {
            return Some("a question about votes that breaks its own rules");
        }
        // Who asks for everything at once gets it no faster.
        let state = partners.partner_mut(&from)?;
        if state.papers_told.is_some_and(|at| desk.now.time < at.after(ROSTER_PAUSE / 2)) {
            return None;
        }
        state.papers_told = Some(desk.now.time);
        let mut bytes = 0_usize;
        let fits = |paper: &Paper| {
            bytes = bytes.saturating_add(codec::encode(paper).len());
            bytes <= PAPERS_BYTES_MAX
        };
        let accused = membership.evidence_beyond(&ask.known).map(|bundle| Paper::Accused(Box::new(bundle.clone())));
        let lacking: Vec<Paper> = self.docket.unknown_to(&ask.known, minutes).chain(accused).take_while(fits).collect();
        if !lacking.is_empty() {
            desk.send(from, Message::VoteTell(lacking));
        }
        None
    }

    /// Takes papers from a partner, as many as it may tell.
    pub(crate) fn on_vote_tell(
        &mut self,
        desk: &mut Desk,
        membership: &mut Membership,
        partners: &mut Partners,
        from: &SiteId,
        papers: Vec<Paper>,
    ) -> Option<&'static str> {
        let now = desk.now.time;
        let (mut fault, mut news) = (None, false);
        for paper in papers {
            if !partners.partner_mut(from).is_some_and(|partner| partner.papers.takes(now)) {
                break;
            }
            let decides = matches!(paper, Paper::Decided(_));
            let ballot = matches!(paper, Paper::Cast(_)).then(|| paper.clone());
            match self.hear(desk, membership, paper) {
                Ok(taken) => {
                    news |= taken;
                    // Who tells each of us something else does not do it in front of all.
                    if let Some(ballot) = ballot.filter(|_| taken && !desk.is_silent()) {
                        desk.broadcast(Message::VoteTell(vec![ballot]));
                    }
                    if taken && decides && !desk.is_silent() {
                        // What a decision in the batch brings into force, the papers after it are read by.
                        self.decide(desk, membership);
                    }
                }
                Err(words) => fault = fault.or(Some(words)),
            }
        }
        if news {
            self.tend(desk, membership);
        }
        fault
    }

    /// Takes papers from the gossip: nobody is to blame for what is wrong with them.
    pub(crate) fn on_gossip(&mut self, desk: &mut Desk, membership: &mut Membership, papers: Vec<Paper>) {
        let now = desk.now.time;
        let mut news = false;
        for paper in papers {
            news |= self.gossip.takes(now) && self.hear(desk, membership, paper) == Ok(true);
        }
        if news {
            self.tend(desk, membership);
        }
    }
}
