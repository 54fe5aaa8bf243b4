//! Arms of an experiment: a setting with one parameter at several values, or a scenario as it is and without any mesh.

use std::time::Duration;

use overspill_governance::charter::{Charter, PARAMETERS};

use crate::{
    conduct::{Conduct, attacks},
    dice::Dice,
    scenario::{
        Action, Plot,
        text::{SITES_MAX, WANTED_MAX},
    },
    traffic::events::Event,
};

/// One way to run the mesh, over several seeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// What is different in it.
    pub name: String,
    /// Its plots, one for each seed.
    pub plots: Vec<Plot>,
}

/// Two parameters against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagram {
    /// What is changed from row to row, and from column to column.
    pub names: (String, String),
    /// Values of the first.
    pub rows: Vec<i64>,
    /// Values of the second.
    pub columns: Vec<i64>,
    /// An arm for each cell, row by row.
    pub arms: Vec<Arm>,
}

/// What the arms of a sweep have in common: a mesh, and events that strike it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Members.
    pub sites: usize,
    /// How long it lasts.
    pub length: Duration,
    /// How many events strike it, evenly over its time.
    pub events: u32,
    /// How likely an event strikes each site beside the first, in a million.
    pub correlation: u32,
    /// Requests in each second of a crowd at its peak.
    pub peak: u32,
    /// The first seed, and how many.
    pub seeds: (u64, u64),
    /// How many of a hundred members attack, each in its own way; where that is asked, crowds strike those only who attack in no arm.
    pub attackers: Option<u32>,
}

/// What a sweep may change beside the charter, with the bounds of its values.
const SETTINGS: [(&str, i64, i64); 5] = [
    ("sites", 2, SITES_MAX as i64),
    ("correlation", 0, 100),
    ("peak", 1, WANTED_MAX as i64),
    ("events", 0, 1_000),
    ("attackers", 0, ATTACKERS_MAX as i64),
];

/// Most members of a hundred that attack.
const ATTACKERS_MAX: u32 = 60;

/// Values of one parameter at most.
pub const VALUES_MAX: usize = 40;

impl Setting {
    /// The arms of `PARAMETER=VALUE,VALUE,...`: a parameter of the charter, or of the setting.
    ///
    /// # Errors
    /// What is wrong with it, and what could stand there.
    pub fn sweep(&self, text: &str) -> Result<(String, Vec<Arm>), String> {
        let (name, values) = values(text)?;
        let arms = values.iter().map(|value| Ok(Arm { name: value.to_string(), plots: self.plots(&[(name, *value)])? }));
        Ok((name.to_owned(), arms.collect::<Result<_, String>>()?))
    }

    /// The arms of two parameters, each value of the first with each of the second: what both are called, their values, and an arm for each
    /// pair, those with the first value of the first coming first.
    ///
    /// # Errors
    /// As [`Self::sweep`], and when both are the same.
    pub fn diagram(&self, first: &str, second: &str) -> Result<Diagram, String> {
        let ((one, rows), (other, columns)) = (values(first)?, values(second)?);
        if one == other {
            return Err(format!("`{one}` cannot be changed against itself"));
        }
        let pairs = rows.iter().flat_map(|row| columns.iter().map(move |column| (*row, *column)));
        let arm = |(row, column): (i64, i64)| {
            let plots = self.plots(&[(one, row), (other, column)])?;
            Ok(Arm { name: format!("{one} {row}, {other} {column}"), plots })
        };
        let arms = pairs.map(arm).collect::<Result<_, String>>()?;
        Ok(Diagram { names: (one.to_owned(), other.to_owned()), rows, columns, arms })
    }

    fn plots(&self, changed: &[(&str, i64)]) -> Result<Vec<Plot>, String> {
        let (mut setting, mut charter) = (*self, crate::story::brisk());
        for (name, value) in changed {
            setting.change(&mut charter, name, *value)?;
        }
        let (first, count) = setting.seeds;
        let plot = |seed| Plot { charter: charter.clone(), ..setting.plot(seed) };
        Ok((first..first.saturating_add(count)).map(plot).collect())
    }

    fn change(&mut self, charter: &mut Charter, name: &str, value: i64) -> Result<(), String> {
        if let Some((_, min, max)) = SETTINGS.iter().find(|(known, ..)| *known == name) {
            if !(*min..=*max).contains(&value) {
                return Err(format!("{name} is {value}; choose from {min} to {max}"));
            }
            match name {
                "sites" => self.sites = usize::try_from(value).unwrap_or_default(),
                "correlation" => self.correlation = 10_000 * u32::try_from(value).unwrap_or_default(),
                "peak" => self.peak = u32::try_from(value).unwrap_or_default(),
                "attackers" => self.attackers = u32::try_from(value).ok(),
                _ => self.events = u32::try_from(value).unwrap_or_default(),
            }
        } else if PARAMETERS.iter().any(|parameter| parameter.name == name) {
            *charter = charter.clone().with(name, value).map_err(|error| error.to_string())?;
        } else {
            let known = SETTINGS.iter().map(|(name, ..)| *name).chain(PARAMETERS.iter().map(|parameter| parameter.name));
            return Err(format!("there is no parameter `{name}`; there are {}", known.collect::<Vec<_>>().join(", ")));
        }
        Ok(())
    }

    /// What a seed makes of the setting: when and whom events strike is the same in all arms of as many sites.
    pub fn plot(&self, seed: u64) -> Plot {
        let mut dice = Dice::new(seed ^ 0x6c61_626f_7261_746f);
        let mut plot = Plot::quiet(seed, self.sites, self.length);
        // The first seconds are for connections, the last for crowds to go.
        let (first, last) = (15_000, plot.length.as_millis() as u64 * 3 / 4);
        for event in 0..u64::from(self.events) {
            let at = first + last.saturating_sub(first) * event / u64::from(self.events);
            let event = Event { at, correlation: self.correlation, lag: 5_000, peak: self.peak };
            plot.crowds.extend(event.crowds(&mut dice, self.sites));
        }
        if let Some(percent) = self.attackers {
            let of = |percent: u32| self.sites * percent as usize / 100;
            let mut attacks = self.attacks(seed);
            attacks.truncate(of(ATTACKERS_MAX));
            plot.crowds.retain(|crowd| attacks.iter().all(|(site, _)| *site != crowd.site));
            attacks.truncate(of(percent));
            plot.conducts = attacks;
        }
        plot
    }
}

impl Setting {
    /// All members in the order in which they attack, and how each would: more attackers are the same ones and others.
    fn attacks(&self, seed: u64) -> Vec<(usize, Conduct)> {
        let mut dice = Dice::new(seed ^ 0x6174_7461_636b_6572);
        let mut members: Vec<usize> = (0..self.sites).collect();
        let order = std::iter::from_fn(|| (!members.is_empty()).then(|| members.swap_remove(dice.below(members.len()))));
        let kinds: Vec<Conduct> = attacks().collect();
        order.zip(kinds.into_iter().cycle()).collect()
    }
}

/// A parameter and its values.
fn values(text: &str) -> Result<(&str, Vec<i64>), String> {
    let (name, values) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`; write PARAMETER=VALUE,VALUE"))?;
    let number = |value: &str| value.trim().parse::<i64>().map_err(|_| format!("`{value}` is not a whole number"));
    let values = values.split(',').map(number).collect::<Result<Vec<i64>, String>>()?;
    if values.len() > VALUES_MAX {
        return Err(format!("{} values are more than {VALUES_MAX}", values.len()));
    }
    Ok((name, values))
}

/// The same plot without any mesh: from the start nobody can reach anybody.
pub fn alone(plot: &Plot) -> Plot {
    let mut plot = plot.clone();
    plot.actions.retain(|(_, action)| !matches!(action, Action::Cut(..) | Action::Mend | Action::Join(..)));
    let sites = plot.sites();
    let pairs = (0..sites).flat_map(|one| (one + 1..sites).map(move |other| (one, other)));
    let cuts: Vec<(u64, Action)> = pairs.map(|(one, other)| (0, Action::Cut(one, other, true))).collect();
    plot.actions.splice(0..0, cuts);
    plot
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laboratory::measured;

    const SMALL: Setting =
        Setting { sites: 3, length: Duration::from_secs(40), events: 1, correlation: 0, peak: 80, seeds: (1, 1), attackers: None };

    #[test]
    fn a_sweep_changes_one_thing_and_keeps_the_crowds() {
        let (name, arms) = SMALL.sweep("settle_window=2,10").unwrap();
        assert_eq!((name.as_str(), arms.len(), arms[1].name.as_str()), ("settle_window", 2, "10"));
        assert_eq!(arms[0].plots[0].crowds, arms[1].plots[0].crowds);
        assert_ne!(arms[0].plots[0].charter, arms[1].plots[0].charter);
        let (_, sizes) = SMALL.sweep("sites=2, 7").unwrap();
        assert_eq!(sizes.iter().map(|arm| arm.plots[0].members).collect::<Vec<_>>(), [2, 7]);
        let diagram = SMALL.diagram("newcomer_limit=1000,2000", "sites=2,3,4").unwrap();
        assert_eq!(
            (diagram.names.1.as_str(), diagram.rows.as_slice(), diagram.columns.as_slice()),
            ("sites", &[1_000, 2_000][..], &[2, 3, 4][..])
        );
        let cell = &diagram.arms[4];
        assert_eq!((cell.name.as_str(), cell.plots[0].members), ("newcomer_limit 2000, sites 3", 3));
        assert_eq!(cell.plots[0].charter.newcomer_limit.0, 2_000);
        assert!(SMALL.diagram("sites=2", "sites=3").unwrap_err().contains("against itself"));
        let wrong = [
            ("settle_window", "`settle_window` has no `=`"),
            ("settle_window=2,x", "`x` is not a whole number"),
            ("settle_window=0", "settle_window is 0; choose from 1 to 3600 seconds"),
            ("correlation=101", "correlation is 101; choose from 0 to 100"),
            ("colour=1", "there is no parameter `colour`; there are sites, correlation, peak, events, attackers, price_request"),
        ];
        wrong
            .iter()
            .for_each(|(text, words)| assert!(SMALL.sweep(text).unwrap_err().starts_with(words), "{text}: {:?}", SMALL.sweep(text)));
    }

    #[test]
    fn more_attackers_are_the_same_and_others() {
        let plot = |attackers| Setting { sites: 20, events: 9, attackers: Some(attackers), ..SMALL }.plot(5);
        let [none, some, most] = [0, 30, 60].map(plot);
        assert_eq!((none.conducts.len(), some.conducts.len(), most.conducts.len()), (0, 6, 12));
        assert_eq!(most.conducts[..6], some.conducts[..]);
        assert!(most.conducts.iter().all(|(site, conduct)| *site < 20 && !conduct.is_honest()));
        assert!(none.crowds == most.crowds && !most.crowds.is_empty());
        assert!(most.crowds.iter().all(|crowd| most.conducts.iter().all(|(site, _)| *site != crowd.site)));
    }

    #[test]
    fn a_mesh_keeps_more_than_sites_alone_and_alone_nothing_is_sent() {
        let plot = SMALL.plot(1);
        let (together, apart) = (measured(&plot), measured(&alone(&plot)));
        assert!(together.0.failures.is_empty() && apart.0.failures.is_empty(), "{:?} {:?}", together.0.failures, apart.0.failures);
        let (together, apart) = (together.1.unwrap(), apart.1.unwrap());
        assert_eq!((apart.overflow, apart.moved, apart.deepest), (0, 0, 0));
        assert!(together.kept > apart.kept + 100 && together.overflow > 300, "{together:?} {apart:?}");
        assert!(together.moved > 0 && together.deepest > 0 && together.messages > apart.messages && together.receipts > 0, "{together:?}");
    }
}
