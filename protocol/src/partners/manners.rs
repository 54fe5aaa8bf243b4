//! How a peer behaves on the wire: how much it says, and how much of that is not what a correct agent says.

use overspill_governance::time::Time;

use crate::{
    bucket::Bucket,
    limits::{MESSAGES_BURST, MESSAGES_PER_SECOND, MISSPEAK_BAN, MISSPEAKS_FORGIVEN},
};

/// What a site remembers of a peer's manners, across its connections.
#[derive(Debug, Clone)]
pub(crate) struct Manners {
    messages: Bucket,
    minute: Time,
    misspeaks: u32,
    banned_until: Option<Time>,
    /// Messages dropped because there were too many.
    pub(crate) dropped: u64,
    /// Messages passed over because only a newer version knows what they mean.
    pub(crate) passed_over: u64,
}

impl Manners {
    /// Makes a clean record.
    pub(crate) fn new(now: Time) -> Self {
        let messages = Bucket::new(MESSAGES_PER_SECOND, MESSAGES_BURST, now);
        Self { messages, minute: now, misspeaks: 0, banned_until: None, dropped: 0, passed_over: 0 }
    }

    /// Whether one more message is listened to.
    pub(crate) fn allow(&mut self, now: Time) -> bool {
        let allowed = !self.is_banned(now) && self.messages.takes(now);
        self.dropped = self.dropped.saturating_add(u64::from(!allowed));
        allowed
    }

    /// Notes an incorrect message; tells whether it was one too many, so that the peer is hung up on.
    pub(crate) fn misspoke(&mut self, now: Time) -> bool {
        if now.since(self.minute).as_secs() >= 60 {
            (self.minute, self.misspeaks) = (now, 0);
        }
        self.misspeaks += 1;
        let too_many = self.misspeaks > MISSPEAKS_FORGIVEN;
        if too_many {
            self.misspeaks = 0;
            self.banned_until = Some(now.after(MISSPEAK_BAN));
        }
        too_many
    }

    /// Whether the peer is neither dialled nor heard at present.
    pub(crate) fn is_banned(&self, now: Time) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }

    /// When it is dialled again, if it is banned.
    pub(crate) fn banned_until(&self) -> Option<Time> {
        self.banned_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_few_errors_a_minute_are_forgiven_and_then_the_peer_is_left_alone_for_a_while() {
        let mut manners = Manners::new(Time::ZERO);
        let mut now = Time::ZERO;
        for _ in 0..20 {
            now = now.after(Duration::from_secs(20));
            assert!(!manners.misspoke(now));
        }
        let verdicts: alloc::vec::Vec<bool> = (0..6).map(|_| manners.misspoke(now)).collect();
        assert_eq!(verdicts.iter().filter(|verdict| **verdict).count(), 1);
        assert!(!manners.allow(now) && manners.is_banned(now));
        assert!(manners.allow(now.after(MISSPEAK_BAN)));
    }

    #[test]
    fn a_flood_is_dropped_beyond_the_burst_and_counted() {
        let mut manners = Manners::new(Time::ZERO);
        let heard = (0..1_000).filter(|_| manners.allow(Time::ZERO)).count();
        assert_eq!((heard, manners.dropped), (MESSAGES_BURST as usize, 1_000 - u64::from(MESSAGES_BURST)));
    }
}
