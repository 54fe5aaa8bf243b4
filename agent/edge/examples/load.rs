//! Asks one server for one thing over kept connections: see [`load`].
//!
//! `cargo run --release -p overspill-edge --example load -- http://127.0.0.1:8000/file --connections 64 --seconds 2`
//!
//! Prints `begun` when the measurement begins, and at its end one JSON object.
#![allow(missing_docs, clippy::print_stdout)]

#[path = "../benches/common/load.rs"]
mod load;

use std::{env, time::Duration};

use load::{Load, Outcome};

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [url, "--connections", connections, "--seconds", seconds] = arguments[..] else {
        return Err("arguments: http://ADDRESS:PORT/PATH --connections NUMBER --seconds NUMBER".into());
    };
    let (authority, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("not http://ADDRESS:PORT/PATH")?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    let mut load = Load::start(authority.parse()?, request.as_bytes(), 200, connections.parse()?)?;
    load.warm_up()?;
    println!("begun");
    let told = load.run(Duration::from_secs(seconds.parse()?))?;
    println!(
        r#"{{"requests": {}, "requests_per_s": {:.1}, "bytes": {}, "p50_us": {}, "p99_us": {}}}"#,
        told.requests,
        told.per_second,
        told.bytes,
        told.within(50),
        told.within(99)
    );
    Ok(())
}
