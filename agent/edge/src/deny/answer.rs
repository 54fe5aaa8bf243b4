//! What is shown in place of what is denied: a plain page that says so, and that nobody keeps.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::{Denial, DenialStatus};

/// The answer to a request for what is denied.
//= RFC 7725 section 3
pub(crate) fn answer(denial: &Denial) -> Response<Bytes> {
    let (status, title, text) = match denial.status {
        DenialStatus::Legal => {
            (StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, "Not available for legal reasons", "This site may not show what you asked for.")
        }
        DenialStatus::Gone => (StatusCode::GONE, "No longer here", "What you asked for was taken away, for good."),
    };
    let reason = if denial.reason.is_empty() { String::new() } else { format!("<p>{}</p>", escaped(&denial.reason)) };
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><h1>{title}</h1><p>{text}</p>{reason}</html>\n"
    );
    let mut response = Response::new(Bytes::from(page));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    // Either status may be kept without leave (RFC 9110 section 15.1): then it would outlive the denial.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(link) = denial.blocked_by.as_ref().and_then(|by| HeaderValue::try_from(format!("<{by}>; rel=\"blocked-by\"")).ok()) {
        headers.insert(header::LINK, link);
    }
    response
}

/// Text that a page shows and does not obey.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, letter| {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            letter => escaped.push(letter),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_why_and_obeys_nobody() {
        let denial = Denial {
            url: "https://blog.example/a".parse().unwrap(),
            status: DenialStatus::Legal,
            reason: "Order 7 of <script>a & b</script>".into(),
            blocked_by: Some("https://blog.example/blocked".into()),
        };
        let response = answer(&denial);
        assert_eq!(response.status(), 451);
        assert_eq!(response.headers()["link"], "<https://blog.example/blocked>; rel=\"blocked-by\"");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let page = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(page.contains("<p>Order 7 of &lt;script&gt;a &amp; b&lt;/script&gt;</p>"), "{page}");
        let gone = answer(&Denial { status: DenialStatus::Gone, reason: String::new(), blocked_by: None, ..denial });
        assert_eq!((gone.status().as_u16(), gone.headers().contains_key("link")), (410, false));
    }
}
