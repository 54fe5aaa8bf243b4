//! The program `overspill`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    overspill::cli::main()
}
