//! `overspill judge`: what evidence proves. It needs nothing but the evidence, so that the verdict is the same on any machine.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use overspill_governance::{
    entry::Entry,
    evidence::{Bundle, Conviction, Verdict},
    limits::BUNDLE_TEXT_MAX,
    time::Date,
};
use serde_json::{Value, json};

use super::{
    exit::{Exit, Failure, Outcome},
    ledger, out,
};

/// What `overspill judge` can do.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The evidence, as `overspill judge --print` writes it; `-` for standard input.
    #[arg(value_name = "FILE", required_unless_present_any = ["list", "print"])]
    file: Option<PathBuf>,
    /// Shows what members were convicted of, by this site's ledger.
    #[arg(long, conflicts_with_all = ["file", "print"])]
    list: bool,
    /// Prints the evidence of a conviction that the ledger holds, to be given to others.
    #[arg(long, value_name = "MATTER", conflicts_with = "file")]
    print: Option<String>,
    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Carries out `overspill judge`.
///
/// # Errors
/// With exit code 1 when nothing is proven, 2 when the file holds no evidence.
pub fn run(options: &Options, directory: impl FnOnce() -> Result<PathBuf, Failure>) -> Outcome {
    match (&options.file, &options.print) {
        (Some(file), _) => judge(file, options.json),
        (None, Some(matter)) => print(&directory()?, matter),
        (None, None) => list(&directory()?, options.json),
    }
}

fn judge(file: &Path, json: bool) -> Outcome {
    let unreadable = |what: String| Failure::new(Exit::Usage, what, "evidence is what `overspill judge --print MATTER` writes, unchanged");
    let text = read(file).map_err(|error| unreadable(format!("{}: {error}", file.display())))?;
    let bundle = Bundle::from_text(&text).map_err(|error| unreadable(format!("{}: {error}", file.display())))?;
    let verdict = bundle.judge();
    if json {
        out::line(in_json(&bundle.charge(), &verdict))?;
    }
    match verdict {
        Verdict::Convicted(_) if json => Ok(()),
        Verdict::Convicted(conviction) => out::text(in_words(&conviction)),
        Verdict::Nothing(because) => Err(Failure::new(
            Exit::Failed,
            format!("nothing is proven: {because}"),
            "nobody is convicted by this; whoever passed it on may have changed it",
        )),
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let most = BUNDLE_TEXT_MAX as u64 + 1;
    if file == Path::new("-") {
        io::stdin().lock().take(most).read_to_string(&mut text)?;
    } else {
        File::open(file)?.take(most).read_to_string(&mut text)?;
    }
    Ok(text)
}

fn in_words(conviction: &Conviction) -> String {
    let Conviction { mesh, who, crime, matter } = conviction;
    format!(
        "Convicted: {who}\n{}\nIn the mesh {mesh}, in the matter {}. Anybody who judges this comes to the same.\n",
        crime.sentence(),
        matter.short()
    )
}

fn in_json(charge: &Conviction, verdict: &Verdict) -> Value {
    let because = match verdict {
        Verdict::Convicted(_) => None,
        Verdict::Nothing(because) => Some(because.to_string()),
    };
    json!({
        "schema": "overspill.judge/1",
        "convicted": because.is_none(),
        "because": because,
        "who": charge.who.to_string(),
        "crime": charge.crime.word(),
        "sentence": charge.crime.sentence(),
        "mesh": charge.mesh.0.to_string(),
        "matter": charge.matter.to_string(),
    })
}

/// The convictions that stand in the ledger, the oldest first.
fn convictions(directory: &Path) -> Result<Vec<(Date, Box<Bundle>)>, Failure> {
    let mut records = ledger::read(directory)?;
    let convicted = |entry| match entry {
        Entry::Convicted { bundle, heard } => Some((heard, bundle)),
        _ => None,
    };
    let convictions = records.by_ref().filter_map(|record| convicted(record.entry)).collect();
    match records.failure() {
        Some(error) => Err(Failure::of_system("the ledger cannot be read", error)),
        None => Ok(convictions),
    }
}

fn list(directory: &Path, json: bool) -> Outcome {
    let convictions = convictions(directory)?;
    if json {
        let one = |(heard, bundle): &(Date, Box<Bundle>)| {
            let mut value = in_json(&bundle.charge(), &bundle.judge());
            value["heard"] = heard.to_string().into();
            value["evidence"] = bundle.to_text().into();
            value
        };
        return out::line(json!({ "schema": "overspill.judge-list/1", "convictions": convictions.iter().map(one).collect::<Vec<_>>() }));
    }
    if convictions.is_empty() {
        return out::line("This site has heard of no conviction.");
    }
    for (heard, bundle) in convictions {
        let charge = bundle.charge();
        out::line(format_args!("{}  {heard}  {charge}", charge.matter.short()))?;
    }
    Ok(())
}

fn print(directory: &Path, matter: &str) -> Outcome {
    let named = |bundle: &Bundle| !matter.is_empty() && bundle.charge().matter.to_string().starts_with(&matter.to_ascii_lowercase());
    let found = convictions(directory)?.into_iter().find(|(_, bundle)| named(bundle));
    let (_, bundle) = found.ok_or_else(|| {
        let what = format!("this site has heard of no conviction in the matter {matter:?}");
        Failure::new(Exit::Usage, what, "`overspill judge --list` shows those that it has heard of")
    })?;
    out::text(bundle.to_text())
}
