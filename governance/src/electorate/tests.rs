use super::*;
use crate::fixtures::{DAY, admission, charter, dearer, electorate, later, mesh, motion, site, star};
use proptest::prelude::*;

fn of(sponsors: &[u16]) -> Electorate {
    electorate(&mesh(sponsors), &motion(0, dearer()))
}

fn sites(numbers: impl Iterator<Item = u16>) -> Vec<SiteId> {
    numbers.map(site).collect()
}

/// Nine members whom the founder brought in, the first of whom brought in 40 more.
fn farm() -> Vec<u16> {
    [vec![0; 9], vec![1; 40]].concat()
}

#[test]
fn in_a_small_mesh_everybody_counts_as_one() {
    for members in 1..=VOICES_MIN as u16 {
        let electorate = electorate(&star(members), &motion(0, dearer()));
        assert_eq!((electorate.members(), electorate.seats()), (usize::from(members), usize::from(members)));
    }
    let three = of(&[0, 0]);
    assert_eq!((three.quorum(), three.weight([site(1), site(2)].iter())), (2, 2));
    assert!(three.certifies(3) && !three.certifies(2), "more than two thirds of three are three");
    assert!(of(&[0, 0, 0]).certifies(3));
}

#[test]
fn a_farm_counts_for_less_than_what_it_takes_to_stop_decide_or_prevent() {
    let electorate = of(&farm());
    let farm = [site(1)].into_iter().chain(sites(10..50));
    let farm: Vec<SiteId> = farm.collect();
    assert_eq!(electorate.members(), 50);
    assert!(electorate.weight(farm.iter()) < electorate.quorum());
    let seats = farm.iter().filter(|site| electorate.has_seat(site)).count();
    assert!(seats > 0 && seats * 3 < electorate.seats(), "{seats} of {}", electorate.seats());
    assert!(electorate.certifies(electorate.seats() - seats), "the others decide without it");
    let others = sites([0].into_iter().chain(2..10));
    assert!(electorate.weight(others.iter()) >= electorate.quorum() && others.iter().all(|site| electorate.has_seat(site)));
}

#[test]
fn a_farm_in_a_long_chain_is_a_branch_like_any() {
    let chain: Vec<u16> = [vec![0; 9], vec![1], (10..49).collect()].concat();
    let (flat, deep) = (of(&farm()), of(&chain));
    let farm = sites(10..50);
    assert_eq!((flat.weight(farm.iter()), flat.quorum(), flat.seats()), (deep.weight(farm.iter()), deep.quorum(), deep.seats()));
}

#[test]
fn a_chain_of_sponsors_is_a_mesh_and_everybody_counts() {
    let chain = of(&(0..9).collect::<Vec<_>>());
    assert_eq!((chain.members(), chain.seats(), chain.quorum()), (10, 10, 4));
    assert_eq!(chain.weight(sites(5..10).iter()), 5);
}

/// Of forty whom site 1 brought in, two vouch for each other with earlier dates, and half of the others hang below those two.
#[test]
fn a_circle_of_sponsors_is_no_second_branch() {
    let flat = of(&farm());
    let mut roster = mesh(&farm());
    for (sponsor, member) in [(10, 11), (11, 10)].into_iter().chain((12..30).map(|member| (10, member))) {
        let _ = roster.receive(admission(sponsor, member, later(1))).unwrap();
    }
    let circled = electorate(&roster, &motion(0, dearer()));
    let farm = sites([1].into_iter().chain(10..50));
    assert_eq!((flat.weight(farm.iter()), flat.quorum()), (circled.weight(farm.iter()), circled.quorum()));
    let seats = farm.iter().filter(|site| circled.has_seat(site)).count();
    assert!(seats * 3 < circled.seats(), "{seats} of {}", circled.seats());
}

#[test]
fn members_count_from_a_date_and_until_they_are_gone() {
    let mut roster = star(5);
    let late = admission(0, 5, later(DAY));
    let _ = roster.receive(late).unwrap();
    roster.bury(site(2), later(DAY / 2), &[]);
    roster.bury(site(3), later(2 * DAY), &[]);
    let electorate = electorate(&roster, &motion(0, dearer()));
    let voices: Vec<bool> = (0..6).map(|number| electorate.has_voice(&site(number))).collect();
    assert_eq!(voices, [true, true, false, true, true, false]);
}

#[test]
fn in_a_large_mesh_agents_are_drawn_anew_for_each_motion() {
    let roster = star(120);
    let draw = |mover| electorate(&roster, &motion(mover, dearer()));
    let (one, other) = (draw(0), draw(1));
    assert_eq!((one.members(), one.seats(), other.seats()), (120, charter().committee_size as usize, 64));
    assert_ne!(one.seats, other.seats);
    assert_eq!(one, draw(0));
}

/// Any tree: each member was brought in by an earlier one.
fn trees() -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::vec(any::<u16>(), 0..40)
        .prop_map(|draws| draws.iter().enumerate().map(|(at, draw)| draw % (u16::try_from(at).unwrap() + 1)).collect())
}

/// The members of the branch below `root`, itself among them.
fn branch(sponsors: &[u16], root: u16) -> Vec<SiteId> {
    let within = |mut at: u16| {
        while at != root && at != 0 {
            at = sponsors[usize::from(at) - 1];
        }
        at == root
    };
    sites((1..=u16::try_from(sponsors.len()).unwrap()).filter(|member| within(*member)))
}

/// Any tree, and any admissions beside it, dated to anything: among them circles, and members whom several brought in.
fn tangles() -> impl Strategy<Value = (Vec<u16>, Vec<(u16, u16, u64)>)> {
    trees().prop_flat_map(|sponsors| {
        let members = u16::try_from(sponsors.len()).unwrap() + 1;
        let more = proptest::collection::vec((0..members, 0..members, 0..120_u64), 0..40);
        (Just(sponsors), more)
    })
}

/// Who hangs from the founder by `root` alone, itself among them: with keys of its own a member can make no others.
fn dependants(edges: &[(u16, u16)], members: u16, root: u16) -> Vec<SiteId> {
    let (mut reached, mut open) = (BTreeSet::from([0]), vec![0]);
    while let Some(at) = open.pop() {
        let next = edges.iter().filter(|(sponsor, member)| *sponsor == at && *member != root).map(|(_, member)| *member);
        next.for_each(|member| {
            if reached.insert(member) {
                open.push(member)
            }
        });
    }
    sites((1..members).filter(|member| !reached.contains(member)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn no_branch_of_any_tree_decides_stops_or_prevents_alone(sponsors in trees()) {
        let electorate = of(&sponsors);
        prop_assert!(electorate.seats() >= 1 && electorate.quorum() >= 1 && electorate.certifies(electorate.seats()));
        prop_assert!(electorate.weight(electorate.members.iter()) <= electorate.voices);
        prop_assert!(electorate.quorum() <= electorate.voices, "what nobody can stop is no consent");
        // Where nobody is capped, the whole mesh is one handful or one chain.
        if electorate.cap < electorate.members() {
            for root in 1..=u16::try_from(sponsors.len()).unwrap() {
                let branch = branch(&sponsors, root);
                prop_assert!(electorate.weight(branch.iter()) < electorate.quorum());
                let seats = branch.iter().filter(|site| electorate.has_seat(site)).count();
                prop_assert!(seats <= 1 || seats * 3 < electorate.seats(), "{seats} of {}", electorate.seats());
                prop_assert!(!electorate.certifies(seats));
            }
        }
    }

    /// The same for whatever members sign for each other.
    #[test]
    fn no_member_with_all_who_depend_on_it_decides_stops_or_prevents((sponsors, more) in tangles()) {
        let mut roster = mesh(&sponsors);
        let mut edges: Vec<(u16, u16)> = sponsors.iter().copied().zip(1..).collect();
        for (sponsor, member, date) in more {
            if sponsor != member && member != 0 {
                let _ = roster.receive(admission(sponsor, member, later(date))).unwrap();
                edges.push((sponsor, member));
            }
        }
        let electorate = electorate(&roster, &motion(0, dearer()));
        let members = u16::try_from(sponsors.len()).unwrap() + 1;
        if electorate.cap < electorate.members() {
            for root in 1..members {
                let dependants = dependants(&edges, members, root);
                prop_assert!(electorate.weight(dependants.iter()) < electorate.quorum());
                let seats = dependants.iter().filter(|site| electorate.has_seat(site)).count();
                prop_assert!(seats <= 1 || seats * 3 < electorate.seats(), "{seats} of {}", electorate.seats());
            }
        }
    }

    #[test]
    fn more_objections_never_weigh_less(sponsors in trees(), some in any::<u64>(), more in any::<u64>()) {
        let electorate = of(&sponsors);
        let chosen = |mask: u64| electorate.members.iter().enumerate().filter(move |(at, _)| mask & (1 << (at % 64)) != 0).map(|(_, site)| site);
        prop_assert!(electorate.weight(chosen(some)) <= electorate.weight(chosen(some | more)));
    }
}
