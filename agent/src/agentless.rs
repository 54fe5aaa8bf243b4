//! What the agentless target was promised in each month: one line in a file, written before the edge may promise it.
//!
//! Bytes are written down in blocks and granted after. What an agent had been granted when it died counts as promised: a restart may cost
//! the target a block, and never gives it one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use overspill_governance::{time::Date, units::Bytes};

use crate::state::sync_directory;

/// Pause after nothing could be granted: a month begins, and a raised cap counts, within this time.
pub const LOOK: Duration = Duration::from_secs(20);
/// Most that is written down at once: a second of a line of 0.5 Gbit/s, so that a crowd does not wait for the disk.
const BLOCK: u64 = 64 << 20;
/// A cap is at least so many blocks, or a restart would cost much of it.
const BLOCKS: u64 = 64;
/// What the line begins with.
const NAME: &str = "overspill-agentless-1";
const DAY: u64 = 86_400_000;

/// Bytes that may be promised until a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// How many.
    pub bytes: u64,
    /// When the month ends.
    pub until: Date,
}

/// The file, and what it says.
#[derive(Debug)]
pub struct Meter {
    path: PathBuf,
    written: Month,
}

/// `2026-11`, and what was promised in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Month {
    name: String,
    promised: u64,
}

impl Meter {
    /// Reads the file; one that is not there was never written.
    ///
    /// # Errors
    /// When it cannot be read, or says something else: then nobody knows what was promised.
    pub fn open(path: &Path) -> io::Result<Self> {
        let written = match fs::read_to_string(path) {
            Ok(text) => read(&text).ok_or_else(|| {
                let advice = format!("{} is damaged: delete it to begin the month anew", path.display());
                io::Error::new(io::ErrorKind::InvalidData, advice)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Month { name: String::new(), promised: 0 },
            Err(error) => return Err(error),
        };
        Ok(Self { path: path.to_owned(), written })
    }

    /// Writes down that more is promised, `wanted` bytes at least if the month's cap has them, and says how many; nothing if none are left.
    ///
    /// # Errors
    /// What the operating system says; nothing is promised then.
    pub fn reserve(&mut self, cap: Bytes, wanted: u64, date: Date) -> io::Result<Option<Grant>> {
        let mut month = self.month(date);
        let block = (cap.0 / BLOCKS).clamp(1, BLOCK).max(wanted);
        let bytes = block.min(cap.0.saturating_sub(month.promised));
        if bytes == 0 {
            return Ok(None);
        }
        month.promised += bytes;
        write(&self.path, &month)?;
        self.written = month;
        Ok(Some(Grant { bytes, until: end(date) }))
    }

    /// Bytes that were promised this month.
    pub fn promised(&self, date: Date) -> u64 {
        self.month(date).promised
    }

    /// The month at hand. A clock that was put back gives nothing back: the later month goes on counting.
    fn month(&self, date: Date) -> Month {
        let name = name(date);
        if name > self.written.name { Month { name, promised: 0 } } else { self.written.clone() }
    }
}

fn name(date: Date) -> String {
    date.to_string().chars().take("2026-11".len()).collect()
}

/// When the next month begins.
fn end(date: Date) -> Date {
    let month = name(date);
    let midnight = date.as_millis() - date.as_millis() % DAY;
    let mut days = (1..=31).map(|days| Date::from_millis(midnight + days * DAY));
    days.find(|day| name(*day) != month).unwrap_or(date)
}

fn read(text: &str) -> Option<Month> {
    let mut words = text.strip_suffix('\n')?.split(' ');
    let (kind, name, promised) = (words.next()?, words.next()?, words.next()?);
    let is_month = name.len() == 7 && name.bytes().enumerate().all(|(at, byte)| if at == 4 { byte == b'-' } else { byte.is_ascii_digit() });
    let is_line = kind == NAME && is_month && words.next().is_none();
    Some(Month { name: name.to_owned(), promised: promised.parse().ok()? }).filter(|_| is_line)
}

/// Whole or not at all, and on the disk when this returns.
fn write(path: &Path, month: &Month) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(file, "{NAME} {} {}", month.name, month.promised)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const CAP: Bytes = Bytes(6_400);
    /// 2026-11-22.
    const NOVEMBER: Date = Date::from_millis(1_795_305_600_123);
    const DECEMBER: Date = Date::from_millis(1_796_083_200_000);

    fn place() -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("agentless");
        (folder, path)
    }

    #[test]
    fn no_more_is_granted_in_a_month_than_its_cap_whatever_dies_in_it() {
        let (_folder, path) = place();
        let mut granted = 0;
        for round in 0..200 {
            // Each agent dies after a few grants, of which it may have used none.
            let mut meter = Meter::open(&path).unwrap();
            for _ in 0..round % 4 {
                if let Some(grant) = meter.reserve(CAP, round % 7 * 40, NOVEMBER).unwrap() {
                    assert_eq!(grant.until, DECEMBER);
                    granted += grant.bytes;
                    assert_eq!(meter.promised(NOVEMBER), granted);
                    assert!(
                        fs::read_to_string(&path).unwrap().ends_with(&format!(" 2026-11 {granted}\n")),
                        "written down before it is granted"
                    );
                }
            }
        }
        assert_eq!(granted, CAP.0);
        assert_eq!(Meter::open(&path).unwrap().reserve(CAP, 1, NOVEMBER).unwrap(), None);
    }

    #[test]
    fn a_month_begins_anew_and_a_clock_put_back_gives_nothing() {
        let (_folder, path) = place();
        let mut meter = Meter::open(&path).unwrap();
        assert_eq!(meter.reserve(CAP, CAP.0, NOVEMBER).unwrap().unwrap().bytes, CAP.0);
        assert_eq!(meter.reserve(CAP, 0, DECEMBER.before(Duration::from_millis(1))).unwrap(), None);
        let grant = meter.reserve(CAP, 0, DECEMBER).unwrap().unwrap();
        assert_eq!((grant.bytes, grant.until), (100, Date::from_millis(DECEMBER.as_millis() + 31 * DAY)));
        assert_eq!(meter.reserve(CAP, CAP.0, NOVEMBER).unwrap().unwrap().bytes, CAP.0 - 100, "counted in December");
        assert_eq!(meter.reserve(CAP, 0, NOVEMBER).unwrap(), None);
        assert_eq!(Meter::open(&path).unwrap().promised(NOVEMBER), CAP.0);
    }

    #[test]
    fn a_file_that_says_something_else_grants_nothing() {
        let (_folder, path) = place();
        for text in
            ["", "overspill-agentless-1 2026-11 5", "overspill-agentless-1 2026-11 -5\n", "overspill-agentless-2 2026-11 5\n", "x\n"]
        {
            fs::write(&path, text).unwrap();
            assert_eq!(Meter::open(&path).unwrap_err().kind(), io::ErrorKind::InvalidData, "{text:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "left as it was");
        }
    }

    #[test]
    fn what_cannot_be_written_down_is_not_granted() {
        let (folder, path) = place();
        let mut meter = Meter::open(&path).unwrap();
        fs::create_dir(folder.path().join("agentless.new")).unwrap();
        assert!(meter.reserve(CAP, 0, NOVEMBER).is_err());
        assert_eq!(meter.promised(NOVEMBER), 0);
    }

    #[test]
    fn a_month_ends_at_midnight_of_its_last_day() {
        let leap = Date::from_millis(1_835_395_200_000); // 2028-02-28
        assert_eq!(end(leap).to_string(), "2028-03-01T00:00:00Z");
        assert_eq!(end(Date::from_millis(DECEMBER.as_millis() - 1)), DECEMBER);
    }
}
