//! Every bound of rewriting, each with one line of why.

/// Bytes of a page that is looked through: 1 MiB takes a thread some milliseconds, once for each stored copy.
pub(crate) const PAGE_BYTES_MAX: usize = 1 << 20;
/// Memory that the parser may take for one page: tags and the stack of open elements, far more than sane pages need.
pub(crate) const PARSER_BYTES_MAX: usize = 256 << 10;
/// Addresses of one page that are remembered: what comes after them is left to redirects.
pub(crate) const PLACES_MAX: usize = 256;
/// Different files of which a browser takes one (`srcset`, `<picture>`): each would cost a ticket, and a redirect costs less than four.
pub(crate) const CANDIDATES_MAX: usize = 3;
/// Bytes of all policies of one page that are read: a longer one is taken to forbid everything.
pub(crate) const POLICY_BYTES_MAX: usize = 16 << 10;
/// Bytes of a sound or film up to which browsers fetch it in one request: a ticket is good for one.
pub(crate) const MEDIA_BYTES_MAX: u64 = 1 << 20;
/// Bytes of the text of a page that came compressed: it is opened and closed again for each visitor.
pub(crate) const PACKED_PAGE_BYTES_MAX: usize = 256 * 1024;
/// How often longer than its compressed bytes such a text may be: pages are 3 to 10 times, tables of nothing 50 times, bombs 1,000 times.
pub(crate) const PACKED_RATIO_MAX: usize = 100;
