//! A real browser, headless, in front of real edges over TLS on unrelated domains, none of which leaves this machine.
//!
//! Passes over itself where there is no Chromium.
#![allow(clippy::unwrap_used)]

mod attacks;
mod chromium;
#[path = "../common/mod.rs"]
mod common;
mod font;
mod guests;
mod overflow;
mod pages;
mod secure;
