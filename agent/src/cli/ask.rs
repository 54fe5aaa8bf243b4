//! Asking the running agent, over its control socket.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde_json::Value;

use super::exit::{Exit, Failure};
use crate::{
    admin::talk::{ANSWER_BYTES_MAX, Ask, Question, Told, VERSION},
    state::names,
};

/// How long an answer may take: a little longer than the mesh's own patience with a join or a leave.
const PATIENCE: Duration = Duration::from_secs(190);

/// Asks the agent that runs on `directory`; `None` when none runs there.
///
/// # Errors
/// What the agent answered, or why it could not be asked.
pub(super) fn try_ask(directory: &Path, ask: Ask) -> Result<Option<Value>, Failure> {
    let stream = match UnixStream::connect(directory.join(names::SOCKET)) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(Failure::of_system(format_args!("the agent on {} cannot be asked", directory.display()), error)),
    };
    let told = talk(stream, ask).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("the agent did not answer: {error}"),
            "the wish may still be carried out: look at `overspill status`",
        )
    })?;
    match told {
        Told::Done(value) => Ok(Some(value)),
        Told::Failed(failure) => Err(failure),
    }
}

/// Asks the agent that runs on `directory`.
///
/// # Errors
/// Also when none runs there.
pub(super) fn ask(directory: &Path, ask: Ask) -> Result<Value, Failure> {
    try_ask(directory, ask)?.ok_or_else(|| {
        let what = format!("no agent runs on {}", directory.display());
        Failure::new(Exit::NoAgent, what, "start one with `overspill run`, or name its directory with --state")
    })
}

fn talk(mut stream: UnixStream, ask: Ask) -> io::Result<Told> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut question = serde_json::to_vec(&Question { version: VERSION, ask })?;
    question.push(b'\n');
    stream.write_all(&question)?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&line)?)
}
