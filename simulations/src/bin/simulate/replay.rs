//! `simulate replay`: what an object tells of is played again, and must be the same to the last event.

use std::{io::Read as _, path::Path, time::Instant};

use overspill_simulations::scenario::{play::guarded, text, transcript::perform};
use serde_json::{Value, json};

use crate::{
    args,
    ending::{Ending, Fault},
    object, told,
};

/// Plays it again.
///
/// # Errors
/// When the object cannot be read, or is none that tells of a run.
pub fn replay(options: &args::Replay) -> Result<Ending, Fault> {
    let object = read(&options.file)?;
    let wrong =
        |what: &str| Fault::new(Ending::Usage, format!("{}: {what}", options.file.display()), "give what `simulate run --json` printed");
    if object["schema"].as_str() != Some(object::SCHEMA) {
        return Err(wrong(&format!("this is no object of the schema {}", object::SCHEMA)));
    }
    let Some(plot) = object["plot"].as_str() else { return Err(wrong("it tells of no run that could be played again")) };
    let hash = ["plot_trace_hash", "trace_hash"].iter().find_map(|name| object[name].as_str());
    let Some(hash) = hash else { return Err(wrong("it has no trace hash to compare with")) };
    let scenario = text::read(plot).map_err(|mistake| wrong(&format!("its plot cannot be read, {mistake}")))?;
    let began = Instant::now();
    let outcome = guarded(|| perform(&scenario, options.tail, &mut |_| ()));
    let same = outcome.trace_hash.to_string() == hash;
    if options.json {
        let mut again = object::run("replay", object["scenario"].as_str(), &scenario, &outcome, began.elapsed());
        again["same"] = json!(same);
        told::line(again)?;
    } else {
        outcome.failures.iter().try_for_each(|words| told::line(format_args!("! {words}")))?;
        outcome.tail.lines().try_for_each(told::line)?;
        let verdict = if same { "the same run" } else { "another run than the object tells of: another version of the program?" };
        told::line(format_args!("{verdict}: trace hash {}", outcome.trace_hash))?;
    }
    Ok(Ending::of(!same))
}

fn read(file: &Path) -> Result<Value, Fault> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(file).map(|read| text = read)
    };
    read.map_err(|error| Fault::new(Ending::System, format!("{}: {error}", file.display()), "name a file that can be read, or `-`"))?;
    serde_json::from_str(&text).map_err(|error| {
        Fault::new(Ending::Usage, format!("{}: this is no JSON object: {error}", file.display()), "give what `simulate run --json` printed")
    })
}
