//! What happened, as one hash: two runs with equal hashes did the same things in the same order.

use overspill_governance::digest::Digest;

/// The running hash of a world, and its last lines for a failed test to print.
#[derive(Debug)]
pub struct Trace {
    hash: Digest,
    lines: std::collections::VecDeque<String>,
}

/// Lines kept for people.
const LINES_KEPT: usize = 400;

impl Default for Trace {
    fn default() -> Self {
        Self { hash: Digest::ZERO, lines: std::collections::VecDeque::new() }
    }
}

impl Trace {
    /// Notes one line.
    pub fn note(&mut self, line: String) {
        self.hash = Digest::of_parts("overspill trace v1", &[&self.hash.0, line.as_bytes()]);
        if self.lines.len() == LINES_KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The hash so far.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// The last lines, oldest first.
    pub fn tail(&self) -> String {
        self.lines.iter().fold(String::new(), |text, line| text + line + "\n")
    }
}
