//! The edge by itself: a reverse-proxy cache without a mesh, a ledger, or anything of the agent's.
//!
//! `cargo run --release -p overspill-edge --example alone -- 127.0.0.1:8080 127.0.0.1:8000 [THREADS [TLS-LISTEN CERTIFICATE KEY]]`: origin, and
//! where to listen; certificate and key are files of PEM.
#![allow(clippy::print_stderr)]

use std::{env, fs, process::ExitCode, thread};

use overspill_edge::{Clock, Config, Identity, start};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (Some(Ok(origin)), Some(Ok(listen))) = (arguments.first().map(|text| text.parse()), arguments.get(1).map(|text| text.parse()))
    else {
        eprintln!("usage: alone ORIGIN LISTEN [THREADS], such as 127.0.0.1:8080 127.0.0.1:8000");
        return ExitCode::from(2);
    };
    let mut config = Config::new(origin);
    config.listen = vec![listen];
    config.threads = arguments.get(2).and_then(|text| text.parse().ok()).unwrap_or(0);
    if let [_, _, _, listen, certificate, key] = &arguments[..] {
        let read = |path: &String| fs::read(path).unwrap_or_default();
        let (Ok(listen), Ok(identity)) = (listen.parse(), Identity::read(&read(certificate), &read(key))) else {
            eprintln!("no address to listen on, or no certificate with its key");
            return ExitCode::from(2);
        };
        (config.tls.listen, config.tls.identities) = (vec![listen], vec![identity]);
    }
    match start(config, Clock::new()) {
        Ok(_edge) => loop {
            thread::park();
        },
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
