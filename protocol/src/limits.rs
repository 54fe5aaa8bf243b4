//! Every bound of the protocol, each with one line of why. A bound without a tested behaviour at the bound is a wish.

use core::time::Duration;

/// Partners with whom lines are kept: enough that one is free when a crowd comes, few enough to know each.
pub const PARTNERS_MAX: usize = 30;
/// Objects in one manifest: the hot set of a small site; more would not fit a control message.
pub const MANIFEST_OBJECTS_MAX: usize = 512;
/// Bytes of a path with its query in a manifest or ticket: what servers accept in practice (RFC 9110 section 4.1 asks for 8000).
pub const PATH_MAX: usize = 2_048;
/// Bytes of a media type kept with an object.
pub const MEDIA_TYPE_MAX: usize = 128;
/// Bytes of an authority (`host:port`, RFC 3986): a DNS name and a port.
pub const AUTHORITY_MAX: usize = 261;
/// Leases that a site runs at once as owner, and at once as helper.
pub const LEASES_MAX: usize = 64;
/// Largest object that is spilled: held in memory while its digest is checked before the first byte.
pub const OBJECT_BYTES_MAX: u64 = 8 << 20;
/// Bytes of one slice of a fill.
pub const FILL_SLICE_BYTES: u32 = 512 * 1024;
/// How long a ticket is good for, in the helper's time: a visitor follows a redirect at once.
pub const TICKET_LIFETIME: Duration = Duration::from_secs(30);
/// A plan older than this names no helpers: the mesh task may be dead.
pub const PLAN_LIFETIME: Duration = Duration::from_secs(5);
/// How long a helper serves without having seen the owner's signed generation.
pub const GENERATION_LIFETIME: Duration = Duration::from_secs(10);
