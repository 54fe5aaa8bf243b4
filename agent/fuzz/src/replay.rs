//! A target's program without libFuzzer: replays files, or writes the seeds.

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
        } else {
            (target.body)(&fs::read(argument)?);
        }
    }
    Ok(())
}

fn write_seeds(target: &Target, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (at, seed) in target.start().iter().enumerate() {
        fs::write(folder.join(format!("seed-{at:03}")), seed)?;
    }
    Ok(())
}
