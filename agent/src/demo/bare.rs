//! The first arm: visitors go straight to the site.

use std::time::Instant;

use super::{
    arm::{self, Field},
    figures::Arm,
    origin::Origin,
    progress::Display,
    relay::{Port, Shaping, Traffic, Uplink},
    sampler::Limit,
    setting::Setting,
    visitors::{Ground, Journal},
};

/// Starts a site behind an uplink and sends the crowd to it.
///
/// # Errors
/// When a process or port cannot be had.
pub async fn run(setting: &Setting, display: &Display) -> anyhow::Result<(Arm, Journal)> {
    let origin = Origin::start(&setting.entries, setting.seed, &setting.folder, "bare").await?;
    let uplink = Uplink::new(setting.uplink);
    let shaping = Shaping { out: uplink.clone(), into: None, traffic: Traffic::Visitors };
    let relay = Port::reserve().await?.relay_to(origin.site, shaping)?;
    let ground = Ground { canonical: format!("http://owner.localhost:{}", relay.address().port()), helper_ports: Vec::new() };
    let field = Field { ground, uplinks: vec![uplink], side: origin.side, limit: Limit::default() };
    let ran = arm::run("bare origin", setting, &field, display, Instant::now()).await?;
    origin.stop().await;
    Ok(ran)
}
