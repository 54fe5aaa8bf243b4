//! A disk whose power can be cut: an ext4 file system in a loop image.
//!
//! A copy of the image is what the disk would hold had the power gone at that moment: what the page cache of the file system still
//! held is not in it. Mounting the copy replays its journal, as the next start of the machine would.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::geteuid;

const IMAGE_BYTES: u64 = 48 << 20;

/// A mounted disk; unmounted and thrown away when dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    image: PathBuf,
    folder: PathBuf,
}

impl Disk {
    /// An empty disk in `folder`; `None` without root, `mkfs.ext4` or a loop device.
    pub(crate) fn new(folder: &Path, name: &str) -> Option<Self> {
        let image = folder.join(format!("{name}.img"));
        if !geteuid().is_root() {
            return None;
        }
        fs::File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).ok()?;
        let formatted = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).status().ok()?;
        formatted.success().then(|| Self::mounted(image, folder.join(name)).ok()).flatten()
    }

    /// What a cut of the power leaves of it. Whoever writes to it stands still meanwhile.
    pub(crate) fn after_a_cut(&self, name: &str) -> io::Result<Self> {
        let image = self.image.with_file_name(format!("{name}.img"));
        fs::copy(&self.image, &image)?;
        Self::mounted(image, self.folder.with_file_name(name))
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn mounted(image: PathBuf, folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let done = Command::new("mount").args(["-o", "loop"]).args([&image, &folder]).output()?;
        if done.status.success() {
            Ok(Self { image, folder })
        } else {
            Err(io::Error::other(String::from_utf8_lossy(&done.stderr).into_owned()))
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.folder).status();
        let _ = fs::remove_file(&self.image);
    }
}

/// Says why a story of power cuts is not told here.
pub(crate) fn passed_over() {
    eprintln!("passed over: needs root, mkfs.ext4 and a loop device");
}

/// Rounds of power cuts: `OVERSPILL_POWER_CUTS`, or a few.
pub(crate) fn rounds(otherwise: u32) -> u32 {
    std::env::var("OVERSPILL_POWER_CUTS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(otherwise)
}

/// Waits until a process that was sent SIGSTOP stands still.
pub(crate) fn wait_until_stopped(pid: u32) {
    for _ in 0..1_000 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("process {pid} did not stop");
}
