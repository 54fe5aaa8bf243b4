//! How far it has come, on standard error: one line that is written over on a terminal, a line now and then elsewhere.

use std::{
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use crate::told;

/// Shows progress.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    shown: Instant,
    written: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), shown: Instant::now(), written: false }
    }

    /// Shows how far it has come, unless that was done a moment ago.
    pub fn show(&mut self, text: impl FnOnce() -> String) {
        let every = if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(10) };
        if self.shown.elapsed() < every {
            return;
        }
        self.shown = Instant::now();
        if self.terminal {
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K{}", text());
            self.written = true;
        } else {
            told::aside(text());
        }
    }

    /// Takes the line away, so that something else can be printed.
    pub fn clear(&mut self) {
        if core::mem::take(&mut self.written) {
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}
