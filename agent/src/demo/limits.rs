//! Bounds of the demonstration, each with the reason for its size.

use std::time::Duration;

/// Connections that one relay carries at once: above the largest crowd's, below the file descriptors of a stock account.
pub const RELAY_CONNECTIONS_MAX: usize = 4_096;
/// Visitors under way at once; further ones count as failed, so that an overloaded machine shows in the figures.
pub const VISITORS_MAX: usize = 4_000;
/// Connections that one visitor opens to one host, as browsers do over HTTP/1.1.
pub const CONNECTIONS_PER_HOST_MAX: usize = 6;
/// A visitor has gone after this long without the whole body, redirects included.
pub const DEADLINE: Duration = Duration::from_secs(2);
/// Answers to one request: owner, helper, owner again with a mark, and one to spare.
pub const HOPS_MAX: usize = 4;
/// Lines of an access log that are read: an hour of ten thousand requests in each minute.
pub const LOG_LINES_MAX: usize = 600_000;
/// Longest line of an access log that is looked at.
pub const LOG_LINE_MAX: usize = 16 * 1024;
/// Requests of one run: bounds the journal's memory to some tens of megabytes.
pub const REQUESTS_MAX: usize = 500_000;
/// Files that belong to one visit of a log; a client with more is no visitor, and its files stand alone.
pub const ASSETS_PER_VISIT_MAX: usize = 200;
/// Largest body that the demonstration's site makes up for a logged request.
pub const BODY_MAX: usize = 8 << 20;
/// All bodies of one site together.
pub const CONTENT_MAX: usize = 256 << 20;
/// Slots of the origin's own record of its load: an hour in steps of [`LOAD_SLOT`].
pub const LOAD_SLOTS_MAX: usize = 36_000;
/// Width of one slot of that record.
pub const LOAD_SLOT: Duration = Duration::from_millis(100);
/// How often uplinks, processor and limits are sampled while an arm runs.
pub const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// Helpers that one machine is asked to run.
pub const HELPERS_MAX: usize = 60;
/// How long a process may take until it serves.
pub const START_WITHIN: Duration = Duration::from_secs(20);
/// How long a command of the `overspill` program may take.
pub const COMMAND_WITHIN: Duration = Duration::from_secs(15);
/// How long the mesh may take to settle after the crowd before its ledgers are read anyway.
pub const SETTLE_WITHIN: Duration = Duration::from_secs(120);
/// Bytes that helpers' addresses, digests and the script may add to a page before its visitor stops reading.
pub const REWRITTEN_PAGE_EXTRA: usize = 256 << 10;
