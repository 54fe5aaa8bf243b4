//! A page whose files come from a helper, in a browser, over TLS.

use overspill_edge::Config;
use serde_json::{Value, json};

use crate::{
    chromium::{self, Browser},
    common::{Act, Origin, ok},
    font,
    overflow::{OWNER, World, cookie},
};

/// The guest's name at the helper: nothing in it is the owner's.
const GUEST: &str = "flowers.overflow-umbrella.test";
const PAGE: &str = "/shown/";
const FILES: [&str; 5] = ["/shown/code.js", "/shown/font", "/shown/module.js", "/shown/picture.svg", "/shown/style.css"];
/// Page loads after which a browser must have been helped: a page that comes in a moment of room names nobody.
const LOADS: usize = 40;

/// A page that says of itself what came of it: a style, a script and the one behind it, a module, an image, a font.
const TEXT: &str = "<!doctype html><html><head><meta charset=utf-8><title>Shown</title>\
    <link rel=preload as=font type=font/ttf crossorigin href=\"/shown/font\"><link rel=stylesheet href=\"/shown/style.css\">\
    <style>@font-face{font-family:Wide;src:url(/shown/font)}b{font:20px Wide}</style><script src=\"/shown/code.js\"></script>\
    <script>document.cookie = '_ga=secret; Domain=flowers.test; Secure'; const said = document.documentElement.dataset; said.order = said.code;</script>\
    <script type=module src=\"/shown/module.js\"></script></head>\
    <body><p>Text.</p><b>A</b><img src=\"/shown/picture.svg\" alt=''></body></html>\n";

/// What the page says, once everything had its time, and whose files it used.
const STATE: &str = "(async () => {
    await document.fonts.load('20px Wide').catch(() => null);
    await new Promise(done => setTimeout(done, 400));
    const files = performance.getEntriesByType('resource').filter(file => new URL(file.name).host !== location.host && file.decodedBodySize > 0);
    return {
        title: document.title,
        said: [said.code, said.order, said.module],
        style: document.querySelector('p').offsetWidth,
        font: document.querySelector('b').offsetWidth,
        picture: document.images[0].naturalWidth,
        script: document.querySelector('script[src*=\"code.js\"]').getAttribute('src'),
        helped: [...new Set(files.map(file => new URL(file.name).pathname))].sort(),
    };
})().catch(() => null)";

fn site() -> Origin {
    let filling = " ".repeat(6_000);
    Origin::new(move |head| {
        let asset = |kind: &str, body: &[u8]| {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nCache-Control: public, max-age=3600\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            [head.as_bytes(), body].concat()
        };
        let text = |kind: &str, text: &str| asset(kind, format!("{text}{filling}\n").as_bytes());
        Act::Say(match head.split(' ').nth(1).unwrap() {
            "/shown/style.css" => text("text/css", "p { width: 123px; background: #0a0 }"),
            "/shown/code.js" => text("text/javascript", "document.documentElement.dataset.code = 'ran';"),
            "/shown/module.js" => text("text/javascript", "document.documentElement.dataset.module = 'ran';"),
            "/shown/picture.svg" => text(
                "image/svg+xml",
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"64\" height=\"48\"><rect width=\"64\" height=\"48\" fill=\"#c00\"/></svg>",
            ),
            "/shown/font" => asset("font/ttf", &[font::font(), vec![0; 6_000]].concat()),
            "/excess.png" => asset("image/png", &[1; 30_000]),
            _ => ok("Content-Type: text/html; charset=utf-8\r\nCache-Control: public, max-age=3600\r\n", TEXT),
        })
    })
}

fn world(guest: &str, change: fn(&mut Config)) -> World {
    let world = World::new(site(), guest, change);
    world.warm(PAGE, &FILES);
    world
}

/// Loads the page once, and says what it said; nothing if the owner refused it.
fn load(browser: &mut Browser) -> Option<Value> {
    browser.go(&format!("https://{OWNER}{PAGE}"));
    Some(browser.run(STATE)).filter(|state| state["title"] == "Shown")
}

/// Loads it until it is so.
fn load_until(browser: &mut Browser, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut last = None;
    for _ in 0..LOADS {
        let state = load(browser);
        if let Some(state) = state.as_ref().filter(|state| is_so(state)) {
            return state.clone();
        }
        last = state.or(last);
    }
    panic!("never came: {what}; the last was {last:?}");
}

fn is_whole(state: &Value) -> bool {
    state["said"] == json!(["ran", "ran", "ran"])
        && (&state["style"], &state["picture"], &state["font"]) == (&json!(123), &json!(64), &json!(20 * font::WIDTH))
}

#[test]
fn a_page_over_tls_looks_the_same_when_its_files_come_from_a_helper() {
    let Some(program) = chromium::program() else { return };
    let world = world(GUEST, |_| ());
    let mut browser = world.browser(program, false);
    let calm = load_until(&mut browser, "the page in calm", is_whole);
    assert_eq!(calm["helped"], json!([]));
    let expected = browser.picture();
    world.crowded(|| {
        load_until(&mut browser, "all files from the helper", |state| is_whole(state) && state["helped"] == json!(FILES));
        assert!(browser.picture() == expected, "the page looks otherwise");
    });
    assert_eq!(world.owner.metrics().spill.restored, 0);
}

#[test]
fn no_cookie_reaches_the_helper_and_an_altered_script_is_refused_and_comes_from_the_owner() {
    let Some(program) = chromium::program() else { return };
    let world = world(GUEST, |_| ());
    let mut browser = world.browser(program, true);
    world.crowded(|| {
        load_until(&mut browser, "all files from the helper", |state| is_whole(state) && state["helped"] == json!(FILES));
        // The second load knows the cookie that the first one set.
        load_until(&mut browser, "the same again", |state| is_whole(state) && state["helped"] == json!(FILES));
        let heads = world.between.heads();
        assert!(heads.len() >= FILES.len() && heads.iter().all(|head| cookie(head).is_none()), "{heads:?}");

        world.lies();
        load_until(&mut browser, "a restored script", |state| {
            // A page that came in a calm moment names no helper, and no digest that would be missed on the way to one.
            let is_named = state["script"].as_str().is_some_and(|script| script.contains("overspill-ticket="));
            assert!(!is_named || state["said"][0] != "lan", "the altered script ran: {state}");
            // The address without its host is what the page's own script wrote when the browser had refused the helper's.
            is_whole(state) && state["script"].as_str().is_some_and(|script| script.starts_with("/shown/code.js?overspill-ticket="))
        });
    });
    assert!(world.owner.metrics().spill.restored > 0);
}

#[test]
fn below_the_owners_own_name_a_helper_would_hear_its_cookies() {
    let Some(program) = chromium::program() else { return };
    let world = world("helper.flowers.test", |_| ());
    let mut browser = world.browser(program, true);
    world.crowded(|| {
        for _ in 0..2 {
            load_until(&mut browser, "the picture from the helper", |state| {
                state["helped"].as_array().unwrap().contains(&json!("/shown/picture.svg"))
            });
        }
    });
    assert!(world.between.heads().iter().any(|head| cookie(head).as_deref() == Some("_ga=secret")));
}

#[test]
fn an_altered_script_would_run_where_no_page_names_its_digest() {
    let Some(program) = chromium::program() else { return };
    let world = world(GUEST, |config| config.rewrite = false);
    let mut browser = world.browser(program, true);
    world.lies();
    world.crowded(|| load_until(&mut browser, "a redirected script", |state| state["said"][0] == "lan"));
}
