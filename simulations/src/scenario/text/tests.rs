use super::*;
use crate::scenario::{Plot, Size};
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_a_seed_draws_is_read_as_it_is_printed(seed: u64, members in prop::option::of(2_usize..40), hours in prop::option::of(1_u64..30)) {
        let length = hours.map(|hours| core::time::Duration::from_secs(hours * 3_600));
        let plot = Plot::sized(seed, Size { members, length });
        let read = read(&plot.to_string()).map_err(|mistake| TestCaseError::fail(format!("{mistake}\n{plot}")))?;
        prop_assert_eq!(&read.plot, &plot, "{}", plot);
    }

    #[test]
    fn anything_else_is_a_mistake_in_one_of_its_lines(text in "\\PC{0,200}(\n\\PC{0,40}){0,5}") {
        if let Err(mistake) = read(&text) {
            prop_assert!((1..=text.lines().count().max(1)).contains(&mistake.line), "{}", mistake);
        }
    }

    /// A word more, less, or another in a good text: read as something else that prints as it is read, or a mistake in a line that is there.
    #[test]
    fn a_mangled_text_is_read_or_names_its_line(seed in 0_u64..500, at: prop::sample::Index, word in "[a-z0-9]{0,6}", way in 0..3) {
        let text = Plot::of(seed).to_string();
        let mut words: Vec<&str> = text.split_inclusive(' ').collect();
        let at = at.index(words.len());
        match way {
            0 => drop(words.remove(at)),
            1 => words.insert(at, &word),
            _ => words[at] = &word,
        }
        let mangled = words.concat();
        match read(&mangled) {
            Ok(scenario) => prop_assert_eq!(read(&scenario.to_string()).map(|again| again.plot), Ok(scenario.plot)),
            Err(mistake) => prop_assert!((1..=mangled.lines().count()).contains(&mistake.line) && !mistake.words.is_empty()),
        }
    }
}

const GOOD: &str = "\
# Two sites, and one of them is struck.
seed 7
sites 2      # numbered 0 and 1
outside 1
length 40s
charter newcomer_limit 60000
faults latency 50ms loss 1% crash 200ppm manifests-lost-at 1
link 0 to 1 latency log-normal 40ms 500 loss 0.5% ordered
link 1 to 0 latency measured 18ms 19ms 31ms bandwidth 4000
site 1 is over-claims
site 0 serves 50
clock 1 slow 100ppm
crowd at 0 from 5s onset 2s plateau 20s decay 3s peak 120
load at 0 days mean 12 from 18h
load at 1 steady rate 2 from 0s for 40s
load at 1 previews hits 800 from 20s within 1s
load at 0 visits per-minute 30 pages 60 seed 5 from 1s for 30s
load at 1 series every 5s 1 2 30 4
retries 2 after 3s by 50%

at 6s crash 1 for 2s
at 3s want 0 15
at 12s calendar 1 behind 30s
at 30s expect told 0 crowd-began exactly 1
expect kept 0 at least 95.5%
expect met disk-full exactly 0
";

#[test]
fn a_scenario_is_read_and_prints_as_it_is_read() {
    let scenario = read(GOOD).unwrap();
    assert_eq!(scenario.about, "Two sites, and one of them is struck.");
    assert_eq!((scenario.plot.actions.len(), scenario.expected.len()), (3, 3));
    assert_eq!(scenario.plot.actions[0].0, 3_000, "what happens is in the order of its time");
    assert_eq!(read(&scenario.to_string()), Ok(scenario));
}

#[test]
fn mistakes_name_their_line_and_say_what_to_write() {
    let table = [
        ("sites 2", "line 1: nothing says how long it lasts; write `length 60s`"),
        ("length 60s", "line 1: nothing says how many members there are; write `sites 3`"),
        ("", "line 1: nothing says how many members there are; write `sites 3`"),
        ("at 3s purge 0", "line 1: `at` stands before `sites N`, which says how many members there are"),
        ("sites 2\nlength 9s\nat 3s purge 2", "line 3: `2` is no site: they are numbered from 0 to 1"),
        ("sites 2\nlength 9s\nat 9s purge 1", "line 3: 9s is not before the end (9s); write a greater `length`, or an earlier moment"),
        ("sites 2\nlength 9s\n\nat 3s explode 1", "line 4: nothing is called `explode` that could happen; there are want, "),
        ("sites 2\nlength 9", "line 2: `9` is not a length: a whole number with a unit, such as 90s, 250ms or 2h"),
        ("sites 0", "line 1: `0` is not a number of members: a whole number from 1 to 1000"),
        ("sites 2\ncharter settle_window 0", "line 2: settle_window: settle_window is 0; choose from 1 to 3600 seconds"),
        ("sites 2\nsite 1 is mean", "line 2: there is no conduct `mean`; there are honest, newer, older, over-claims, "),
        ("sites 2\nlink 0 to 0 loss 1%", "line 2: site 0 stands where two different sites should stand"),
        ("sites 2\nfaults loss", "line 2: the line ends where a share should stand"),
        ("sites 2\nexpect told 0 crowd exactly 1", "line 2: there is no event `crowd`; there are admitted, "),
        ("sites 2\nexpect kept 0 above 3", "line 2: `above` stands where `at least`, `at most` or `exactly` should stand"),
        ("sites 2\nload at 0 storms", "line 2: there is no load `storms`; there are days, steady, previews, visits, series"),
        ("sites 2\nload at 0 series every 0s 1", "line 2: a series has bins of 1ms at least, and from 1 to 10080 of them"),
        ("sites 2\nretries 11 after 1s", "line 2: `11` is not a number of tries: a whole number from 0 to 10"),
        ("sites 2 3", "line 1: `3` and what follows it is too much"),
        ("cites 2", "line 1: there is no statement `cites`; there are seed, sites, length, "),
    ];
    for (text, said) in table {
        let mistake = read(text).unwrap_err().to_string();
        assert!(mistake.starts_with(said), "{text:?}: {mistake}");
    }
}
