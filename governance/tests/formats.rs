//! Formats from outside: the bytes that are frozen, and what foreign bytes may do (nothing).
#![allow(clippy::unwrap_used)]

mod formats {
    mod charter_page;
    mod golden;
    mod hostile;
    mod samples;
    mod sentences;
}
