//! Every bound of the ledger, each with one line of why.

use std::time::Duration;

/// Batches that wait for the writer: the machine waits for each of its own, so more means that something is wrong.
pub const WAITING_MAX: usize = 256;
/// Bytes that one sync covers: enough that syncs are shared, little enough that one write does not take long.
pub const GROUP_BYTES_MAX: usize = 1 << 20;
/// How often a full disk is tried again.
pub const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Bytes that a trial asks for: room for a few entries, not just for one byte.
pub const PROBE_BYTES: usize = 64 * 1024;
/// Bytes read at once.
pub const PIECE_BYTES: usize = 64 * 1024;
