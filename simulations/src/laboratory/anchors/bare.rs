//! A site without any edge: one queue before its workers, one on its line, no end to either, and visitors who wait.

use std::{collections::BTreeMap, time::Duration};

use overspill_governance::time::Time;

use crate::{
    dice::Dice,
    fixed::exponential,
    queue::Queue,
    server::{
        Model,
        model::{HEAD, LOADS_WITHIN},
        origin::{Begun, Origin},
    },
};

/// Somebody who wants something, or has it.
#[derive(Debug, Clone, Copy)]
enum Step {
    Come,
    Ask { file: bool },
    Done { request: u64 },
}

/// How long answers take, by milliseconds, if so many views in a thousand seconds begin for so many milliseconds. It never thrashes.
pub(super) fn times(model: &Model, views: u64, lasts: u64, seed: u64) -> BTreeMap<u64, u64> {
    let mut dice = Dice::new(seed ^ 0x6261_7265);
    let (mut steps, mut origin) = (Queue::default(), Origin::new(model.workers, u32::MAX, 0));
    let mut asked: Vec<(Time, bool)> = Vec::new();
    let (mut times, mut free_at) = (BTreeMap::new(), Time::ZERO);
    let end = Time::ZERO.after(Duration::from_millis(lasts));
    let pause = |dice: &mut Dice| Duration::from_micros(exponential(dice, 1_000_000_000 / views.max(1)));
    steps.put(Time::ZERO.after(pause(&mut dice)), Step::Come);
    while let Some((now, _, step)) = steps.take_until(Time::from_micros(u64::MAX)) {
        let begun: Option<Begun> = match step {
            Step::Come if now >= end => None,
            Step::Come => {
                steps.put(now.after(pause(&mut dice)), Step::Come);
                steps.put(now, Step::Ask { file: false });
                None
            }
            Step::Ask { file } => {
                let micros = if file { model.file_service } else { model.service.0.draw(&mut dice, model.service.1) };
                asked.push((now, file));
                origin.ask(asked.len() as u64 - 1, micros, now)
            }
            Step::Done { request } => {
                let (since, file) = asked[usize::try_from(request).unwrap_or_default()];
                let bytes = HEAD + if file { model.sizes.0.draw(&mut dice, model.sizes.1) } else { model.html };
                free_at = free_at.max(now).after(Duration::from_micros(bytes * 1_000_000 / model.line.max(1)));
                *times.entry(u64::try_from(free_at.since(since).as_millis()).unwrap_or(u64::MAX)).or_default() += 1;
                let files = if file { 0 } else { model.files };
                (1..=files).for_each(|at| steps.put(free_at.after(LOADS_WITHIN * at / files), Step::Ask { file: true }));
                origin.next(now)
            }
        };
        if let Some(begun) = begun {
            steps.put(begun.done, Step::Done { request: begun.request });
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laboratory::anchors::mean;

    #[test]
    fn answers_are_quick_below_its_capacity_and_late_beyond() {
        let mean_at = |share: u64| mean(&times(&Model::SMALL, Model::SMALL.capacity() * share / 100, 30_000, 1));
        let (calm, crowd) = (mean_at(30), mean_at(300));
        // In thousandths of milliseconds: files take little, pages a tenth of a second.
        assert!((10_000..80_000).contains(&calm) && crowd > 10_000_000, "{calm} {crowd}");
        let all: u64 = times(&Model::SMALL, 10_000, 10_000, 1).values().sum();
        assert!(all.is_multiple_of(9) && (60 * 9..140 * 9).contains(&all), "everybody waits for everything: {all}");
    }
}
