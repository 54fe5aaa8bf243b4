//! A redirect, written once: the bytes that the express lane sends are those that the HTTP library gets its fields from.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// The fields of every redirect beside `Location`. It is stored nowhere: the next request may well be served here. Fonts, modules and
/// scripts under SRI are fetched in CORS mode, in which a redirect must allow the page's origin as well.
macro_rules! fields {
    ($wrap:ident) => {
        $wrap!(("cache-control", "no-store"), ("access-control-allow-origin", "*"))
    };
}
macro_rules! as_list {
    ($($field:expr),*) => { [$($field),*] };
}
macro_rules! as_lines {
    ($(($name:literal, $value:literal)),*) => { concat!($("\r\n", $name, ": ", $value,)* "\r\ncontent-length: 0\r\n") };
}

const FIELDS: [(&str, &str); 2] = fields!(as_list);
/// What stands before the address.
pub(super) const OPENING: &str = "HTTP/1.1 302 Found\r\nlocation: ";
/// What stands after it, without the head's last line.
pub(super) const CLOSING: &str = fields!(as_lines);

/// A visitor is sent to where a helper has the object.
#[derive(Debug, Clone)]
pub struct Redirect {
    head: Bytes,
    location: Range<usize>,
}

impl Redirect {
    /// Of a text that is an address between [`OPENING`] and [`CLOSING`]; nothing if no field can carry the address.
    pub(super) fn new(text: String) -> Option<Self> {
        let location = OPENING.len()..text.len().checked_sub(CLOSING.len())?;
        let is_plain = text.as_bytes().get(location.clone())?.iter().all(|byte| (0x21..0x7f).contains(byte));
        is_plain.then(|| Self { head: text.into(), location })
    }

    /// Where to.
    #[must_use]
    pub fn location(&self) -> &str {
        str::from_utf8(&self.head[self.location.clone()]).unwrap_or_default()
    }

    /// The head as it leaves on HTTP/1.1, but for its last line.
    pub(crate) fn into_head(self) -> Bytes {
        self.head
    }

    /// Bytes of the head.
    pub(super) fn head_bytes(&self) -> u64 {
        (self.head.len() + "\r\n".len()) as u64
    }

    /// The same for the HTTP library.
    #[must_use]
    pub fn response(&self) -> Response<Bytes> {
        // No other value fails than one that `new` refused.
        let location = HeaderValue::from_maybe_shared(self.head.slice(self.location.clone()));
        found(location.unwrap_or_else(|_| HeaderValue::from_static("/")))
    }
}

/// RFC 9110 section 15.4.3. Without the note that the section recommends: a crowd gets thousands of these over an uplink that is full, and
/// browsers show none.
pub(crate) fn found(location: HeaderValue) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    for (name, value) in FIELDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_response_say_the_same() {
        let redirect = Redirect::new(format!("{OPENING}https://a.example/b?c=d{CLOSING}")).unwrap();
        assert_eq!(redirect.location(), "https://a.example/b?c=d");
        let mut fields = [httparse::EMPTY_HEADER; 8];
        let mut read = httparse::Response::new(&mut fields);
        let (length, response) = (redirect.head_bytes() as usize, redirect.response());
        let head = [&redirect.into_head(), &b"\r\n"[..]].concat();
        assert_eq!(read.parse(&head), Ok(httparse::Status::Complete(length)));
        assert_eq!(read.code, Some(response.status().as_u16()));
        assert_eq!(read.reason, response.status().canonical_reason());
        let said: Vec<_> = read.headers.iter().map(|field| (field.name, field.value)).collect();
        let mut meant: Vec<_> = response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        meant.push(("content-length", b"0"));
        assert_eq!(said, meant);
    }

    #[test]
    fn an_address_that_would_be_more_than_a_value_is_refused() {
        for address in ["http://a.example/\r\nset-cookie: a=b", "http://a.example/ b", "http://\u{e4}.example/", "http://a.example/\0"] {
            assert!(Redirect::new(format!("{OPENING}{address}{CLOSING}")).is_none(), "{address:?}");
        }
        assert!(Redirect::new(OPENING.to_owned()).is_none());
    }
}
