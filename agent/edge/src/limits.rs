//! Every bound of the edge that is not a setting, each with one line of why.

use std::time::Duration;

/// Bytes of a connection that are read at once to see which HTTP it speaks: a request's head, mostly.
pub(crate) const FIRST_BYTES: usize = 2 * 1024;
/// Time for TLS handshakes, one after the other, before whoever else is ready gets a turn: some ten signatures with RSA. More
/// would be waited for by all who are in; with less, a crowd of those who are in would keep all others out.
pub(crate) const HANDSHAKES_TIME_MAX: Duration = Duration::from_millis(10);
/// Fields of one request head: browsers send about 20, chains of proxies a few more.
pub(crate) const FIELDS_MAX: usize = 100;
/// Fields of a request head that the express lane looks at: browsers send about 20; more than this takes the usual way.
pub(crate) const EXPRESS_FIELDS_MAX: usize = 32;
/// Bytes of one read beneath the HTTP library: a browser's head is a tenth of it. What is longer is read on by the library.
pub(crate) const EXPRESS_READ_BYTES: usize = 8 * 1024;
/// Bodies from this length on are sent from a copy that the kernel can refer to, once they are asked for often; below it that costs as much as
/// copying them for each visitor.
pub(crate) const SHEET_BYTES_MIN: usize = 16 * 1024;
/// How often a body is asked for before it gets such a copy: making one costs as much as some answers.
pub(crate) const SHEET_ASKED_MIN: u32 = 8;
/// A copy for which nobody asked for so long is made anew when it is wanted: the system may have taken its memory back, and an answer does not wait
/// for the disk.
pub(crate) const SHEET_IDLE_MAX: Duration = Duration::from_secs(60);
/// Such copies, each of which is an open file.
pub(crate) const SHEETS_MAX: usize = 256;
/// Bytes of such copies, beside the memory and the disk for responses: a crowd's few large files fit.
pub(crate) const SHEETS_BYTES_MAX: u64 = 64 << 20;
/// The same as a part of that memory, where it is little.
pub(crate) const SHEETS_SHARE: u64 = 8;
/// Answers up to this long are copied into one piece before they are written: above it, the copy costs more than a list of parts does.
pub(crate) const EXPRESS_JOINED_BYTES: usize = 4 * 1024;
/// Bytes of one request head: RFC 9112 asks for 8,000 of request line; cookies of many applications on one host may take the rest.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long a connection that the edge closes may still send what nobody reads: closed at once, it would take back the answer.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(1);
/// Bytes that are read from it meanwhile.
pub(crate) const LINGER_BYTES_MAX: usize = 1 << 20;
/// Streams of one HTTP/2 connection at once: RFC 9113 section 6.5.2 asks for no fewer, and browsers use no more.
pub(crate) const HTTP2_STREAMS_MAX: u32 = 100;
/// Requests that a visitor may have taken back before the edge looked at them ("rapid reset"); then the connection ends.
pub(crate) const HTTP2_RESETS_PENDING_MAX: usize = 20;
/// Faulty streams of one HTTP/2 connection; then it ends.
pub(crate) const HTTP2_FAULTS_MAX: usize = 100;
/// Bytes of a request's body that may come before they are taken: enough for 20 Mbit/s over 100 ms.
pub(crate) const HTTP2_WINDOW: u32 = 256 * 1024;
/// The same for all requests of a connection.
pub(crate) const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of one answer that wait in a connection for its visitor.
pub(crate) const HTTP2_SEND_BYTES_MAX: usize = 64 * 1024;
/// Bytes that gather in a connection before they are written: four TLS records, or the answers of a page's small files.
pub(crate) const HTTP2_GATHERED_BYTES: usize = 64 * 1024;
/// Frames of control (SETTINGS, PING, PRIORITY, `RST_STREAM`, empty DATA, unknown ones) that may come at once: a page that is left with
/// all its streams open sends 100.
pub(crate) const HTTP2_CONTROL_BURST: u32 = 500;
/// Frames of control that may come in each second on and on: a person sends none.
pub(crate) const HTTP2_CONTROL_RATE: u32 = 50;
/// Window updates that may come at once; beyond it they count as frames of control.
pub(crate) const HTTP2_UPDATES_BURST: u32 = 2_000;
/// Window updates that each frame of a body lets come: one for its stream, one for the connection, and as many again.
pub(crate) const HTTP2_UPDATES_EARNED: u32 = 4;
/// CONTINUATION frames of one head: frames hold 16 KiB, so four hold the longest head.
pub(crate) const HTTP2_CONTINUATIONS_MAX: u32 = 8;
/// How long a connection on which nothing is answered may take to leave when it was told to.
pub(crate) const HTTP2_LEAVING: Duration = Duration::from_secs(2);
/// Bytes of a request target (RFC 9110 section 4.1: at least 8,000).
pub(crate) const TARGET_BYTES_MAX: usize = 8_192;
/// Bytes in one frame of a stored body: small enough that the uplink is charged when bytes leave, not when a body is chosen.
pub(crate) const FRAME_BYTES: usize = 64 * 1024;
/// Addresses whose debts are remembered: more attack at once only where no bound for each address helps.
pub(crate) const DEBTORS_MAX: usize = 16_384;
/// How long it takes until a whole miss budget is forgiven.
pub(crate) const DEBT_TIME: Duration = Duration::from_mins(10);
/// Of an answer that a visitor broke off, so many bytes count as fetched and not received: they may have ended in buffers.
pub(crate) const UNSEEN_BYTES: u64 = 1 << 20;
/// Bytes that a visitor's socket takes beyond what is on its way (`TCP_NOTSENT_LOWAT`): more would be written for whoever never reads it.
pub(crate) const UNSENT_BYTES_MAX: u32 = 128 * 1024;
/// Bytes that must pass while a visitor takes or sends some within one stall: else a byte now and then would do to stay for ever.
pub(crate) const PROGRESS_BYTES: u64 = 4 * 1024;
/// Receive buffer of a connection to the origin: what may have been sent for a visitor who left.
pub(crate) const ORIGIN_BUFFER_BYTES: u32 = 256 * 1024;
/// Access records waiting for the log writer: beyond it records are dropped and counted, requests never wait.
pub(crate) const ACCESS_RECORDS_MAX: usize = 8_192;
/// Bytes of early hints (103) that are passed on for one request: some dozens of links.
pub(crate) const EARLY_BYTES_MAX: usize = 8 * 1024;
/// Room for what a visitor sends while its request is with the origin: a little is read to hear that the visitor left.
pub(crate) const AHEAD_BYTES: usize = 1024;
/// Bytes of the head of an origin's answer.
pub(crate) const ORIGIN_HEAD_BYTES_MAX: usize = 256 * 1024;
/// Room for what is read of the origin at once, at first: most pages' heads and beginnings.
pub(crate) const ORIGIN_READ_BYTES_MIN: usize = 8 * 1024;
/// Room for what is read of the origin at once, of bodies that fill it each time.
pub(crate) const ORIGIN_READ_BYTES_MAX: usize = 64 * 1024;
/// Up to here a part of a body is copied out of the connection's buffer; beyond, it takes the buffer along.
pub(crate) const COPIED_BYTES_MAX: usize = 4 * 1024;
/// Bytes of the line that says a chunk's size; extensions in it are overlooked.
pub(crate) const CHUNK_LINE_BYTES_MAX: usize = 4 * 1024;
/// Interim answers (1xx) to one request: an early hint or two, a word of patience every few seconds.
pub(crate) const INTERIM_MAX: u32 = 64;
/// Pause between two looks at the connections to the origin: closed ones are found, surplus ones closed, missing ones opened.
pub(crate) const TEND_PAUSE: Duration = Duration::from_millis(250);
/// Connections to the origin that are prepared at once: a server that just came back is not struck by all of them.
pub(crate) const PREPARE_AT_ONCE: u32 = 4;
/// First pause in preparing connections after the origin could not be reached; it doubles. Requests try all the same.
pub(crate) const PREPARE_REST_MIN: Duration = Duration::from_millis(500);
/// Longest such pause.
pub(crate) const PREPARE_REST_MAX: Duration = Duration::from_secs(30);
/// Head start of one of the origin's addresses before the next is tried as well (RFC 8305 section 5).
pub(crate) const DIAL_STAGGER: Duration = Duration::from_millis(250);
/// Addresses of the origin that are tried: more would not fit into the time for connecting.
pub(crate) const ADDRESSES_MAX: usize = 8;
/// How long a name server may take: a resolver's own patience, with two tries, is ten seconds.
pub(crate) const LOOKUP_PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two questions for the origin's name, also while it cannot be reached.
pub(crate) const LOOKUP_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause between two questions to a silent other end whether it is still there.
pub(crate) const KEEPALIVE_PAUSE: Duration = Duration::from_secs(10);
/// Such questions without an answer, after which a connection is dead.
pub(crate) const KEEPALIVE_PROBES: u32 = 3;
/// A body up to this length keeps its place at the origin to its end; a longer one gives it up at its head, or slow readers would hold it.
pub(crate) const HELD_BODY_BYTES_MAX: u64 = 1 << 20;
/// Variants kept of one resource: compressed or not in three kinds, some languages; more means that a field should not be in Vary.
pub(crate) const VARIANTS_MAX: usize = 8;
/// One response takes at most one in so many bytes of the memory: one long file must not push out a site.
pub(crate) const MEMORY_SHARE: u64 = 8;
/// A body up to this length stands in one piece with its head: one allocation and one look at memory for both. A longer one stands by itself, so
/// that a 304 does not copy it, and a sheet can be made of it.
pub(crate) const SHORT_BODY_BYTES_MAX: usize = SHEET_BYTES_MIN - 1;
/// Beginnings of heads that are kept once for all that have them: a site has one for each kind of its files and pages, an agent some sites.
pub(crate) const HEADS_MAX: usize = 4_096;
/// One in so many bytes of the store's memory is for them: hundreds where it is small, and far below what they save.
pub(crate) const HEADS_SHARE: u64 = 256;
/// Beginnings that are remembered until they come again: more than there are kinds of answers among those that come at one time.
pub(crate) const HEADS_SEEN: usize = 1_024;
/// Resources for whose stretches the store's index is laid out at first.
pub(crate) const PARTS_ESTIMATE: usize = 256;
/// One in so many bytes of the store's memory is for stretches of bodies: whole responses serve more visitors.
pub(crate) const PARTS_SHARE: u64 = 8;
/// Resources remembered as not storable.
pub(crate) const PASSED_MAX: usize = 8_192;
/// How long that is remembered: a site that starts to send freshness is noticed within this time.
pub(crate) const PASSED_TIME: Duration = Duration::from_secs(30);
/// Groups of one response (RFC 9875 asks for 32 at least).
pub(crate) const GROUPS_MAX: usize = 64;
/// Bytes of a group's name (RFC 9875 asks for 32 at least); longer ones are passed over.
pub(crate) const GROUP_BYTES_MAX: usize = 128;
/// Memberships in groups that are remembered: beyond it, responses with groups are not stored.
pub(crate) const GROUPED_MAX: usize = 65_536;
/// Resources and groups that were made obsolete, remembered so that what was fetched before is not stored after.
pub(crate) const FORGOTTEN_MAX: usize = 8_192;
/// A failure (400, 403, 500, 503 and the like) with a lifetime is kept at most this long: enough for a crowd, too short to be worth causing one.
pub(crate) const FAILURE_LIFETIME_MAX: Duration = Duration::from_secs(10);
/// Largest body that is stored: a small cache must not be emptied by one film.
pub(crate) const STORED_BODY_BYTES_MAX: u64 = 8 << 20;
/// Largest body that is kept on disk: an hour of film. It is also bounded by [`DISK_BODY_SHARE`].
pub(crate) const DISK_BODY_BYTES_MAX: u64 = 4 << 30;
/// One body on disk takes at most one in so many bytes of the tier: one film must not push out a site.
pub(crate) const DISK_BODY_SHARE: u64 = 8;
/// Long bodies that are written at once; others are passed on and not kept.
pub(crate) const DISK_DRAFTS_MAX: usize = 2;
/// Pieces of a long body that wait to be written: a few MiB at most.
pub(crate) const DISK_DRAFT_CHUNKS_MAX: usize = 32;
/// How long a long body waits for the disk to take a piece of it; then it is not kept.
pub(crate) const DISK_DRAFT_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a stored response's head on disk: the longest head of an origin, its request's target, and the body's checks.
pub(crate) const DISK_HEAD_BYTES_MAX: usize = 512 * 1024;
/// Files of stored responses: their index takes about 20 MiB of memory then.
pub(crate) const DISK_OBJECTS_MAX: usize = 65_536;
/// Responses that wait to be written, and their bytes: a second of a busy site, on a disk that is slow for a moment.
pub(crate) const DISK_QUEUE_MAX: usize = 4_096;
/// Their bytes.
pub(crate) const DISK_QUEUE_BYTES_MAX: u64 = 32 << 20;
/// Purges and removals that wait; beyond it everything on disk is forgotten, which is one order.
pub(crate) const DISK_ORDERS_MAX: usize = 16_384;
/// What was fresh for a shorter time is not worth a file, unless it may be asked about or shown stale.
pub(crate) const DISK_LIFETIME_MIN: Duration = Duration::from_secs(10);
/// Of what the origin is asked about at each visit, a file is written so often at most.
pub(crate) const DISK_REWRITE_MIN: Duration = Duration::from_secs(10);
/// Bytes of the file system that are left to others: a full disk stops ledgers, logs and databases.
pub(crate) const DISK_FREE_MIN: u64 = 256 << 20;
/// While a long body is written, the room that is left is looked at once in so many bytes.
pub(crate) const DISK_LOOK_BYTES: u64 = 16 << 20;
/// Files read at once.
pub(crate) const DISK_READERS: usize = 8;
/// Visitors who wait for files; for the next it is as if nothing were stored.
pub(crate) const DISK_WAITERS_MAX: usize = 1_024;
/// How long a visitor waits for a file: then the origin is asked.
pub(crate) const DISK_PATIENCE: Duration = Duration::from_millis(500);
/// How long who purges waits for the disk.
pub(crate) const DISK_OBEY_MAX: Duration = Duration::from_secs(5);
/// How long an agent that stops writes what waits to be written.
pub(crate) const DISK_FLUSH_MAX: Duration = Duration::from_secs(1);
/// Bytes that a body of unknown length, found too long to be stored, may be ahead of its slowest visitor.
pub(crate) const WINDOW_BYTES: u64 = 512 * 1024;
/// Bytes that are fetched to the end although all visitors left: a page that was rendered for nothing would be rendered again.
pub(crate) const FINISHED_ALONE_BYTES: u64 = 256 * 1024;
/// Fetches that others may join at once: beyond it each visitor fetches alone. Far above any limit on requests at the origin.
pub(crate) const FLIGHTS_MAX: usize = 1_024;
/// A visitor of whom a stale copy could be shown waits at least this long for the origin before it is shown.
pub(crate) const PATIENCE_MIN: Duration = Duration::from_secs(1);
/// How often a visitor who waits for the origin looks whether pressure began meanwhile, so that the copy at hand will do.
pub(crate) const PRESSURE_LOOK: Duration = Duration::from_millis(50);
/// Bytes of a request body that are taken in before the request asks for a place at the origin: nearly every form and comment.
pub(crate) const BUFFERED_UPLOAD_BYTES: usize = 64 * 1024;
/// WebSockets at once: each holds two sockets; a Mastodon of a thousand people has a few hundred.
pub(crate) const TUNNELS_MAX: u64 = 1_024;
/// Bytes taken at once from one end of a tunnel.
pub(crate) const TUNNEL_BUFFER_BYTES: usize = 8 * 1024;
/// A tunnel in which one direction is silent for this long is closed: servers send pings at least every minute.
pub(crate) const TUNNEL_SILENCE: Duration = Duration::from_mins(5);
/// When visitors of a failed origin are told to come back: sooner, they would keep it from coming back.
pub(crate) const RETRY_FAILED: Duration = Duration::from_secs(10);
/// Bytes of the owner's own waiting page: it is sent when nothing else can be.
pub(crate) const TEMPLATE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an expression by which a purge names responses: a URL of twice the usual bound, or the tags of some hundred posts.
pub const PATTERN_BYTES_MAX: usize = 8 * 1024;
/// Denials in the list: takedowns of years, and all of them fit one answer of the control socket.
pub const DENIALS_MAX: usize = 4_096;
/// Bytes of a URL that is denied: the longest path that a manifest lists, and a host.
pub const DENIED_URL_BYTES_MAX: usize = 2_048 + 269;
/// Bytes of the address of who carries a denial out.
pub const DENIAL_LINK_BYTES_MAX: usize = 512;
/// Bytes of the reason of a denial: a sentence or two, and the number of an order.
pub const DENIAL_REASON_BYTES_MAX: usize = 500;
/// Patterns of one `X-Cache-Invalidate` that are looked at; more of them mean everything.
pub const PATTERNS_MAX: usize = 256;
