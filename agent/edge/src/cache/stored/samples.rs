//! Responses for tests.

use super::*;

impl Stored {
    /// A response to anybody's GET of `/`, as it is stored.
    pub(crate) fn sample(fields: &[(HeaderName, &'static str)], body: Bytes) -> Self {
        use http::uri::{Authority, PathAndQuery, Scheme};

        let (request, now) = (HeaderMap::new(), Now::default());
        let response: HeaderMap = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        let asked = crate::cache::admit::Asked { path: "/", headers: &request, cookies: Cookies::Free, at: now.date };
        let admitted = crate::cache::admit::admit(asked, StatusCode::OK, &response, now.date).unwrap();
        let key = Key::new(&Scheme::HTTP, &Authority::from_static("a.example"), &PathAndQuery::from_static("/"));
        Self::new(&key, admitted, (StatusCode::OK, response), (body, None), &[], now)
    }

    /// A response that helpers may have, if a manifest can list its path.
    pub(crate) fn sample_offer(path: &str, body: Bytes, fresh_until: Date) -> Self {
        let key = Key::of_text(&format!("http://a.example:80{path}"), 19);
        let fields = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/css"))]);
        let sample = Self::sample(&[(header::CACHE_CONTROL, "max-age=60")], body);
        let parts = text::Parts { key: (key.text(), 19), values: &[], body: sample.body_bytes() };
        let (text, digest) = (Text::new(&parts, StatusCode::OK, &fields), Some(ObjectDigest::of(sample.body_bytes())));
        let mut offered = Self { text, digest, fresh_until, ..sample };
        offered.offer(path);
        offered
    }

    /// The same with one more field.
    pub(crate) fn with_field(self, name: &HeaderName, value: &'static str) -> Self {
        let mut fields = self.headers();
        fields.append(name, HeaderValue::from_static(value));
        let parts = text::Parts { key: (self.text.key(), self.origin().len()), values: self.values(), body: self.text.body() };
        Self { text: Text::new(&parts, self.status, &fields), ..self }
    }

    /// The same for a request that had these values.
    pub(crate) fn with_values(self, values: &[u8]) -> Self {
        let parts = text::Parts { key: (self.text.key(), self.origin().len()), values, body: self.text.body() };
        Self { text: Text::new(&parts, self.status, &self.headers()), ..self }
    }
}
