//! Connections to the origin that are open and unused, and the books about those in use.
//!
//! Only what may be sent twice goes over a connection that stood unused: the origin may be closing it at this very moment, and then nobody
//! knows whether the request was taken ([`super::Origin::fetch`]). Everything else opens one of its own.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use overspill_governance::time::Time;
use tokio::sync::Notify;

use super::{
    connection::Connection,
    names::Names,
    size::{Bounds, Size},
};
use crate::{
    clock::Clock,
    limits::{PREPARE_AT_ONCE, PREPARE_REST_MAX, PREPARE_REST_MIN},
};

/// The pool.
pub(crate) struct Pool {
    clock: Clock,
    inner: Mutex<Inner>,
    /// Rung when connections may be wanted that are not there.
    pub(crate) wanted: Notify,
}

struct Inner {
    bounds: Bounds,
    size: Size,
    /// The one used last stands last.
    idle: Vec<Connection>,
    preparing: u32,
    /// The origin has kept a connection open after an answer.
    keeps: bool,
    /// The origin closed one that was prepared and never used: no more are prepared until somebody asks.
    declined: bool,
    /// None are prepared until then, and the pause after the next failure.
    rest: (Time, Duration),
}

/// What the pool stands at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) used: u32,
    pub(crate) idle: u32,
}

impl Standing {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { used: self.used.saturating_add(other.used), idle: self.idle.saturating_add(other.idle) }
    }
}

impl Pool {
    pub(crate) fn new(bounds: Bounds, clock: Clock) -> Arc<Self> {
        let rest = (clock.time(), PREPARE_REST_MIN);
        let inner = Inner { bounds, size: Size::default(), idle: Vec::new(), preparing: 0, keeps: false, declined: false, rest };
        Arc::new(Self { clock, inner: Mutex::new(inner), wanted: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes other bounds; what is too many goes at the next look.
    pub(crate) fn bound(&self, bounds: Bounds) {
        self.lock().bounds = bounds;
    }

    pub(crate) fn standing(&self) -> Standing {
        let inner = self.lock();
        Standing { used: inner.size.used(), idle: u32::try_from(inner.idle.len()).unwrap_or(u32::MAX) }
    }

    /// Counts one more connection in use, until the entry is dropped, and takes an unused one out if that is `wanted`: of those that were used,
    /// the last; else the one that was prepared first, since an origin that serves one connection at a time is waiting for that. This thread's
    /// own before others.
    pub(crate) fn enter(self: &Arc<Self>, names: &Names, wanted: bool) -> (Entry, Option<Connection>) {
        let mut inner = self.lock();
        let (bounds, now) = (inner.bounds, self.clock.time());
        inner.size.rise(bounds, now);
        inner.declined = false;
        let short = inner.missing(now) > 0;
        let taken = if wanted { inner.take(names) } else { None };
        drop(inner);
        if short {
            self.wanted.notify_one();
        }
        (Entry { pool: Arc::clone(self), open: true }, taken)
    }

    /// Takes a connection back that can be used again, or one that was prepared.
    fn keep(&self, connection: Connection, names: &Names) {
        self.lock().keep(connection, names, self.clock.time());
    }

    /// The origin answered a dial: it is there.
    pub(crate) fn note_reached(&self) {
        self.lock().rest = (self.clock.time(), PREPARE_REST_MIN);
    }

    /// It did not: none are prepared for a while, each time for longer.
    pub(crate) fn note_unreachable(&self) {
        let mut inner = self.lock();
        let (until, pause) = inner.rest;
        let now = self.clock.time();
        if until <= now {
            inner.rest = (now.after(pause), (pause * 2).min(PREPARE_REST_MAX));
        }
    }

    /// Closes what is not worth keeping, and tells how many connections are to be opened now; each ends by [`Pool::prepared`].
    pub(crate) fn look(&self, names: &Names) -> u32 {
        let mut inner = self.lock();
        inner.sweep(names);
        let (bounds, now) = (inner.bounds, self.clock.time());
        let kept = inner.size.kept(bounds, now) as usize;
        // The longest unused stand first.
        let surplus = inner.idle.len().saturating_sub(kept);
        inner.idle.drain(..surplus);
        let missing = inner.missing(now);
        inner.preparing += missing;
        missing
    }

    /// One that was to be opened is open, or is not.
    pub(crate) fn prepared(&self, connection: Option<Connection>, names: &Names) {
        self.lock().preparing -= 1;
        if let Some(connection) = connection {
            self.keep(connection, names);
        }
    }
}

impl Inner {
    fn take(&mut self, names: &Names) -> Option<Connection> {
        let (here, known) = (thread::current().id(), names.known());
        let used = |connection: &Connection| connection.used;
        loop {
            let at = (self.idle.iter().rposition(|connection| used(connection) && connection.home == here))
                .or_else(|| self.idle.iter().rposition(used))
                .or_else(|| (!self.idle.is_empty()).then_some(0))?;
            let mut connection = self.idle.remove(at);
            if self.is_good(&mut connection, &known) {
                return Some(connection);
            }
        }
    }

    fn keep(&mut self, connection: Connection, names: &Names, now: Time) {
        self.keeps |= connection.used;
        if names.known().contains(&connection.address) && self.idle.len() < self.size.kept(self.bounds, now) as usize {
            self.idle.push(connection);
        }
    }

    fn leave(&mut self, now: Time) {
        self.size.fall(self.bounds, now);
    }

    /// Drops what is closed, or leads to where the origin is no more.
    fn sweep(&mut self, names: &Names) {
        if self.idle.is_empty() {
            return;
        }
        let (known, mut idle) = (names.known(), std::mem::take(&mut self.idle));
        idle.retain_mut(|connection| self.is_good(connection, &known));
        self.idle = idle;
    }

    /// Whether an unused connection is still open, and leads to where the origin is.
    fn is_good(&mut self, connection: &mut Connection, known: &[SocketAddr]) -> bool {
        let open = connection.is_quiet();
        self.declined |= !open && !connection.used;
        open && known.contains(&connection.address)
    }

    /// Connections that should be opened now.
    fn missing(&mut self, now: Time) -> u32 {
        if self.declined || now < self.rest.0 {
            return 0;
        }
        let there = u32::try_from(self.idle.len()).unwrap_or(u32::MAX).saturating_add(self.preparing);
        let (bounds, keeps) = (self.bounds, self.keeps);
        let missing = self.size.prepared(bounds, keeps, now).saturating_sub(there);
        missing.min(PREPARE_AT_ONCE.saturating_sub(self.preparing))
    }
}

/// A connection's entry in the books while it is in use.
pub(crate) struct Entry {
    pool: Arc<Pool>,
    open: bool,
}

impl Entry {
    /// Ends it, and gives back the connection, which can be used again.
    pub(crate) fn give_back(mut self, connection: Connection, names: &Names) {
        self.open = false;
        let (mut inner, now) = (self.pool.lock(), self.pool.clock.time());
        inner.leave(now);
        inner.keep(connection, names, now);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.open {
            self.pool.lock().leave(self.pool.clock.time());
        }
    }
}
