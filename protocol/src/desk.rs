//! The desk that all parts of a site write at: its key, its randomness, its clocks, its timers and its ordered outputs.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::time::Duration;

use overspill_governance::{
    entry::Entry,
    evidence::Bundle,
    planted,
    site::{Key, Signed, SiteId, Statement},
    time::{Date, Now, Time},
};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::{
    event::Event,
    io::Output,
    message::Message,
    timer::{Reason, Timers},
};

/// What every part needs and none owns. Outputs leave in the order in which they were written here.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Who we are.
    pub(crate) id: SiteId,
    /// The moment that is being handled.
    pub(crate) now: Now,
    /// When to be woken.
    pub(crate) timers: Timers,
    key: Key,
    random: ChaCha8Rng,
    outputs: VecDeque<Output>,
    silent: bool,
    recovered: Option<Date>,
    accused: Vec<Bundle>,
}

impl Desk {
    /// Sets up a desk with nothing on it.
    pub(crate) fn new(key: Key, seed: [u8; 32], now: Now) -> Self {
        Self {
            id: key.site(),
            now,
            timers: Timers::default(),
            key,
            random: ChaCha8Rng::from_seed(seed),
            outputs: VecDeque::new(),
            silent: false,
            recovered: None,
            accused: Vec::new(),
        }
    }

    /// The same desk a second time.
    pub(crate) fn twin(&self) -> Self {
        Self {
            id: self.id,
            now: self.now,
            timers: self.timers.clone(),
            key: Key::from_seed(self.key.to_seed()),
            random: self.random.clone(),
            outputs: self.outputs.clone(),
            silent: self.silent,
            recovered: self.recovered,
            accused: self.accused.clone(),
        }
    }

    /// Takes the next output.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether the ledger failed: nothing may be signed or promised.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Stops all signing until the site is restored from its ledger.
    pub(crate) fn fall_silent(&mut self) {
        self.silent = !planted!(SpeaksWhileSilent);
    }

    /// Until when this site may have signed what it does not know of.
    pub(crate) fn recovered(&self) -> Option<Date> {
        self.recovered
    }

    /// Takes back from the ledger that this site began anew.
    pub(crate) fn restore_recovered(&mut self, date: Date) {
        self.recovered = Some(date);
    }

    /// Somebody holds what this site signed and does not know: its ledger is older than its word. From here on it signs nothing of what began
    /// before, and every line begins anew.
    pub(crate) fn begin_anew(&mut self) {
        if self.silent {
            return;
        }
        let date = self.now.date;
        self.recovered = Some(date);
        self.persist(Entry::Recovered { date });
        self.tell(Event::Recovered);
    }

    /// Signs `body`, unless the site is silent.
    pub(crate) fn sign<T: Statement>(&self, body: T) -> Option<Signed<T>> {
        (!self.silent).then(|| Signed::new(body, &self.key))
    }

    /// The key, for the few machines of `governance` that sign by themselves. `None` while the site is silent.
    pub(crate) fn key(&self) -> Option<&Key> {
        (!self.silent).then_some(&self.key)
    }

    /// Asks for an entry to be made durable before anything that is written later leaves. A silent site asks for none: it would fail again,
    /// and what stands behind it would be lost with it.
    pub(crate) fn persist(&mut self, entry: Entry) {
        if !self.silent {
            self.outputs.push_back(Output::Persist(Box::new(entry)));
        }
    }

    /// Sends a message to a peer. A silent site says nothing that rests on an entry: the entry may be lost, and the next process would know
    /// nothing of what this one had signed.
    pub(crate) fn send(&mut self, to: SiteId, message: Message) {
        if self.silent && message.rests_on_entries() {
            return;
        }
        self.outputs.push_back(Output::Send { to, message: Box::new(message) });
    }

    /// Says something to the whole mesh, by the rule of [`Desk::send`].
    pub(crate) fn broadcast(&mut self, message: Message) {
        if self.silent && message.rests_on_entries() {
            return;
        }
        self.outputs.push_back(Output::Broadcast(Box::new(message)));
    }

    /// Puts down evidence that was found, to be judged once the moment is handled.
    pub(crate) fn accuse(&mut self, bundle: Bundle) {
        self.accused.push(bundle);
    }

    /// What was found since this was asked last.
    pub(crate) fn take_accused(&mut self) -> Vec<Bundle> {
        core::mem::take(&mut self.accused)
    }

    /// Tells people and logs.
    pub(crate) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Tell(event));
    }

    /// Writes any other output.
    pub(crate) fn put(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// A moment `span` from now.
    pub(crate) fn in_(&self, span: Duration) -> Time {
        self.now.time.after(span)
    }

    /// Wakes no later than `span` from now for `reason`.
    pub(crate) fn wake_in(&mut self, reason: Reason, span: Duration) {
        let at = self.in_(span);
        self.timers.set_by(reason, at);
    }

    /// Draws bytes that nobody can guess who does not know the seed.
    pub(crate) fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    /// A span between three and five quarters of `span`, so that many agents do not act in one breath.
    pub(crate) fn jittered(&mut self, span: Duration) -> Duration {
        let quarter = span / 4;
        let micros = u64::try_from(quarter.as_micros()).unwrap_or(u64::MAX);
        quarter * 3 + Duration::from_micros(u64::from_le_bytes(self.draw()) % micros.saturating_mul(2).max(1))
    }
}
