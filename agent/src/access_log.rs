//! The access log: one line for each answered request, written by a thread of its own, so that a slow disk never holds up a visitor.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use overspill_edge::AccessRecord;

use crate::config::{
    table::Settings,
    value::{AccessFormat, Addresses},
};

mod line;

/// How long lines wait in memory while nobody asks for anything.
const FLUSH_AFTER: Duration = Duration::from_millis(200);
/// How long records gather before they are taken. A visitor's thread wakes this one for a record only when it waits for one: under a crowd,
/// a few dozen times a second instead of at each request.
const GATHER: Duration = Duration::from_millis(25);
/// Records that are taken in one go before the file is looked after again.
const TAKEN_MAX: usize = 8_192;

/// Where and how the log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// `-` is standard output.
    path: Option<PathBuf>,
    format: AccessFormat,
    addresses: Addresses,
}

impl Form {
    /// What the settings ask for.
    pub fn of(settings: &Settings) -> Self {
        Self { path: settings.access_log_path.clone(), format: settings.access_log_format, addresses: settings.access_log_addresses }
    }
}

/// What the writing thread is told.
#[derive(Debug)]
enum Change {
    /// Open the file again, in this form.
    Reopen(Form),
    /// Write what is there, and end.
    End,
}

/// Holds the log of a running agent.
#[derive(Debug)]
pub struct AccessLog {
    changes: Sender<Change>,
    thread: std::thread::JoinHandle<()>,
}

impl AccessLog {
    /// Starts writing what comes in at `records`; ends when no more can come.
    ///
    /// # Errors
    /// When the operating system gives no thread. A file that cannot be opened is warned of, and tried again at each reopening.
    pub fn start(records: tokio::sync::mpsc::Receiver<AccessRecord>, form: Form) -> io::Result<Self> {
        let (sender, changes) = channel();
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || run(records, form, &changes))?;
        Ok(Self { changes: sender, thread })
    }

    /// Opens the file again (it may have been rotated away), in the given form.
    pub fn reopen(&self, form: Form) {
        let _ = self.changes.send(Change::Reopen(form));
    }

    /// Waits until everything that the edge said is written. The edge must have been stopped before.
    pub fn finish(self) {
        let _ = self.changes.send(Change::End);
        let _ = self.thread.join();
    }
}

fn run(mut records: tokio::sync::mpsc::Receiver<AccessRecord>, mut form: Form, changes: &Receiver<Change>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else {
        tracing::error!("no access log: the operating system gives no timer");
        return;
    };
    let mut target = open(&form);
    let mut taken = Vec::new();
    loop {
        let came = runtime.block_on(async { tokio::time::timeout(FLUSH_AFTER, records.recv_many(&mut taken, 1)).await });
        if matches!(came, Ok(1..)) {
            std::thread::sleep(GATHER);
            taken.extend(std::iter::from_fn(|| records.try_recv().ok()).take(TAKEN_MAX));
        }
        let mut ends = matches!(came, Ok(0));
        for change in changes.try_iter() {
            match change {
                Change::Reopen(changed) => {
                    flush(&mut target, &form);
                    form = changed;
                    target = open(&form);
                }
                Change::End => ends = true,
            }
        }
        for record in taken.drain(..) {
            write(&mut target, &form, &record);
        }
        if ends {
            while let Ok(record) = records.try_recv() {
                write(&mut target, &form, &record);
            }
            break;
        }
        if came.is_err() {
            flush(&mut target, &form);
        }
    }
    flush(&mut target, &form);
}

type Target = Option<Box<dyn Write>>;

fn open(form: &Form) -> Target {
    let path = form.path.as_deref()?;
    if path == Path::new("-") {
        return Some(Box::new(BufWriter::new(io::stdout())));
    }
    match append_to(path) {
        Ok(file) => Some(Box::new(BufWriter::with_capacity(64 * 1024, file))),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "access log not written: the file cannot be opened; reload to try again");
            None
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

fn write(target: &mut Target, form: &Form, record: &AccessRecord) {
    let Some(writer) = target else { return };
    if let Err(error) = line::write(writer, form.format, form.addresses, record) {
        gone(target, form, &error);
    }
}

fn flush(target: &mut Target, form: &Form) {
    let Some(writer) = target else { return };
    if let Err(error) = writer.flush() {
        gone(target, form, &error);
    }
}

/// A log that cannot be written is given up until the next reopening: a full disk would otherwise be complained of at every request.
fn gone(target: &mut Target, form: &Form, error: &io::Error) {
    tracing::warn!(path = ?form.path, %error, "access log stopped: reload to try again");
    *target = None;
}
