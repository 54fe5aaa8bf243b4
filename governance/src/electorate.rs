//! The electorate of one vote: who has a voice, how far each branch of the mesh is heard, and whose agents sign.
//!
//! Identities cost nothing, so heads alone must not count. Who brought in whom is signed, which makes a tree ([`crate::roster`]) with the founder at its root;
//! no branch of it below the founder, however many it brings in, counts for more than the charter's share ([`crate::charter`]'s
//! `subtree_cap`, at most a third). Two uses:
//! - *objections* are counted up the tree, each branch up to the cap, and the quorum lies above what any one branch can reach;
//! - *seats* are given to members in an order drawn from the motion's digest, each branch up to the cap of all seats: the agents that
//!   have one put the vote on record. A branch with less than a third of the seats can neither make a certificate nor prevent one.
//!
//! Where fewer than [`VOICES_MIN`] voices would be left (a handful of members, or a chain of sponsors) a farm cannot be told from the
//! mesh itself, and every member counts as one.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

use crate::{charter::Charter, digest::Digest, limits::VOICES_MIN, roster::Roster, site::SiteId, time::Date};

/// Who decides one motion, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Electorate {
    tree: Tree,
    /// Members of the date, by key.
    members: BTreeSet<SiteId>,
    voices: usize,
    cap: usize,
    quorum: usize,
    seats: BTreeSet<SiteId>,
}

/// Who was brought in by whom, flattened: each site's parent comes before it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tree {
    /// Places of the parents; the founder's is its own.
    parents: Vec<usize>,
    places: BTreeMap<SiteId, usize>,
}

impl Electorate {
    /// The electorate of the motion with this digest: the members of `snapshot`, under the charter by which it is decided.
    pub fn of(roster: &Roster, snapshot: Date, motion: &Digest, charter: &Charter) -> Self {
        let tree = Tree::of(roster);
        let members: BTreeSet<SiteId> = roster.members_on(snapshot).collect();
        let heads = tree.heads(&members);
        let share = |voices: usize| (voices.saturating_mul(charter.subtree_cap.0 as usize) / 1_000).max(1);
        let (voices, cap) = tree.fit(&heads, usize::MAX, share);
        let in_permille = voices.saturating_mul(charter.objection_quorum.0 as usize).div_ceil(1_000);
        let quorum = in_permille.max(if cap < voices { cap + 1 } else { 1 });
        let (places, seat_cap) = tree.fit(&heads, charter.committee_size as usize, share);
        let seats = tree.draw(&members, motion, places, seat_cap);
        Self { tree, members, voices, cap, quorum, seats }
    }

    /// Whether a member may second and object.
    #[must_use]
    pub fn has_voice(&self, site: &SiteId) -> bool {
        self.members.contains(site)
    }

    /// Whether a member's agent signs.
    #[must_use]
    pub fn has_seat(&self, site: &SiteId) -> bool {
        self.seats.contains(site)
    }

    /// Members with a voice.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Seats.
    pub fn seats(&self) -> usize {
        self.seats.len()
    }

    /// How many objections stop the motion, as [`Electorate::weight`] counts them.
    pub fn quorum(&self) -> usize {
        self.quorum
    }

    /// What objections of these members weigh: one each, no branch below the founder more than its cap.
    pub fn weight<'a>(&self, objectors: impl Iterator<Item = &'a SiteId>) -> usize {
        let objectors: BTreeSet<SiteId> = objectors.filter(|site| self.has_voice(site)).copied().collect();
        self.tree.sum(&self.tree.heads(&objectors), self.cap)
    }

    /// Whether so many seats are more than two thirds of all.
    #[must_use]
    pub fn certifies(&self, signed: usize) -> bool {
        signed.saturating_mul(3) > self.seats().saturating_mul(2)
    }

    /// Whether so many seats are more than a third of all: more than one branch has.
    #[must_use]
    pub fn is_beyond_a_branch(&self, signed: usize) -> bool {
        signed.saturating_mul(3) > self.seats()
    }
}

impl Tree {
    fn of(roster: &Roster) -> Self {
        let founder = roster.heir(&roster.founding().body.founder);
        let before: BTreeMap<SiteId, SiteId> = roster.heirs().collect();
        let mut children: BTreeMap<SiteId, Vec<SiteId>> = BTreeMap::new();
        for (site, sponsor) in roster.sponsors().filter(|(site, _)| !before.contains_key(site)) {
            children.entry(sponsor).or_default().push(site);
        }
        let mut tree = Self { parents: vec![0], places: BTreeMap::from([(founder, 0)]) };
        let mut open = vec![(founder, 0)];
        while let Some((site, parent)) = open.pop() {
            for child in children.remove(&site).unwrap_or_default() {
                let place = tree.parents.len();
                tree.parents.push(parent);
                tree.places.insert(child, place);
                open.push((child, place));
            }
        }
        // A member has one place, whichever of its keys it had on the day of the vote.
        for (old, heir) in before {
            let place = tree.places.get(&heir).copied();
            tree.places.extend(place.map(|place| (old, place)));
        }
        tree
    }

    /// One for each of these sites, at their places.
    fn heads(&self, sites: &BTreeSet<SiteId>) -> Vec<usize> {
        let mut heads = vec![0; self.parents.len()];
        for place in sites.iter().filter_map(|site| self.places.get(site)) {
            heads[*place] = 1;
        }
        heads
    }

    /// The sum over the tree, in which no branch below the founder counts for more than `cap`.
    fn sum(&self, heads: &[usize], cap: usize) -> usize {
        let mut sums = heads.to_vec();
        for place in (1..sums.len()).rev() {
            sums[self.parents[place]] += sums[place].min(cap);
        }
        sums[0]
    }

    /// The greatest number of voices, at most `most`, of which no branch has more than its share, and what that share comes to. Everybody
    /// counts in full where too few voices would be left.
    fn fit(&self, heads: &[usize], most: usize, share: impl Fn(usize) -> usize) -> (usize, usize) {
        let all = heads.iter().sum::<usize>();
        let mut cap = all;
        loop {
            let voices = self.sum(heads, cap).min(most);
            let lower = share(voices);
            if lower >= cap {
                return if voices < VOICES_MIN { (all.min(most), all) } else { (voices, cap) };
            }
            cap = lower;
        }
    }

    /// Draws seats by the order of digests, passing over members of branches that are full.
    fn draw(&self, members: &BTreeSet<SiteId>, motion: &Digest, seats: usize, cap: usize) -> BTreeSet<SiteId> {
        let mut order: Vec<&SiteId> = members.iter().collect();
        order.sort_by_cached_key(|site| Digest::of_parts("overspill seat v1", &[&motion.0, &site.0]));
        let mut taken = vec![0_usize; self.parents.len()];
        let mut drawn = BTreeSet::new();
        for site in order {
            let Some(place) = self.places.get(site).filter(|_| drawn.len() < seats) else { continue };
            let branch = || core::iter::successors(Some(*place), |at| Some(self.parents[*at])).take_while(|at| *at != 0);
            if branch().all(|at| taken[at] < cap) {
                branch().for_each(|at| taken[at] += 1);
                drawn.insert(*site);
            }
        }
        drawn
    }
}

#[cfg(test)]
mod tests;
