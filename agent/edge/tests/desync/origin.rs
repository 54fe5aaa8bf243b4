//! The origin's side: reads what the edge sends with the strict reader and keeps a record.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use crate::{
    common::LONG,
    strict::{self, Fault, Request},
};

/// What the origin saw.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub requests: Vec<Request>,
    /// Bytes that were not one clear request, and why.
    pub faults: Vec<(Fault, String)>,
}

impl Seen {
    /// Line and body of each request.
    pub fn requests(&self) -> Vec<(String, String)> {
        self.requests.iter().map(|request| (request.line(), String::from_utf8_lossy(&request.body).into_owned())).collect()
    }
}

/// A strict origin that answers everything with 200 and the request's body.
pub struct StrictOrigin {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl StrictOrigin {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Seen>>::default());
        let record = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let record = Arc::clone(&record);
                thread::spawn(move || serve(stream, &record));
            }
        });
        Self { address, seen }
    }

    /// What was seen since this was last asked.
    pub fn take_seen(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Seen>) {
    stream.set_read_timeout(Some(LONG)).unwrap();
    let (mut bytes, mut piece) = (Vec::new(), [0; 65_536]);
    while let Ok(taken @ 1..) = stream.read(&mut piece) {
        bytes.extend_from_slice(&piece[..taken]);
        loop {
            match strict::read(&bytes) {
                Ok(None) => break,
                Ok(Some((request, length))) => {
                    bytes.drain(..length);
                    let body = if request.method == "HEAD" { &[] } else { request.body.as_slice() };
                    let head = format!("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: {}\r\n\r\n", request.body.len());
                    let answer = [head.as_bytes(), body].concat();
                    seen.lock().unwrap().requests.push(request);
                    if stream.write_all(&answer).is_err() {
                        return;
                    }
                }
                Err(fault) => {
                    seen.lock().unwrap().faults.push((fault, String::from_utf8_lossy(&bytes).into_owned()));
                    return;
                }
            }
        }
    }
    if !bytes.is_empty() {
        seen.lock().unwrap().faults.push(("broke off", String::from_utf8_lossy(&bytes).into_owned()));
    }
}
