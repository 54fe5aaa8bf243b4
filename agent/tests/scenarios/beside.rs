//! What real agents did, beside what the simulator's sites do in the same scenario: a table of the whole, and a picture of its course.

use std::{env, fs, path::Path, sync::atomic::Ordering};

use overspill_simulations::{
    chart::{Line, lines},
    scenario::{
        Plot,
        play::{Moment, watched},
    },
    server,
};

use super::visitors::Tally;

/// Names a folder into which pictures are written.
const PICTURES: &str = "OVERSPILL_CURVES";

/// What was counted of one site up to one second: served there, and sent to helpers.
type Counts = (u64, u64);

/// What real visitors met, second by second.
#[derive(Debug, Default)]
pub(crate) struct Course(Vec<Vec<Counts>>);

impl Course {
    /// A second has passed.
    pub(crate) fn note(&mut self, tallies: &[Tally]) {
        let read = |tally: &Tally| (tally.own.load(Ordering::Relaxed), tally.spilled.load(Ordering::Relaxed));
        self.0.push(tallies.iter().map(read).collect());
    }

    /// Plays the same in the simulator and lays both beside each other.
    pub(crate) fn compare(&self, plot: &Plot, tallies: &[Tally]) {
        let length = u64::try_from(plot.length.as_millis()).unwrap_or(u64::MAX);
        let (mut last, mut course) = (Vec::new(), Self::default());
        watched(plot, 0, &mut |world, millis, moment| {
            last = world.bodies.iter().map(|body| body.server.tally).collect::<Vec<_>>();
            if matches!(moment, Moment::Passed) && millis.is_multiple_of(1_000) && millis <= length {
                course.0.push(last.iter().map(|tally| (tally.own, tally.spilled)).collect());
            }
            Vec::new()
        });
        table(&last, tallies);
        if let Some(folder) = env::var_os(PICTURES) {
            self.picture(&course, plot.crowds.first().map_or(0, |crowd| crowd.site), Path::new(&folder));
        }
    }

    /// One site's course in both, as a file.
    fn picture(&self, simulated: &Self, site: usize, folder: &Path) {
        let of = |course: &Self, which: fn(&Counts) -> u64| -> Vec<f64> {
            let sums = course.0.iter().filter_map(|sites| sites.get(site)).map(which);
            sums.scan(0, |last, sum| Some(sum - std::mem::replace(last, sum))).map(|count| count as f64).collect()
        };
        let served = |counts: &Counts| counts.0;
        let sent = |counts: &Counts| counts.1;
        let named = |name: &str, values| Line { name: name.to_owned(), values };
        let all = [
            named("served there, simulated", of(simulated, served)),
            named("sent to helpers, simulated", of(simulated, sent)),
            named("sent to helpers, real", of(self, sent)),
            named("served there, real", of(self, served)),
        ];
        let most = all.iter().flat_map(|line| &line.values).fold(0.0, |most: f64, value| most.max(*value));
        let name = env::var(crate::NAME).unwrap_or_default();
        let title = format!("{name}: requests of site {site} in each second");
        fs::write(folder.join(format!("real-{}.svg", name.replace('_', "-"))), lines(&title, &all, most)).unwrap();
    }
}

fn table(simulated: &[server::Tally], real: &[Tally]) {
    println!(
        "| site | served, simulated | real | spilled, simulated | real | came home, simulated | real | shed, simulated | real | guests, simulated | real |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (site, (sim, real)) in simulated.iter().zip(real).enumerate() {
        let pairs = [
            (sim.own, &real.own),
            (sim.spilled, &real.spilled),
            (sim.came_home, &real.home),
            (sim.shed, &real.shed),
            (sim.guests, &real.guests),
        ];
        let cells: Vec<String> = pairs.iter().map(|(sim, real)| format!("{sim} | {}", real.load(Ordering::Relaxed))).collect();
        println!("| {site} | {} |", cells.join(" | "));
    }
}
