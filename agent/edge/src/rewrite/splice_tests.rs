use http::uri::{Authority, Scheme};
use proptest::prelude::*;

use super::*;
use crate::rewrite::{outline::Unread, reference::Base, tag::What};

const SCRIPT: &str = "<!S>";

fn base() -> Base {
    Base::new(&Scheme::HTTP, &Authority::from_static("blog.example"), "/post/")
}

fn outline(page: &str) -> Outline {
    Outline::of(page.as_bytes(), &base()).unwrap_or_else(|why| panic!("{why:?}: {page}"))
}

fn whole(mut pieces: Pieces) -> String {
    let (mut text, length) = (Vec::new(), pieces.length());
    while let Some(next) = pieces.next(7) {
        text.extend_from_slice(&next);
        assert_eq!(pieces.length() + text.len() as u64, length);
    }
    String::from_utf8(text).unwrap()
}

/// The page with every file at `//h` and the letter `I` for digests.
fn rewritten(page: &str) -> String {
    let outline = outline(page);
    let placed: Vec<_> =
        outline.assets.iter().map(|path| Some(Placed { url: format!("//h{path}?t"), integrity: "I".to_owned() })).collect();
    splice(&Bytes::copy_from_slice(page.as_bytes()), &outline, &placed, SCRIPT).map_or_else(|| page.to_owned(), whole)
}

#[test]
fn what_browsers_fetch_is_replaced_where_it_stands() {
    for (page, expected) in [
        ("<img src=\"/a.png\" alt=x>", "<!S><img src=\"//h/a.png?t\" alt=x>"),
        ("<IMG SRC='a.png?x=1&amp;y=2'/>", "<!S><IMG SRC='//h/post/a.png?x=1&amp;y=2?t'/>"),
        ("<img src=/a.png>", "<!S><img src=\"//h/a.png?t\">"),
        ("<p><script defer src=/a.js></script>", "<p><!S><script integrity=\"I\" crossorigin defer src=\"//h/a.js?t\"></script>"),
        ("<script integrity=X src=\"/a.js\"></script>", "<!S><script crossorigin integrity=X src=\"//h/a.js?t\"></script>"),
        ("<link rel=stylesheet href=\"/a.css\">", "<!S><link integrity=\"I\" crossorigin rel=stylesheet href=\"//h/a.css?t\">"),
        ("<link rel='shortcut icon' href=\"/f.ico\">", "<!S><link rel='shortcut icon' href=\"//h/f.ico?t\">"),
        ("<img srcset=\"/a.png 1x, /b.png 2x\" src=/c.png>", "<!S><img srcset=\"//h/a.png?t 1x, //h/b.png?t 2x\" src=/c.png>"),
        ("<video poster=\"/p.jpg\" src=\"/v.mp4\"></video>", "<!S><video poster=\"//h/p.jpg?t\" src=\"//h/v.mp4?t\"></video>"),
        ("<p style=\"background:url('/a.png')\">", "<!S><p style=\"background:url('//h/a.png?t')\">"),
        ("<input type=image src=\"/a.png\">", "<!S><input type=image src=\"//h/a.png?t\">"),
    ] {
        assert_eq!(rewritten(page), expected);
    }
}

#[test]
fn what_is_fetched_otherwise_or_not_at_all_stays() {
    for page in [
        "<a href=\"/a.png\">",
        "<img src=\"//other.example/a.png\">",
        "<img src=\"/a.svg#part\">",
        "<img src=\"/a.png\" loading=lazy>",
        "<img crossorigin=use-credentials src=\"/a.png\">",
        "<img srcset=\"/a 1w, /b 2w, /c 3w, /d 4w\" src=\"/a\">",
        "<picture><source srcset=\"/a, /b\"><source srcset=\"/c\"><img src=\"/d\"></picture>",
        "<picture><source srcset=\"/a\"><img loading=LAZY src=\"/d\"></picture>",
        "<script type=\"application/json\" src=\"/a\"></script>",
        "<script nomodule src=\"/a.js\"></script>",
        "<link rel=\"alternate stylesheet\" href=\"/a.css\">",
        "<link rel=canonical href=\"/a\">",
        "<noscript><img src=\"/a.png\"></noscript>",
        "<template><img src=\"/a.png\"></template>",
        "<svg><style>a{background:url(/a.png)}</style></svg>",
        "<!-- <img src=\"/a.png\"> -->",
        "<textarea><img src=\"/a.png\"></textarea>",
        "<script>'<img src=\"/a.png\">'</script>",
        "<video preload=none src=\"/v.mp4\"></video>",
        "<video><source src=\"/v.mp4\"></video>",
        "<iframe src=\"/a.png\"></iframe><embed src=\"/a.png\"><object data=\"/a.png\"></object>",
    ] {
        assert_eq!(rewritten(page), page);
    }
}

#[test]
fn a_file_that_is_fetched_ahead_has_one_address_in_the_page() {
    let font = "<link rel=preload as=font crossorigin href=\"/t.woff2\">";
    assert_eq!(rewritten(font), font, "whoever uses it names the owner's address");
    let sheet = "<style>@font-face{src:url(/t.woff2),url(/t.woff)}</style>";
    assert_eq!(rewritten(sheet), sheet, "perhaps nobody uses it");
    assert_eq!(rewritten(&format!("{font}{sheet}")), format!("<!S>{font}{sheet}").replace("/t.woff2", "//h/t.woff2?t"));
    let script = "<link rel=preload as=script href=\"/a.js\"><script src=\"/a.js\"></script>";
    assert_eq!(rewritten(script).matches("integrity=\"I\" crossorigin").count(), 2);
    let module = "<link rel=modulepreload href=\"/a.js\">";
    assert_eq!(rewritten(module), module);
    assert_eq!(outline(&format!("{module}<script type=module src=\"/a.js\"></script>")).places[0].what, What::Module);
}

#[test]
fn a_base_counts_and_a_foreign_one_leaves_the_page_alone() {
    assert_eq!(rewritten("<base href=\"/x/\"><img src=\"a\">"), "<base href=\"/x/\"><!S><img src=\"//h/x/a?t\">");
    let foreign = Outline::of(b"<base href=\"https://other.example/\"><img src=\"a\">", &base());
    assert_eq!(foreign, Err(Unread::Base));
}

#[test]
fn policies_in_the_page_are_read() {
    let strict = outline("<meta http-equiv=Content-Security-Policy content=\"img-src &#39;self&#39;\"><img src=\"/a\">");
    assert!(!strict.policies.permit(super::super::csp::Use::Image, "http://h.example", "http://blog.example"));
    let unread = outline("<meta http-equiv=content-security-policy content=\"img-src &ast;\">");
    assert!(!unread.policies.is_empty() && !unread.policies.let_restore("http://blog.example"));
}

#[test]
fn what_cannot_be_read_surely_is_not_read() {
    assert_eq!(Outline::of(b"<img src=\"/\xff\">", &base()), Err(Unread::Encoding));
    let long = "x".repeat(crate::rewrite::limits::PAGE_BYTES_MAX + 1);
    assert_eq!(Outline::of(long.as_bytes(), &base()), Err(Unread::Long));
    let ambiguous = "<svg><p><style></style></svg><select><xmp><img src=\"/a.png\">";
    assert_eq!(Outline::of(ambiguous.as_bytes(), &base()), Err(Unread::Markup));
    let deep = "<div>".repeat(100_000);
    assert_eq!(Outline::of(deep.as_bytes(), &base()), Err(Unread::Markup), "the parser's memory is bounded");
}

#[test]
fn as_many_addresses_as_are_remembered_and_no_more() {
    let page: String = (0..300).map(|at| format!("<img src=\"/{at}\">")).collect();
    let outline = outline(&page);
    assert_eq!((outline.places.len(), outline.assets.len()), (crate::rewrite::limits::PLACES_MAX, crate::rewrite::limits::PLACES_MAX));
    assert_eq!(outline.assets[..2], ["/0", "/1"]);
}

/// Pages out of the parts that matter, whole and torn.
fn pages() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("<img src=\"/a.png\">"),
        Just("<img srcset='/a 1x,/b 2x'>"),
        Just("<script src=/a.js>"),
        Just("</script>"),
        Just("<link rel=preload as=font href=\"/t.woff2\">"),
        Just("<link rel=stylesheet href=\"/s.css\">"),
        Just("<style>a{b:url(/t.woff2)}"),
        Just("</style>"),
        Just("<picture><source srcset=/x>"),
        Just("<p style=\"x:url(/y)\">"),
        Just("<!--"),
        Just("-->"),
        Just("<noscript>"),
        Just("</noscript>"),
        Just("<svg>"),
        Just("</svg>"),
        Just("<template>"),
        Just("<base href=/z/>"),
        Just("\u{e9}<"),
        Just("\""),
        Just("'"),
        Just(">"),
        Just("<img src="),
        Just("&amp;"),
        Just(" "),
    ];
    prop::collection::vec(part, 0..20).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn chunks_make_no_difference(page in pages(), chunk in 1_usize..40) {
        prop_assert_eq!(Outline::in_chunks(page.as_bytes(), &base(), chunk), Outline::of(page.as_bytes(), &base()));
    }

    #[test]
    fn what_is_not_replaced_stays_byte_for_byte(page in pages(), keep in any::<u32>()) {
        let Ok(outline) = Outline::of(page.as_bytes(), &base()) else { return Ok(()) };
        // The address itself in the place of the helper's: only what is put in beside it may differ.
        let placed: Vec<_> = outline.assets.iter().enumerate()
            .map(|(at, _)| (keep >> (at % 32) & 1 == 0).then(|| Placed { url: "\u{1}".to_owned(), integrity: "I".to_owned() }))
            .collect();
        let Some(pieces) = splice(&Bytes::copy_from_slice(page.as_bytes()), &outline, &placed, SCRIPT) else { return Ok(()) };
        let mut undone = whole(pieces).replacen(SCRIPT, "", 1).replace(" integrity=\"I\"", "").replace(" crossorigin", "").replace("\"\u{1}\"", "\u{1}");
        let was = page.replace(" crossorigin", "");
        for place in outline.places.iter().filter(|place| placed[place.asset].is_some()) {
            let is_there = undone.contains('\u{1}');
            prop_assert!(is_there);
            undone = undone.replacen('\u{1}', &page[place.range.clone()], 1);
        }
        prop_assert_eq!(undone.replace('"', ""), was.replace('"', ""));
    }

    #[test]
    fn foreign_bytes_never_panic(page in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Outline::of(&page, &base());
    }
}
