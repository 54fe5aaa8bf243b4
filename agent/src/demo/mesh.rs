//! The third arm: the agent with its helpers, joined by real invites, and what is read of them after the crowd.

mod fault;
mod settling;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::Value;

pub use fault::Fault;
pub use settling::Settled;

use super::{
    Options,
    agent::{Agent, Wanted},
    arm::{self, Field},
    content,
    ledgers::{self, Books},
    limits,
    progress::Display,
    report::{Copies, MeshArm},
    sampler::Limit,
    setting::{PAGE_WEIGHT, Setting},
    visitors::{Carrier, Ground, Journal},
};

/// Posts of each helper's own site: they have a life of their own, which the crowd does not visit.
const HELPER_PAGES: usize = 4;

/// An owner and its helpers, members of one mesh.
#[derive(Debug)]
pub struct Mesh {
    /// The site that is struck.
    pub owner: Agent,
    /// Its partners.
    pub helpers: Vec<Agent>,
}

impl Mesh {
    /// Starts all agents and joins the helpers to the owner's mesh by invite tokens.
    ///
    /// # Errors
    /// When a process does not come up or does not get in, with its own words.
    pub async fn start(setting: &Setting, display: &Display) -> anyhow::Result<Self> {
        let Setting { entries, seed, uplink: rate, folder, helpers: count, .. } = setting;
        let (seed, rate) = (*seed, *rate);
        let wanted = Wanted { name: "owner".to_owned(), entries, seed, rate, owner: None, threads: 2, folder };
        let owner = Agent::start(wanted).await?;
        owner.takes_commands().await?;
        owner.ask(&["init", "--name", "demo"]).await?;
        let own = content::blog(HELPER_PAGES, PAGE_WEIGHT);
        let mut helpers = Vec::with_capacity(*count);
        for number in 1..=*count {
            let (name, seed) = (format!("helper-{number}"), seed.wrapping_add(number as u64));
            let wanted = Wanted { name, entries: &own, seed, rate, owner: Some(owner.uplink.clone()), threads: 1, folder };
            let helper = Agent::start(wanted).await?;
            helper.takes_commands().await?;
            let invite = owner.ask(&["invite"]).await?;
            let token = invite["token"].as_str().context("`overspill invite --json` printed no token")?;
            helper.ask(&["join", token]).await?;
            display.show(number as f64 / *count as f64, &format!("{} has joined the mesh", helper.name));
            helpers.push(helper);
        }
        let mesh = Self { owner, helpers };
        mesh.ready().await?;
        Ok(mesh)
    }

    /// Waits until the owner knows what each helper offers.
    async fn ready(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let partners = self.owner.ask(&["partners"]).await?;
            let known = |partner: &&Value| partner["connected"] == true && partner["proved"] == true && !partner["offer"].is_null();
            let ready = partners["partners"].as_array().map_or(0, |partners| partners.iter().filter(known).count());
            if ready >= self.helpers.len() {
                return Ok(());
            }
            anyhow::ensure!(
                begun.elapsed() < 2 * limits::START_WITHIN,
                "only {ready} of {} partners are ready: {partners}",
                self.helpers.len()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Ends all agents.
    pub async fn stop(self) {
        for helper in self.helpers {
            helper.stop().await;
        }
        self.owner.stop().await;
    }
}

/// Starts a mesh, sends the crowd to its owner, and reads the ledgers of both ends when all is settled.
///
/// # Errors
/// When a part cannot be started or asked.
pub async fn run(setting: &Setting, options: &Options, display: &Display) -> anyhow::Result<(MeshArm, Journal, Mesh)> {
    let mut mesh = Mesh::start(setting, display).await?;
    let limit = Limit::default();
    let watch = mesh.owner.watch_limit(limit.clone());
    let ground = Ground { canonical: mesh.owner.canonical(), helper_ports: mesh.helpers.iter().map(Agent::port).collect() };
    let uplinks = std::iter::once(&mesh.owner).chain(&mesh.helpers).map(|agent| agent.uplink.clone()).collect();
    let field = Field { ground, uplinks, side: mesh.owner.origin.side, limit };
    let (start, marks) = (Instant::now(), setting.crowd.marks);
    let (ran, done) =
        tokio::join!(arm::run("mesh", setting, &field, display, start), fault::inflict(options, marks.onset, start, &mut mesh));
    let ((arm, journal), done) = (ran?, done?);
    let fault = done.as_ref().map(|done| done.judge(&journal));
    if let Some(done) = done {
        done.undo(&mut mesh).await?;
    }
    let settled = settling::wait(&mesh, start + marks.end, display).await?;
    if settled.end_to_last_lease.is_none() {
        display.say("the mesh has not settled in time; the ledgers are read as they are");
    }
    display.clear();
    watch.abort();
    let copies = copies(&journal, &mesh).await;
    let books: Books = ledgers::read(&mesh.owner, &mesh.helpers).await;
    let limit_max = arm.samples.iter().filter_map(|sample| sample.limit).max().unwrap_or(0);
    Ok((MeshArm { arm, copies, limit_max, books, settled, fault }, journal, mesh))
}

/// Counts what helpers carried, and how often it was filled.
async fn copies(journal: &Journal, mesh: &Mesh) -> Copies {
    let carried = journal.records.iter().filter_map(|record| match record.carrier {
        Carrier::Helper(helper) => Some((record.resource, helper)),
        _ => None,
    });
    let pairs: BTreeSet<(u32, u8)> = carried.collect();
    let objects: BTreeSet<u32> = pairs.iter().map(|pair| pair.0).collect();
    let mut fills = 0;
    for helper in &mesh.helpers {
        // A helper that was killed in mid-crowd has forgotten its fills; they are missing from the sum.
        for counter in ["overspill_guest_fills_total", "overspill_guest_standby_total"] {
            fills += helper.metric(counter).await.unwrap_or(0);
        }
    }
    Copies { fills, objects: objects.len() as u64, pairs: pairs.len() as u64 }
}
