//! Stories of members that contradict themselves: everybody who hears of it convicts them, by the same evidence, for good across restarts, and nobody else.

use overspill_governance::{entry::Entry, evidence::Crime, standing::Standing, units::Credit};
use overspill_protocol::{event::Event, report::ConvictedReport};
use overspill_simulations::{
    conduct::Conduct,
    story::{Story, brisk},
};

fn convicted(story: &Story, site: usize) -> Vec<ConvictedReport> {
    story.report(site).map(|report| report.council.convicted).unwrap_or_default()
}

/// The site with the lowest key: it sequences every line that it has.
fn lowest(story: &Story) -> usize {
    (0..story.world.bodies.len()).min_by_key(|site| story.world.bodies[*site].id).unwrap_or_default()
}

/// A mesh in which the lowest key forks, after crowds at everybody's have made it settle.
fn forked(seed: u64) -> (Story, usize) {
    let mut story = Story::settled(brisk(), seed, 4);
    let forker = lowest(&story);
    story.world.behave(forker, Conduct::Forks);
    story.pass(20);
    for site in 0..4 {
        story.crowd(site, 100, 12);
    }
    story.heal();
    (story, forker)
}

#[test]
fn who_forks_is_convicted_by_everybody_and_by_nobody_forgotten() {
    let (mut story, forker) = forked(3);
    let (id, others): (_, Vec<usize>) = (story.world.bodies[forker].id, (0..4).filter(|site| *site != forker).collect());
    for site in &others {
        let heard = convicted(&story, *site);
        assert!(!heard.is_empty() && heard.iter().all(|report| (report.site, report.crime) == (id, Crime::Fork)), "site {site}: {heard:?}");
        assert!(heard.iter().all(|report| report.standing == Standing::Capped && report.until.is_some()), "{heard:?}");
        assert!(story.ledger(*site).iter().any(|entry| matches!(entry, Entry::Convicted { .. })));
    }
    let before: Vec<_> = others.iter().map(|site| convicted(&story, *site)).collect();
    for site in &others {
        story.world.crash(*site, std::time::Duration::from_secs(1));
    }
    story.heal();
    for (site, before) in others.iter().zip(before) {
        let after = convicted(&story, *site);
        assert!(before.iter().all(|report| after.contains(report)), "site {site}: a restart neither forgets nor begins a term anew");
    }
    story.check();
}

#[test]
fn who_is_capped_is_served_no_more_than_its_share() {
    let (mut story, forker) = forked(3);
    let id = story.world.bodies[forker].id;
    story.world.behave(forker, Conduct::Honest);
    for _ in 0..4 {
        story.crowd(forker, 400, 30);
    }
    story.heal();
    let charter = brisk();
    for site in (0..4).filter(|site| *site != forker) {
        let report = story.report(site).unwrap();
        for line in report.lines.iter().filter(|line| line.partner == id && !line.frozen) {
            let share = charter.capped_share.of(line.limit_given);
            assert!(line.balance <= Credit(share.0 + charter.unsettled_cap.0), "site {site}: {line:?}");
        }
    }
}

/// Somebody who shows half of a proof convicts nobody, and is found at fault for it.
#[test]
fn nobody_is_framed_by_half_of_a_proof() {
    let mut story = Story::settled(brisk(), 5, 4);
    story.world.behave(3, Conduct::Frames);
    story.pass(20);
    for site in 0..3 {
        story.crowd(site, 100, 12);
    }
    story.heal();
    assert!((0..4).all(|site| convicted(&story, site).is_empty()));
    assert!(story.world.met.times(overspill_simulations::sometimes::Sometimes::Framed) > 0);
    assert_eq!((0..4).map(|site| story.told(site, |event| matches!(event, Event::Convicted { .. }))).sum::<usize>(), 0);
    story.check();
}

/// Who was away hears of it when it is back.
#[test]
fn who_was_away_is_told() {
    let mut story = Story::settled(brisk(), 3, 4);
    let forker = lowest(&story);
    let away = (forker + 1) % 4;
    story.world.behave(forker, Conduct::Forks);
    story.pass(20);
    for other in (0..4).filter(|site| *site != away) {
        story.world.cut(away, other, true);
    }
    for site in (0..4).filter(|site| *site != away) {
        story.crowd(site, 100, 12);
    }
    assert!(convicted(&story, away).is_empty());
    story.heal();
    assert!(!convicted(&story, away).is_empty());
    story.check();
}

/// Whoever lets two in on one invite, and tells some members of the one and some of the other, is convicted by all of them: rosters are compared.
#[test]
fn who_lets_two_in_on_one_invite_is_convicted_by_everybody() {
    let mut story = Story::settled(brisk(), 4, 5);
    let id = story.world.bodies[0].id;
    story.world.behave(0, Conduct::AdmitsTwice);
    let joiner = story.world.add_site();
    story.pass(10);
    story.join(0, joiner);
    story.pass(20);
    for site in 1..5 {
        let heard = convicted(&story, site);
        assert!(heard.iter().any(|report| (report.site, report.crime) == (id, Crime::DoubleAdmission)), "site {site}: {heard:?}");
    }
    story.check();
}
