//! The script that brings files back which a helper did not give, or gave wrong: once for each, from this site.
//!
//! Kept as short as it is because it crosses the owner's line with each page. In words: on an error event, addresses with a ticket lose
//! their scheme and host. The ticket stays, and tells the owner that this visitor has been sent away before. A script that the parser
//! waits for is written behind the failed one, so that those after it still find what it defines; others are put in anew.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::body::Payload;

/// Where the script is served. Not below the path at which members publish their key, of which proxies may know.
pub(crate) const PATH: &str = "/.well-known/overspill-restore.js";

const SCRIPT: &str = include_str!("restore.js");
/// In the page: no further request, and nothing to wait for.
const INLINE: &str = concat!("<script>", include_str!("restore.js"), "</script>");
/// For pages with policies, which rarely allow the other.
const LINKED: &str = "<script src=\"/.well-known/overspill-restore.js\"></script>";

/// The tag that stands before the first that is changed.
pub(crate) const fn tag(has_policies: bool) -> &'static str {
    if has_policies { LINKED } else { INLINE }
}

/// Answers a request for [`PATH`].
pub(crate) fn answer() -> Response<Payload> {
    let mut response = Response::new(Payload::whole(Bytes::from_static(SCRIPT.as_bytes())));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/javascript"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_protocol::ticket::TICKET_PARAMETER;

    #[test]
    fn the_script_knows_tickets_and_fits_into_a_page() {
        assert!(SCRIPT.contains(&format!("{TICKET_PARAMETER}=[\\w-]{{64}}")));
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains("<!--") && SCRIPT.len() < 800);
        assert!(LINKED.contains(PATH));
    }
}
