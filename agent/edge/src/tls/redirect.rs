//! From plain HTTP to HTTPS, for those who want it.

use http::{
    HeaderValue, Method, Response, StatusCode, header,
    request::Parts,
    uri::{Authority, Scheme},
};

use super::Certificates;
use crate::{body::Payload, config::Config, headers::Asker, waiting};

/// Paths below this are asked for over plain HTTP by those who check who owns a host (RFC 8615): members their partners' keys,
/// certificate authorities their challenges.
const WELL_KNOWN: &str = "/.well-known/";

/// Sends a visitor of the site who came over plain HTTP to the same place over HTTPS, if that is wanted and possible.
pub(crate) fn to_https(
    config: &Config,
    certificates: &Certificates,
    asker: Asker,
    (host, parts): (&Authority, &Parts),
) -> Option<Response<Payload>> {
    let by_proxy = asker.trusted && parts.headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let wanted = config.tls.redirect
        && !asker.secure
        // While none is for it, https would show it another's, or nothing.
        && (config.tls.listen.is_empty() || certificates.are_for(host.host()))
        && !by_proxy
        && matches!(parts.method, Method::GET | Method::HEAD)
        && !parts.uri.path().starts_with(WELL_KNOWN);
    let target = parts.uri.path_and_query().filter(|_| wanted)?;
    let location = HeaderValue::try_from(format!("https://{}{target}", secure_authority(config, host))).ok()?;
    let mut response = waiting::plain(StatusCode::PERMANENT_REDIRECT, "");
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}

/// The host as visitors find it over HTTPS: with the port of the site's own address if that is an HTTPS one, else with none.
fn secure_authority(config: &Config, host: &Authority) -> String {
    let canonical = config.canonical.as_ref().filter(|canonical| canonical.scheme == Scheme::HTTPS);
    match canonical.and_then(|canonical| canonical.authority.port_u16()) {
        Some(port) if port != 443 => format!("{}:{port}", host.host()),
        _ => host.host().to_owned(),
    }
}
