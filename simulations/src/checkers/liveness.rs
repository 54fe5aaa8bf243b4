//! What was healed comes to rest: views converge, redirects end, leases vanish, receipts settle, queues drain.

use std::collections::BTreeSet;

use overspill_governance::{entry::Entry, site::SiteId};
use overspill_protocol::{
    limits::PARTNERS_INBOUND_MAX,
    report::{PartnerReport, Place, Report},
};

use crate::world::World;

/// What has not come to rest yet, in words; empty when everything has. A dead site has not; what a culprit keeps open is its
/// own affair, and so is what was open with who went on under a key of which it could tell nobody.
pub fn unrest(world: &World) -> Vec<String> {
    let reports: Vec<Option<Report>> =
        world.bodies.iter().map(|body| body.agent.as_ref().map(|agent| agent.report(body.clock.read(world.now())))).collect();
    let mut open = Vec::new();
    for (at, report) in reports.iter().enumerate().filter(|(at, _)| world.checkers.is_honest(&world.bodies[*at].id)) {
        let Some(report) = report else {
            open.push(format!("site {at} is not there"));
            continue;
        };
        open.extend(of_site(world, at, report, &|site| is_lost(world, site, &reports)));
        open.extend(shut(world, at, report, &reports));
        open.extend(away(world, at, report, &reports));
        open.extend(disagreement(world, at, report, &reports));
        let spills = world.bodies[at].server.plan().is_some_and(|plan| !plan.spill.is_empty());
        if spills {
            open.push(format!("site {at} may still redirect visitors"));
        }
    }
    if world.visitors_on_their_way() > 0 {
        open.push(String::from("visitors are on their way"));
    }
    open
}

/// Whether a key was given up, and no member can tell for which: its site lost its ledger before anybody heard, or has left.
fn is_lost(world: &World, site: &SiteId, reports: &[Option<Report>]) -> bool {
    let tells = |entry: &Entry| matches!(entry, Entry::Rotated { rotation, .. } if rotation.body.old == *site);
    let members = world.bodies.iter().zip(reports).filter(|(_, report)| report.as_ref().is_some_and(|report| report.mesh.is_some()));
    world.reach(site).is_none() && !members.into_iter().any(|(body, _)| body.disk.read().iter().any(tells))
}

fn of_site(world: &World, at: usize, report: &Report, is_lost: &impl Fn(&SiteId) -> bool) -> Vec<String> {
    let honest = |site: &SiteId| world.checkers.is_honest(site);
    let leases = report.leases.iter().filter(|lease| honest(&lease.partner) && !is_lost(&lease.partner));
    let mut open: Vec<String> = leases.map(|lease| format!("site {at} keeps a lease: {lease:?}")).collect();
    open.extend(
        report
            .lines
            .iter()
            // Who has left answers nothing any more.
            .filter(|line| (line.pending || line.frozen) && honest(&line.partner) && !line.left && !is_lost(&line.partner))
            .map(|line| format!("site {at} waits for an answer: {line:?}")),
    );
    let rounds = report.rounds.iter().filter(|round| round.members.iter().all(honest));
    open.extend(rounds.map(|round| format!("site {at} keeps a round open: {round:?}")));
    if report.silent {
        open.push(format!("site {at} is silent"));
    }
    open
}

/// Members of one mesh who are connected and behave may sign on their lines. A joiner whom the word of its admission never reached is in no mesh.
fn shut(world: &World, at: usize, report: &Report, all: &[Option<Report>]) -> Vec<String> {
    let honest = |site: &SiteId| world.checkers.is_honest(site);
    let mesh = |report: &Report| report.mesh.as_ref().map(|mesh| mesh.id);
    let is_with_us = |site: &SiteId| {
        let other = world.reach(site).and_then(|other| all[other].as_ref());
        other.is_some_and(|other| mesh(other).is_some() && mesh(other) == mesh(report))
    };
    let partners = report.partners.iter().filter(|partner| partner.connected && !partner.signs && honest(&partner.site));
    let shut = partners.filter(|partner| honest(&report.site) && is_with_us(&partner.site));
    shut.map(|partner| format!("site {at} may sign nothing with {}", partner.site.short())).collect()
}

/// Who lost its ledger and is some member's partner comes back into the mesh.
fn away(world: &World, at: usize, report: &Report, all: &[Option<Report>]) -> Option<String> {
    let is_missed = |other: &Report| other.partners.iter().any(|partner| partner.site == report.site);
    let is_away = world.bodies[at].forgot && report.mesh.is_none() && all.iter().flatten().any(is_missed);
    is_away.then(|| format!("site {at} has not come back"))
}

/// Whether nobody of its mesh can tell a site that it belongs no more: whom it knows has left, was removed or has another key, and whoever belongs has
/// its end in the roster and talks to it no more. Its owner sees that nobody is there.
fn is_out_of_reach(world: &World, report: &Report, all: &[Option<Report>]) -> bool {
    let mesh = |report: &Report| report.mesh.as_ref().map(|mesh| mesh.id);
    let knows = |one: &Report, other: &SiteId| one.partners.iter().any(|partner| partner.site == *other);
    let counts = |at: usize| {
        let members = world.bodies[at].agent.as_ref().and_then(|agent| agent.members());
        members.is_some_and(|known| known.members.iter().any(|member| member.site == report.site && member.ended.is_none()))
    };
    let others = all.iter().enumerate().filter_map(|(at, other)| Some((at, other.as_ref()?)));
    let mut others = others.filter(|(_, other)| other.site != report.site && mesh(other) == mesh(report));
    !others.any(|(at, other)| knows(report, &other.site) || knows(other, &report.site) || counts(at))
}

/// Members of one mesh know the same members, rules and convictions, and are connected to those of their partners who behave.
fn disagreement(world: &World, at: usize, report: &Report, all: &[Option<Report>]) -> Option<String> {
    let mesh = report.mesh.as_ref().filter(|_| !is_out_of_reach(world, report, all))?;
    let honest = |site| world.checkers.is_honest(site);
    let matters = |report: &Report| report.council.convicted.iter().map(|convicted| convicted.matter).collect::<BTreeSet<_>>();
    for other in all.iter().flatten().filter(|other| honest(&other.site) && !is_out_of_reach(world, other, all)) {
        let Some(theirs) = other.mesh.as_ref().filter(|theirs| theirs.id == mesh.id) else { continue };
        if (mesh.members, mesh.member_set) != (theirs.members, theirs.member_set) {
            return Some(format!("site {at} knows {} members, and {} others or {}", mesh.members, other.site.short(), theirs.members));
        }
        if report.council.charters != other.council.charters {
            return Some(format!("site {at} and {} know other rules", other.site.short()));
        }
        if matters(other) != matters(report) {
            return Some(format!("site {at} has heard of other convictions than {}", other.site.short()));
        }
    }
    // Who has all the partners that it may have, lets nobody else in; and who sought us may have given up its place since.
    let is_full = |site: &SiteId| all.iter().flatten().any(|other| other.site == *site && other.partners.len() >= PARTNERS_INBOUND_MAX);
    let is_due = |partner: &&PartnerReport| !partner.connected && partner.place != Place::Theirs && !is_full(&partner.site);
    let lonely = report.partners.iter().find(|partner| is_due(partner) && honest(&partner.site) && honest(&report.site))?;
    let is_there = world.reach(&lonely.site).is_some_and(|other| world.bodies[other].agent.is_some());
    is_there.then(|| format!("site {at} is not connected to {}", lonely.site.short()))
}
