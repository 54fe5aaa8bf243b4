//! The second arm: an agent in front of the site, without partners.

use std::time::Instant;

use super::{
    agent::{Agent, Wanted},
    arm::{self, Field},
    figures::Arm,
    progress::Display,
    sampler::Limit,
    setting::Setting,
    visitors::{Ground, Journal},
};

/// Starts a site with an agent and sends the crowd to it.
///
/// # Errors
/// When a process or port cannot be had.
pub async fn run(setting: &Setting, display: &Display) -> anyhow::Result<(Arm, Journal)> {
    let Setting { entries, seed, uplink: rate, folder, .. } = setting;
    let wanted = Wanted { name: "alone".to_owned(), entries, seed: *seed, rate: *rate, owner: None, threads: 2, folder };
    let agent = Agent::start(wanted).await?;
    let limit = Limit::default();
    let watch = agent.watch_limit(limit.clone());
    let ground = Ground { canonical: agent.canonical(), helper_ports: Vec::new() };
    let field = Field { ground, uplinks: vec![agent.uplink.clone()], side: agent.origin.side, limit };
    let ran = arm::run("agent alone", setting, &field, display, Instant::now()).await?;
    watch.abort();
    agent.stop().await;
    Ok(ran)
}
