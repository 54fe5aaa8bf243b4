//! What commands print goes into pipes, and pipes end.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use crate::support::{Agent, Origin, Place, wait_until};

/// Says a command to the program, whose reader goes away after `lines` lines: exit code, and what stands on standard error.
fn cut_short(place: &Place, line: &[&str], lines: usize) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_overspill"));
    command.args(line).arg("--state").arg(place.state()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if lines == 0 {
        // Gone before the first word, which no start of the program can outrun.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stdout(writer);
    }
    let mut child = command.spawn().unwrap();
    if let Some(out) = child.stdout.take() {
        assert_eq!(BufReader::with_capacity(16, out).lines().take(lines).filter(Result::is_ok).count(), lines, "{line:?}");
    }
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    (child.wait().unwrap().code(), told)
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let agent = Agent::start(&place, &origin, &["--site", "http://blog.localhost"]);
    place.say(&["init"]).assert_done();
    let commands: [&[&str]; 12] = [
        &["status"],
        &["status", "--json"],
        &["partners"],
        &["statement"],
        &["statement", "--json"],
        &["invite", "--json"],
        &["reload"],
        &["ledger", "verify", "--entries"],
        &["ledger", "verify", "--json"],
        &["config", "show", "--explain"],
        &["config", "check"],
        &["run", "--help"],
    ];
    for command in commands {
        assert_eq!(cut_short(&place, command, 0), (Some(0), String::new()), "{command:?}");
    }
    assert_eq!(cut_short(&place, &["config", "show", "--explain"], 1), (Some(0), String::new()));
    assert_eq!(agent.get("/").0, 200);
}

#[test]
fn an_exit_code_means_the_same_without_a_reader() {
    let place = Place::new();
    assert_eq!(cut_short(&place, &["status"], 0).0, Some(3));
    place.say(&["init", "--site", "http://blog.localhost"]).assert_done();
    let ledger = place.state().join("ledger");
    let mut bytes = std::fs::read(&ledger).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&ledger, bytes).unwrap();
    let (code, told) = cut_short(&place, &["ledger", "verify", "--entries"], 0);
    assert_eq!(code, Some(5), "{told}");
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let place = Place::new();
    for command in [&["config", "show"][..], &["config", "show", "--json"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_overspill")).args(command).arg("--state").arg(place.state()).stdout(full).output();
        let output = output.unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("its result cannot be written"), "{told}");
    }
}

#[test]
fn nobody_reads_the_agents_log_and_it_serves_on() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let (out_reader, out) = std::io::pipe().unwrap();
    let (err_reader, err) = std::io::pipe().unwrap();
    let line = ["--log-level", "trace", "--access-log-path", "-", "--origin", &origin.url()].map(str::to_owned);
    let agent = Agent::run_into(&place, &line, out.into(), err.into());
    drop((out_reader, err_reader));
    for _ in 0..3 {
        assert_eq!(agent.get("/").0, 200);
    }
    place.say(&["reload"]).assert_done();
    place.say(&["status"]).assert_done();
    // The access log is written some time after the answer; the agent is asked again when that has failed.
    wait_until("the origin is still asked through the agent", || {
        let before = origin.asked();
        agent.get("/").0 == 200 && origin.asked() > before
    });
    agent.signal(rustix::process::Signal::TERM);
    assert!(agent.wait().success(), "told to stop, it stops as always");
}
