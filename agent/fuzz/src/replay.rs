//! A target's program without libFuzzer: replays files, writes the seeds, or prints a corpus as lines to keep.

use std::{env, fs, io, path::Path};

use crate::Target;

/// Does what the command line says.
///
/// # Errors
/// When a file cannot be read or written.
pub fn main(target: &Target) -> io::Result<()> {
    let mut arguments = env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--seeds" {
            let folder = arguments.next().unwrap_or_else(|| format!("corpus/fuzz_{}", target.name).into());
            write_seeds(target, Path::new(&folder))?;
        } else if argument == "--keep" {
            let folder = arguments.next().ok_or_else(|| io::Error::other("--keep wants a folder"))?;
            print!("{}", kept(target, Path::new(&folder))?);
        } else {
            (target.body)(&fs::read(argument)?);
        }
    }
    Ok(())
}

/// The files of a corpus that are no seeds, shortest first, each a line of hex digits.
fn kept(target: &Target, folder: &Path) -> io::Result<String> {
    let seeds = (target.seeds)();
    let files: Vec<Vec<u8>> = fs::read_dir(folder)?.map(|entry| fs::read(entry?.path())).collect::<io::Result<_>>()?;
    let mut files: Vec<_> = files.into_iter().filter(|file| !file.is_empty() && !seeds.contains(file)).collect();
    files.sort_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
    files.dedup();
    Ok(files.iter().map(|file| data_encoding::HEXLOWER.encode(file) + "\n").collect())
}

fn write_seeds(target: &Target, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (at, seed) in target.start().iter().enumerate() {
        fs::write(folder.join(format!("seed-{at:03}")), seed)?;
    }
    Ok(())
}
