//! The edge over TLS and HTTP/2, with real sockets and the clients of rustls and hyper.
#![allow(clippy::unwrap_used)]

mod challenges;
#[path = "../common/mod.rs"]
mod common;
mod floods;
mod http1;
mod http2;
mod plain;
mod support;
