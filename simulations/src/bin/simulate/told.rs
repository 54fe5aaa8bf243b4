//! What is printed, in one place: a reader that goes away (`| head`) has read enough, and changes nothing of how the program ends.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
};

use crate::ending::{Ending, Fault};

/// Prints a line on standard output.
///
/// # Errors
/// When it cannot be written, though somebody reads.
pub fn line(text: impl Display) -> Result<(), Fault> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Fault::new(
            Ending::System,
            format!("what was found cannot be written: {error}"),
            "mend what the message names, and run it again",
        )),
        _ => Ok(()),
    }
}

/// Says a line on standard error; whether anybody hears it changes nothing.
pub fn aside(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
