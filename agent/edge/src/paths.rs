//! What paths of common software tell: a table, like that of cookies.

use memchr::{memchr_iter, memrchr2};

/// Where people come in who run a site, or are about to. Always to the origin, in reserved places.
const ENTRANCES: [&str; 12] = [
    "/wp-login",
    "/wp-admin",
    "/admin",
    "/administrator",
    "/login",
    "/logout",
    "/session",
    "/auth",
    "/user/login",
    "/users/sign_in",
    "/ucp.php",
    "/ghost",
];

/// What acts, or shows one visitor's things: never kept on anybody's word but the origin's.
const ACTING: [&str; 15] = [
    "/wp-cron",
    "/wp-json",
    "/xmlrpc",
    "/cart",
    "/checkout",
    "/my-account",
    "/basket",
    "/user/",
    "/users/",
    "/account",
    "/posting.php",
    "/api/",
    "/search",
    "/index.php/apps",
    "/feed/private",
];

/// Endings of paths of passive assets, without the dot.
const ASSETS: [&str; 37] = [
    "css", "js", "mjs", "map", "png", "jpg", "jpeg", "gif", "webp", "avif", "svg", "ico", "bmp", "woff", "woff2", "ttf", "otf", "eot",
    "mp3", "m4a", "ogg", "oga", "opus", "wav", "flac", "mp4", "m4v", "webm", "ogv", "mov", "pdf", "zip", "gz", "xz", "bz2", "zst", "7z",
];

/// Tells whether a path leads to a login or to the back end.
pub(crate) fn is_entrance(path: &str) -> bool {
    // WordPress in a folder: /blog/wp-admin leads there as well. Its assets are assets, its admin-ajax.php is the theme's.
    let leads = |part: &str| part.starts_with("/wp-admin") || part.starts_with("/wp-login");
    let leads = ENTRANCES.iter().any(|start| path.starts_with(start)) || memchr_iter(b'/', path.as_bytes()).any(|at| leads(&path[at..]));
    leads && !is_asset(path) && !path.ends_with("/admin-ajax.php")
}

/// Tells whether a path is never kept on the operator's word alone.
pub(crate) fn is_personal(path: &str) -> bool {
    is_entrance(path)
        || ACTING.iter().any(|start| path.starts_with(start))
        || path.contains("/wp-json")
        || path.ends_with("/admin-ajax.php")
}

/// Tells by its ending whether a path names a passive asset.
pub(crate) fn is_asset(path: &str) -> bool {
    match memrchr2(b'.', b'/', path.as_bytes()).map(|at| path.split_at(at + 1)) {
        Some((name, ending)) if name.ends_with('.') => ASSETS.iter().any(|known| known.eq_ignore_ascii_case(ending)),
        _ => false,
    }
}

/// Tells whether a media type is passive: images, fonts, sound, film, style, script, documents, archives. Never HTML, JSON or XML.
pub(crate) fn is_passive_type(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (kind, rest) = essence.split_once('/').unwrap_or_default();
    match kind {
        "image" | "font" | "audio" | "video" => true,
        "text" => matches!(rest, "css" | "javascript"),
        "application" => matches!(
            rest,
            "javascript"
                | "x-javascript"
                | "ecmascript"
                | "pdf"
                | "zip"
                | "gzip"
                | "x-gzip"
                | "x-xz"
                | "zstd"
                | "x-7z-compressed"
                | "x-bzip2"
                | "x-tar"
                | "font-woff"
                | "vnd.ms-fontobject"
                | "wasm"
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_are_told_from_pages() {
        for path in ["/a.css", "/wp-content/x.min.JS", "/i/photo.2.webp", "/doc.pdf"] {
            assert!(is_asset(path), "{path}");
        }
        for path in ["/", "/a.css/", "/index.php", "/css", "/a.html", "/v1.0/post"] {
            assert!(!is_asset(path), "{path}");
        }
        assert!(is_passive_type("text/css; charset=utf-8") && is_passive_type("Image/PNG"));
        assert!(!is_passive_type("text/html") && !is_passive_type("application/json") && !is_passive_type(""));
    }

    #[test]
    fn entrances_are_told_from_content() {
        for path in ["/wp-login.php", "/blog/wp-admin/post.php", "/users/sign_in"] {
            assert!(is_entrance(path) && is_personal(path), "{path}");
        }
        for path in ["/", "/2026/11/how-to-login/", "/wp-admin/css/colors.css", "/wp-admin/admin-ajax.php"] {
            assert!(!is_entrance(path), "{path}");
        }
        assert!(is_personal("/cart/") && is_personal("/blog/wp-json/wp/v2") && !is_personal("/2026/cart-story/"));
    }
}
