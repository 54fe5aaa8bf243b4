//! Lists that people make and that must outlive the agent, each in a file that is written whole: a line that names the form, a line for each item,
//! and a line with the digest of all before it.
//!
//! A file that was damaged is read as far as it can be: what it still says is in force. It is not written again until somebody has mended it, so
//! that nothing is lost without a word.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use overspill_governance::digest::ObjectDigest;

use crate::state::sync_directory;

/// What stands before the digest.
const DIGEST: &str = "sha256 ";

/// What such a list is of.
pub trait Item: Clone {
    /// What the file begins with.
    const NAME: &'static str;
    /// Items at most.
    const ITEMS_MAX: usize;
    /// Bytes of a line at most.
    const LINE_BYTES_MAX: usize;

    /// The item as one line.
    fn written(&self) -> String;

    /// The item that a line says.
    fn read(line: &[u8]) -> Option<Self>;
}

/// A list, and the file that it is kept in.
#[derive(Debug)]
pub struct Kept<T> {
    path: PathBuf,
    items: Vec<T>,
    damage: Option<Damage>,
}

/// Why a file cannot be believed to be whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// It cannot be read at all, for this reason: nobody knows what it said.
    Unreadable(String),
    /// Some of it can.
    Damaged {
        /// Items that can be read, and are in force.
        read: usize,
        /// Lines that cannot.
        unread: usize,
    },
}

/// Why a list stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum Unchanged {
    /// The file is damaged.
    #[error("{}: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// It has as many items as there may be.
    #[error("the list is full: {0} items are the most")]
    Full(usize),
    /// It cannot be written.
    #[error("{} cannot be written: {error}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

impl Unchanged {
    /// What to do.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => {
                "nothing was changed: mend or restore the file, or move it away and say anew what it said, then restart the agent"
            }
            Self::Full(_) => "nothing was changed: take something off the list first",
            Self::System { .. } => "nothing was changed: mend what the message names, then try again",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "the list cannot be read, and nothing of it is in force: {error}"),
            Self::Damaged { read, unread } => {
                write!(f, "the list is damaged: {read} items can be read and are in force, {unread} lines cannot")
            }
        }
    }
}

impl<T: Item> Kept<T> {
    /// Reads the file; one that is not there is an empty list. One that is damaged says what can be read of it, and is not changed.
    pub fn open(path: &Path) -> Self {
        let limit = (T::ITEMS_MAX as u64 + 2) * (T::LINE_BYTES_MAX as u64 + 1);
        let mut bytes = Vec::new();
        let came = fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
        let (items, damage) = match came {
            Ok(_) => {
                let (items, unread) = read::<T>(&bytes);
                let is_whole = unread == 0 && bytes == written(&items);
                let damage = (!is_whole).then_some(Damage::Damaged { read: items.len(), unread });
                (items, damage)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Vec::new(), None),
            Err(error) => (Vec::new(), Some(Damage::Unreadable(error.to_string()))),
        };
        Self { path: path.to_owned(), items, damage }
    }

    /// What is on it.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// What is wrong with the file.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Replaces the list: whole or not at all, and on the disk when this returns.
    ///
    /// # Errors
    /// [`Unchanged`]; file and list are as they were.
    pub fn replace(&mut self, items: Vec<T>) -> Result<(), Unchanged> {
        let path = || self.path.clone();
        if let Some(damage) = &self.damage {
            return Err(Unchanged::Damaged { path: path(), damage: damage.clone() });
        }
        if items.len() > T::ITEMS_MAX {
            return Err(Unchanged::Full(T::ITEMS_MAX));
        }
        write(&self.path, &written(&items)).map_err(|error| Unchanged::System { path: path(), error })?;
        self.items = items;
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

fn written<T: Item>(items: &[T]) -> Vec<u8> {
    let lines: String = items.iter().map(|item| item.written() + "\n").collect();
    let text = format!("{}\n{lines}", T::NAME);
    let digest = ObjectDigest::of(text.as_bytes());
    format!("{text}{DIGEST}{digest}\n").into_bytes()
}

/// What can be read, and how many lines cannot.
fn read<T: Item>(bytes: &[u8]) -> (Vec<T>, usize) {
    let (mut items, mut unread): (Vec<T>, usize) = (Vec::new(), 0);
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let is_frame = line == T::NAME.as_bytes() || line.starts_with(DIGEST.as_bytes());
        match T::read(line) {
            Some(item) if !is_frame && items.len() < T::ITEMS_MAX => items.push(item),
            _ if is_frame => {}
            _ => unread += 1,
        }
    }
    (items, unread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tempfile::TempDir;

    impl Item for u16 {
        const NAME: &'static str = "numbers-1";
        const ITEMS_MAX: usize = 5;
        const LINE_BYTES_MAX: usize = 80;

        fn written(&self) -> String {
            format!("number {self}")
        }

        fn read(line: &[u8]) -> Option<Self> {
            std::str::from_utf8(line).ok()?.strip_prefix("number ")?.parse().ok()
        }
    }

    fn place() -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("numbers");
        (folder, path)
    }

    #[test]
    fn what_is_written_is_read_and_a_full_list_takes_no_more() {
        let (_folder, path) = place();
        assert_eq!((Kept::<u16>::open(&path).items(), Kept::<u16>::open(&path).damage()), (&[][..], None));
        let mut list = Kept::open(&path);
        list.replace(vec![1, 2, 3, 4, 5]).unwrap();
        assert!(matches!(list.replace(vec![1, 2, 3, 4, 5, 6]), Err(Unchanged::Full(5))));
        assert_eq!((Kept::<u16>::open(&path).items(), Kept::<u16>::open(&path).damage()), (&[1, 2, 3, 4, 5][..], None));
    }

    #[test]
    fn a_damaged_file_says_what_it_can_and_is_left_as_it_is() {
        let (_folder, path) = place();
        Kept::open(&path).replace(vec![1_u16, 2, 3]).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        for (text, left) in [
            (good[.."numbers-1\nnumber 1\nnum".len()].to_owned(), 1),
            (good.replace("number 2", "numbe 2"), 2),
            (good.replace("number 2", "number 7"), 3),
            (good.replace("numbers-1", "numbers-9"), 3),
            (good.replace("sha256 ", "sha256 0"), 3),
            (String::new(), 0),
        ] {
            fs::write(&path, &text).unwrap();
            let mut damaged = Kept::<u16>::open(&path);
            assert_eq!((damaged.items().len(), damaged.damage().is_some()), (left, true), "{text}");
            assert!(matches!(damaged.replace(vec![9]), Err(Unchanged::Damaged { .. })));
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "left as it was");
        }
    }

    #[test]
    fn what_cannot_be_written_down_is_not_on_the_list() {
        let (folder, path) = place();
        fs::create_dir(folder.path().join("numbers.new")).unwrap();
        let mut list = Kept::<u16>::open(&path);
        assert!(matches!(list.replace(vec![1]), Err(Unchanged::System { .. })));
        assert!(list.items().is_empty());
        fs::create_dir(&path).unwrap();
        assert!(matches!(Kept::<u16>::open(&path).damage(), Some(Damage::Unreadable(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_flip_goes_unnoticed(at in 0_usize..10_000, bit in 0_u8..8, noise in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = written(&[7_u16, 8]);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let (items, unread) = read::<u16>(&bytes);
            prop_assert!(unread > 0 || bytes != written(&items), "{}", String::from_utf8_lossy(&bytes));
            let _ = read::<u16>(&noise);
        }
    }
}
