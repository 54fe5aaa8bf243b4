//! Visitors: each wants a site's picture once, follows redirects, checks every byte, and is counted by what became of it.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    net::{PORT, guest_suffix, host},
    origin,
};

/// How long a visitor waits for a connection and for any byte.
const STALL: Duration = Duration::from_secs(10);
/// Visitors under way at once, at all sites; of more, each counts as turned away.
const AT_ONCE_MAX: u64 = 1_500;

/// What visitors of one site met, as the simulator counts it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Served by the site itself, unasked by any helper.
    pub(crate) own: AtomicU64,
    /// Sent to a helper.
    pub(crate) spilled: AtomicU64,
    /// Served here for others.
    pub(crate) guests: AtomicU64,
    /// Sent home by a helper, and served there.
    pub(crate) home: AtomicU64,
    /// Neither served nor sent to a helper.
    pub(crate) shed: AtomicU64,
    /// Other bytes than the site's, with a status that says they are right.
    pub(crate) wrong: AtomicU64,
}

/// All of them.
#[derive(Debug, Clone)]
pub(crate) struct Visitors {
    pub(crate) tallies: Arc<Vec<Tally>>,
    under_way: Arc<AtomicU64>,
}

impl Visitors {
    pub(crate) fn of(sites: usize) -> Self {
        Self { tallies: Arc::new((0..sites).map(|_| Tally::default()).collect()), under_way: Arc::default() }
    }

    /// How many are under way.
    pub(crate) fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Sends one to a site.
    pub(crate) fn come(&self, site: usize) {
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= AT_ONCE_MAX {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            return count(&self.tallies[site].shed);
        }
        let visitors = self.clone();
        thread::spawn(move || {
            visit(site, &visitors.tallies);
            visitors.under_way.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// One visitor's way. Where it leads is told by the answers; at most to a helper, and home again.
fn visit(site: usize, tallies: &[Tally]) {
    let ours = &tallies[site];
    let mut url = format!("http://{}:{PORT}{}", host(site), origin::path(site));
    let mut helper = None;
    for _ in 0..4 {
        match get(&url) {
            Ok((200, _, body)) if !origin::is_picture(site, &body) => return count(&ours.wrong),
            Ok((200, ..)) if helper.is_none() && url.contains(&host(site)) => return count(&ours.own),
            Ok((200, ..)) => match helper.filter(|_| !url.contains(&host(site))) {
                Some(helper) => {
                    let theirs: &Tally = &tallies[helper];
                    return count(&theirs.guests);
                }
                None => return count(&ours.home),
            },
            Ok((300..400, Some(next), _)) => {
                let named = (0..tallies.len()).find(|at| next.contains(&guest_suffix(*at)));
                if helper.is_none() && named.is_some() {
                    count(&ours.spilled);
                    helper = named;
                }
                url = next;
            }
            // Whoever was sent to a helper counts as that, whatever it met there: so the simulator counts.
            _ if helper.is_some() => return,
            _ => return count(&ours.shed),
        }
    }
}

type Answer = (u16, Option<String>, Vec<u8>);

/// Asks once: status, where the answer sends on to, and the body.
fn get(url: &str) -> io::Result<Answer> {
    let bad = || io::Error::other(format!("no answer that can be read: {url}"));
    let rest = url.strip_prefix("http://").ok_or_else(bad)?;
    let (authority, path) = rest.split_at(rest.find('/').ok_or_else(bad)?);
    let address = authority.to_socket_addrs()?.next().ok_or_else(bad)?;
    let mut socket = TcpStream::connect_timeout(&address, STALL)?;
    socket.set_read_timeout(Some(STALL))?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: Mozilla/5.0 (visitor)\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(bad)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(bad)?;
    let field = |name: &str| head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)));
    let next = field("location").map(|(_, to)| if to.starts_with('/') { format!("http://{authority}{to}") } else { to.to_owned() });
    let body = bytes.split_off(end + 4);
    let whole = field("content-length").is_none_or(|(_, len)| len.trim().parse() == Ok(body.len()));
    if whole { Ok((status, next, body)) } else { Err(bad()) }
}
