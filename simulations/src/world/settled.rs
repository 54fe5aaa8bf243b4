//! Worlds in which a mesh is there already: everybody's ledger knows everybody, as if they had joined long ago.
//!
//! Joining is what stories are for; a run of many seeds or sites should not wait for it.

use overspill_governance::{
    charter::Charter,
    entry::Entry,
    invite::{Admission, Founding, Redeemed, token::Token},
    site::Signed,
};

use super::World;

impl World {
    /// A mesh of `sites` under `charter`, founded by the first, who sponsored all others. `sites` is 1 at least.
    pub fn settled(seed: u64, sites: usize, charter: &Charter) -> Self {
        let mut world = Self::empty(seed);
        for at in 0..sites {
            world.make_site(at);
        }
        let entries = world.history(charter);
        for at in 0..sites {
            let date = world.now_of(at).date;
            let body = &mut world.bodies[at];
            body.disk.open(body.id).expect("a new disk can be opened");
            for entry in &entries {
                // An invite stands in its sponsor's ledger alone.
                if !matches!(entry, Entry::Invited(_)) || at == 0 {
                    body.disk.write(date, entry);
                }
            }
            body.disk.sync().expect("a new disk takes entries");
        }
        world.checkers.on_charter(charter);
        for at in 0..sites {
            world.begin(at);
        }
        world
    }

    /// What all ledgers begin with.
    fn history(&mut self, charter: &Charter) -> Vec<Entry> {
        let date = self.now_of(0).date;
        let founder = &self.bodies[0];
        let key = founder.key();
        let founding = Founding {
            name: String::from("settled"),
            charter: charter.clone(),
            founder: founder.id,
            date,
            canonical: founder.host().to_owned(),
            addresses: founder.addresses(),
        };
        let (mesh, addresses) = (founding.mesh(), founder.addresses());
        let mut entries = vec![Entry::Founded(Box::new(Signed::new(founding, &key)))];
        for (serial, at) in (1..).zip(1..self.bodies.len()) {
            let secret = self.dice.seed();
            let joiner = &self.bodies[at];
            let expires = date.after(core::time::Duration::from_secs(60));
            let token = Token::issue(&key, mesh, addresses.clone(), expires, serial, secret);
            let redeemed = Redeemed::new(&token, &joiner.key(), joiner.host().to_owned(), joiner.addresses(), date);
            entries.push(Entry::Invited(token.invite()));
            entries.push(Entry::Admitted(Signed::new(Admission::answering(&redeemed, date), &key)));
        }
        entries
    }
}
