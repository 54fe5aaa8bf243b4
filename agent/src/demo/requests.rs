//! Every request of a run as a line of text, for whoever wants to do their own sums.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use anyhow::Context as _;

use super::{
    content::Content,
    visitors::{Carrier, Journal, Outcome, Record},
};

/// First line of the file.
const HEAD: &str = "arm,wanted_ms,ended_ms,path,bytes,outcome,carrier,redirected_ms,redirected_to,sent_back";

/// A file of comma-separated values that arms add their requests to.
#[derive(Debug)]
pub struct Requests(BufWriter<File>);

impl Requests {
    /// Makes the file and writes its first line.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write requests to {}", path.display()))?;
        let mut requests = Self(BufWriter::new(file));
        writeln!(requests.0, "{HEAD}")?;
        Ok(requests)
    }

    /// Adds all requests of one arm.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, arm: &str, content: &Content, journal: &Journal) -> anyhow::Result<()> {
        for record in &journal.records {
            writeln!(self.0, "{}", line(arm, content, record))?;
        }
        self.0.flush().context("cannot write requests")
    }
}

fn line(arm: &str, content: &Content, record: &Record) -> String {
    let resource = &content.resources[record.resource as usize];
    let outcome = match record.outcome {
        Outcome::Right => "right",
        Outcome::Refused => "refused",
        Outcome::Late => "late",
        Outcome::Wrong => "wrong",
        Outcome::Broken => "broken",
        Outcome::NotAsked => "not-asked",
    };
    let carrier = match record.carrier {
        Carrier::Nobody => String::new(),
        Carrier::Origin => "origin".to_owned(),
        Carrier::Cache => "owner".to_owned(),
        Carrier::Helper(number) => helper(number),
    };
    let (at, to) = record.redirect.map_or_else(Default::default, |redirect| (redirect.at.as_millis().to_string(), helper(redirect.to)));
    let (wanted, ended, bytes) = (record.wanted.as_millis(), record.ended.as_millis(), resource.body.len());
    // A path in a catalogue holds no comma or quote that a log did not put there; quoting covers those.
    let path = resource.path.replace('"', "\"\"");
    format!("{arm},{wanted},{ended},\"{path}\",{bytes},{outcome},{carrier},{at},{to},{}", record.sent_back)
}

fn helper(number: u8) -> String {
    format!("helper-{}", u16::from(number) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{content::blog, visitors::Redirect};
    use std::time::Duration;

    #[test]
    fn a_line_has_as_many_values_as_the_head() {
        let content = Content::new(&blog(1, 100 << 10), 1).unwrap();
        let millis = Duration::from_millis;
        let record = Record {
            wanted: millis(1_000),
            ended: millis(1_250),
            resource: 0,
            outcome: Outcome::Right,
            carrier: Carrier::Helper(0),
            redirect: Some(Redirect { at: millis(1_020), to: 0 }),
            named: false,
            sent_back: false,
        };
        let text = line("mesh", &content, &record);
        assert_eq!(text, "mesh,1000,1250,\"/theme/style.css\",12288,right,helper-1,1020,helper-1,false");
        assert_eq!(text.split(',').count(), HEAD.split(',').count());
    }
}
