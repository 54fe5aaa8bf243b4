//! What foreign bytes must never do.
//!
//! Each [`Target`] is an ordinary function that reads bytes as an agent does when a stranger sends them, and panics when they did what
//! they must not. `cargo test -p overspill-fuzz` drives every target on a stable toolchain, over its seeds, what was once found, what is kept of
//! long runs, and mutations of all three; `.ci/fuzz.sh` has libFuzzer drive the same functions, on the same toolchain. A target's program
//! built without libFuzzer replays the files that it is given, writes what a run starts from with `--seeds FOLDER`, and prints a folder
//! as what is kept, with `--keep FOLDER`.
//!
//! Seeds are made by code, from golden bytes and from two sites that talk, so that none is of an older format. Kept are only those of
//! formats that are not ours to change, and of tickets.
#![allow(clippy::unwrap_used, reason = "a panic is how a target tells what it found")]

mod edge;
mod gate;
mod governance;
mod machine;
pub mod mutate;
mod page;
mod protocol;
#[cfg(not(fuzzing))]
pub mod replay;
#[path = "../../edge/tests/common/strict.rs"]
#[allow(dead_code, unreachable_pub, missing_docs)]
mod strict;
mod talk;

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
    /// What libFuzzer reached something new with, in long runs: a small set that reaches it all, as lines of hex digits.
    pub kept: &'static str,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target::new("entry", governance::entry, governance::entries),
    Target::new("evidence", governance::evidence, governance::bundles),
    Target::new("token", governance::token, governance::tokens),
    Target::new("ledger", governance::ledger, governance::ledgers),
    Target::new("wire", protocol::wire, protocol::messages),
    Target::new("machine", machine::machine, machine::talks),
    Target::new("settling", machine::settling, machine::talks),
    Target::new("ticket", protocol::ticket, protocol::tickets).kept(include_str!("../corpus/ticket.hex")),
    Target::new("fill", protocol::fill, protocol::fills),
    Target::new("proof", protocol::proof, protocol::proofs),
    Target::new("gate", gate::gate, gate::connections).kept(include_str!("../corpus/gate.hex")),
    Target::new("request", edge::request, edge::requests).found("505554202f7820485454502f312e310d0a486f73743a205b3a3a2c5d3a38300d0a\n505554202f7820485454502f312e310d0a486f73743a205b3a3a315d2c3a38300d0a\n505554202f7820485454502f312e310d0a486f73743a20613a2c5b5d3a38300d0a\n505554202f7820485454502f312e310d0a486f73743a20613a2b38300d0a").kept(include_str!("../corpus/request.hex")),
    Target::new("connection", edge::connection, edge::connections),
    Target::new("answer", edge::answer, edge::answers),
    Target::new("response", edge::response, edge::responses).found("3230360a436f6e74656e742d52616e67653a20627974657320332d39363636363636363636363636363636363636363636363636363636363636363636362f30390a455461000000000000000467530000003a20227472676c3a2f616174696f66206de16e65616778520a3a3d350a0a4745542067653a2062797464733d2d3d0a").kept(include_str!("../corpus/response.hex")),
    Target::new("structured", edge::structured, edge::structured_fields),
    Target::new("stored", edge::stored, edge::stored_files),
    Target::new("page", page::page, page::pages).kept(include_str!("../corpus/page.hex")),
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
    /// A target from whose seeds nothing was found yet.
    #[must_use]
    pub const fn new(name: &'static str, body: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Self {
        Self { name, body, seeds, found: "", kept: "" }
    }

    const fn found(self, found: &'static str) -> Self {
        Self { found, ..self }
    }

    const fn kept(self, kept: &'static str) -> Self {
        Self { kept, ..self }
    }

    /// Its seeds, what was once found, and what is kept of long runs.
    #[must_use]
    pub fn start(&self) -> Vec<Vec<u8>> {
        let mut start = (self.seeds)();
        start.extend(self.found.lines().chain(self.kept.lines()).map(unhex));
        start
    }
}
