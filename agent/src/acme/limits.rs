//! Every bound of getting certificates, each with one line of why.

use std::time::Duration;

/// One answer of an authority; a chain of four certificates has 8 KiB.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// How long one request to an authority may take.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How long one certificate may take from order to chain: authorities look from several places, and some keep orders waiting.
pub const ORDER_TIME: Duration = Duration::from_mins(5);
/// The pause after a first failure; each further one doubles it. Authorities allow a handful of failures for a name in an hour.
pub const RETRY_PAUSE: Duration = Duration::from_mins(5);
/// The longest pause after failures: a name whose DNS is mended has its certificate within half a day.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_hours(12);
/// How often an authority is asked when a certificate had best be renewed, if it says nothing else (RFC 9773 section 4.3.2).
pub const RENEWAL_LOOK: Duration = Duration::from_hours(6);
/// The least pause between two such questions, whatever it says.
pub const RENEWAL_LOOK_MIN: Duration = Duration::from_hours(1);
/// The longest.
pub const RENEWAL_LOOK_MAX: Duration = Duration::from_hours(24);
/// The longest sleep: what is due is looked at this often, whatever the clock did meanwhile.
pub const LOOK: Duration = Duration::from_mins(10);
/// How often it is looked who the partners are: a new one may want help within minutes.
pub const GUESTS_LOOK: Duration = Duration::from_secs(10);
/// Names for which certificates are kept: the site's own, further sites', guests'. Authorities allow some dozens for a domain in a week.
pub const NAMES_MAX: usize = 512;
