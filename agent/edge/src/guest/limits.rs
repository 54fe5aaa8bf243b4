//! Every bound of hosting, each with one line of why.

use std::time::Duration;

/// Leases that are remembered after they left the plan: their visitors are still sent back with a mark.
pub const RETIRED_LEASES_MAX: usize = 64;
/// Guest objects stored for all owners together: bounds the index where objects are tiny.
pub const STORE_OBJECTS_MAX: usize = 16_384;
/// Fills asked for and not yet ended: what a small site's uplink delivers within a visitor's patience.
pub const FILLS_MAX: usize = 256;
/// Visitors waiting for one fill; the next is sent back, because the owner can answer it sooner.
pub const FILL_WAITERS_MAX: usize = 1_024;
/// How long a visitor waits for a fill before being sent back: more would cost the owner's answer its deadline.
pub const FILL_PATIENCE: Duration = Duration::from_millis(1_500);
/// A fill that nobody ended by then is asked for again: its answer may have been lost with the mesh task.
pub const FILL_LIFETIME: Duration = Duration::from_secs(5);
/// How long a failed fill is not asked for again: visitors are sent back at once meanwhile.
pub const FILL_REST: Duration = Duration::from_millis(500);
/// What a lease's rates may save up here: more than the owner may (its redirects arrive bunched), and no more than a second.
pub const LEASE_BURST: Duration = Duration::from_secs(1);
/// Debt of our own uplink from which guests are sent back: our own visitors come first, but a bunch of redirects is let even out.
pub const GUEST_DEBT_MAX: Duration = Duration::from_millis(800);
/// Most seconds for which a visitor's browser keeps a guest object.
pub const MAX_AGE_MAX: u64 = 86_400;
/// Pause between two looks at whether a manifest has arrived that a visitor was faster than.
pub const MANIFEST_LOOK: Duration = Duration::from_millis(20);
/// Such looks before the visitor is sent back: 400 ms, more than a manifest takes over a line that is not choked.
pub const MANIFEST_LOOKS: usize = 20;
