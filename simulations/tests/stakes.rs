//! What newcomers leave unpaid is their sponsor's to answer for.

use overspill_governance::{charter::Charter, entry::Entry, regard::Note, units::Credit};
use overspill_protocol::{io::Command, report::LineReport};
use overspill_simulations::story::{Story, brisk};

/// Small limits, so that a short crowd comes to something.
fn small() -> Charter {
    let values = [("newcomer_limit", 8_000), ("unsettled_cap", 2_000), ("sponsor_stake", 6_000), ("clearing_pause", 2_592_000)];
    values.into_iter().try_fold(brisk(), |charter, (name, value)| charter.with(name, value)).expect("these are rules")
}

fn line(story: &Story, site: usize, with: usize) -> LineReport {
    let with = story.world.bodies[with].id;
    story.report(site).and_then(|report| report.lines.into_iter().find(|line| line.partner == with)).expect("a line")
}

fn write_offs(story: &Story, site: usize) -> Vec<Credit> {
    let amount = |entry| match entry {
        Entry::Noted { note: Note::Answers { amount, .. }, .. } => Some(amount),
        _ => None,
    };
    story.ledger(site).into_iter().filter_map(amount).collect()
}

#[test]
fn what_a_newcomer_leaves_unpaid_is_written_off_once_and_made_up_for_by_service() {
    let mut story = Story::settled(small(), 3, 4);
    story.pass(15);
    story.crowd(3, 80, 3);
    story.pass(60);
    let owed = line(&story, 1, 3).balance;
    assert!(owed > Credit::ZERO && line(&story, 1, 0).answers == Credit::ZERO, "{owed}");
    let before = line(&story, 1, 0).granted;

    story.world.command(3, Command::Leave);
    story.pass(30);
    let sponsor = line(&story, 1, 0);
    assert_eq!((sponsor.answers, sponsor.granted.0), (owed, before.0 - owed.0), "the founder brought it in");
    assert_eq!((write_offs(&story, 1), write_offs(&story, 0)), (vec![owed], vec![]), "nobody answers to the sponsor itself");
    let members = story.world.bodies[1].agent.as_ref().and_then(|agent| agent.members()).expect("a mesh").members;
    let gone = story.world.bodies[3].id;
    assert_eq!(members.iter().find(|member| member.site == gone).map(|member| member.unpaid), Some(owed));

    story.world.crash(1, std::time::Duration::from_millis(100));
    story.pass(20);
    assert_eq!((line(&story, 1, 0).answers, write_offs(&story, 1).len()), (owed, 1), "a restart neither forgets nor repeats it");
    assert_eq!(line(&story, 1, 2).vouched, Some(Credit(6_000 - owed.0)), "so much less is left for others whom the founder brought in");

    story.crowd(1, 80, 6);
    story.pass(60);
    let sponsor = line(&story, 1, 0);
    assert!(sponsor.answers < owed && sponsor.balance < Credit::ZERO, "its service makes up for it: {sponsor:?}");
    story.heal();
    story.check();
}

#[test]
fn names_behind_one_sponsor_owe_one_stake_until_they_have_served() {
    let mut story = Story::settled(small(), 5, 4);
    story.pass(15);
    let names: Vec<usize> = (0..2)
        .map(|_| {
            let name = story.world.add_site();
            story.join(3, name);
            name
        })
        .collect();
    story.pass(15);
    for _ in 0..3 {
        for name in &names {
            story.crowd(*name, 80, 6);
            story.pass(20);
        }
    }
    story.pass(60);
    for lender in 0..3 {
        let owed: i64 = names.iter().map(|name| line(&story, lender, *name).balance.0).sum();
        let left = line(&story, lender, names[0]).vouched;
        assert!(owed > 4_000 && owed <= 6_000 + 2 * 2_000, "{lender}: {owed}, {left:?}");
    }
    let spent = line(&story, 1, names[0]);
    assert_eq!((spent.served, spent.vouched), (Credit::ZERO, Some(Credit::ZERO)), "{spent:?}");
    // Whoever helps is helped again, whatever its sponsor's stake is.
    story.crowd(1, 300, 6);
    story.pass(60);
    let helped = names.iter().map(|name| line(&story, 1, *name)).find(|line| line.served > Credit::ZERO).expect("one helped");
    assert!(helped.balance < helped.served, "{helped:?}");
    story.heal();
    story.check();
}
