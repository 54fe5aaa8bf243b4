//! People: they come by themselves, ask for a page, load its files, and some who got no page come again.

use overspill_governance::time::Time;

use super::{Focus, Step};
use crate::{
    dice::Dice,
    fixed::exponential,
    server::{
        counts::AGAIN,
        model::{HEAD, IN_TIME, LOADS_WITHIN},
    },
    traffic::zipf::Zipf,
};

/// Where people come from: those who always do, and those of a trigger.
#[derive(Debug)]
pub(super) struct Source {
    dice: Dice,
    /// Views in a thousand seconds.
    rate: u64,
    round: u32,
}

/// Something that somebody asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// From where they come, and for whom it is counted.
    pub(super) source: usize,
    /// How often they have tried before.
    pub(super) tries: u32,
    /// When the view began.
    pub(super) born: Time,
    /// When this was asked for.
    pub(super) since: Time,
    /// Which view: all chance of it comes from there.
    pub(super) view: u64,
    /// Which page.
    pub(super) page: usize,
    /// No copy can stand for it.
    pub(super) own: bool,
    /// Which of its files; `None`: the page itself.
    pub(super) file: Option<u32>,
}

impl Source {
    pub(super) fn new(dice: Dice) -> Self {
        Self { dice, rate: 0, round: 0 }
    }
}

impl Focus {
    /// From now on so many views in a thousand seconds begin, of those who always come (0) or of a trigger (1).
    pub fn rate(&mut self, source: usize, views: u64, now: Time) {
        let found = &mut self.sources[source];
        if found.rate != views {
            (found.rate, found.round) = (views, found.round.wrapping_add(1));
            self.await_next(source, now);
        }
    }

    fn await_next(&mut self, source: usize, now: Time) {
        let found = &mut self.sources[source];
        if let Some(mean) = 1_000_000_000_u64.checked_div(found.rate) {
            let pause = std::time::Duration::from_micros(exponential(&mut found.dice, mean));
            self.steps.put(now.after(pause), Step::Next { source, round: found.round });
        }
    }

    pub(super) fn next(&mut self, source: usize, round: u32, now: Time) {
        if self.sources[source].round != round {
            return;
        }
        // A number of its own for each source: what a trigger adds must not change who else comes.
        let view = self.sources[source].dice.any();
        self.await_next(source, now);
        let mut dice = self.chance(view, 0);
        let asked = Asked {
            source,
            tries: 0,
            born: now,
            since: now,
            view,
            page: Zipf::new(self.pages.len(), 1_000).draw(&mut dice),
            own: dice.happens(self.model.own),
            file: None,
        };
        self.counts.wanted(asked.source, 1 + self.model.files, asked.born);
        self.page(asked, now);
    }

    /// The chance of one view, the same in every run of the seed whatever else happens.
    pub(super) fn chance(&self, view: u64, what: u64) -> Dice {
        Dice::new(self.seed ^ view.rotate_left(17) ^ what.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A page or a file has come.
    pub(super) fn answered(&mut self, asked: Asked, at: Time) {
        self.counts.took(at.since(asked.since));
        if at.since(asked.since) > IN_TIME {
            return self.failed(asked, at);
        }
        self.counts.good(asked.source, asked.born);
        if asked.file.is_none() {
            for file in 0..self.model.files {
                let since = at.after(LOADS_WITHIN * (file + 1) / self.model.files);
                self.steps.put(since, Step::Ask { asked: Asked { since, file: Some(file), ..asked }, looks: 0 });
            }
        }
    }

    /// A page or a file was refused, or came too late. Who got no page may come again.
    pub(super) fn failed(&mut self, asked: Asked, now: Time) {
        let Some(patience) = self.model.patience.filter(|patience| asked.file.is_none() && asked.tries < patience.times) else { return };
        let mut dice = self.chance(asked.view, 1 + u64::from(asked.tries));
        if dice.happens(patience.share) {
            // Nobody comes again at the same moment as all others.
            let pause = dice.between(patience.after / 2, patience.after * 3 / 2);
            let born = now.after(std::time::Duration::from_millis(pause));
            let again = Asked { source: asked.source % AGAIN + AGAIN, tries: asked.tries + 1, born, since: born, ..asked };
            self.steps.put(born, Step::Ask { asked: again, looks: 0 });
        }
    }

    /// Bytes of a file as this view loads it, its head included.
    pub(super) fn size(&self, asked: Asked) -> u64 {
        let (spread, mean) = self.model.sizes;
        spread.draw(&mut self.chance(asked.view, 100 + u64::from(asked.file.unwrap_or_default())), mean) + HEAD
    }
}
