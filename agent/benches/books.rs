//! What a long ledger costs: to read through and audit, to start an agent with, and each receipt in it.
//!
//! `cargo bench -p overspill --bench books`. `OVERSPILL_BOOKS_ENTRIES` sets how long the ledger is (1,000,000). It is the one of a site that
//! carried a partner's visitors and was carried by it in turns, written by both ends of their line; every signature in it is a real one.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/origin.rs"]
mod origin;

use std::{
    fs::File,
    hint::black_box,
    io::{BufWriter, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use agent::Site;
use overspill::state::{State, names};
use overspill_governance::{
    allotment::Allotment,
    chain::Writer,
    charter::Charter,
    claim::Claim,
    entry::Entry,
    invite::{Admission, Founding, MeshId, Redeemed, token::Token},
    line::{Line, LineKey, Moves, Receipt},
    payword::{Chain, LeaseId},
    site::{Key, Signed},
    time::Date,
    units::{Bytes, Credit},
};
use tempfile::TempDir;

const BEGINNING: Date = Date::from_millis(1_795_305_600_000);
/// Tickets of a lease, and after how many it is settled.
const TICKETS: u32 = 100;
const SETTLED_EVERY: u32 = 25;
/// Receipts that are checked for their time.
const CHECKED: usize = 20_000;

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let entries = std::env::var("OVERSPILL_BOOKS_ENTRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let place = TempDir::new().unwrap();
    let mut site = Site::new(place.path(), 1, origin::start());
    let directory = place.path().join(&site.state);
    let key = Key::from_seed(State::open(&directory).unwrap().key().to_seed());
    let mut books = Books::new(&directory.join(names::LEDGER), key);
    while books.entries < entries {
        books.lease();
    }
    books.tell();

    let begun = Instant::now();
    let verified = site.say(&["ledger", "verify", "--json"]);
    assert_eq!(verified["entries"].as_u64(), Some(books.entries), "{verified}");
    told("to verify it, s", begun.elapsed().as_secs_f64());
    for start in ["first start with it, until it serves, s", "later start, until it serves, s"] {
        told(start, site.start() / 1e3);
        let begun = Instant::now();
        site.wait_for_commands();
        told("  and until it takes commands, s", begun.elapsed().as_secs_f64());
        told("  resident memory, MiB", site.kib("status", "VmRSS:") / 1024.0);
        told("  the most so far, MiB", site.kib("status", "VmHWM:") / 1024.0);
        site.stop();
    }
}

fn told(what: &str, value: f64) {
    println!("  {what:<44} {value:>12.2}");
}

/// A ledger in the making, by both ends of its one line. Its site has the higher key, which countersigns.
struct Books {
    file: BufWriter<File>,
    writer: Writer,
    mesh: MeshId,
    charter: Charter,
    us: Key,
    partner: Key,
    ours: Line,
    theirs: Line,
    leases: u64,
    entries: u64,
    bytes: u64,
    receipt_bytes: u64,
    receipts: Vec<Receipt>,
    settled: u64,
    signing: Duration,
}

impl Books {
    fn new(path: &Path, us: Key) -> Self {
        let partner = (0..=u8::MAX).map(|seed| Key::from_seed([seed; 32])).find(|key| key.site() < us.site()).unwrap();
        let charter = Charter::default();
        let founding = Founding {
            name: "Village".into(),
            charter: charter.clone(),
            founder: us.site(),
            date: BEGINNING,
            canonical: "http://site-1.example".into(),
            addresses: vec![],
        };
        let mesh = founding.mesh();
        let token = Token::issue(&us, mesh, vec![], Date::MAX, 1, [9; 32]);
        let redeemed = Redeemed::new(&token, &partner, "http://site-2.example".into(), vec![], BEGINNING);
        let line = |key: &Key| Line::new(LineKey::between(mesh, us.site(), partner.site()), key.site(), &charter).unwrap();
        let (writer, header) = Writer::create(us.site());
        let mut file = BufWriter::new(File::create(path).unwrap());
        file.write_all(&header).unwrap();
        let mut books = Self {
            file,
            writer,
            mesh,
            ours: line(&us),
            theirs: line(&partner),
            charter,
            leases: 0,
            entries: 0,
            bytes: header.len() as u64,
            receipt_bytes: 0,
            receipts: Vec::new(),
            settled: 0,
            signing: Duration::ZERO,
            us,
            partner,
        };
        books.write(&Entry::Founded(Signed::new(founding, &books.us).into()));
        books.write(&Entry::Invited(token.invite()));
        books.write(&Entry::Admitted(Signed::new(Admission::answering(&redeemed, BEGINNING), &books.us)));
        books
    }

    fn write(&mut self, entry: &Entry) -> u64 {
        let frame = self.writer.append(BEGINNING, entry).unwrap();
        self.file.write_all(&frame).unwrap();
        self.entries += 1;
        self.bytes += frame.len() as u64;
        frame.len() as u64
    }

    /// A lease, settled in parts: one that we carry, the next that carries us.
    fn lease(&mut self) {
        let lease = LeaseId(self.leases.to_be_bytes());
        let we_help = self.leases.is_multiple_of(2);
        self.leases += 1;
        let (owner, helper) = if we_help { (&self.partner, &self.us) } else { (&self.us, &self.partner) };
        let chain = Chain::from_seed([3; 32], lease, TICKETS);
        let allotment = Allotment {
            mesh: self.mesh,
            lease,
            owner: owner.site(),
            helper: helper.site(),
            requests: TICKETS,
            bytes: Bytes(1 << 30),
            largest: Bytes(1 << 20),
            anchor: chain.anchor(),
            charter: 1,
            price_request: self.charter.price_request,
            price_mib: self.charter.price_mib,
            made: BEGINNING,
            until: BEGINNING.after(Duration::from_secs(600)),
        };
        let (signed, earner) = (Signed::new(allotment.clone(), owner), helper.site());
        self.write(&Entry::Allotted(signed.into()));
        let mut settled = Credit::ZERO;
        for serial in (SETTLED_EVERY..=TICKETS).step_by(SETTLED_EVERY as usize) {
            let bytes = Bytes(u64::from(serial) * 40_000);
            let claim = Claim { lease, serial, word: chain.word(serial).unwrap(), requests: serial, bytes };
            let worth = allotment.price(serial, bytes);
            let moves = Moves { earner, amount: worth.checked_sub(settled).unwrap() };
            settled = worth;
            if we_help {
                self.write(&Entry::Taken(claim));
            }
            let begun = Instant::now();
            let proposal = self.theirs.propose(&self.partner, moves, Some(claim), &self.charter).unwrap();
            let receipt = self.ours.countersign(&self.us, &proposal, &self.charter).unwrap();
            self.signing += begun.elapsed();
            let _ = self.theirs.conclude(receipt.state.seq, receipt.high_sig).unwrap();
            if self.receipts.len() < CHECKED {
                self.receipts.push(receipt.clone());
            }
            self.settled += 1;
            self.receipt_bytes += self.write(&Entry::Agreed { with: self.partner.site(), receipt });
        }
        self.write(&Entry::LeaseEnded { lease });
    }

    fn tell(&mut self) {
        self.file.flush().unwrap();
        self.file.get_ref().sync_all().unwrap();
        println!("a ledger of {} entries, {} of them receipts; every figure on one core", self.entries, self.settled);
        told("its size, MiB", self.bytes as f64 / f64::from(1 << 20));
        told("bytes of a receipt in it", self.receipt_bytes as f64 / self.settled as f64);
        told("receipts proposed and countersigned a second", self.settled as f64 / self.signing.as_secs_f64());
        let (key, begun) = (*self.ours.key(), Instant::now());
        assert!(self.receipts.iter().all(|receipt| black_box(receipt).is_good(&key)));
        told("receipts checked a second, both signatures", self.receipts.len() as f64 / begun.elapsed().as_secs_f64());
    }
}
