//! One arm: a crowd is sent to a field of sites that stands ready, and everything is measured.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use http::Method;

use super::{
    ask::ask,
    figures::Arm,
    progress::Display,
    relay::Uplink,
    sampler::{Limit, Sampler},
    setting::Setting,
    visitors::{self, Ground, Journal, Progress},
};

/// Sites that stand ready for a crowd.
#[derive(Debug)]
pub struct Field {
    /// Where the visitors go.
    pub ground: Ground,
    /// Every site's uplink, the owner's first.
    pub uplinks: Vec<Uplink>,
    /// Second port of the struck site's origin.
    pub side: SocketAddr,
    /// Where the owner's learned limit is told, if there is an agent.
    pub limit: Limit,
}

/// Sends the crowd from `start` on and measures.
///
/// # Errors
/// When the origin's own record cannot be read.
pub async fn run(name: &str, setting: &Setting, field: &Field, display: &Display, start: Instant) -> anyhow::Result<(Arm, Journal)> {
    ask(Method::POST, field.side, "side", "/reset").await?;
    let sampler = Sampler::start(field.uplinks.clone(), field.limit.clone(), start);
    let progress = Arc::new(Progress::default());
    let shown = show(name, setting, Arc::clone(&progress), display.clone(), start);
    let journal = visitors::send(&setting.crowd, Arc::clone(&setting.content), field.ground.clone(), progress, start).await;
    shown.abort();
    display.clear();
    let samples = sampler.stop().await;
    let helpers = field.ground.helper_ports.len();
    let mut arm = Arm::measure(&setting.crowd, &setting.content, setting.uplink, &journal, helpers);
    arm.samples = samples;
    arm.origin = serde_json::from_str(&ask(Method::GET, field.side, "side", "/load").await?)?;
    Ok((arm, journal))
}

/// Keeps the display up to date while the run lasts.
fn show(name: &str, setting: &Setting, progress: Arc<Progress>, display: Display, start: Instant) -> tokio::task::JoinHandle<()> {
    let (name, marks) = (name.to_owned(), setting.crowd.marks);
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(500));
        loop {
            tick.tick().await;
            let passed = start.elapsed();
            let part = match passed {
                at if at < marks.onset => "calm",
                at if at < marks.plateau => "onset",
                at if at < marks.decay => "crowd",
                at if at < marks.end => "decay",
                _ => "calm again",
            };
            let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
            let line = format!(
                "{name}: {part}, {} right, {} failed, {} redirects, {} visitors",
                read(&progress.right),
                read(&progress.failed),
                read(&progress.redirects),
                progress.visitors.load(Ordering::Relaxed)
            );
            display.show(passed.as_secs_f64() / marks.finish.as_secs_f64(), &line);
        }
    })
}
