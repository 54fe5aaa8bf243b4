//! A mesh that exists in one ledger: what a founder would have written had there been partners, signed by all of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use overspill::{
    ledger::{Ledger, records::Records},
    state::peek_key,
};
use overspill_governance::{
    charter::Charter,
    clearing::{Round, Ruling},
    entry::Entry,
    invite::{Admission, Departure, MeshId, Redeemed, token::Token},
    line::{Concluded, Fade, Line, LineKey, Moves, Receipt, Step},
    regard::Note,
    site::{Key, Signed, SiteId, Statement as _},
    time::Date,
    units::{Credit, Millionths},
};

use crate::support::Place;

/// The founder `us` has brought in `baker` and `miller`; the miller brought in `weaver`, who has left.
pub struct Village {
    us: Key,
    pub baker: Key,
    pub miller: Key,
    pub weaver: Key,
    mesh: MeshId,
    now: Date,
    entries: Vec<Entry>,
}

impl Village {
    /// Founds the mesh with the program and writes the rest below.
    pub fn found(place: &Place) -> Self {
        place.say(&["init", "--name", "village", "--site", "http://blog.localhost"]).assert_done();
        let us = peek_key(&place.state()).unwrap();
        let mut records = Records::of_file(&place.state().join("ledger"), None).unwrap();
        let Some(Entry::Founded(founding)) = records.next().map(|record| record.entry) else {
            panic!("the ledger begins with the founding")
        };
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let [baker, miller, weaver] = [1, 2, 3].map(|seed| Key::from_seed([seed; 32]));
        let now = Date::from_millis(millis.try_into().unwrap());
        let mut village = Self { us, baker, miller, weaver, mesh: founding.body.mesh(), now, entries: Vec::new() };
        for (serial, sponsor, member) in
            [(1, &village.us, &village.baker), (2, &village.us, &village.miller), (3, &village.miller, &village.weaver)]
        {
            let token = Token::issue(sponsor, village.mesh, vec![], Date::MAX, serial, [serial.try_into().unwrap(); 32]);
            let redeemed = Redeemed::new(&token, member, format!("http://{serial}.example"), vec![], now);
            village.entries.push(Entry::Admitted(Signed::new(Admission::answering(&redeemed, now), sponsor)));
        }
        let departure = Departure { mesh: village.mesh, member: village.weaver.site(), date: now };
        village.entries.push(Entry::Departed(Signed::new(departure, &village.weaver)));
        village
    }

    pub fn note(mut self, with: SiteId, note: Note) -> Self {
        self.entries.push(Entry::Noted { with, note, date: self.now });
        self
    }

    /// We owe the baker a credit, the miller owes us half of one. A quarter is cleared between the three, a tenth is locked once more with the baker.
    pub fn trade(mut self) -> Self {
        let charter = Charter::default();
        let (baker, miller) = (Key::from_seed([1; 32]), Key::from_seed([2; 32]));
        let (mut to_baker, mut to_miller) = (self.line(&baker), self.line(&miller));
        self.serve(&mut to_baker, &baker, baker.site(), 1_000_000);
        self.serve(&mut to_miller, &miller, self.us.site(), 500_000);
        let round = |amount: i64, age: u64| {
            let cycle = vec![baker.site(), miller.site(), self.us.site()];
            let date = self.now.before(Duration::from_secs(age));
            Signed::new(Round { mesh: self.mesh, charter: charter.version, cycle, amount: Credit(amount), date }, &baker)
        };
        let (first, second) = (round(250_000, 20), round(100_000, 10));
        let moves = Signed::new(Ruling { round: first.body.digest(), moves: true }, &baker);
        self.step(&mut to_baker, &baker, Step::Lock(first.clone().into()));
        self.step(&mut to_miller, &miller, Step::Lock(first.into()));
        self.step(&mut to_baker, &baker, Step::Release(moves.clone()));
        self.step(&mut to_miller, &miller, Step::Release(moves));
        self.step(&mut to_baker, &baker, Step::Lock(second.into()));
        self
    }

    /// We owe the baker a credit, the miller owes us half of one, and a hundredth of both fades today.
    pub fn fade(mut self) -> Self {
        let (baker, miller) = (Key::from_seed([1; 32]), Key::from_seed([2; 32]));
        for (partner, earner, amount) in [(&baker, baker.site(), 1_000_000), (&miller, self.us.site(), 500_000)] {
            let mut line = self.line(partner);
            self.serve(&mut line, partner, earner, amount);
            self.step(&mut line, partner, Step::Fade(Fade { day: self.now.day(), rate: Millionths(10_000) }));
        }
        self
    }

    /// Puts all of it into the ledger.
    pub fn write(self, place: &Place) {
        let (ledger, _) = Ledger::open(&place.state().join("ledger"), self.us.site(), Box::new(|_, _, _| ())).unwrap();
        ledger.persist_blocking(self.now, self.entries).unwrap();
        ledger.close();
    }

    /// The lower end of our line with a partner.
    fn line(&self, partner: &Key) -> Line {
        let key = LineKey::between(self.mesh, self.us.site(), partner.site());
        Line::new(key, key.low, &Charter::default()).unwrap()
    }

    fn serve(&mut self, line: &mut Line, partner: &Key, earner: SiteId, amount: i64) {
        let moves = Moves { earner, amount: Credit(amount) };
        let proposal = line.propose(self.low(line, partner), moves, None, &Charter::default()).unwrap();
        self.agree(line, partner, proposal.state.seq);
    }

    fn step(&mut self, line: &mut Line, partner: &Key, step: Step) {
        let proposal = line.propose_step(self.low(line, partner), step, &Charter::default()).unwrap();
        self.agree(line, partner, proposal.state.seq);
    }

    fn low<'a>(&'a self, line: &Line, partner: &'a Key) -> &'a Key {
        if line.key().low == self.us.site() { &self.us } else { partner }
    }

    fn agree(&mut self, line: &mut Line, partner: &Key, seq: u64) {
        let high = if line.key().high == self.us.site() { &self.us } else { partner };
        let signature = line.pending().unwrap().state.sign(high);
        let Concluded::New(receipt) = line.conclude(seq, signature).unwrap() else { panic!("it is new") };
        let receipt: Receipt = *receipt;
        self.entries.push(Entry::Agreed { with: partner.site(), receipt });
    }
}
