//! Demurrage is what the rules say of what was owed, in wide integers, and of no day twice.

use std::collections::BTreeMap;

use overspill_governance::{
    entry::Entry,
    line::{Fade, LineId, LineState, Step},
    site::SiteId,
};

/// The last state of each line in each site's ledger, and the rate of the mesh.
#[derive(Debug, Clone, Default)]
pub struct Demurrage {
    rate: u32,
    states: BTreeMap<(SiteId, LineId), LineState>,
    /// The last day of each line that was taken, and the state that took it.
    taken: BTreeMap<(SiteId, LineId), (u32, LineState)>,
}

impl Demurrage {
    pub(super) fn on_entry(&mut self, site: SiteId, entry: &Entry) -> Option<String> {
        match entry {
            Entry::Founded(founding) => self.rate = founding.body.charter.demurrage.0,
            Entry::Agreed { receipt, .. } => {
                let state = receipt.state;
                let before = self.states.insert((site, state.line), state);
                if let Some(Step::Fade(fade)) = receipt.step {
                    return self.judge(site, before, &state, fade);
                }
            }
            _ => {}
        }
        None
    }

    fn judge(&mut self, site: SiteId, before: Option<LineState>, state: &LineState, fade: Fade) -> Option<String> {
        let last = self.taken.insert((site, state.line), (fade.day, *state));
        // Whose ledger is an old copy signs the same state once more.
        if last.is_some_and(|(day, at)| fade.day <= day && at != *state) {
            return Some(format!("{} took the demurrage of day {} twice", site.short(), fade.day));
        }
        // What an epoch began with is not in the entries.
        let before = before.filter(|before| before.seq + 1 == state.seq)?;
        let owed = i128::from(before.balance.0);
        let locked = if owed < 0 { before.locked_low.0 } else { before.locked_high.0 };
        let share = (owed.abs() - i128::from(locked)).max(0) * i128::from(self.rate) / 1_000_000;
        let left = owed - owed.signum() * share;
        (left != i128::from(state.balance.0))
            .then(|| format!("{} took demurrage of {owed} and left {:?}, not {left}", site.short(), state.balance))
    }
}
