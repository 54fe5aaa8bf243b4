//! Link previews: a thousand servers that show one link ask for its page within a second, and none of them cares whether it is some
//! seconds old. They share fetches and copies in calm, too.

use std::time::Duration;

use http::{Method, header};

use crate::{cache::vary::Encoding, classes::RequestClass, cookies::Cookies, paths::is_asset, request::Visit};

/// What a request is granted because it is for a link preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Preview {
    /// How old a copy may be beyond its freshness. Zero: nothing is granted.
    pub(crate) age_max: Duration,
    /// The whole page is fetched once, whatever part of it each of them asks for.
    pub(crate) whole: bool,
}

impl Preview {
    pub(crate) fn of(visit: &Visit, cookies: Cookies) -> Self {
        let parts = &visit.parts;
        let granted = visit.class == RequestClass::Preview
            && cookies == Cookies::Free
            && matches!(parts.method, Method::GET | Method::HEAD)
            && !parts.headers.contains_key(header::AUTHORIZATION);
        let age_max = if granted { visit.settings.config.preview_cache } else { Duration::ZERO };
        Self { age_max, whole: !age_max.is_zero() && !is_asset(parts.uri.path()) }
    }

    pub(crate) fn is_granted(self) -> bool {
        !self.age_max.is_zero()
    }

    /// The encoding that is looked up and asked for. Who fetches previews can do without Brotli: one kind less is one fetch less.
    pub(crate) fn encoding(self, encoding: Encoding) -> Encoding {
        if self.whole { encoding.min(Encoding::Gzip) } else { encoding }
    }
}
