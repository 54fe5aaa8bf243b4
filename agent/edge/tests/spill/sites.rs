//! Stories of an owner with two sites behind one agent: what the second holds is spilled as what the first holds is.

use http::uri::{Authority, Scheme};
use overspill_edge::{Canonical, Config, Site};
use overspill_governance::units::ByteRate;

use super::{Act, Mesh, Origin, Reply, asset, common, lease, ok, parse, raw, until};

const PAGE: &str = "<!doctype html><title>shop</title><link rel=stylesheet href='/s.css'><img src=\"/a.png\">";
const NAMES: &str = "/.well-known/overspill-sites/shop.example";

fn wares(path: &str) -> String {
    asset(&format!("{path} of the shop "))
}

/// The shop: other bytes than the blog's at the same paths.
fn shop() -> Origin {
    Origin::new(|head| {
        let path = head.split(' ').nth(1).unwrap();
        let (media_type, body) = match path {
            "/a.png" => ("image/png", wares(path)),
            "/s.css" => ("text/css", wares(path)),
            "/rooted.css" => ("text/css", format!("@font-face{{src:url(/f.woff2)}}{}", wares(path))),
            "/f.woff2" => ("font/woff2", wares(path)),
            _ => ("text/html", PAGE.to_owned()),
        };
        Act::Say(ok(&format!("Content-Type: {media_type}\r\nCache-Control: public, max-age=3600\r\n"), &body))
    })
}

fn canonical(host: &'static str) -> Canonical {
    Canonical { scheme: Scheme::HTTP, authority: Authority::from_static(host) }
}

/// An owner with a blog and a shop, and a helper.
fn mesh(shop: &Origin) -> Mesh {
    Mesh::with(|config| {
        config.sites = vec![Site::new(canonical("shop.example"), shop.address.to_string().parse().unwrap(), config)];
    })
}

fn ask(mesh: &Mesh, method: &str, path: &str) -> Reply {
    parse(&raw(&mesh.owner, format!("{method} {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n").as_bytes()))
}

fn spilled(mesh: &Mesh, path: &str) -> Reply {
    until("the shop's file is spilled", || {
        mesh.lease();
        ask(mesh, "GET", path).status == 302
    });
    mesh.lease();
    let reply = (0..20).map(|_| ask(mesh, "GET", path)).find(|reply| reply.status == 302);
    reply.unwrap_or_else(|| panic!("never spilled: {:?}", mesh.owner.metrics()))
}

fn follow(mesh: &Mesh, location: &str) -> Reply {
    let (authority, path) = location.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let edge = if authority == mesh.guest() { &mesh.helper } else { &mesh.owner };
    parse(&raw(edge, format!("GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").as_bytes()))
}

fn listed(mesh: &Mesh) -> Vec<String> {
    let mut paths: Vec<_> = mesh.owner.observe().hot.into_iter().map(|hot| hot.path).collect();
    paths.sort();
    paths
}

#[test]
fn a_second_sites_files_are_spilled_and_come_home_to_it() {
    let shop = shop();
    let mesh = mesh(&shop);
    mesh.fill();
    for path in ["/a.png", "/s.css", "/rooted.css", "/f.woff2"] {
        assert_eq!(ask(&mesh, "GET", path).status, 200, "{path}");
    }
    assert_eq!(mesh.ask_owner("/a.png", "").text(), asset("/a.png"));
    let names = ["/a.png", "/f.woff2", "/s.css"].map(|path| format!("{NAMES}{path}"));
    let all: Vec<String> = names.iter().cloned().chain(["/a.png".to_owned()]).collect();
    until("the files of both are spillable, but for a style sheet whose font is at the root", || listed(&mesh) == all);

    let location = spilled(&mesh, "/a.png").field("location").unwrap();
    assert!(location.starts_with(&format!("http://{}{NAMES}/a.png?overspill-ticket=", mesh.guest())), "{location}");
    let served = follow(&mesh, &location);
    assert!(served.status == 200 && served.text() == wares("/a.png"), "the shop's bytes, not the blog's: {}", served.head);

    let back = follow(&mesh, &location).field("location").unwrap();
    assert!(back.starts_with(&format!("http://blog.example{NAMES}/a.png?overspill-back=")), "a ticket is good once: {back}");
    let on = follow(&mesh, &back);
    assert_eq!((on.status, on.field("access-control-allow-origin").as_deref()), (302, Some("*")));
    let home = on.field("location").unwrap();
    assert!(home.starts_with("http://shop.example/a.png?overspill-back="), "{home}");
    let served = follow(&mesh, &home);
    assert!(served.status == 200 && served.text() == wares("/a.png"), "{}", served.head);
    assert_eq!((mesh.owner.observe().spilled[0].sent_back, mesh.owner.metrics().spill.marks_refused), (1, 0), "the mark holds at the shop");
}

#[test]
fn a_second_sites_page_names_helpers_and_brings_its_files_back() {
    let shop = shop();
    let mesh = mesh(&shop);
    mesh.fill();
    for path in ["/a.png", "/s.css", "/page"] {
        assert_eq!(ask(&mesh, "GET", path).status, 200);
    }
    until("the files are spillable", || listed(&mesh).len() == 2);
    let page = std::cell::RefCell::new(String::new());
    until("the page names the helper", || {
        mesh.lease();
        let _excess = ask(&mesh, "GET", "/a.png");
        *page.borrow_mut() = ask(&mesh, "GET", "/page").text();
        page.borrow().contains("overspill-ticket=")
    });
    let page = page.into_inner();
    let at = page.find(&format!("//{}{NAMES}/", mesh.guest())).unwrap_or_else(|| panic!("{page}"));
    let address = page[at..].split(['"', '\'', ' ']).next().unwrap();
    let served = follow(&mesh, &format!("http:{address}"));
    assert!(served.status == 200 && served.text().contains(" of the shop "), "{}", served.head);

    // The restoring script asks the page's own host for the helper's path.
    let path = address.strip_prefix(&format!("//{}", mesh.guest())).unwrap();
    let on = ask(&mesh, "GET", path);
    assert_eq!(on.field("location").as_deref(), Some(&*format!("http://shop.example{}", path.strip_prefix(NAMES).unwrap())));
    let before = mesh.owner.metrics().spill.restored;
    let mut replies = (0..2_000).map(|_| follow(&mesh, &on.field("location").unwrap()));
    let restored = replies.find(|reply| reply.status != 503).unwrap();
    assert!(restored.status == 200 && restored.text().contains(" of the shop "), "{}", restored.head);
    assert!(mesh.owner.metrics().spill.restored > before, "the ticket was made for this file");
}

#[test]
fn a_purge_at_one_site_leaves_the_others_files_where_they_are() {
    let shop = shop();
    let mesh = mesh(&shop);
    assert_eq!((ask(&mesh, "GET", "/a.png").status, mesh.ask_owner("/a.png", "").status), (200, 200));
    let both = [format!("{NAMES}/a.png"), "/a.png".to_owned()];
    until("both are spillable", || listed(&mesh) == both);
    let before = mesh.owner.observe().generation;
    assert_eq!(ask(&mesh, "PURGE", "/a.png").status, 200);
    assert_eq!(listed(&mesh), ["/a.png"], "the blog's is at its helpers still");
    assert!(mesh.owner.observe().generation > before, "and the shop's is barred there");
    let unlisted = lease::manifest(&mesh.owner, super::OWNER, &mesh.clock, |_| true);
    assert!(unlisted.object(&both[0]).is_none() && unlisted.object("/a.png").is_some());
}

#[test]
fn sites_that_change_places_leave_no_name_of_before() {
    let shop = shop();
    let mesh = mesh(&shop);
    for path in ["/a.png", "/page"] {
        assert_eq!((ask(&mesh, "GET", path).status, mesh.ask_owner(path, "").status), (200, 200));
    }
    until("both images are spillable", || listed(&mesh).len() == 2);
    let mut config = Config::new(shop.address.to_string().parse().unwrap());
    (config.uplink, config.canonical) = (Some(ByteRate(100_000)), Some(canonical("shop.example")));
    config.sites = vec![Site::new(canonical("blog.example"), shop.address.to_string().parse().unwrap(), &config)];
    let before = mesh.owner.observe().generation;
    mesh.owner.reload(config);
    assert_eq!(listed(&mesh), [] as [String; 0], "the blog's image is no more at the name that is the shop's from now on");
    assert!(mesh.owner.observe().generation > before);
}

#[test]
fn a_name_of_no_site_is_the_origins_affair() {
    let shop = shop();
    let mesh = mesh(&shop);
    for path in
        ["/.well-known/overspill-sites/evil.example/a.png", "/.well-known/overspill-sites/shop.example", "/.well-known/overspill-sites/"]
    {
        let reply = mesh.ask_owner(path, "");
        assert_eq!((reply.status, reply.field("location")), (200, None), "{path} leads nowhere");
    }
    let on = mesh.ask_owner(&format!("{NAMES}//evil.example/a.png"), "");
    assert_eq!(on.field("location").as_deref(), Some("http://shop.example//evil.example/a.png"), "nowhere but to the shop");
    assert_eq!(common::ask(&mesh.owner, "HEAD", &format!("{NAMES}/a.png"), "").status, 302);
    let (_, purged) = (ask(&mesh, "GET", "/a.png"), common::ask(&mesh.owner, "PURGE", &format!("{NAMES}/a.png"), ""));
    assert_eq!(purged.field("overspill-purged").as_deref(), Some("0"), "a name is for fetching");
}
