//! How the demonstration tells what it measured: a table, a page with charts, one JSON object.

mod charts;
mod json;
mod log;
mod page;
mod plot;
mod table;

pub use json::json;
pub use page::page;
pub use table::table;

use super::{
    figures::Arm,
    ledgers::Books,
    mesh::{Fault, Settled},
    setting::Setting,
};

/// All that was measured.
#[derive(Debug)]
pub struct Measured {
    /// What the arms shared.
    pub setting: Setting,
    /// Visitors straight at the site.
    pub bare_origin: Option<Arm>,
    /// An agent in front, without partners.
    pub agent_alone: Option<Arm>,
    /// The agent with its partners.
    pub mesh: Option<MeshArm>,
}

/// The mesh arm and what only it has.
#[derive(Debug)]
pub struct MeshArm {
    /// As for every arm.
    pub arm: Arm,
    /// Objects that crossed the owner's uplink to helpers, for each object and helper that carried it.
    pub copies: Copies,
    /// Highest learned limit at the owner.
    pub limit_max: u32,
    /// What the ledgers of both ends say.
    pub books: Books,
    /// How the mesh came to rest.
    pub settled: Settled,
    /// What was done to an agent in mid-crowd, if anything.
    pub fault: Option<Fault>,
}

/// How often objects crossed the owner's uplink to helpers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Copies {
    /// Fills that helpers finished.
    pub fills: u64,
    /// Different objects that helpers sent to visitors.
    pub objects: u64,
    /// Different pairs of object and helper among them.
    pub pairs: u64,
}

impl Copies {
    /// Times that an object crossed the owner's uplink for each helper that carried it: 1 is the least there can be.
    #[must_use]
    pub fn per_object_and_helper(&self) -> f64 {
        super::figures::ratio(self.fills, self.pairs)
    }
}

impl Measured {
    /// The arms that were run, by name.
    #[must_use]
    pub fn arms(&self) -> Vec<(&'static str, &Arm)> {
        let mesh = self.mesh.as_ref().map(|mesh| &mesh.arm);
        let arms = [("bare origin", self.bare_origin.as_ref()), ("agent alone", self.agent_alone.as_ref()), ("mesh", mesh)];
        arms.into_iter().filter_map(|(name, arm)| Some((name, arm?))).collect()
    }
}

/// Milliseconds, for JSON.
fn millis(span: std::time::Duration) -> u64 {
    span.as_millis() as u64
}
