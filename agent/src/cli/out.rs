//! What commands print, written in one place, because `println!` panics when nobody reads.
//!
//! A reader that goes away (`| head`) has read enough: the rest is not written, and the command ends as it would have ended. So
//! `ledger verify --entries | head` still says by its exit code whether the ledger is damaged, and nothing is killed half-way
//! by a signal. A result that cannot be written for another reason, such as a full disk, fails the command.

use std::{
    fmt::{Arguments, Display},
    io::{self, ErrorKind, Write},
};

use super::exit::{Failure, Outcome};

/// Prints a line on standard output.
///
/// # Errors
/// When it cannot be written, though somebody reads.
pub fn line(text: impl Display) -> Outcome {
    result_of(write(&mut io::stdout().lock(), format_args!("{text}\n")))
}

/// Prints a text that has its own line ends on standard output.
///
/// # Errors
/// When it cannot be written, though somebody reads.
pub fn text(text: impl Display) -> Outcome {
    result_of(write(&mut io::stdout().lock(), format_args!("{text}")))
}

/// Says a line on standard error; whether anybody hears it changes nothing.
pub fn aside(text: impl Display) {
    let _ = write(&mut io::stderr().lock(), format_args!("{text}\n"));
}

fn write(to: &mut impl Write, text: Arguments<'_>) -> io::Result<()> {
    match to.write_fmt(text).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn result_of(written: io::Result<()>) -> Outcome {
    written.map_err(|error| Failure::of_system("the command was carried out, but its result cannot be written", error))
}
