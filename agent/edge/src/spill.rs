//! Spilling: what the site holds and cannot carry goes to a helper, one request at a time.
//!
//! The order of remedies for a passive asset that the site holds: serve it within the uplink's budget; redirect it to a helper
//! with a ticket; serve it on debt; refuse it, so that what is served is in time. Nothing is remembered between requests but
//! what was drawn on each lease.

mod book;
mod choose;
mod holders;
pub mod limits;
pub mod mark;
pub(crate) mod names;
mod redirect;
mod stay;

use std::{
    cell::RefCell,
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use overspill_governance::{digest::ObjectDigest, payword::LeaseId, site::SiteId, time::Now};
use overspill_protocol::{
    observation::Spilled,
    overload::line::{SHED_DEBT, SHED_PAGES_DEBT},
    plan::{Plan, Spill},
    ticket::{BackMark, Bound, Method, TICKET_PARAMETER, Ticket},
};

use self::{
    book::{Book, Draw, Page},
    choose::Chooser,
    limits::{LOCATION_BYTES_MAX, SHORT_BYTES_MIN},
    mark::{Mark, open_parameter},
    redirect::{CLOSING, OPENING},
};
use crate::{agentless, classes::RequestClass, fields::Fields, uplink::Uplink};

pub use redirect::Redirect;
pub(crate) use redirect::found;

/// A request for a passive asset that the site holds, whole and fresh.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// GET or HEAD.
    pub method: Method,
    /// Path and raw query as the cache keys them.
    pub path: &'a str,
    /// Digest of the held copy.
    pub digest: &'a ObjectDigest,
    /// Body bytes that serving it would send.
    pub size: u64,
    /// Bytes of the head that would go before them.
    pub head: u64,
    /// Whether the request may leave this site at all: see [`Spiller::may_leave`].
    pub may_leave: bool,
    /// Whether the visitor is here by https, or should be: then only a helper that serves by https will do.
    pub secure: bool,
}

/// What becomes of a request for a held asset.
#[derive(Debug)]
pub enum Course {
    /// Serve it here; head and body are already charged to the uplink.
    Serve,
    /// Send the visitor to a helper.
    Spill(Redirect),
    /// Refuse it: neither this site nor a helper can carry it in time.
    Shed,
}

/// Counts of what spilling decided, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpillMetrics {
    /// Redirected to a helper.
    pub spilled: u64,
    /// Body bytes of those.
    pub spilled_bytes: u64,
    /// Beyond the budget, and served here on debt.
    pub kept: u64,
    /// Refused.
    pub shed: u64,
    /// Came back from a helper with a good mark.
    pub sent_back: u64,
    /// Came with a mark of a lease that is not known.
    pub marks_unchecked: u64,
    /// Came with a mark that is not a helper's.
    pub marks_refused: u64,
    /// Came with a ticket that a helper did not honour.
    pub restored: u64,
    /// Came from the agentless target, or from a visitor who could not use it.
    pub agentless_asked: u64,
}

impl SpillMetrics {
    /// Name, meaning and value of every counter, for exposition.
    pub(crate) fn counters(&self) -> [(&'static str, &'static str, u64); 9] {
        [
            ("spill_redirects", "Visitors sent to helpers with a ticket.", self.spilled),
            ("spill_bytes", "Body bytes of what they were sent for.", self.spilled_bytes),
            ("spill_kept", "Assets beyond the uplink's budget that were served here on debt.", self.kept),
            ("spill_shed", "Assets refused because neither this site nor a helper could carry them in time.", self.shed),
            ("spill_sent_back", "Visitors whom helpers sent back.", self.sent_back),
            ("spill_marks_unchecked", "Visitors whom helpers sent back under leases that a restart forgot.", self.marks_unchecked),
            ("spill_marks_refused", "Requests with a mark that no helper of ours made.", self.marks_refused),
            ("spill_restored", "Files of rewritten pages that visitors had to fetch here after all.", self.restored),
            ("agentless_asked", "Files fetched here by the agentless target, or by visitors who could not use it.", self.agentless_asked),
        ]
    }
}

#[derive(Debug, Default)]
struct Counters {
    spilled: AtomicU64,
    spilled_bytes: AtomicU64,
    kept: AtomicU64,
    shed: AtomicU64,
    sent_back: AtomicU64,
    marks_unchecked: AtomicU64,
    marks_refused: AtomicU64,
    restored: AtomicU64,
    agentless_asked: AtomicU64,
}

/// The owner's side of spilling. Shared by all threads.
#[derive(Debug)]
pub struct Spiller {
    uplink: Arc<Uplink>,
    book: ArcSwap<Book>,
    chooser: Chooser,
    short: AtomicBool,
    help_may_come: AtomicBool,
    /// Helpers that may serve what browsers do not check; `None`: all.
    trusted: ArcSwap<Option<BTreeSet<SiteId>>>,
    counters: Counters,
}

thread_local! {
    /// Saves an allocation for each redirect.
    static ORDER: RefCell<Vec<u16>> = const { RefCell::new(Vec::new()) };
}

impl Spiller {
    /// Makes a spiller without helpers.
    #[must_use]
    pub fn new(uplink: Arc<Uplink>) -> Self {
        let (book, chooser, counters) = (ArcSwap::default(), Chooser::default(), Counters::default());
        let (short, help_may_come) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { uplink, book, chooser, short, help_may_come, trusted: ArcSwap::default(), counters }
    }

    /// Takes a new plan. One thread at a time may call this.
    pub fn apply(&self, plan: &Plan) {
        let next = self.book.load().next(plan);
        self.book.store(Arc::new(next));
        self.help_may_come.store(plan.help_may_come, Relaxed);
    }

    /// Says which helpers may serve what browsers do not check; `None`: all that hold a lease.
    pub fn set_trusted(&self, trusted: Option<&[SiteId]>) {
        self.trusted.store(Arc::new(trusted.map(|sites| sites.iter().copied().collect())));
    }

    /// Tells whether a request that would be refused had better wait a moment, because a first lease may be about to come. That there is
    /// more than the uplink carries is noted, so that somebody is asked for it.
    #[must_use]
    pub fn awaits_help(&self, now: Now) -> bool {
        let awaits = self.help_may_come.load(Relaxed) && self.uplink.debt(now.time) >= SHED_DEBT;
        if awaits {
            self.uplink.note_excess(now.time);
        }
        awaits
    }

    /// Tells whether sockets or processor are short, as last measured: then large assets go to helpers even within the budget.
    pub fn set_short(&self, short: bool) {
        self.short.store(short, Relaxed);
    }

    /// Tells whether a request may be answered by somebody else: no credentials, not sent back, no agent before us, worth a helper's credit.
    ///
    /// `has_session` is the cookie table's word; `mark` is [`Spiller::read_mark`]'s.
    #[must_use]
    pub fn may_leave(fields: &(impl Fields + ?Sized), has_session: bool, mark: Mark, class: RequestClass) -> bool {
        !has_session && !mark.stays() && class.is_worth_credit() && !stay::must_stay(fields)
    }

    /// Checks the mark of a request for `path` that says a helper sent it back. A bad mark is as good as none; one that cannot be checked
    /// because we, or the helper, forgot the lease in a restart still keeps the request here, or it could go to and fro.
    #[must_use]
    pub fn read_mark(&self, mark: &str, path: &str, now: Now) -> Mark {
        let book = self.book.load();
        let read = BackMark::from_text(mark).ok().map(|mark| (mark, book.page(mark.lease)));
        let (said, counter) = match read {
            Some((mark, Some(page))) if mark.check(&page.spill.key, path, page.helper_date(now.date)).is_ok() => {
                page.note_sent_back();
                (Mark::Good, &self.counters.sent_back)
            }
            Some((mark, None)) if mark.is_timely(now.date) => (Mark::Unchecked, &self.counters.marks_unchecked),
            _ => (Mark::None, &self.counters.marks_refused),
        };
        counter.fetch_add(1, Relaxed);
        said
    }

    /// Checks a ticket of ours that comes back to us: a page sent its visitor to a helper in vain. Whatever can be a ticket keeps the
    /// request here, or it could go to and fro; only one that we made for `path` counts as having been sent away.
    #[must_use]
    pub fn read_ticket(&self, ticket: &str, path: &str, now: Now) -> Mark {
        if ticket == agentless::TICKET {
            self.counters.agentless_asked.fetch_add(1, Relaxed);
            return Mark::Unchecked;
        }
        let Ok(ticket) = Ticket::from_text(ticket) else { return Mark::None };
        let book = self.book.load();
        let is_ours = book.page(ticket.lease).is_some_and(|page| {
            let bound = Bound { method: Method::Get, owner: &page.spill.manifest.owner, path };
            ticket.check(&page.spill.key, bound, page.helper_date(now.date)).is_ok()
        });
        let (mark, counter) =
            if is_ours { (Mark::Good, &self.counters.restored) } else { (Mark::Unchecked, &self.counters.marks_unchecked) };
        counter.fetch_add(1, Relaxed);
        mark
    }

    /// Tells whether visitors want more than the uplink carries, or sockets or processor are short.
    #[must_use]
    pub fn is_pressed(&self, now: Now) -> bool {
        self.short.load(Relaxed) || self.uplink.is_pressed(now.time)
    }

    /// Tells whether sockets or processor are short.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.short.load(Relaxed)
    }

    /// Tells whether helpers are there to carry it.
    #[must_use]
    pub fn has_helpers(&self, now: Now) -> bool {
        let book = self.book.load();
        !book.pages.is_empty() && book.is_current(now.time)
    }

    /// Tells whether an object of `size` bytes would be served here, with others to `total` bytes of which a page is about to have it asked for.
    #[must_use]
    pub fn serves(&self, total: u64, size: u64, now: Now) -> bool {
        let leaves_anyhow = size >= SHORT_BYTES_MIN && self.short.load(Relaxed);
        !leaves_anyhow && self.uplink.affords(total, now.time)
    }

    /// Tells whether a lease's address passes a test.
    #[must_use]
    pub fn any_helper(&self, passes: impl Fn(&str) -> bool) -> bool {
        self.book.load().pages.iter().any(|page| passes(&page.spill.base))
    }

    /// Draws a ticket for an object that a page is to name at a helper, which the page's visitor would otherwise ask for here. Returns its
    /// address. `unchecked`: the browser would take any bytes for it. `fits` says of a helper's scheme and authority whether it will do.
    #[must_use]
    pub fn place(&self, ask: &Ask<'_>, unchecked: bool, fits: impl Fn(&str) -> bool, now: Now) -> Option<String> {
        let url = if ask.may_leave { self.draw(ask, ("", ""), unchecked, fits, now) } else { None }?;
        self.uplink.note_excess(now.time);
        self.uplink.turn_away(ask.size);
        self.counters.spilled_bytes.fetch_add(ask.size, Relaxed);
        Some(url)
    }

    /// Tells whether it matters to [`Spiller::course`] who asks.
    #[must_use]
    pub fn asks_who(&self) -> bool {
        self.short.load(Relaxed) || self.uplink.budget().0 > 0
    }

    /// Decides on a request for a held asset, and charges the uplink for the decision.
    #[must_use]
    pub fn course(&self, ask: &Ask<'_>, now: Now) -> Course {
        let cost = ask.size.saturating_add(ask.head);
        let leaves_anyhow = ask.may_leave && ask.size >= SHORT_BYTES_MIN && self.short.load(Relaxed);
        if !leaves_anyhow && self.uplink.take(cost, now.time) {
            return Course::Serve;
        }
        self.uplink.note_excess(now.time);
        if ask.may_leave
            && let Some(redirect) = self.redirect(ask, now)
        {
            self.uplink.turn_away(ask.size);
            self.uplink.charge(redirect.head_bytes(), now.time);
            return Course::Spill(redirect);
        }
        let bound = if ask.may_leave { SHED_DEBT } else { SHED_PAGES_DEBT };
        if self.uplink.debt(now.time) >= bound {
            self.uplink.turn_away(ask.size);
            self.counters.shed.fetch_add(1, Relaxed);
            return Course::Shed;
        }
        self.uplink.charge(cost, now.time);
        self.counters.kept.fetch_add(1, Relaxed);
        Course::Serve
    }

    /// Draws a ticket for the object and makes the redirect, if a helper can take it.
    #[must_use]
    pub fn redirect(&self, ask: &Ask<'_>, now: Now) -> Option<Redirect> {
        // Nobody knows here whether the browser will check it.
        let redirect = Redirect::new(self.draw(ask, (OPENING, CLOSING), true, |_| true, now)?)?;
        self.counters.spilled.fetch_add(1, Relaxed);
        self.counters.spilled_bytes.fetch_add(ask.size, Relaxed);
        Some(redirect)
    }

    /// Draws a ticket for the object. Returns the address, `within` two other texts.
    fn draw(&self, ask: &Ask<'_>, within: (&str, &str), unchecked: bool, fits: impl Fn(&str) -> bool, now: Now) -> Option<String> {
        let book = self.book.load();
        if book.pages.is_empty() || !book.is_current(now.time) {
            return None;
        }
        let trusted = self.trusted.load();
        let will_do = |spill: &Spill| {
            let known = trusted.as_ref().as_ref();
            (!ask.secure || spill.base.starts_with("https://"))
                && (!unchecked || known.is_none_or(|known| known.contains(&spill.helper)))
                && fits(&spill.base)
        };
        let object = self.chooser.object(ask.path);
        ORDER.with_borrow_mut(|order| {
            self.chooser.order(object, book.pages.iter().map(|page| (page.helper_hash, page.spill.weight)), order);
            book.arrange(ask.digest, order, now);
            let drawn = |at: &u16| {
                let page = book.pages.get(usize::from(*at)).filter(|page| will_do(&page.spill))?;
                Some((*at, page, draw(page, ask, now)?))
            };
            let (at, page, draw) = order.iter().find_map(drawn)?;
            book.note_sent(ask.digest, at, now);
            Some(address(page, ask, &draw, within))
        })
    }

    /// Draws a ticket from one lease for an object of its manifest, as the next visitor gets it who is sent there. Nothing if none would be.
    #[must_use]
    pub fn sample(&self, lease: LeaseId, path: &str, now: Now) -> Option<String> {
        let book = self.book.load();
        let page = book.pages.iter().find(|page| page.spill.lease == lease && book.is_current(now.time))?;
        let object = page.spill.manifest.object(path)?;
        let checked = matches!(object.media_type.as_str(), "text/css" | "text/javascript" | "application/javascript");
        let trusted = self.trusted.load();
        let trusted = trusted.as_ref().as_ref().is_none_or(|known| known.contains(&page.spill.helper));
        let ask = Ask { method: Method::Get, path, digest: &object.digest, size: object.size.0, head: 0, may_leave: true, secure: false };
        let draw = draw(page, &ask, now).filter(|_| trusted || checked)?;
        Some(ticket(page, &ask, &draw).to_text())
    }

    /// A helper is handed a part of an object, so it lacked it; with `whole`, its last byte: it holds it from now on.
    pub fn note_fill(&self, helper: &SiteId, digest: &ObjectDigest, whole: bool, now: Now) {
        self.book.load().note_fill(helper, digest, whole, now);
    }

    /// Each lease's use so far.
    #[must_use]
    pub fn spilled(&self) -> Vec<Spilled> {
        self.book.load().spilled()
    }

    /// The counts so far.
    #[must_use]
    pub fn metrics(&self) -> SpillMetrics {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        SpillMetrics {
            spilled: read(&self.counters.spilled),
            spilled_bytes: read(&self.counters.spilled_bytes),
            kept: read(&self.counters.kept),
            shed: read(&self.counters.shed),
            sent_back: read(&self.counters.sent_back),
            marks_unchecked: read(&self.counters.marks_unchecked),
            marks_refused: read(&self.counters.marks_refused),
            restored: read(&self.counters.restored),
            agentless_asked: read(&self.counters.agentless_asked),
        }
    }
}

/// Draws on a lease for the object; nothing if the lease cannot take it.
fn draw(page: &Page, ask: &Ask<'_>, now: Now) -> Option<Draw> {
    let spill = &page.spill;
    let object = spill.manifest.object(ask.path)?;
    if object.digest != *ask.digest || ask.path.len() + spill.base.len() > LOCATION_BYTES_MAX - 128 {
        return None;
    }
    page.draw(ask.size, now)
}

fn ticket(page: &Page, ask: &Ask<'_>, draw: &Draw) -> Ticket {
    let spill = &page.spill;
    let bound = Bound { method: ask.method, owner: &spill.manifest.owner, path: ask.path };
    Ticket::issue(&spill.key, spill.lease, draw.serial, draw.word, draw.expires, bound)
}

/// Where a visitor finds the object at this lease's helper, `within` two other texts.
fn address(page: &Page, ask: &Ask<'_>, draw: &Draw, (before, after): (&str, &str)) -> String {
    let spill = &page.spill;
    let ticket = ticket(page, ask, draw);
    let address = spill.base.len() + ask.path.len() + TICKET_PARAMETER.len() + Ticket::TEXT_BYTES + "?=".len();
    let mut text = String::with_capacity(before.len() + address + after.len());
    text.push_str(before);
    open_parameter(&mut text, &spill.base, ask.path, TICKET_PARAMETER);
    ticket.write_text(&mut text);
    text.push_str(after);
    text
}

#[cfg(test)]
#[path = "spill/tests.rs"]
mod tests;
