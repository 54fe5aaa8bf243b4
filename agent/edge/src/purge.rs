//! PURGE: what the site's own software says is out of date is refreshed before it is shown again, here and at helpers.
//!
//! Soft by default, as a change of a post needs: the copy stays, stale, so that it can still be confirmed, shown for a moment while a new one
//! comes if the origin allowed that, and shown when the origin fails. `Overspill-Purge: hard` drops it.

mod select;

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use self::select::Selection;
use crate::{
    access::CacheUse,
    body::Payload,
    cache::{
        key::Key,
        store::{Manner, Purged},
    },
    edge::Edge,
    request::{Answer, Visit},
    waiting,
};

/// The method. Not registered, but spoken by every cache and plugin.
pub(crate) const METHOD: &str = "PURGE";
/// How many stored responses were meant.
const COUNT: HeaderName = HeaderName::from_static("overspill-purged");
const MANNER: HeaderName = HeaderName::from_static("overspill-purge");
/// Fields by which a proxy shows itself: then loopback is where the proxy is, and says nothing about who asks.
const HANDED_ON: [&str; 4] = ["x-forwarded-for", "forwarded", "via", "x-real-ip"];

/// Answers a PURGE request, when what it said holds, also after a restart.
pub(crate) async fn answer(visit: &Visit, edge: &Edge) -> Answer {
    let answer = decide(visit, edge);
    edge.store.settled().await;
    answer
}

fn decide(visit: &Visit, edge: &Edge) -> Answer {
    let headers = &visit.parts.headers;
    if !is_allowed(headers, visit.asker.peer, visit.settings.config.purge_token.as_deref()) {
        let text = "PURGE is taken from this machine itself, or with `Authorization: Bearer` and the token of the setting `purge_token`.\n";
        return (waiting::refused(StatusCode::FORBIDDEN, text), CacheUse::None);
    }
    let manner = match headers.get(MANNER).map(HeaderValue::as_bytes) {
        None | Some(b"soft") => Manner::Soft,
        Some(b"hard") => Manner::Hard,
        Some(_) => return (waiting::refused(StatusCode::BAD_REQUEST, "Overspill-Purge is `soft` or `hard`.\n"), CacheUse::None),
    };
    let Some(target) = visit.parts.uri.path_and_query() else {
        return (waiting::refused(StatusCode::BAD_REQUEST, "PURGE needs a path.\n"), CacheUse::None);
    };
    match Selection::of_request(target.as_str(), headers) {
        Ok(selection) => {
            // The site's software may ask over plain HTTP for what visitors see over TLS.
            let keys = visit.settings.config.schemes().iter().map(|scheme| Key::new(scheme, &visit.host, target));
            (done(keys.map(|key| purge(&key, &selection, manner, edge)).sum()), CacheUse::None)
        }
        Err(misread) => (waiting::refused(StatusCode::BAD_REQUEST, misread.text()), CacheUse::None),
    }
}

/// Purges what the origin's answer to an unsafe request for `key` says it changed.
pub(crate) fn by_answer(key: &Key, answer: &HeaderMap, edge: &Edge) {
    if let Some(selection) = Selection::of_answer(answer) {
        purge(key, &selection, Manner::Soft, edge);
    }
}

/// Makes what is selected on the site of `key` obsolete, and has helpers stop serving it. Returns how many responses were meant.
fn purge(key: &Key, selection: &Selection, manner: Manner, edge: &Edge) -> u64 {
    let now = edge.clock.time();
    let purged: Purged = match selection {
        Selection::Target => {
            edge.flights.close_all(key);
            edge.store.purge(key, manner, now)
        }
        _ => {
            edge.flights.close_site(key);
            edge.store.purge_where(key, |path, tags| selection.matches(path, tags), manner, now)
        }
    };
    let count = purged.count();
    for key in purged.spilled {
        edge.recall_from_helpers(&key);
    }
    edge.counters.purged.add(count);
    tracing::info!(site = key.origin(), ?selection, ?manner, count, "purged");
    count
}

fn done(count: u64) -> Response<Payload> {
    let mut response = waiting::plain(StatusCode::OK, "Purged.\n");
    response.headers_mut().insert(COUNT, HeaderValue::from(count));
    response
}

/// Only the site's own software: on this machine and not through a proxy, or with the token.
fn is_allowed(headers: &HeaderMap, peer: IpAddr, token: Option<&str>) -> bool {
    let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    if let (Some(token), Some(said)) = (token, said) {
        return is_same(token.as_bytes(), said.as_bytes());
    }
    peer.to_canonical().is_loopback() && !HANDED_ON.iter().any(|name| headers.contains_key(*name))
}

/// Compares in a time that tells nothing of where they differ.
fn is_same(one: &[u8], two: &[u8]) -> bool {
    one.len() == two.len() && one.iter().zip(two).fold(0, |differs, (one, two)| differs | (one ^ two)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(peer: &str, fields: &[(&'static str, &'static str)], token: Option<&str>) -> bool {
        let headers: HeaderMap =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        is_allowed(&headers, peer.parse().unwrap(), token)
    }

    #[test]
    fn this_machine_and_whoever_has_the_token_may_purge_and_nobody_else() {
        for peer in ["127.0.0.1", "127.9.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(allowed(peer, &[], None), "{peer}");
            for proxied in HANDED_ON {
                assert!(!allowed(peer, &[(proxied, "127.0.0.1")], None), "{peer} {proxied}");
            }
        }
        assert!(!allowed("192.0.2.1", &[], None));
        assert!(!allowed("192.0.2.1", &[("x-forwarded-for", "127.0.0.1")], None));
        let token = Some("a token of the site");
        assert!(allowed("192.0.2.1", &[("authorization", "Bearer a token of the site"), ("via", "1.1 nginx")], token));
        for wrong in
            ["Bearer a token of the sitf", "Bearer a token of the sit", "Bearer ", "a token of the site", "Basic a token of the site"]
        {
            assert!(!allowed("192.0.2.1", &[("authorization", wrong)], token), "{wrong}");
        }
        assert!(!allowed("127.0.0.1", &[("authorization", "Bearer wrong")], token), "a wrong token is worse than none");
        assert!(!allowed("192.0.2.1", &[("authorization", "Bearer ")], None));
    }
}
