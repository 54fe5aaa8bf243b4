//! `overspill ledger verify` and `overspill ledger show`: they read the file itself, beside a running agent or without one.

use std::{collections::VecDeque, io, path::Path};

use overspill_governance::{
    audit::Audit,
    chain::{Record, Verdict},
    payword::LeaseId,
    site::SiteId,
};
use serde_json::{Value, json};

use super::{
    ask,
    exit::{Exit, Failure, Outcome},
    out,
};
use crate::{
    admin::talk::Ask,
    index::{Index, Subject},
    ledger::{Ledger, records::Records},
    state::names,
};

/// Records that `ledger show` tells: the newest, when there are more.
const SHOWN_MAX: usize = 10_000;

/// What `overspill ledger` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Reads the whole ledger: is every byte as it was written, and does every entry make sense?
    Verify {
        /// Prints every entry as well.
        #[arg(long)]
        entries: bool,
        /// Prints one JSON object instead.
        #[arg(long)]
        json: bool,
    },
    /// Shows what the ledger says about a partner, a member or a lease.
    Show {
        /// The name of a site (52 letters) or of a lease (16 hex digits).
        about: String,
        /// Prints one JSON object instead.
        #[arg(long)]
        json: bool,
    },
}

/// Carries out `overspill ledger`.
///
/// # Errors
/// With exit code 5 when the ledger is damaged.
pub fn run(command: &Command, directory: &Path) -> Outcome {
    match command {
        Command::Verify { entries, json } => verify(directory, *entries, *json),
        Command::Show { about, json } => show(directory, about, *json),
    }
}

/// Opens the ledger of a directory for reading.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn read(directory: &Path) -> Result<Records<'static>, Failure> {
    let path = directory.join(names::LEDGER);
    Records::of_file(&path, None).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "no agent has run with this state directory yet; name another with --state",
            _ => "run this as the user whose agent it is",
        };
        Failure::new(Exit::Failed, format!("{}: {error}", path.display()), advice)
    })
}

fn verify(directory: &Path, entries: bool, json: bool) -> Outcome {
    let mut records = read(directory)?;
    let mut audit: Option<Audit> = None;
    let mut finding = None;
    let mut shown = Vec::new();
    let unreadable = |error| Failure::of_system("the ledger cannot be read", error);
    while let Some((before, record)) = records.next_with_head().map_err(unreadable)? {
        let audit = audit.get_or_insert_with(|| Audit::new(before.site));
        if finding.is_none()
            && let Err(found) = audit.take(&record)
        {
            finding = Some((record.seq, record.at, found.to_string()));
        }
        match (entries, json) {
            (true, true) => shown.push(record_json(&record)),
            (true, false) => out::line(record_line(&record))?,
            _ => {}
        }
    }
    let head = records.head();
    let verdict = records.finish();
    let (word, damage) = match (&verdict, &finding) {
        (Verdict::Corrupt { at, reason }, _) => ("corrupt", Some((*at, reason.to_string()))),
        (_, Some((seq, at, found))) => ("senseless", Some((*at, format!("entry {seq}: {found}")))),
        (Verdict::Torn { .. }, None) => ("torn", None),
        (Verdict::Whole, None) => ("whole", None),
    };
    let (count, bytes) = head.map_or((0, 0), |head| (head.seq, head.len));
    if json {
        let value = json!({
            "schema": "overspill.ledger/1",
            "verdict": word,
            "sentence": verdict.to_string(),
            "finding": damage.as_ref().map(|(_, why)| why),
            "at": damage.as_ref().map(|(at, _)| at),
            "site": head.map(|head| head.site.to_string()),
            "entries": count,
            "bytes": bytes,
            "head": head.map(|head| head.link.to_string()),
            "records": entries.then_some(shown),
        });
        out::line(value)?;
    } else {
        let site = head.map_or_else(|| "nobody yet".to_owned(), |head| head.site.to_string());
        out::line(format_args!("ledger of {site}"))?;
        let head = head.map_or_else(|| "none".to_owned(), |head| head.link.short());
        out::line(format_args!("{count} entries in {bytes} bytes, head {head}\n{verdict}"))?;
    }
    match damage {
        Some((at, why)) => Err(Failure::new(
            Exit::Damaged,
            format!("the ledger is damaged at byte {at}: {why}"),
            "nothing was changed: check the disk, restore the file from a backup; an agent signs nothing with it",
        )),
        None => Ok(()),
    }
}

fn show(directory: &Path, about: &str, json: bool) -> Outcome {
    let subject = About::read(about)?;
    let value = match ask::try_ask(directory, Ask::Records { about: about.to_owned() })? {
        Some(value) => value,
        None => records_json(&subject.by_reading(read(directory)?)?),
    };
    if json {
        return out::line(value);
    }
    let records = value["records"].as_array().cloned().unwrap_or_default();
    if records.is_empty() {
        out::line(format_args!("the ledger says nothing about {about}"))?;
    }
    for record in records {
        let text = |name: &str| record[name].as_str().unwrap_or_default();
        out::line(format_args!("{:>6}  {}  {}", record["seq"], text("date"), text("sentence")))?;
    }
    Ok(())
}

/// What can be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A site: as partner and as member.
    Site(SiteId),
    /// A lease.
    Lease(LeaseId),
}

impl About {
    /// Reads a name.
    ///
    /// # Errors
    /// When it names neither.
    pub fn read(text: &str) -> Result<Self, Failure> {
        if let Ok(site) = text.parse() {
            return Ok(Self::Site(site));
        }
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| Self::Lease(LeaseId(bytes))).ok_or_else(|| {
            let what = format!("{text:?} names neither a site nor a lease");
            Failure::new(
                Exit::Usage,
                what,
                "a site's name is 52 letters (see `overspill partners`), a lease's 16 hex digits (see `overspill status`)",
            )
        })
    }

    fn subjects(self) -> Vec<Subject> {
        match self {
            Self::Site(site) => vec![Subject::Line(site), Subject::Member(site)],
            Self::Lease(lease) => vec![Subject::Lease(lease)],
        }
    }

    /// Its records, oldest first, looked up.
    ///
    /// # Errors
    /// When the index cannot be trusted or the ledger not be read.
    pub fn by_index(self, index: &Index, ledger: &Ledger) -> io::Result<Vec<Record>> {
        let found: io::Result<Vec<_>> = self.subjects().into_iter().map(|subject| index.places(subject)).collect();
        let mut places = found?.concat();
        places.sort_by_key(|place| place.seq);
        places.dedup_by_key(|place| place.seq);
        let newest = places.len().saturating_sub(SHOWN_MAX);
        places.drain(newest..).map(|place| ledger.record_after(place)).collect()
    }

    /// Its records, oldest first, found by reading everything.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn by_reading(self, mut records: Records<'_>) -> Result<Vec<Record>, Failure> {
        let subjects = self.subjects();
        let mut found = VecDeque::new();
        for record in records.by_ref() {
            if Subject::of(&record.entry).iter().any(|subject| subjects.contains(subject)) {
                if found.len() == SHOWN_MAX {
                    found.pop_front();
                }
                found.push_back(record);
            }
        }
        match records.failure() {
            Some(error) => Err(Failure::of_system("the ledger cannot be read", error)),
            None => Ok(found.into()),
        }
    }
}

/// The JSON form of a list of records.
pub fn records_json(records: &[Record]) -> Value {
    json!({ "schema": "overspill.records/1", "records": records.iter().map(record_json).collect::<Vec<_>>() })
}

fn record_json(record: &Record) -> Value {
    json!({ "seq": record.seq, "date": record.date.to_string(), "at": record.at, "sentence": record.entry.to_string() })
}

fn record_line(record: &Record) -> String {
    format!("{:>6}  {}  {}", record.seq, record.date, record.entry)
}
