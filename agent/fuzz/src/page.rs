//! Pages, as origins write them, on their way to visitors whom helpers are to give their files.

use overspill_edge::inside::{self, SplicedPage};

pub(crate) fn pages() -> Vec<Vec<u8>> {
    let pages = [
        "default-src 'self' http:\n<!doctype html><head><link rel=stylesheet href='/a.css?v=1&amp;w=2'><script src=/a.js defer></script>",
        "\n<img src=\"a.png\" srcset='a.png 1x, //blog.example/b.png 2x'><picture><source srcset=/c><img src=/d loading=lazy></picture>",
        "script-src 'none'; img-src *\n<base href=/x/><p style=\"a:url('/b.png')\"><noscript><img src=/n></noscript><svg><image/></svg>",
        "\n<link rel=preload as=font href=/t.woff2 crossorigin><style>/* x */@font-face{src:url(/t.woff2)}</style><video src=/v></video>",
        "\n<meta http-equiv=Content-Security-Policy content=\"sandbox\"><script integrity=sha384-x src='/a.js'></script><!-- <img src=/a> -->",
    ];
    pages.map(|page| page.as_bytes().to_vec()).to_vec()
}

/// A policy, and after the first line's end a page: where chunks end makes no difference, what is replaced is a plain path of the site,
/// and every other byte of the page is sent as it was, in its order.
pub(crate) fn page(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (policy, page) = (String::from_utf8_lossy(&bytes[..end]), bytes.get(end + 1..).unwrap_or_default());
    let whole = inside::splice_page(page, &policy, usize::MAX);
    for chunk in [1, 7] {
        assert_eq!(inside::splice_page(page, &policy, chunk), whole, "in chunks of {chunk}");
    }
    let Some(SplicedPage { assets, kept, sent, permitted }) = whole else { return };
    for path in &assets {
        assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>()\\".contains(&byte)), "{path}");
    }
    let mut left = &sent[..];
    for (number, piece) in kept.iter().enumerate() {
        // Attributes are put in within what is kept: each of its bytes is there, and in its order.
        for byte in piece {
            let at = left.iter().position(|sent| sent == byte).unwrap_or_else(|| panic!("{number}: lost of {:?}", page));
            left = &left[at + 1..];
        }
    }
    assert!(kept.len() > 1 || sent == page, "nothing is replaced, and something is changed");
    let stricter = inside::splice_page(page, &format!("{policy}, img-src 'none'"), usize::MAX);
    assert!(stricter.is_none_or(|stricter| !stricter.permitted), "one policy more permits more: {policy} ({permitted})");
}
