//! What the edge's own answer should look like to whoever gets it.

use http::{Method, header, request::Parts};

use crate::paths::is_asset;

/// What kind of answer is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A page: a person is looking, or nothing tells.
    Page,
    /// JSON (RFC 9457): a program is asking.
    Json,
    /// A status, and no body: an image or a script that nobody would read.
    Bare,
}

/// What is known of a request for which there is no answer of the site's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) form: Form,
    /// It changes nothing, so that it may be made again without a thought.
    pub(crate) safe: bool,
}

impl Wish {
    pub(crate) fn new(parts: &Parts) -> Self {
        let safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        Self { form: form(parts), safe }
    }
}

fn form(parts: &Parts) -> Form {
    let field = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_ascii_lowercase);
    let accepts = field(header::ACCEPT.as_str());
    let accepts = |media_type: &str| accepts.as_deref().is_none_or(|accepted| accepted.contains(media_type));
    match field("sec-fetch-dest").as_deref() {
        Some("document" | "iframe" | "frame") => return Form::Page,
        Some("empty") | None => {}
        Some(_) => return Form::Bare,
    }
    if is_asset(parts.uri.path()) {
        Form::Bare
    } else if accepts("text/html") {
        Form::Page
    } else if accepts("json") {
        Form::Json
    } else if accepts("*/*") || accepts("text/*") {
        Form::Page
    } else {
        Form::Bare
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn who_asks_gets_what_it_can_use() {
        let form = |path: &str, fields: &[(&str, &str)]| {
            let request = fields.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
            Wish::new(&request.body(()).unwrap().into_parts().0).form
        };
        assert_eq!(form("/", &[]), Form::Page);
        assert_eq!(form("/", &[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")]), Form::Page);
        assert_eq!(form("/", &[("accept", "*/*")]), Form::Page);
        assert_eq!(form("/wp-json/", &[("accept", "application/json, */*;q=0.1")]), Form::Json);
        assert_eq!(form("/feed/", &[("accept", "application/rss+xml")]), Form::Bare);
        assert_eq!(form("/logo.png", &[("accept", "*/*")]), Form::Bare);
        assert_eq!(form("/logo", &[("accept", "image/avif,*/*"), ("sec-fetch-dest", "image")]), Form::Bare);
        assert_eq!(form("/guide.pdf", &[("sec-fetch-dest", "document")]), Form::Page);
        assert_eq!(form("/", &[("accept", "application/json"), ("sec-fetch-dest", "empty")]), Form::Json);
    }
}
