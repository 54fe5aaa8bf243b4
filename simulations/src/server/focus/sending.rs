//! The line: what it may take, what goes to helpers, what is refused, and when answers arrive.

use std::time::Duration;

use overspill_governance::time::Time;
use overspill_protocol::overload::line::{SHED_DEBT, SHED_PAGES_DEBT};

use super::{Asked, Focus, Help, Step, TARGET};
use crate::server::model::{HEAD, Rule};

/// How often who would be refused looks for help that may come, and how many times: as the edge has it.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: usize = 20;
/// How long a rule that remembers does so.
const STUCK: Duration = Duration::from_secs(5);

impl Focus {
    /// The line owes so much that even a page would come too late.
    pub(super) fn is_drowned(&self, now: Time) -> bool {
        self.line.debt(now) >= SHED_PAGES_DEBT
    }

    /// A page leaves, whatever the budget says.
    pub(super) fn send_page(&mut self, asked: Asked, now: Time) {
        self.send(asked, self.model.html + HEAD, now);
    }

    /// A file leaves, whatever the budget says.
    pub(super) fn send_file(&mut self, asked: Asked, now: Time) {
        self.send(asked, self.size(asked), now);
    }

    fn send(&mut self, asked: Asked, bytes: u64, now: Time) {
        self.line.charge(bytes, now);
        self.paced(asked, bytes, now);
    }

    /// What was charged begins to leave when what was charged before it is nearly gone.
    fn paced(&mut self, asked: Asked, bytes: u64, now: Time) {
        let pause = self.line.pause(bytes, bytes, now);
        if pause.is_zero() {
            return self.leave(asked, bytes, now);
        }
        self.steps.put(now.after(pause), Step::Leave { asked, bytes });
    }

    /// An answer is handed to the line, behind whatever that carries already.
    pub(super) fn leave(&mut self, asked: Asked, bytes: u64, now: Time) {
        self.free_at = self.free_at.max(now).after(self.takes(bytes));
        self.answered(asked, self.free_at);
    }

    /// How long so many bytes take on the line.
    fn takes(&self, bytes: u64) -> Duration {
        Duration::from_micros(bytes.saturating_mul(1_000_000) / self.model.line.max(1))
    }

    /// Somebody asks for a file.
    pub(super) fn file(&mut self, asked: Asked, looks: usize, now: Time, help: &mut Help<'_>) {
        if self.files[asked.page] & (1 << asked.file.unwrap_or_default()) == 0 {
            return self.fetch_file(asked, now);
        }
        if help.may_come && looks < LOOKS && self.line.debt(now) >= SHED_DEBT {
            self.line.note_excess(now);
            return self.steps.put(now.after(LOOK), Step::Ask { asked, looks: looks + 1 });
        }
        let bytes = self.size(asked);
        let stuck = self.model.rule == Rule::Sticky && now < self.stuck_until;
        self.standing.on_delay(self.line.debt(now), now);
        if !stuck && self.line.take(bytes, now) {
            return self.paced(asked, bytes, now);
        }
        self.line.note_excess(now);
        self.stuck_until = now.after(STUCK);
        let stands = self.model.rule != Rule::Standing || self.standing.delay_min(None, now) > TARGET;
        if stands && (help.draw)(now) {
            self.line.turn_away(bytes - HEAD);
            self.line.charge(HEAD, now);
            self.counts.redirected(asked.source, asked.born);
            self.counts.took(now.since(asked.since) + self.takes(bytes));
            return;
        }
        if stuck || self.line.debt(now) >= SHED_DEBT {
            self.line.turn_away(bytes - HEAD);
            self.counts.refused(asked.source, asked.born);
            return self.failed(asked, now);
        }
        self.send(asked, bytes, now);
    }

    /// A visitor whom a helper sent back is served here, or comes too late even for that.
    pub fn come_home(&mut self, now: Time) -> bool {
        let served = !self.is_drowned(now);
        if served {
            self.line.charge(self.model.sizes.1 + HEAD, now);
        }
        self.counts.came_home(served, now);
        served
    }
}
