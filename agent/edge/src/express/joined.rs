//! Short answers in one piece: to copy them is cheaper than to have the kernel read a list of their parts.

use std::cell::RefCell;

thread_local! {
    /// Where they are put together.
    static JOINED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Does something with all of these parts as one.
pub(super) fn joined<T>(parts: &[&[u8]], does: impl FnOnce(&[u8]) -> T) -> T {
    JOINED.with_borrow_mut(|joined| {
        joined.clear();
        parts.iter().for_each(|part| joined.extend_from_slice(part));
        does(joined)
    })
}
