//! Sheets: copies of large bodies, in memory, of which the kernel can send.
//!
//! What is written to a socket is copied for each visitor, and for a large body the copy is most of what a hit costs. The pages of a file
//! are not copied: the socket refers to them where they are. So a body that is asked for again and again gets a file that has no name and
//! is on no disk (memfd_create(2)), and is sent from there.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::limits::{SHEET_ASKED_MIN, SHEETS_BYTES_MAX, SHEETS_MAX, SHEETS_SHARE};

/// The sheets of an edge.
#[derive(Debug)]
pub(crate) struct Sheets(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// By where the body lies. As it is held here, no other body can come to lie there.
    sheets: HashMap<usize, Sheet>,
    bytes: u64,
    bytes_max: u64,
    /// Counts questions, as a clock.
    now: u64,
}

/// A body that was asked for lately.
#[derive(Debug)]
struct Sheet {
    body: Bytes,
    asked: u32,
    last: u64,
    /// Its copy, once it was asked for often enough.
    file: Option<Arc<File>>,
}

/// Where they may be `memory` bytes of bodies, the sheets take a share more.
fn share(memory: u64) -> u64 {
    (memory / SHEETS_SHARE).min(SHEETS_BYTES_MAX)
}

impl Sheets {
    pub(crate) fn new(memory: u64) -> Self {
        Self(Mutex::new(Inner { bytes_max: share(memory), ..Inner::default() }))
    }

    /// Changes the bound.
    pub(crate) fn resize(&self, memory: u64) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.bytes_max = share(memory);
        inner.make_room(0);
    }

    /// Notes that a body is asked for. Returns its copy, if it has one.
    pub(crate) fn find(&self, body: &Bytes) -> Option<Arc<File>> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.now += 1;
        let (now, place) = (inner.now, body.as_ptr().addr());
        if let Some(sheet) = inner.sheets.get_mut(&place).filter(|sheet| sheet.body.len() == body.len()) {
            (sheet.asked, sheet.last) = (sheet.asked.saturating_add(1), now);
            if sheet.file.is_none() && sheet.asked.is_multiple_of(SHEET_ASKED_MIN) {
                sheet.file =
                    copy(body).inspect_err(|error| tracing::debug!(%error, "no copy of a body that is asked for often")).ok().map(Arc::new);
            }
            return sheet.file.clone();
        }
        let length = body.len() as u64;
        if length <= inner.bytes_max / 4 && inner.make_room(length) {
            inner.bytes += length;
            let sheet = Sheet { body: body.clone(), asked: 1, last: now, file: None };
            if let Some(before) = inner.sheets.insert(place, sheet) {
                inner.bytes -= before.body.len() as u64;
            }
        }
        None
    }
}

impl Inner {
    /// Drops bodies that nobody else holds any more, then those that were not asked for the longest, until one of this length fits.
    fn make_room(&mut self, length: u64) -> bool {
        let fits = |inner: &Self| inner.sheets.len() < SHEETS_MAX && inner.bytes + length <= inner.bytes_max;
        if !fits(self) {
            let bytes = &mut self.bytes;
            self.sheets.retain(|_, sheet| {
                let is_held = !sheet.body.is_unique();
                *bytes -= if is_held { 0 } else { sheet.body.len() as u64 };
                is_held
            });
        }
        while !fits(self) {
            let Some(oldest) = self.sheets.iter().min_by_key(|(_, sheet)| sheet.last).map(|(place, _)| *place) else { break };
            if let Some(sheet) = self.sheets.remove(&oldest) {
                self.bytes -= sheet.body.len() as u64;
            }
        }
        fits(self)
    }
}

/// A file in memory with these bytes, which nothing can change any more: what a socket refers to must stay as it is.
fn copy(body: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("overspill-body", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(body)?;
    fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read as _, os::unix::fs::FileExt as _};

    fn body(byte: u8, length: usize) -> Bytes {
        vec![byte; length].into()
    }

    fn ask_often(sheets: &Sheets, body: &Bytes) -> Option<Arc<File>> {
        (0..SHEET_ASKED_MIN).map(|_| sheets.find(body)).last().flatten()
    }

    #[test]
    fn what_is_asked_for_often_gets_a_copy_that_stays_as_it_is() {
        let (sheets, one, other) = (Sheets::new(1 << 20), body(1, 20_000), body(2, 20_000));
        assert!((1..SHEET_ASKED_MIN).all(|_| sheets.find(&one).is_none() && sheets.find(&other).is_none()));
        let (one, other) = (sheets.find(&one).unwrap(), sheets.find(&other).unwrap());
        for (file, byte) in [(one, 1), (other, 2)] {
            let mut read = vec![0; 20_000];
            file.read_exact_at(&mut read, 0).unwrap();
            assert_eq!(read, [byte; 20_000]);
            assert!(file.write_at(b"x", 0).is_err(), "sealed");
            assert!((&*file).read(&mut [0]).is_ok());
        }
    }

    #[test]
    fn copies_are_bounded_and_what_the_cache_dropped_goes_first() {
        let sheets = Sheets::new(100_000 * SHEETS_SHARE);
        let bodies: Vec<_> = (0..4).map(|byte| body(byte, 25_000)).collect();
        assert!(bodies.iter().all(|body| ask_often(&sheets, body).is_some()));
        assert!(ask_often(&sheets, &body(9, 25_001)).is_none(), "more than a fourth of all");
        let held = |sheets: &Sheets, body: &Bytes| sheets.0.lock().unwrap().sheets.contains_key(&body.as_ptr().addr());
        let [first, second, third, fourth] = <[Bytes; 4]>::try_from(bodies).unwrap();
        drop(third);
        let next = body(5, 25_000);
        assert!(ask_often(&sheets, &next).is_some());
        assert!([&first, &second, &fourth, &next].iter().all(|body| held(&sheets, body)));
        sheets.find(&first);
        assert!(ask_often(&sheets, &body(6, 25_000)).is_some());
        assert!(held(&sheets, &first) && !held(&sheets, &second), "the one that was not asked for the longest goes");
        sheets.resize(50_000 * SHEETS_SHARE);
        let inner = sheets.0.lock().unwrap();
        assert!(inner.bytes <= 50_000 && inner.bytes == inner.sheets.values().map(|sheet| sheet.body.len() as u64).sum::<u64>());
    }

    #[test]
    fn another_length_from_the_same_place_is_another_body() {
        let (sheets, whole) = (Sheets::new(1 << 20), body(1, 20_000));
        assert!(ask_often(&sheets, &whole).is_some());
        assert!(sheets.find(&whole.slice(..16_500)).is_none());
        assert_eq!(sheets.0.lock().unwrap().bytes, 16_500);
    }
}
