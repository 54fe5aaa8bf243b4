//! Which cookies make an answer personal. A table, because small sites run few kinds of software.

use http::{HeaderMap, HeaderValue, header};

/// What a request's cookies say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cookies {
    /// None, or only such as no server reads: the visitor is anybody.
    Free,
    /// Some that the table does not know: the visitor may be somebody.
    Unknown,
    /// A session of known software: the visitor is somebody, and is never answered from the cache.
    Session,
}

/// Beginnings of names of session cookies.
const SESSIONS: [(&str, &str); 27] = [
    ("wordpress_logged_in_", "WordPress"),
    ("wordpress_sec_", "WordPress"),
    ("wp-postpass_", "WordPress, password of a post"),
    ("comment_author_", "WordPress, name in the comment form"),
    ("wp-settings-", "WordPress, back end"),
    ("woocommerce_items_in_cart", "WooCommerce"),
    ("woocommerce_cart_hash", "WooCommerce"),
    ("wp_woocommerce_session_", "WooCommerce"),
    ("store_notice", "WooCommerce"),
    ("edd_items_in_cart", "Easy Digital Downloads"),
    ("phpbb", "phpBB: phpbb3_xxxxx_u, _k, _sid"),
    ("_t", "Discourse"),
    ("_forum_session", "Discourse"),
    ("_mastodon_session", "Mastodon"),
    ("_session_id", "Mastodon, Rails"),
    ("SESS", "Drupal"),
    ("SSESS", "Drupal over HTTPS"),
    ("PHPSESSID", "PHP"),
    ("JSESSIONID", "Java"),
    ("sessionid", "Django"),
    ("connect.sid", "Express"),
    ("laravel_session", "Laravel"),
    ("ASP.NET_SessionId", "ASP.NET"),
    ("ci_session", "CodeIgniter"),
    ("frontend", "Magento"),
    ("ghost-members-ssr", "Ghost"),
    ("NO_CACHE", "a common way to ask for it"),
];

/// Parts of names of MediaWiki's session cookies, whose beginning is the wiki's database name.
const SESSION_ENDS: [&str; 4] = ["_session", "UserID", "UserName", "Token"];

/// Beginnings of names of cookies that only scripts in the browser read: analytics and consent.
const IGNORED: [&str; 32] = [
    "_ga",
    "_gid",
    "_gat",
    "_gcl_",
    "__utm",
    "_fbp",
    "_fbc",
    "_hj",
    "_pk_",
    "_clck",
    "_clsk",
    "_uet",
    "__hs",
    "hubspotutk",
    "_ym_",
    "__qca",
    "_pin_",
    "_tt_",
    "_scid",
    "mp_",
    "amplitude_",
    "optimizely",
    "plausible",
    "umami",
    "_dc_gtm_",
    "__cf",
    "cookielawinfo-",
    "cmplz_",
    "CookieConsent",
    "cookieyes-",
    "borlabs-cookie",
    "wordpress_test_cookie",
];

/// Reads a request's cookies.
pub(crate) fn classify(headers: &HeaderMap) -> Cookies {
    classify_values(headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes))
}

/// The same, of the field's values.
pub(crate) fn classify_values<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Cookies {
    let mut found = Cookies::Free;
    for value in values {
        for pair in value.split(|byte| *byte == b';') {
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            if name.is_empty() {
                continue;
            }
            match of_name(name) {
                Cookies::Session => return Cookies::Session,
                Cookies::Unknown => found = Cookies::Unknown,
                Cookies::Free => {}
            }
        }
    }
    found
}

fn of_name(name: &[u8]) -> Cookies {
    // Short names must match whole, or `_t` would match Discourse and half of the analytics.
    let begins =
        |start: &&str| if start.len() <= 4 && *start != "SESS" { name == start.as_bytes() } else { name.starts_with(start.as_bytes()) };
    if SESSIONS.iter().any(|(start, _)| begins(start)) {
        return Cookies::Session;
    }
    if IGNORED.iter().any(|start| name.starts_with(start.as_bytes())) {
        return Cookies::Free;
    }
    if SESSION_ENDS.iter().any(|end| name.ends_with(end.as_bytes())) { Cookies::Session } else { Cookies::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cookie: &'static str) -> Cookies {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static(cookie));
        classify(&headers)
    }

    #[test]
    fn sessions_of_common_software_are_known() {
        for cookie in [
            "wordpress_logged_in_0a1b=x",
            "woocommerce_items_in_cart=1",
            "phpbb3_abc12_sid=x",
            "_t=x",
            "_forum_session=x",
            "_mastodon_session=x",
            "mywiki_session=x",
            "mywikiUserID=5",
            "SSESS0a1b2c=x",
            "SESS0a1b2c=x",
            "_ga=GA1.2; PHPSESSID=x",
        ] {
            assert_eq!(of(cookie), Cookies::Session, "{cookie}");
        }
    }

    #[test]
    fn analytics_are_nobody_and_the_rest_may_be_somebody() {
        assert_eq!(classify(&HeaderMap::new()), Cookies::Free);
        assert_eq!(of("_ga=GA1.2.3; _gid=x; __utma=1; _fbp=fb.1; cookielawinfo-checkbox-necessary=yes"), Cookies::Free);
        assert_eq!(of("_ga=GA1.2.3; lang=de"), Cookies::Unknown);
        assert_eq!(of("_tt_enable_cookie=1"), Cookies::Free);
        assert_eq!(of(";;=;"), Cookies::Free);
    }
}
