//! HEAD for what is stored and not fresh: asked of the origin as HEAD, and its answer freshens the copy (RFC 9111 section 4.3.5).

use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode};
use overspill_governance::time::Now;

use crate::{
    access::CacheUse,
    cache::{
        admit::{Asked, Kept, admit},
        decide::helps_failure,
        stored::Stored,
        validate,
    },
    cookies::Cookies,
    edge::{Edge, Settings},
    fetch, headers,
    origin::Arriving,
    pass,
    request::{Answer, Visit},
    respond,
    serve::rules,
};

/// Asks the origin for the head alone. A copy that may be shown while the origin fails answers if it does.
pub(crate) async fn probe(visit: Visit, cookies: Cookies, copy: Arc<Stored>, edge: &Arc<Edge>) -> Answer {
    let (asked, asked_at) = (visit.parts.headers.clone(), edge.clock.now());
    let (rules, settings) = (rules(&visit), Arc::clone(&visit.settings));
    let heard = |answer: &Response<Arriving>| {
        freshen(&copy, (&asked, cookies, asked_at), answer, &settings, edge);
        None
    };
    let answer = pass::forward(visit, edge, cookies, "fwd=stale", heard).await;
    let now = edge.clock.time();
    if answer.0.status().is_server_error() && helps_failure(&copy, rules, now) {
        return respond::from_stored(&copy, &asked, CacheUse::Stale, now);
    }
    answer
}

/// Updates the copy by the answer to HEAD, if that speaks of the same representation; else the copy stays what it is: stale.
fn freshen(copy: &Stored, (asked, cookies, at): (&HeaderMap, Cookies, Now), answer: &Response<Arriving>, settings: &Settings, edge: &Edge) {
    let of_the_same = answer.status() == StatusCode::OK && copy.status == StatusCode::OK && validate::same_by_head(copy, answer.headers());
    // A page that says nothing says nothing of its changes either.
    if !of_the_same || copy.kept == Kept::Contract {
        return;
    }
    let mut update = answer.headers().clone();
    headers::from_origin(&mut update);
    let (updated, now) = (copy.updated_headers(&update), edge.clock.now());
    let asked = Asked { path: copy.path(), headers: asked, cookies, at: at.date };
    if let Some(admitted) = admit(asked, copy.status, &updated, now.date) {
        fetch::store(edge, settings, copy.confirmed(admitted, updated, now), copy.spillable().is_some(), at.time);
    }
}
