//! The ladder's first rung: while the site's own link cannot carry what a page has browsers fetch, the page names helpers itself.
//!
//! A stored page is looked through once ([`outline`]); each visitor then gets it with fresh tickets put in ([`splice`]). The choice of
//! helper, the budget and the accounting are those of a redirect. The answer is one visitor's: it has no validators and is stored nowhere.

mod csp;
mod css;
pub(crate) mod fuzz;
mod limits;
mod outline;
mod packed;
mod reference;
pub(crate) mod restore;
mod splice;
mod srcset;
mod tag;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use data_encoding::BASE64;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use overspill_governance::time::Now;
use overspill_protocol::ticket;

use self::{
    csp::Use,
    limits::MEDIA_BYTES_MAX,
    outline::{Outline, Unread},
    reference::{Base, is_plain},
    splice::Placed,
    tag::What,
};
use crate::{
    body::Payload,
    cache::stored::{Stored, allocated},
    classes::RequestClass,
    edge::Edge,
    request::Visit,
    spill::{Ask, Spiller, names::Names},
};

pub(crate) use splice::Pieces;

/// What a stored page was found to be, once somebody wanted to know. Nothing of what is no page: there are many of those.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looked(Option<Arc<OnceLock<Result<Page, Left>>>>);

impl Looked {
    /// Of a stored response with these fields.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self(is_html(media_type).then(Arc::default))
    }

    /// Bytes of memory that it takes.
    pub(crate) fn weight(&self) -> usize {
        let Some(looked) = &self.0 else { return 0 };
        let page = looked.get().and_then(|page| page.as_ref().ok()).map_or(0, Page::weight);
        allocated(size_of::<OnceLock<Result<Page, Left>>>() + 16) + page
    }
}

/// A page that can be rewritten.
#[derive(Debug)]
struct Page {
    outline: Outline,
    /// It is kept compressed.
    is_packed: bool,
    /// What each of the outline's assets is for.
    needs: Vec<Need>,
}

/// What one file of a page is for.
#[derive(Debug, Clone, Default)]
struct Need {
    uses: Vec<Use>,
    /// Somebody would take it unchecked.
    unchecked: bool,
    module: bool,
    media: bool,
}

/// Counts of what rewriting did and why it did not, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RewriteMetrics {
    /// Pages in which at least one address was replaced.
    pub pages: u64,
    /// Files that they sent visitors to helpers for.
    pub assets: u64,
    /// Left alone: a policy forbids the helpers, or bringing files back.
    pub left_policy: u64,
    /// Left alone: another field of its head forbids files from elsewhere.
    pub left_isolated: u64,
    /// Left alone: encoded in another way than gzip, or not UTF-8.
    pub left_encoding: u64,
    /// Left alone: too long for its compressed length.
    pub left_swollen: u64,
    /// Left alone: too long, or markup that browsers have to guess at.
    pub left_markup: u64,
}

impl RewriteMetrics {
    /// Name, meaning and value of every counter, for exposition.
    pub(crate) fn counters(&self) -> [(&'static str, &'static str, u64); 7] {
        [
            ("rewrite_pages", "Pages sent with helpers' addresses in them.", self.pages),
            ("rewrite_assets", "Files for which those pages sent visitors to helpers.", self.assets),
            (
                "rewrite_left_policy",
                "Pages left alone because their Content-Security-Policy forbids helpers or the restoring script.",
                self.left_policy,
            ),
            (
                "rewrite_left_isolated",
                "Pages left alone because they are isolated from other origins (COEP) or have a foreign base.",
                self.left_isolated,
            ),
            ("rewrite_left_encoding", "Pages left alone because of their encoding: not gzip, damaged, or not UTF-8.", self.left_encoding),
            ("rewrite_left_swollen", "Pages left alone because they are much longer than their compressed bytes.", self.left_swollen),
            ("rewrite_left_markup", "Pages left alone because they are too long or ambiguous.", self.left_markup),
        ]
    }
}

/// The counters behind [`RewriteMetrics`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pages: AtomicU64,
    assets: AtomicU64,
    left_policy: AtomicU64,
    left_isolated: AtomicU64,
    left_encoding: AtomicU64,
    left_swollen: AtomicU64,
    left_markup: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> RewriteMetrics {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        RewriteMetrics {
            pages: read(&self.pages),
            assets: read(&self.assets),
            left_policy: read(&self.left_policy),
            left_isolated: read(&self.left_isolated),
            left_encoding: read(&self.left_encoding),
            left_swollen: read(&self.left_swollen),
            left_markup: read(&self.left_markup),
        }
    }

    fn left(&self, why: Left) {
        let counter = match why {
            Left::Policy => &self.left_policy,
            Left::Isolated => &self.left_isolated,
            Left::Encoding => &self.left_encoding,
            Left::Swollen => &self.left_swollen,
            Left::Markup => &self.left_markup,
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// Why a page that might have been rewritten was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Policy,
    Isolated,
    Encoding,
    Swollen,
    Markup,
}

/// The page with helpers' addresses in it; nothing if it is to be sent as it is.
///
/// `plain` is the answer that would be sent.
pub(crate) fn rewritten(visit: &Visit, stored: &Stored, plain: &Response<Payload>, edge: &Edge) -> Option<Response<Payload>> {
    let now = edge.clock.now();
    let (config, request) = (&visit.settings.config, &visit.parts.headers);
    if !config.rewrite
        || stored.apart().is_some()
        || visit.parts.method != Method::GET
        || plain.status() != StatusCode::OK
        || !is_html(stored.media_type())
    {
        return None;
    }
    let may_leave = visit.class == RequestClass::Person && is_read(request) && Spiller::may_leave(request, false, visit.mark, visit.class);
    if !may_leave || !edge.overflow.names_others(now) {
        return None;
    }
    let key = stored.key();
    if !config.is_canonical(&key) {
        return None;
    }
    let base = Base::new(config.scheme(visit.asker.secure), &visit.host, key.path());
    let counters = &edge.overflow.rewrites;
    let looked = stored.looked.0.as_ref()?;
    let page = match looked.get() {
        Some(page) => page,
        None => {
            looked.get_or_init(|| Page::of(stored, &base));
            // What was found in it takes memory, too.
            edge.store.weigh_again(&key);
            looked.get()?
        }
    };
    let page = page.as_ref().map_err(|why| counters.left(*why)).ok()?;
    let own = format!("{}://{}", config.scheme(visit.asker.secure), visit.host);
    if !page.outline.policies.let_restore(&own) {
        counters.left(Left::Policy);
        return None;
    }
    // To open and close it again takes the processor longer than the link gains where that is short.
    if page.is_packed && (edge.overflow.spiller.is_short() || !packed::is_taken(request)) {
        return None;
    }
    let text = if page.is_packed { packed::unpack(stored.body_bytes()).ok()? } else { stored.body() };
    let placed = page.place(edge, (&visit.settings.names, &own), now);
    let script = restore::tag(!page.outline.policies.is_empty());
    let Some(pieces) = splice::splice(&text, &page.outline, &placed, script) else {
        if page.is_forbidden(edge, &own) {
            counters.left(Left::Policy);
        }
        return None;
    };
    counters.pages.fetch_add(1, Relaxed);
    counters.assets.fetch_add(placed.iter().flatten().count() as u64, Relaxed);
    let pieces = if page.is_packed { packed::pack(pieces)? } else { pieces };
    let mut response = Response::new(Payload::Pieces(pieces));
    *response.headers_mut() = head(plain.headers());
    Some(response)
}

impl Page {
    /// Bytes of memory that it takes, but for what its policies say.
    fn weight(&self) -> usize {
        let outline = &self.outline;
        let assets: usize = outline.assets.iter().map(|path| size_of::<String>() + allocated(path.len())).sum();
        let uses: usize = self.needs.iter().map(|need| size_of::<Need>() + allocated(need.uses.len())).sum();
        assets + uses + outline.places.len() * size_of::<outline::Place>()
    }

    fn of(stored: &Stored, base: &Base) -> Result<Self, Left> {
        let fields = stored.headers();
        let is = |name: &str, harmless: &str| {
            fields.get_all(name).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(harmless.as_bytes()))
        };
        let is_packed = !is("content-encoding", "identity");
        if is_packed && !(is("content-encoding", "gzip") || is("content-encoding", "x-gzip")) {
            return Err(Left::Encoding);
        }
        if !is("cross-origin-embedder-policy", "unsafe-none") {
            return Err(Left::Isolated);
        }
        let text = if is_packed { packed::unpack(stored.body_bytes())? } else { stored.body() };
        let mut outline = Outline::of(&text, base).map_err(|unread| match unread {
            Unread::Encoding => Left::Encoding,
            Unread::Long | Unread::Markup => Left::Markup,
            Unread::Base => Left::Isolated,
        })?;
        for policy in fields.get_all(header::CONTENT_SECURITY_POLICY) {
            match policy.to_str() {
                Ok(text) => outline.policies.add(text),
                Err(_) => outline.policies.add_unreadable(),
            }
        }
        let mut needs = vec![Need::default(); outline.assets.len()];
        for place in &outline.places {
            let need = &mut needs[place.asset];
            need.uses.extend_from_slice(uses(place.what));
            need.unchecked |= !place.what.is_checked();
            need.module |= place.what == What::Module;
            need.media |= place.what == What::Media;
        }
        Ok(Self { outline, is_packed, needs })
    }

    /// Finds a helper for each file that the site's own link cannot carry, and draws the tickets.
    fn place(&self, edge: &Edge, (names, own): (&Names, &str), now: Now) -> Vec<Option<Placed>> {
        let (mut left_here, https) = (0, own.starts_with("https:"));
        let place = |(path, need): (&String, &Need)| {
            let name = names.name(path);
            let held = edge.overflow.hot.find(&name).filter(|held| !need.uses.is_empty() && fits(need, held))?;
            let size = held.length();
            if edge.overflow.spiller.serves(left_here + size, size, now) {
                left_here += size;
                return None;
            }
            let (digest, may_leave) = (held.spillable()?, held.fresh_until() > now.date);
            let ask = Ask { method: ticket::Method::Get, path: &name, digest, size, head: 0, may_leave, secure: https };
            let fits = |base: &str| {
                base.bytes().all(is_plain)
                    && (!https || base.starts_with("https:"))
                    && need.uses.iter().all(|what| self.outline.policies.permit(*what, base, own))
            };
            let helped = edge.overflow.spiller.place(&ask, need.unchecked, fits, now);
            // The other service fetches from the first site alone.
            let url = helped.or_else(|| if names.are_paths() { place_agentless(edge, &ask, need, fits, now) } else { None })?;
            held.want();
            let scheme = own.find("//").unwrap_or_default();
            // As short as browsers let it be: it crosses the line with each page.
            let url = if url.starts_with(&own[..scheme]) { url[scheme..].to_owned() } else { url };
            Some(Placed { url, integrity: format!("sha256-{}", BASE64.encode(&digest.0)) })
        };
        self.outline.assets.iter().zip(&self.needs).map(place).collect()
    }

    /// Tells whether the page's policies, and not want of helpers, are why nothing was placed.
    fn is_forbidden(&self, edge: &Edge, own: &str) -> bool {
        let permits = |base: &str| self.needs.iter().flat_map(|need| &need.uses).any(|what| self.outline.policies.permit(*what, base, own));
        !self.outline.policies.is_empty()
            && !self.outline.places.is_empty()
            && !edge.overflow.spiller.any_helper(permits)
            && !edge.overflow.agentless.passes(permits)
    }
}

/// Where a file is found that no helper has room for: only what the browser checks goes to whoever is nobody's partner.
fn place_agentless(edge: &Edge, ask: &Ask<'_>, need: &Need, fits: impl Fn(&str) -> bool, now: Now) -> Option<String> {
    let may_leave = ask.may_leave && !need.unchecked;
    let url = if may_leave { edge.overflow.agentless.place(ask.path, ask.size, fits, now.date) } else { None }?;
    edge.overflow.uplink.note_excess(now.time);
    edge.overflow.uplink.turn_away(ask.size);
    edge.counters.agentless_files.one();
    edge.counters.agentless_bytes.add(ask.size);
    Some(url)
}

/// A module that names others would look for them beside itself, at the helper; a long film is fetched in parts.
fn fits(need: &Need, held: &Stored) -> bool {
    let names_others = || held.body_bytes().windows(6).any(|word| word == b"import");
    let is_long = need.media && held.length() > MEDIA_BYTES_MAX;
    !is_long && (!need.module || !names_others())
}

const fn uses(what: What) -> &'static [Use] {
    match what {
        What::Script | What::Module => &[Use::Script],
        What::Style => &[Use::Style],
        What::Image => &[Use::Image],
        What::Font => &[Use::Font],
        What::Media => &[Use::Media],
        What::Named => &[Use::Image, Use::Font],
    }
}

fn is_html(media_type: &str) -> bool {
    media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/html")
}

/// Tells whether a person is about to read the page: scripts put pages together by themselves, and what is fetched ahead may be shown
/// when its tickets have expired.
fn is_read(request: &HeaderMap) -> bool {
    let ahead = |name: &str| request.get(name).is_some_and(|value| value.as_bytes().starts_with(b"prefetch"));
    let read = request.get("sec-fetch-dest").is_none_or(|dest| [&b"document"[..], b"iframe", b"frame"].contains(&dest.as_bytes()));
    read && !ahead("sec-purpose") && !ahead("purpose")
}

/// Fields that describe other bytes than those that are sent, or let somebody keep them.
const DROPPED: [&str; 12] = [
    "etag",
    "last-modified",
    "expires",
    "pragma",
    "accept-ranges",
    "content-length",
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
    "cdn-cache-control",
    "surrogate-control",
];

fn head(plain: &HeaderMap) -> HeaderMap {
    let mut headers = plain.clone();
    for name in DROPPED {
        headers.remove(name);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // What is fetched ahead by the owner's address would be fetched again by the helper's.
    let links: Vec<HeaderValue> = headers.get_all(header::LINK).iter().filter(|link| !names_preload(link)).cloned().collect();
    headers.remove(header::LINK);
    for link in links {
        headers.append(header::LINK, link);
    }
    headers
}

fn names_preload(link: &HeaderValue) -> bool {
    link.as_bytes().to_ascii_lowercase().windows(7).any(|word| word == b"preload")
}
