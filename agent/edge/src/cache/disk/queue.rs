//! What the disk's thread has to do: orders first, in their order; then writes, as many as fit.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Work for one thread. Nobody who brings work waits.
#[derive(Debug)]
pub(crate) struct Queue<O, W> {
    state: Mutex<State<O, W>>,
    woken: Condvar,
    writes_max: usize,
    bytes_max: u64,
}

#[derive(Debug)]
struct State<O, W> {
    orders: VecDeque<O>,
    writes: VecDeque<(W, u64)>,
    bytes: u64,
    /// A write was taken out and is not done yet.
    writing: bool,
    closed: bool,
}

/// The next thing to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Work<O, W> {
    Order(O),
    Write(W),
    /// Nothing, for now.
    Nothing,
    /// Nobody will bring work any more.
    Over,
}

impl<O, W> Queue<O, W> {
    pub(crate) fn new(writes_max: usize, bytes_max: u64) -> Self {
        let state = State { orders: VecDeque::new(), writes: VecDeque::new(), bytes: 0, writing: false, closed: false };
        Self { state: Mutex::new(state), woken: Condvar::new(), writes_max, bytes_max }
    }

    /// Brings a write of so many bytes; false if there is no room, and then it is not done.
    pub(crate) fn write(&self, write: W, bytes: u64) -> bool {
        let mut state = self.lock();
        if state.closed || state.writes.len() >= self.writes_max || state.bytes.saturating_add(bytes) > self.bytes_max {
            return false;
        }
        state.bytes += bytes;
        state.writes.push_back((write, bytes));
        self.woken.notify_one();
        true
    }

    /// Brings an order. Returns how many wait.
    pub(crate) fn order(&self, order: O) -> usize {
        let mut state = self.lock();
        if !state.closed {
            state.orders.push_back(order);
            self.woken.notify_one();
        }
        state.orders.len()
    }

    /// Takes out all orders that wait.
    pub(crate) fn take_orders(&self) -> VecDeque<O> {
        std::mem::take(&mut self.lock().orders)
    }

    /// The next thing to do; waits for it if told to.
    pub(crate) fn next(&self, wait: bool) -> Work<O, W> {
        let mut state = self.lock();
        loop {
            if let Some(order) = state.orders.pop_front() {
                return Work::Order(order);
            }
            if state.closed {
                return Work::Over;
            }
            if let Some((write, bytes)) = state.writes.pop_front() {
                state.bytes -= bytes;
                state.writing = true;
                return Work::Write(write);
            }
            if !wait {
                return Work::Nothing;
            }
            state = self.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The write that was taken out last is done.
    pub(crate) fn done(&self) {
        self.lock().writing = false;
    }

    /// Tells whether all that was brought is done.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.orders.is_empty() && state.writes.is_empty() && !state.writing
    }

    /// No more work: orders that wait are still carried out, writes are not.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.woken.notify_all();
    }

    /// A thread that died while it held the lock left whole entries behind.
    fn lock(&self) -> MutexGuard<'_, State<O, W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_overtake_writes_and_writes_are_bounded() {
        let queue = Queue::new(2, 100);
        assert!(queue.write("a", 60) && !queue.write("b", 41) && queue.write("c", 40) && !queue.write("d", 0));
        queue.order(1);
        queue.order(2);
        assert_eq!((queue.next(false), queue.next(false), queue.next(false)), (Work::Order(1), Work::Order(2), Work::Write("a")));
        assert!(queue.write("e", 60));
        queue.order(3);
        queue.close();
        assert!(!queue.write("f", 0));
        assert_eq!((queue.next(true), queue.next(true)), (Work::Order(3), Work::Over));
    }
}
