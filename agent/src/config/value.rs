//! The types that settings have: how each is read from a text, and written back.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use libp2p::Multiaddr;
use overspill_edge::AgentlessTarget;
use overspill_governance::{
    site::SiteId,
    units::{ByteRate, Bytes, RequestRate},
};
use overspill_protocol::quota::Hours;

use super::quantity::{self, Misread};

/// A setting's type. `read(&value.show())` gives the value back.
pub trait Value: Sized {
    /// What people are told to write.
    const FORM: &'static str;

    /// Reads a value.
    ///
    /// # Errors
    /// Says what is wrong and what to write.
    fn read(text: &str) -> Result<Self, Misread>;

    /// Writes the value as [`Value::read`] takes it.
    fn show(&self) -> String;
}

/// What an unset setting is called.
const NONE: &str = "none";

impl<T: Value> Value for Option<T> {
    const FORM: &'static str = T::FORM;

    fn read(text: &str) -> Result<Self, Misread> {
        if text.trim().is_empty() || text.trim() == NONE { Ok(None) } else { T::read(text).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| NONE.to_owned(), T::show)
    }
}

impl<T: Value> Value for Vec<T> {
    const FORM: &'static str = T::FORM;

    fn read(text: &str) -> Result<Self, Misread> {
        if text.trim() == NONE {
            return Ok(Self::new());
        }
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(T::read).collect()
    }

    fn show(&self) -> String {
        if self.is_empty() { NONE.to_owned() } else { self.iter().map(T::show).collect::<Vec<_>>().join(", ") }
    }
}

macro_rules! value {
    ($type:ty, $form:literal, $read:expr, $show:expr) => {
        impl Value for $type {
            const FORM: &'static str = $form;

            fn read(text: &str) -> Result<Self, Misread> {
                let read: fn(&str) -> Result<Self, Misread> = $read;
                read(text.trim())
            }

            fn show(&self) -> String {
                let show: fn(&Self) -> String = $show;
                show(self)
            }
        }
    };
}

fn parsed<T: std::str::FromStr>(text: &str, wrong: &str, write: &str) -> Result<T, Misread> {
    text.parse().map_err(|_| Misread::new(wrong, write))
}

value!(Bytes, "bytes", quantity::bytes, |value| quantity::show_bytes(*value));
value!(ByteRate, "rate", quantity::rate, |value| quantity::show_rate(*value));
value!(RequestRate, "requests/s", quantity::requests, |value| format!("{}/s", value.0));
value!(Duration, "time", quantity::span, |value| quantity::show_span(*value));
value!(u32, "number", |text| parsed(text, "is not a whole number in range", "a whole number, 0 or more"), u32::to_string);
value!(i64, "number", |text| parsed(text, "is not a whole number in range", "a whole number, perhaps negative"), i64::to_string);
value!(bool, "true/false", |text| parsed(text, "is neither true nor false", "true or false"), bool::to_string);
value!(
    SocketAddr,
    "address:port",
    |text| parsed(text, "is not an IP address with a port", "for example 0.0.0.0:80 or [::]:80"),
    SocketAddr::to_string
);
value!(std::net::IpAddr, "IP address", |text| parsed(text, "is not an IP address", "for example 10.0.0.1"), ToString::to_string);
value!(PathBuf, "path", |text| Ok(PathBuf::from(text)), |value| value.display().to_string());

value!(Hours, "hours", |text| quantity::hours(text), |value| quantity::show_hours(*value));

/// Scheme and authority of a web site, without a path: `https://blog.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host, and the port unless it is the scheme's own. Lower case.
    pub authority: String,
}

impl Web {
    /// The host without its port.
    pub fn host(&self) -> &str {
        host_of(&self.authority)
    }
}

fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

value!(Web, "URL", read_web, |value| format!("{}://{}", value.scheme, value.authority));

fn read_web(text: &str) -> Result<Web, Misread> {
    let write = "scheme and host, perhaps a port, for example https://blog.example";
    let (scheme, rest, own_port) = if let Some(rest) = text.strip_prefix("https://") {
        ("https", rest, ":443")
    } else if let Some(rest) = text.strip_prefix("http://") {
        ("http", rest, ":80")
    } else {
        return Err(Misread::new("does not begin with http:// or https://", write));
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let authority = read_authority(rest).map_err(|wrong| Misread::new(wrong, write))?;
    let authority = authority.strip_suffix(own_port).map(str::to_owned).unwrap_or(authority);
    Ok(Web { scheme, authority })
}

fn read_authority(text: &str) -> Result<String, String> {
    if text.contains(['/', '?', '#']) {
        return Err("has a path".to_owned());
    }
    let host = host_of(text);
    // The port is looked at first: it is what is wrong most often, and can be named.
    if let Some(port) = text.strip_prefix(host).and_then(|port| port.strip_prefix(':'))
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && !port.is_empty()
    {
        port.parse::<std::num::NonZeroU16>().map_err(|_| "has a port out of range".to_owned())?;
    }
    let authority = overspill_edge::read_authority(text.as_bytes()).ok_or("is not a host name with an optional port")?;
    Ok(authority.as_str().to_ascii_lowercase())
}

/// The origin: on this machine or in its network, mostly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host and port.
    pub authority: String,
}

value!(
    Origin,
    "URL",
    |text| {
        let web = read_web(text).map_err(|misread| Misread { write: "for example http://127.0.0.1:8080".to_owned(), ..misread })?;
        let port = if web.scheme == "https" { 443 } else { 80 };
        let authority = if host_of(&web.authority) == web.authority { format!("{}:{port}", web.authority) } else { web.authority };
        Ok(Origin { scheme: web.scheme, authority })
    },
    |value| format!("{}://{}", value.scheme, value.authority)
);

/// A host, perhaps with a port, in lower case: `www.blog.example`, `overflow.example:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(pub String);

impl Host {
    /// The name without its port.
    pub fn name(&self) -> &str {
        host_of(&self.0)
    }
}

value!(
    Host,
    "host",
    |text| read_authority(text)
        .map(Host)
        .map_err(|wrong| Misread::new(wrong, "a host name, perhaps a port, for example overflow.example:8443")),
    |value| value.0.clone()
);

/// A transport address of the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multi(pub Multiaddr);

value!(Multi, "multiaddr", |text| parsed(text, "is not a multiaddr", "for example /ip4/203.0.113.7/tcp/7400").map(Multi), |value| value
    .0
    .to_string());

/// A shared secret. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

value!(
    Secret,
    "token",
    |text| match text.len() {
        16..=256 if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Secret(text.to_owned())),
        _ => Err(Misread::new("is not a token", "16 to 256 visible characters without spaces, for example of `openssl rand -hex 16`")),
    },
    |_value| "(not shown)".to_owned()
);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(not shown)")
    }
}

/// What is logged: a level, or directives of `tracing_subscriber::EnvFilter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(pub String);

value!(
    Filter,
    "level",
    |text| match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) if !text.is_empty() => Ok(Filter(text.to_owned())),
        _ => Err(Misread::new("is not a log level", "error, warn, info, debug or trace, or directives such as info,overspill_edge=debug")),
    },
    |value| value.0.clone()
);

/// Defines an enumeration of words and how it is read.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $form:literal { $($(#[$word_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$word_doc])* $variant),+
        }

        value!(
            $name,
            $form,
            |text| match text {
                $($word => Ok(Self::$variant),)+
                _ => Err(Misread::new("is not a word that is known here", concat!("one of: ", $form))),
            },
            |value| match value { $(Self::$variant => $word.to_owned()),+ }
        );
    };
}

words!(
    /// The form of the agent's own log.
    LogFormat, "text/json" {
        /// One line for people.
        Text = "text",
        /// One JSON object in each line.
        Json = "json",
    }
);
words!(
    /// The form of the access log.
    AccessFormat, "combined/json" {
        /// Apache's combined format.
        Combined = "combined",
        /// One JSON object in each line.
        Json = "json",
    }
);
words!(
    /// How visitors' addresses are written.
    Addresses, "full/truncated" {
        /// As they are.
        Full = "full",
        /// The last 8 bits of IPv4 and the last 80 bits of IPv6 are set to zero.
        Truncated = "truncated",
    }
);
words!(
    /// The scheme under which guests are served.
    Scheme, "http/https" {
        /// Plain HTTP.
        Http = "http",
        /// HTTP over TLS, ended by the agent or by something in front of it.
        Https = "https",
    }
);

words!(
    /// How a certificate authority sees whose a host is.
    Proof, "http-01/tls-alpn-01" {
        /// It asks for a text over plain HTTP.
        Http = "http-01",
        /// It asks for a certificate in a handshake of its own.
        TlsAlpn = "tls-alpn-01",
    }
);

/// The directory of a certificate authority that speaks ACME.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Its address.
    pub url: String,
}

/// Directories that have names here.
const DIRECTORIES: &[(&str, &str)] = &[
    ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"),
    ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
];

value!(Directory, "name/URL", read_directory, |value| {
    let named = DIRECTORIES.iter().find(|(_, url)| *url == value.url);
    named.map_or_else(|| value.url.clone(), |(name, _)| (*name).to_owned())
});

fn read_directory(text: &str) -> Result<Directory, Misread> {
    let write = "letsencrypt, letsencrypt-staging, or an https:// address";
    if let Some((_, url)) = DIRECTORIES.iter().find(|(name, _)| *name == text) {
        return Ok(Directory { url: (*url).to_owned() });
    }
    let uri: http::Uri = text.parse().map_err(|_| Misread::new("is no authority that is known here", write))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("https"), Some(authority)) if !authority.as_str().contains('@') => Ok(Directory { url: text.to_owned() }),
        _ => Err(Misread::new("is no authority that is known here", write)),
    }
}

/// An e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact(pub String);

value!(
    Contact,
    "e-mail",
    |text| match text.split_once('@') {
        Some((who, host)) if !who.is_empty() && host.contains('.') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') => {
            Ok(Contact(text.to_owned()))
        }
        _ => Err(Misread::new("is not an e-mail address", "for example owner@blog.example")),
    },
    |value| value.0.clone()
);

value!(
    AgentlessTarget,
    "URL{path}",
    |text| AgentlessTarget::read(text).ok_or_else(|| Misread::new(
        "is not a scheme, a host and {path}",
        "for example https://zone.example.net{path}, and nothing between host and path"
    )),
    AgentlessTarget::template
);

/// Members by key; `None`: all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted(pub Option<Vec<SiteId>>);

value!(Trusted, "members/nobody/keys", read_trusted, |value| match &value.0 {
    None => "members".to_owned(),
    Some(keys) if keys.is_empty() => "nobody".to_owned(),
    Some(keys) => keys.iter().map(SiteId::to_string).collect::<Vec<_>>().join(", "),
});

fn read_trusted(text: &str) -> Result<Trusted, Misread> {
    let keys = |text: &str| text.split(',').map(str::trim).filter(|key| !key.is_empty()).map(str::parse).collect::<Result<Vec<_>, _>>();
    match text {
        "members" => Ok(Trusted(None)),
        "nobody" => Ok(Trusted(Some(Vec::new()))),
        _ => keys(text).ok().filter(|keys| !keys.is_empty()).map(|keys| Trusted(Some(keys))).ok_or_else(|| {
            Misread::new(
                "names no members",
                "members, nobody, or keys of 52 letters as `overspill partners --json` shows them, with commas",
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn web_sites_are_scheme_and_authority() {
        assert_eq!(Web::read("https://Blog.Example:443/").unwrap().show(), "https://blog.example");
        assert_eq!(Web::read("http://127.0.0.1:8080").unwrap().show(), "http://127.0.0.1:8080");
        for wrong in ["blog.example", "https://blog.example/path", "https://", "https://a@b", "http://x:0", "http://x:99999", "http://x:"] {
            assert!(Web::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn origins_have_a_port() {
        assert_eq!(Origin::read("http://localhost").unwrap().authority, "localhost:80");
        assert_eq!(Origin::read("http://[::1]").unwrap().authority, "[::1]:80");
        assert_eq!(Origin::read("https://localhost").unwrap().show(), "https://localhost:443");
        assert!(Origin::read("ftp://localhost").is_err());
    }

    #[test]
    fn authorities_have_names_or_secure_addresses() {
        let directory = Directory::read("letsencrypt").unwrap();
        assert!(directory.url.starts_with("https://acme-v02."));
        assert_eq!(directory.show(), "letsencrypt");
        assert_eq!(Directory::read("https://127.0.0.1:14000/dir").unwrap().show(), "https://127.0.0.1:14000/dir");
        for wrong in ["", "lets-encrypt", "http://127.0.0.1:14000/dir", "https://a@b/dir", "/dir"] {
            assert!(Directory::read(wrong).is_err(), "{wrong}");
        }
        assert!(Contact::read("owner@blog.example").is_ok() && Contact::read("owner").is_err());
    }

    #[test]
    fn none_is_none() {
        assert_eq!(Option::<Bytes>::read("none").unwrap(), None);
        assert_eq!(Vec::<Host>::read("a.example, b.example").unwrap().show(), "a.example, b.example");
        assert!(Vec::<Host>::read("none").unwrap().is_empty());
    }

    #[test]
    fn trust_is_all_none_or_some() {
        let key = SiteId([7; 32]);
        assert_eq!(Trusted::read("members").unwrap(), Trusted(None));
        assert_eq!(Trusted::read("nobody").unwrap().show(), "nobody");
        assert_eq!(Trusted::read(&format!("{key}, {key}")).unwrap(), Trusted(Some(vec![key, key])));
        for wrong in ["", "all", "blog.example", ","] {
            assert!(Trusted::read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_stable(text in "(https?://)?\\PC{0,40}") {
            if let Ok(web) = Web::read(&text) {
                prop_assert_eq!(Web::read(&web.show()).unwrap(), web);
            }
            if let Ok(origin) = Origin::read(&text) {
                prop_assert_eq!(Origin::read(&origin.show()).unwrap(), origin);
            }
            let _ = (Host::read(&text), Multi::read(&text), Filter::read(&text), SocketAddr::read(&text));
        }
    }
}
