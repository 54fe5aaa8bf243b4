//! Stories of pages that name helpers for their files.

use std::io::{Read, Write};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use overspill_edge::{AgentlessTarget, Denial, DenialStatus};
use overspill_governance::{digest::ObjectDigest, time::Date, units::ByteRate};

use super::{ASSET_BYTES, Mesh, Reply, asset, common, ok, parse, raw, until};

const PAGE: &str = "<!doctype html><title>t</title><link rel=stylesheet href='/s.png'><img src=\"/a.png\"><p>text";

/// Cacheable pages of the site; what their heads say is in their paths.
pub(crate) fn page(path: &str) -> Option<Vec<u8>> {
    let fields = match path.strip_prefix("/pages/")? {
        "plain" => "",
        "own-files-only" => "Content-Security-Policy: default-src 'self'\r\n",
        "files-from-anywhere" => "Content-Security-Policy: default-src 'self' http:\r\n",
        "no-scripts" => "Content-Security-Policy: script-src 'none'\r\n",
        "isolated" => "Cross-Origin-Embedder-Policy: require-corp\r\n",
        "packed" => "Content-Encoding: gzip\r\n",
        "zipped" | "swollen" => {
            let filling = if path.ends_with("swollen") { 60_000 } else { 600 };
            let body = gzip(&format!("{PAGE}{}", "<p>so it goes</p>".repeat(filling)));
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: public, max-age=3600\r\nETag: \"z\"\r\n\
                 Content-Encoding: gzip\r\nVary: Accept-Encoding\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            return Some([head.into_bytes(), body].concat());
        }
        "meta" => {
            let page = format!("<meta http-equiv=Content-Security-Policy content=\"img-src 'self'; style-src 'self'\">{PAGE}");
            return Some(ok("Content-Type: text/html\r\nCache-Control: public, max-age=3600\r\n", &page));
        }
        _ => return None,
    };
    let head = "Content-Type: text/html\r\nCache-Control: public, max-age=3600\r\nETag: \"plain\"\r\n\
                Last-Modified: Sun, 22 Nov 2026 00:00:00 GMT\r\nLink: </s.png>; rel=preload; as=style\r\nLink: <https://a.example/>; rel=me\r\n";
    Some(ok(&format!("{head}{fields}"), PAGE))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn unzipped(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

const MARK: &str = "overspill-ticket=";

/// A lease is held, the page and its files are in the cache, and more is wanted than the line carries.
fn pressed(mesh: &Mesh, path: &str) {
    for file in ["/a.png", "/s.png"] {
        assert_eq!(mesh.ask_owner(file, "").status, 200);
    }
    until("the files are spillable", || mesh.owner.observe().hot.len() == 2);
    for page in [path, "/pages/plain"] {
        until("the page is held", || mesh.ask_owner(page, "").field("cache-status").is_some_and(|status| status.contains("hit")));
    }
    until("pressure", || {
        mesh.lease();
        let _excess = mesh.ask_owner("/a.png", "");
        mesh.owner.observe().site.under_pressure
    });
}

/// The page as a visitor with these fields gets it between two others, for whom another page names a helper.
fn under_pressure(mesh: &Mesh, path: &str, fields: &str) -> Reply {
    let is_beyond = || mesh.ask_owner("/pages/plain", "").text().contains(MARK);
    for _ in 0..500 {
        mesh.lease();
        let _excess = mesh.ask_owner("/a.png", "");
        if is_beyond() {
            let reply = mesh.ask_owner(path, fields);
            if is_beyond() {
                return reply;
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("never beyond the line: {:?}", mesh.owner.metrics());
}

/// The helper's address of a file in a page, and path and ticket in it.
fn address(mesh: &Mesh, page: &str, path: &str) -> String {
    let start = format!("//{}{path}?{MARK}", mesh.guest());
    let at = page.find(&start).unwrap_or_else(|| panic!("{path} is not at the helper: {page}"));
    page[at..at + start.len() + 64].to_owned()
}

#[test]
fn a_page_beyond_the_line_never_names_what_is_denied() {
    let mesh = Mesh::new();
    mesh.fill();
    pressed(&mesh, "/pages/plain");
    let page = under_pressure(&mesh, "/pages/plain", "");
    address(&mesh, &page.text(), "/s.png");
    let url = "http://blog.example/s.png".parse().unwrap();
    mesh.owner.deny(&[Denial { url, status: DenialStatus::Gone, reason: String::new(), blocked_by: None }]);
    let page = under_pressure(&mesh, "/pages/plain", "").text();
    assert!(page.contains("href='/s.png'"), "{page}");
    assert_eq!(mesh.ask_owner("/s.png", "").status, 410);
}

fn undone(page: &str, mesh: &Mesh) -> String {
    let mut page = page.to_owned();
    if let (Some(start), Some(end)) = (page.find("<script>"), page.find("</script>")) {
        page.replace_range(start..end + "</script>".len(), "");
    }
    for file in ["/a.png", "/s.png"] {
        let address = address(mesh, &page, file);
        page = page.replace(&address, file);
    }
    let integrity = format!(" integrity=\"{}\" crossorigin", integrity("/s.png"));
    page.replace(&integrity, "")
}

fn integrity(path: &str) -> String {
    format!("sha256-{}", data_encoding::BASE64.encode(&ObjectDigest::of(asset(path).as_bytes()).0))
}

fn ask_helper(mesh: &Mesh, address: &str) -> Reply {
    let path = address.strip_prefix(&format!("//{}", mesh.guest())).unwrap();
    parse(&raw(&mesh.helper, format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", mesh.guest()).as_bytes()))
}

#[test]
fn a_page_beyond_the_line_names_a_helper_with_one_ticket_for_each_file() {
    let mesh = Mesh::new();
    mesh.fill();
    let calm = mesh.ask_owner("/pages/plain", "");
    assert_eq!((calm.text().as_str(), calm.field("etag").as_deref()), (PAGE, Some("\"plain\"")));
    pressed(&mesh, "/pages/plain");
    let page = under_pressure(&mesh, "/pages/plain", "");
    assert_eq!(page.status, 200);
    assert_eq!(undone(&page.text(), &mesh), PAGE);
    assert!(page.text().contains(&integrity("/s.png")) && !page.text().contains(&integrity("/a.png")), "browsers check no images");
    let before = mesh.helper.observe().hosted[0].requests;
    for file in ["/a.png", "/s.png"] {
        let served = ask_helper(&mesh, &address(&mesh, &page.text(), file));
        assert!(served.status == 200 && served.text() == asset(file), "{}", served.head);
        assert_eq!(served.field("access-control-allow-origin").as_deref(), Some("*"), "or the browser could not check it");
    }
    assert_eq!(mesh.helper.observe().hosted[0].requests, before + 2);
    let metrics = mesh.owner.metrics();
    assert!(metrics.rewrite.pages >= 1 && metrics.rewrite.assets >= 2, "{:?}", metrics.rewrite);
    until("calm", || !mesh.owner.observe().site.under_pressure);
    assert_eq!(mesh.ask_owner("/pages/plain", "").text(), PAGE);
}

#[test]
fn what_was_rewritten_is_one_visitors_and_has_no_validators() {
    let mesh = Mesh::new();
    pressed(&mesh, "/pages/plain");
    let page = under_pressure(&mesh, "/pages/plain", "");
    assert!(page.text().contains(MARK));
    assert_eq!(page.field("cache-control").as_deref(), Some("no-store"));
    assert_eq!((page.field("etag"), page.field("last-modified"), page.field("accept-ranges")), (None, None, None), "{}", page.head);
    assert_eq!(page.field("content-length"), Some(page.body.len().to_string()));
    assert!(!page.head.contains("preload") && page.head.contains("rel=me"), "{}", page.head);
    let other = under_pressure(&mesh, "/pages/plain", "");
    assert_ne!(address(&mesh, &page.text(), "/a.png"), address(&mesh, &other.text(), "/a.png"), "tickets are not shared");

    // Whoever has the origin's page goes on having it, and a part of a page is the origin's page's.
    let known = under_pressure(&mesh, "/pages/plain", "If-None-Match: \"plain\"\r\n");
    assert_eq!((known.status, known.field("etag").as_deref()), (304, Some("\"plain\"")));
    let unknown = under_pressure(&mesh, "/pages/plain", "If-None-Match: \"other\"\r\n");
    assert!(unknown.status == 200 && unknown.text().contains(MARK));
    let part = under_pressure(&mesh, "/pages/plain", "Range: bytes=0-8\r\n");
    assert_eq!((part.status, part.text().as_str()), (206, &PAGE[..9]));
    assert_eq!(under_pressure(&mesh, "/pages/plain", "Range: bytes=0-8\r\nIf-Range: \"other\"\r\n").status, 200);
}

#[test]
fn pages_are_rewritten_for_people_who_are_about_to_read_them() {
    let mesh = Mesh::new();
    pressed(&mesh, "/pages/plain");
    for fields in [
        "User-Agent: Googlebot/2.1\r\n",
        "CDN-Loop: overspill-0123\r\n",
        "Sec-Fetch-Dest: empty\r\n",
        "Sec-Purpose: prefetch;prerender\r\n",
    ] {
        assert_eq!(under_pressure(&mesh, "/pages/plain", fields).text(), PAGE, "{fields}");
    }
    assert!(under_pressure(&mesh, "/pages/plain", "Sec-Fetch-Dest: document\r\n").text().contains(MARK));
    let head = common::ask(&mesh.owner, "HEAD", "/pages/plain", "");
    assert_eq!(head.field("etag").as_deref(), Some("\"plain\""));
}

#[test]
fn pages_whose_policies_forbid_it_are_left_alone_and_counted() {
    for (path, count) in
        [("/pages/own-files-only", 0), ("/pages/no-scripts", 0), ("/pages/meta", 0), ("/pages/isolated", 1), ("/pages/packed", 2)]
    {
        let mesh = Mesh::new();
        pressed(&mesh, path);
        let page = under_pressure(&mesh, path, "");
        assert!(page.status == 200 && !page.text().contains(MARK), "{path}");
        let left = mesh.owner.metrics().rewrite;
        assert!([left.left_policy, left.left_isolated, left.left_encoding][count] > 0, "{path}: {left:?}");
    }
}

#[test]
fn a_page_with_policies_that_allow_it_gets_the_script_by_its_address() {
    let mesh = Mesh::new();
    pressed(&mesh, "/pages/files-from-anywhere");
    let page = under_pressure(&mesh, "/pages/files-from-anywhere", "").text();
    assert!(page.contains(MARK) && page.contains("<script src=\"/.well-known/overspill-restore.js\"></script>"), "{page}");
    let script = mesh.ask_owner("/.well-known/overspill-restore.js", "");
    assert!(script.status == 200 && script.text().contains(MARK), "{}", script.head);
    assert_eq!(script.field("content-type").as_deref(), Some("text/javascript"));
}

#[test]
fn a_file_that_a_helper_did_not_give_is_served_here_and_sent_nowhere_again() {
    let mesh = Mesh::new();
    pressed(&mesh, "/pages/plain");
    let page = under_pressure(&mesh, "/pages/plain", "").text();
    let address = address(&mesh, &page, "/a.png");
    let home = address.strip_prefix(&format!("//{}", mesh.guest())).unwrap();
    let before = mesh.owner.metrics().spill;
    let served = until_served(&mesh, home);
    assert_eq!(served.text(), asset("/a.png"));
    assert_eq!(served.field("access-control-allow-origin").as_deref(), Some("*"));
    let after = mesh.owner.metrics().spill;
    assert!(after.restored > before.restored, "{after:?}");

    // A ticket that nobody made stays here all the same, and counts for nothing.
    let forged = format!("/s.png?{MARK}{}", "B".repeat(64));
    assert_eq!(until_served(&mesh, &forged).text(), asset("/s.png"));
    assert!(mesh.owner.metrics().spill.marks_unchecked > 0);
}

/// Asks until the line has room; whoever asks so is refused at worst, and never sent away.
fn until_served(mesh: &Mesh, path: &str) -> Reply {
    let replies = (0..2_000).map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let _excess = mesh.ask_owner("/a.png", "");
        mesh.ask_owner(path, "")
    });
    let mut replies = replies.inspect(|reply| assert!(matches!(reply.status, 200 | 503), "{}", reply.head));
    replies.find(|reply| reply.status == 200).unwrap()
}

#[test]
fn helpers_that_are_not_trusted_get_only_what_browsers_check() {
    let mesh = Mesh::with(|config| config.trusted = Some(Vec::new()));
    pressed(&mesh, "/pages/plain");
    let page = under_pressure(&mesh, "/pages/plain", "").text();
    assert!(page.contains("src=\"/a.png\"") && page.contains(&format!("/s.png?{MARK}")), "{page}");
    assert_eq!(mesh.owner.metrics().spill.spilled, 0, "a redirect is followed unchecked");
}

#[test]
fn rewriting_can_be_switched_off() {
    let mesh = Mesh::with(|config| config.rewrite = false);
    pressed(&mesh, "/pages/plain");
    assert_eq!(mesh.ask_owner("/pages/plain", "").text(), PAGE);
    assert_eq!(mesh.owner.metrics().rewrite, overspill_edge::RewriteMetrics::default());
    assert_ne!(mesh.ask_owner("/.well-known/overspill-restore.js", "").field("content-type").as_deref(), Some("text/javascript"));
}

/// What visitors who take gzip say.
const ZIPPED: &str = "Accept-Encoding: gzip, deflate, br\r\n";

#[test]
fn a_page_that_came_in_gzip_names_helpers_and_leaves_in_gzip() {
    let mesh = Mesh::new();
    mesh.fill();
    let calm = mesh.ask_owner("/pages/zipped", ZIPPED);
    until("the page is held", || {
        mesh.ask_owner("/pages/zipped", ZIPPED).field("cache-status").is_some_and(|status| status.contains("hit"))
    });
    pressed(&mesh, "/pages/plain");
    let page = under_pressure(&mesh, "/pages/zipped", ZIPPED);
    assert_eq!((page.field("content-encoding").as_deref(), page.field("etag")), (Some("gzip"), None), "{}", page.head);
    assert_eq!(page.field("content-length"), Some(page.body.len().to_string()));
    let text = unzipped(&page.body);
    assert_eq!(undone(&text, &mesh), unzipped(&calm.body));
    assert!(page.body.len() * 3 < text.len(), "{} of {}", page.body.len(), text.len());
    let served = ask_helper(&mesh, &address(&mesh, &text, "/s.png"));
    assert_eq!((served.status, served.text()), (200, asset("/s.png")));
    assert_eq!(
        under_pressure(&mesh, "/pages/zipped", "Accept-Encoding: br\r\n").body,
        calm.body,
        "who takes no gzip gets what the origin gave"
    );
}

#[test]
fn a_page_that_swells_is_left_alone_and_counted() {
    let mesh = Mesh::new();
    let calm = mesh.ask_owner("/pages/swollen", ZIPPED);
    pressed(&mesh, "/pages/plain");
    until("the page is held", || {
        mesh.ask_owner("/pages/swollen", ZIPPED).field("cache-status").is_some_and(|status| status.contains("hit"))
    });
    assert_eq!(under_pressure(&mesh, "/pages/swollen", ZIPPED).body, calm.body);
    assert!(mesh.owner.metrics().rewrite.left_swollen > 0);
}

#[test]
fn an_origin_whose_pages_may_have_to_name_helpers_is_asked_for_gzip() {
    let asked = |uplink: Option<ByteRate>, path: &str| {
        let site = super::site();
        let edge = common::edge(&site, |config| config.uplink = uplink);
        common::ask(&edge, "GET", path, ZIPPED);
        common::field(&site.asked()[0], "accept-encoding").unwrap()
    };
    assert_eq!(asked(Some(ByteRate(1 << 20)), "/page"), "gzip");
    assert_eq!(asked(Some(ByteRate(1 << 20)), "/a.png"), "identity");
    assert_eq!(asked(None, "/page"), "br, gzip");
}

/// A zone is configured, and has so many bytes.
fn with_zone(bytes: u64) -> Mesh {
    let mesh = Mesh::with(|config| config.agentless = AgentlessTarget::read("http://zone.example.net{path}"));
    mesh.owner.grant_agentless(bytes, Date::from_millis(u64::MAX));
    mesh
}

const ZEROS: &str = "overspill-ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The page without any lease, as soon as it names the zone, or in a moment of pressure.
fn alone(mesh: &Mesh, is_it: impl Fn(&str) -> bool) -> Option<String> {
    (0..40).find_map(|_| {
        let _excess = mesh.ask_owner("/a.png", "");
        std::thread::sleep(std::time::Duration::from_millis(5));
        let reply = mesh.ask_owner("/pages/plain", "");
        (reply.status == 200 && is_it(&reply.text())).then(|| reply.text())
    })
}

fn held(mesh: &Mesh) {
    for path in ["/a.png", "/s.png", "/pages/plain"] {
        assert_eq!(mesh.ask_owner(path, "").status, 200);
    }
    until("the files are spillable", || mesh.owner.observe().hot.len() == 2);
}

#[test]
fn the_agentless_target_gets_what_browsers_check_and_what_it_fetches_stays_here() {
    let mesh = with_zone(2 * ASSET_BYTES as u64);
    held(&mesh);
    for left in [1, 0] {
        let page = alone(&mesh, |page| page.contains("zone.example.net")).expect("a page that names the zone");
        let tag =
            format!("<link integrity=\"{}\" crossorigin rel=stylesheet href='//zone.example.net/s.png?{ZEROS}'>", integrity("/s.png"));
        assert!(page.contains(&tag) && page.contains("<img src=\"/a.png\">"), "{left} left: {page}");
    }
    assert_eq!(alone(&mesh, |page| page.contains("zone.example.net")), None, "all that was granted is promised");
    let metrics = mesh.owner.metrics();
    assert_eq!((metrics.agentless_files, metrics.agentless_bytes), (2, 2 * ASSET_BYTES as u64));
    assert_eq!(metrics.spill.spilled, 0, "no redirect leads there");

    // As the zone fetches it, or a browser comes home with it: here, under a crowd, and by any page.
    let before = mesh.owner.metrics().spill.agentless_asked;
    let home = until_served(&mesh, &format!("/s.png?{ZEROS}"));
    assert_eq!((home.text(), home.field("access-control-allow-origin").as_deref()), (asset("/s.png"), Some("*")));
    assert!(mesh.owner.metrics().spill.agentless_asked > before);
}

#[test]
fn helpers_come_before_the_agentless_target() {
    let mesh = with_zone(1 << 30);
    pressed(&mesh, "/pages/plain");
    let page = under_pressure(&mesh, "/pages/plain", "").text();
    let _at_the_helper = address(&mesh, &page, "/s.png");
    mesh.owner.apply(std::sync::Arc::default());
    let page = alone(&mesh, |page| page.contains(MARK)).expect("a page that names somebody");
    assert!(page.contains(&format!("//zone.example.net/s.png?{ZEROS}")), "{page}");
}
