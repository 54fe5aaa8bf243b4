//! What foreign bytes must never do.
//!
//! Each [`Target`] is an ordinary function that reads bytes as an agent does when a stranger sends them, and panics when they did what
//! they must not. `cargo test -p overspill-fuzz` drives every target on a stable toolchain, over its seeds, what was once found, and
//! mutations of both; `.ci/fuzz.sh` has libFuzzer drive the same functions, on the same toolchain. A target's program
//! built without libFuzzer replays the files that it is given and, with `--seeds DIR`, writes the seeds there as a first corpus.
//!
//! Seeds are made by code, from golden bytes and from two sites that talk, so that none is of an older format.
#![allow(clippy::unwrap_used, reason = "a panic is how a target tells what it found")]

mod edge;
mod gate;
mod governance;
pub mod mutate;
mod page;
mod protocol;
#[cfg(not(fuzzing))]
pub mod replay;
#[path = "../../edge/tests/common/strict.rs"]
#[allow(dead_code, unreachable_pub, missing_docs)]
mod strict;

/// Something that takes foreign bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name; its program is `fuzz_` and this.
    pub name: &'static str,
    /// Reads bytes; panics when they did what they must not.
    pub body: fn(&[u8]),
    /// Bytes that it should take.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What once made it panic, as lines of hex digits.
    pub found: &'static str,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "entry", body: governance::entry, seeds: governance::entries, found: "" },
    Target { name: "token", body: governance::token, seeds: governance::tokens, found: "" },
    Target { name: "ledger", body: governance::ledger, seeds: governance::ledgers, found: "" },
    Target { name: "wire", body: protocol::wire, seeds: protocol::messages, found: "" },
    Target { name: "machine", body: protocol::machine, seeds: protocol::talks, found: "" },
    Target { name: "ticket", body: protocol::ticket, seeds: protocol::tickets, found: "" },
    Target { name: "fill", body: protocol::fill, seeds: protocol::fills, found: "" },
    Target { name: "proof", body: protocol::proof, seeds: protocol::proofs, found: "" },
    Target { name: "gate", body: gate::gate, seeds: gate::connections, found: "" },
    Target {
        name: "request",
        body: edge::request,
        seeds: edge::requests,
        found: "505554202f7820485454502f312e310d0a486f73743a205b3a3a2c5d3a38300d0a\n505554202f7820485454502f312e310d0a486f73743a205b3a3a315d2c3a38300d0a",
    },
    Target { name: "connection", body: edge::connection, seeds: edge::connections, found: "" },
    Target { name: "answer", body: edge::answer, seeds: edge::answers, found: "" },
    Target {
        name: "response",
        body: edge::response,
        seeds: edge::responses,
        found: "3230360a436f6e74656e742d52616e67653a20627974657320332d39363636363636363636363636363636363636363636363636363636363636363636362f30390a455461000000000000000467530000003a20227472676c3a2f616174696f66206de16e65616778520a3a3d350a0a4745542067653a2062797464733d2d3d0a",
    },
    Target { name: "structured", body: edge::structured, seeds: edge::structured_fields, found: "" },
    Target { name: "stored", body: edge::stored, seeds: edge::stored_files, found: "" },
    Target { name: "page", body: page::page, seeds: page::pages, found: "" },
];

/// The target of that name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("there is no target {name}"))
}

/// The whole of a target's program.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ($crate::target($name).body)(bytes));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            $crate::replay::main(&$crate::target($name))
        }
    };
}

/// Hex digits, with line ends anywhere, as bytes.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    data_encoding::HEXLOWER_PERMISSIVE.decode(&digits).unwrap()
}

impl Target {
    /// Its seeds, and what was once found.
    #[must_use]
    pub fn start(&self) -> Vec<Vec<u8>> {
        let mut start = (self.seeds)();
        start.extend(self.found.lines().map(unhex));
        start
    }
}
