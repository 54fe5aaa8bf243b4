//! What one HTTP/2 connection may do, judged by the heads of its frames alone; the HTTP library below knows the rest, and does not mind
//! how many frames of control come, or how long a reader dawdles.
//!
//! Told what was read and written, asked for a verdict, and says when to ask. No clock, no socket.

use std::{collections::BTreeMap, time::Duration};

use overspill_governance::time::Time;

use super::frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, Frames, HEADERS, PREFACE_BYTES, RST_STREAM, WINDOW_UPDATE};
use crate::limits::{
    HEAD_BYTES_MAX, HTTP2_CONTINUATIONS_MAX, HTTP2_CONTROL_BURST, HTTP2_CONTROL_RATE, HTTP2_LEAVING, HTTP2_STREAMS_MAX,
    HTTP2_UPDATES_BURST, HTTP2_UPDATES_EARNED,
};

/// How long a visitor may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// To send a head, or a frame of control, that it began.
    pub(crate) head: Duration,
    /// To ask for something when nothing is being answered.
    pub(crate) idle: Duration,
    /// To take more of an answer.
    pub(crate) stall: Duration,
}

/// A connection that did what none has to do. It is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rude;

/// What to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Stay,
    /// Let it finish what it has, and nothing more (GOAWAY).
    Leave,
    /// Close it.
    Cut,
}

/// The books on one connection.
#[derive(Debug)]
pub(crate) struct Manners {
    patience: Patience,
    inbound: Frames,
    outbound: Frames,
    /// Frames of control that may still come, and when that was reckoned.
    control: (u32, Time),
    /// Window updates that may still come: each frame of a body that is sent lets some more come.
    updates: u32,
    /// CONTINUATION frames and bytes of the head that is coming.
    block: Option<(u32, u32)>,
    /// When the head or frame of control began that has not ended.
    begun: Option<Time>,
    /// Open streams, with the time when something of the answer was last sent, if it has begun.
    streams: BTreeMap<u32, Option<Time>>,
    /// The highest stream that a visitor opened.
    newest: u32,
    /// When the last stream ended.
    idle: Time,
    leaving: Option<Time>,
    rude: bool,
}

impl Manners {
    pub(crate) fn new(patience: Patience, now: Time) -> Self {
        Self {
            patience,
            inbound: Frames::after(PREFACE_BYTES),
            outbound: Frames::default(),
            control: (HTTP2_CONTROL_BURST, now),
            updates: HTTP2_UPDATES_BURST,
            block: None,
            begun: None,
            streams: BTreeMap::new(),
            newest: 0,
            idle: now,
            leaving: None,
            rude: false,
        }
    }

    /// Takes bytes that the visitor sent.
    pub(crate) fn on_read(&mut self, mut bytes: &[u8], now: Time) -> Result<(), Rude> {
        while !bytes.is_empty() {
            let (frame, taken) = self.inbound.read(bytes);
            bytes = &bytes[taken..];
            if let Some(frame) = frame
                && let Err(rude) = self.on_frame(frame, now)
            {
                self.rude = true;
                return Err(rude);
            }
        }
        let unfinished = self.block.is_some() || self.inbound.is_inside_head();
        self.begun = if unfinished { self.begun.or(Some(now)) } else { None };
        Ok(())
    }

    /// Takes bytes that were sent to the visitor.
    pub(crate) fn on_written(&mut self, mut bytes: &[u8], now: Time) {
        while !bytes.is_empty() {
            let (frame, taken) = self.outbound.read(bytes);
            bytes = &bytes[taken..];
            match frame {
                Some(frame) if frame.kind == RST_STREAM => self.close(frame.stream, now),
                Some(frame) if matches!(frame.kind, DATA | HEADERS) => {
                    if frame.kind == DATA {
                        self.updates = self.updates.saturating_add(HTTP2_UPDATES_EARNED).min(HTTP2_UPDATES_BURST);
                    }
                    if frame.has(END_STREAM) {
                        self.close(frame.stream, now);
                    } else if let Some(moved) = self.streams.get_mut(&frame.stream) {
                        *moved = Some(now);
                    }
                }
                _ => {}
            }
        }
    }

    fn on_frame(&mut self, frame: Frame, now: Time) -> Result<(), Rude> {
        match frame.kind {
            HEADERS => {
                self.block = (!frame.has(END_HEADERS)).then_some((0, frame.length));
                if frame.stream > self.newest {
                    self.newest = frame.stream;
                    self.streams.insert(frame.stream, None);
                }
                // Those beyond the announced number are refused by the library, and so closed again when that is written.
                if self.streams.len() > 2 * HTTP2_STREAMS_MAX as usize { Err(Rude) } else { Ok(()) }
            }
            CONTINUATION => {
                let (frames, bytes) = self.block.unwrap_or_default();
                let (frames, bytes) = (frames + 1, bytes.saturating_add(frame.length));
                self.block = (!frame.has(END_HEADERS)).then_some((frames, bytes));
                if frames > HTTP2_CONTINUATIONS_MAX || bytes as usize > HEAD_BYTES_MAX { Err(Rude) } else { Ok(()) }
            }
            DATA if frame.length > 0 || frame.has(END_STREAM) => Ok(()),
            WINDOW_UPDATE if self.updates > 0 => {
                self.updates -= 1;
                Ok(())
            }
            RST_STREAM => {
                self.close(frame.stream, now);
                self.spend(now)
            }
            // SETTINGS, PING, PRIORITY, empty DATA, and whatever nobody knows.
            _ => self.spend(now),
        }
    }

    /// Counts one frame of control.
    fn spend(&mut self, now: Time) -> Result<(), Rude> {
        let (left, reckoned) = self.control;
        let earned = now.since(reckoned).as_millis().saturating_mul(u128::from(HTTP2_CONTROL_RATE)) / 1_000;
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        let reckoned = if earned > 0 { now } else { reckoned };
        let left = left.saturating_add(earned).min(HTTP2_CONTROL_BURST).checked_sub(1).ok_or(Rude)?;
        self.control = (left, reckoned);
        Ok(())
    }

    fn close(&mut self, stream: u32, now: Time) {
        if self.streams.remove(&stream).is_some() && self.streams.is_empty() {
            self.idle = now;
        }
    }

    /// Tells whether it was ended for what it sent.
    pub(crate) fn is_rude(&self) -> bool {
        self.rude
    }

    /// How many streams are open.
    pub(crate) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Notes that it was told to leave.
    pub(crate) fn on_leave(&mut self, now: Time) {
        self.leaving.get_or_insert(now);
    }

    /// When to ask for a verdict; it may be later than that when the time has come.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let head = self.begun.map(|begun| begun.after(self.patience.head));
        let stall = self.streams.values().flatten().min().map(|moved| {
            let stalled = moved.after(self.patience.stall);
            // One that stalls was noticed if it was told to leave; then it is the second span that counts.
            self.leaving.map_or(stalled, |leaving| stalled.max(leaving.after(self.patience.stall)))
        });
        let idle = self.streams.is_empty().then(|| match self.leaving {
            Some(leaving) => leaving.max(self.idle).after(HTTP2_LEAVING),
            None => self.idle.after(self.patience.idle),
        });
        [head, stall, idle].into_iter().flatten().min()
    }

    /// What to do now.
    pub(crate) fn verdict(&self, now: Time) -> Verdict {
        if self.begun.is_some_and(|begun| begun.after(self.patience.head) <= now) {
            return Verdict::Cut;
        }
        let is_stalled = |moved: &Option<Time>| moved.is_some_and(|moved| moved.after(self.patience.stall) <= now);
        let idle = self.streams.is_empty();
        match self.leaving {
            None if idle && self.idle.after(self.patience.idle) <= now => Verdict::Leave,
            Some(leaving) if idle && leaving.max(self.idle).after(HTTP2_LEAVING) <= now => Verdict::Cut,
            _ if idle => Verdict::Stay,
            // Nobody waits for anything else on this connection.
            _ if self.streams.values().all(is_stalled) => Verdict::Cut,
            None if self.streams.values().any(is_stalled) => Verdict::Leave,
            Some(leaving) if leaving.after(self.patience.stall) <= now && self.streams.values().any(is_stalled) => Verdict::Cut,
            _ => Verdict::Stay,
        }
    }
}

#[cfg(test)]
#[path = "manners_tests.rs"]
mod tests;
