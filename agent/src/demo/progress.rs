//! What the demonstration shows on standard error while it runs: a bar on a terminal, plain lines elsewhere.

use std::{
    io::IsTerminal as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::out;

/// Where progress is shown. Clones share it.
#[derive(Debug, Clone)]
pub struct Display {
    bar: Option<ProgressBar>,
    last: Arc<Mutex<Option<Instant>>>,
}

impl Display {
    /// Chooses by what standard error is.
    #[must_use]
    pub fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}");
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(1_000);
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, last: Arc::default() }
    }

    /// Shows how far the present part has come; as plain lines, every five seconds.
    pub fn show(&self, share: f64, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position((share.clamp(0.0, 1.0) * 1_000.0) as u64);
            bar.set_message(text.to_owned());
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= Duration::from_secs(5)) {
            *last = Some(Instant::now());
            out::aside(text);
        }
    }

    /// Says something that stays.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out::aside(text)),
            None => out::aside(text),
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.set_position(0);
            bar.set_message("");
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}
