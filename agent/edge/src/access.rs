//! One record per answered request, for whoever writes the access log. Values are shared, not copied, until they are written.

use std::{net::IpAddr, time::Duration};

use http::{HeaderValue, Method, StatusCode, Uri, Version};
use overspill_governance::{
    time::{Date, Time},
    units::Bytes,
};

use crate::classes::RequestClass;

/// How the cache took part in an answer (the words of RFC 9211 where it has them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheUse {
    /// Not asked: the answer is the edge's own.
    #[default]
    None,
    /// A stored response, fresh.
    Hit,
    /// A stored response beyond its freshness.
    Stale,
    /// A stored response that the origin confirmed.
    Revalidated,
    /// Fetched, together with others who asked meanwhile.
    Collapsed,
    /// Fetched.
    Miss,
    /// Not looked up: session, method or authorization.
    Bypass,
    /// The visitor was sent to a helper.
    Spilled,
    /// Served for another site.
    Guest,
}

impl CacheUse {
    /// The word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Collapsed => "collapsed",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Spilled => "spilled",
            Self::Guest => "guest",
        }
    }
}

/// One answered request.
#[derive(Debug, Clone)]
pub struct AccessRecord {
    /// When the request's head was complete.
    pub date: Date,
    /// The visitor: the address that a trusted proxy names, else the connection's.
    pub visitor: IpAddr,
    /// The request's method.
    pub method: Method,
    /// The request's target as it came.
    pub target: Uri,
    /// The request's protocol version.
    pub version: Version,
    /// The Host field.
    pub host: Option<HeaderValue>,
    /// The Referer field.
    pub referer: Option<HeaderValue>,
    /// The User-Agent field.
    pub user_agent: Option<HeaderValue>,
    /// The answer's status.
    pub status: StatusCode,
    /// Body bytes handed to the connection.
    pub bytes: u64,
    /// From the request's head to the answer's last byte.
    pub duration: Duration,
    /// The cache's part.
    pub cache: CacheUse,
    /// Who seems to have asked.
    pub class: RequestClass,
    /// The body reached its end; otherwise the visitor left or the origin broke off.
    pub complete: bool,
}

/// The record of a request that is still being answered.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) start: Time,
    pub(crate) bytes: u64,
    pub(crate) answered: bool,
    pub(crate) complete: bool,
    /// The uplink was charged when the answer was decided on.
    pub(crate) prepaid: bool,
    pub(crate) visitor: IpAddr,
    /// What the visitor may have the origin send in vain.
    pub(crate) miss_budget: Option<Bytes>,
    /// The origin sends for this visitor alone, and has at most so many bytes left.
    pub(crate) passing: Option<u64>,
    /// What the visitor was charged for that before it came.
    pub(crate) charged: u64,
    pub(crate) record: Option<Box<AccessRecord>>,
}
