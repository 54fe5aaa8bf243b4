//! What a demonstration is made of, worked out from its options before anything starts.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;

use super::{
    Options,
    content::{self, Content, Entry},
    crowd::{self, Account, Crowd, Demand, Replay},
    limits,
};

/// Workers that render pages at each site.
pub const WORKERS: usize = 2;
/// Mean time of rendering a page.
pub const SERVICE: Duration = Duration::from_millis(400);
/// Pages per second that a site can render.
pub const RENDERS: f64 = WORKERS as f64 / 0.4;
/// Requests for pages that wait at the origin. A longer queue would only make every answer late.
pub const QUEUE: usize = 8;
/// Uplink of each site in bytes per second: 20 Mbit/s.
pub const UPLINK: u64 = 2_500_000;
/// A page and its assets: so heavy that 20 times the render rate is 4 times the uplink.
pub const PAGE_WEIGHT: usize = (UPLINK as f64 * 4.0 / (RENDERS * 20.0)) as usize;
/// Share of the render rate that is used in calm.
pub const CALM: f64 = 0.6;
/// Share of the line that the owner tells the agent to fill towards visitors; the rest is for talk and fills.
pub const BUDGET: f64 = 0.92;

/// Everything that the arms share.
#[derive(Debug)]
pub struct Setting {
    /// What the struck site serves.
    pub content: Arc<Content>,
    /// The same as a catalogue.
    pub entries: Vec<Entry>,
    /// Who comes when.
    pub crowd: Crowd,
    /// Bytes per second of each site's uplink.
    pub uplink: u64,
    /// Helpers in the mesh.
    pub helpers: usize,
    /// The crowd's peak relative to the origin's render rate.
    pub factor: f64,
    /// Seed of content, crowd and service times.
    pub seed: u64,
    /// Where the processes keep their files.
    pub folder: PathBuf,
    /// What became of the log, if one is replayed.
    pub account: Option<Account>,
}

impl Setting {
    /// Works the setting out.
    ///
    /// # Errors
    /// When the options ask for what a machine is not asked to run, or the log cannot be replayed.
    pub fn new(options: &Options) -> anyhow::Result<Self> {
        anyhow::ensure!((1..=limits::HELPERS_MAX).contains(&options.helpers), "--helpers wants 1 to {}", limits::HELPERS_MAX);
        anyhow::ensure!(options.factor > 0.0 && options.factor <= 1_000.0, "--factor wants more than 0 and at most 1000");
        anyhow::ensure!((1..=600).contains(&options.seconds), "--seconds wants 1 to 600");
        anyhow::ensure!(options.calm <= 600, "--calm wants at most 600 seconds");
        anyhow::ensure!((1..=1_000).contains(&options.pages), "--pages wants 1 to 1000");
        anyhow::ensure!(options.line.is_none_or(|line| (0.1..=1_000.0).contains(&line)), "--line wants 0.1 to 1000 Mbit/s");
        let line = options.line.map(|line| (line * 1e6 / 8.0) as u64);
        let length = Duration::from_secs(options.seconds);
        let peak = options.factor * RENDERS;
        let folder = std::env::temp_dir().join(format!("overspill-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let tail = (length / 2).min(Duration::from_secs(8));
        let (entries, content, crowd, uplink, account);
        if let Some(file) = &options.log {
            let demand = Demand { factor: options.factor, length, tail, line };
            let replay = Replay::new(&crowd::read(file)?, &demand, options.seed)?;
            content = Content::new(&replay.entries, options.seed)?;
            (entries, crowd, uplink, account) = (replay.entries, replay.crowd, replay.line, Some(replay.account));
        } else {
            entries = content::blog(options.pages, PAGE_WEIGHT);
            content = Content::new(&entries, options.seed)?;
            let shape = crowd::Shape { calm: CALM * RENDERS, peak, length, before: Duration::from_secs(options.calm), tail };
            crowd = Crowd::synthetic(&shape, &content, options.seed)?;
            (uplink, account) = (line.unwrap_or(UPLINK), None);
        }
        let Options { helpers, factor, seed, .. } = *options;
        Ok(Self { content: Arc::new(content), entries, crowd, uplink, helpers, factor, seed, folder, account })
    }
}
