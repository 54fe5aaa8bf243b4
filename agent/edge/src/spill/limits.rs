//! Every bound of spilling, each with one line of why.

use std::time::Duration;

/// Leases whose use is remembered after they left the plan: marks of their last tickets still come back, and a lease that
/// returns must not hand out a serial twice.
pub const RETIRED_LEASES_MAX: usize = 128;
/// What a lease's rates may save up: redirects come bunched, as pages do, and what a helper cannot take at once falls back on the
/// owner's full uplink. Less than the helper allows itself.
pub const LEASE_BURST: Duration = Duration::from_millis(800);
/// Visitors who may wait for an object that a helper is fetching: a fetch takes some tenths of a second where the line is full, and who
/// waits longer than that is lost.
pub const VISITORS_PER_FETCH: u32 = 16;
/// A helper that was sent a visitor and lacks the object asks for it sooner than this; who does not, holds it.
pub const FETCH_NOTICE: Duration = Duration::from_millis(500);
/// How long a helper counts as fetching an object: a visitor's own patience.
pub const FETCH_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a redirect's `Location`: servers and browsers take 8,000 (RFC 9110 section 4.1).
pub const LOCATION_BYTES_MAX: usize = 4_096;
/// Body bytes from which an asset leaves when sockets or processor are short: a redirect costs what serving less would.
pub const SHORT_BYTES_MIN: u64 = 32 * 1024;
/// Bytes of all `CDN-Loop` lines that are looked at: a longer one says nothing that a shorter one could not.
pub const CDN_LOOP_BYTES_MAX: usize = 2_048;
/// Pause between two looks at whether the first lease of a crowd is there for an asset that would be refused.
pub const ONSET_LOOK: Duration = Duration::from_millis(20);
/// Such looks before it is refused: 400 ms, more than a lease and its manifest take on a line that visitors fill.
pub const ONSET_LOOKS: usize = 20;
