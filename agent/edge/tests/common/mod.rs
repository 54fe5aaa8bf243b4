//! Words for stories about an edge: a scripted origin, and visitors that speak raw HTTP.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod http2;
pub mod lease;
pub mod site;

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use overspill_edge::{Clock, Config, Handle, start};

/// Nothing in these stories takes longer.
pub const LONG: Duration = Duration::from_secs(20);

/// What the origin does with a request, given its head.
pub type Script = dyn Fn(&str) -> Act + Send + Sync;

/// One act of the origin.
pub enum Act {
    /// Writes this and keeps the connection, if it is kept.
    Say(Vec<u8>),
    /// Writes this after a while.
    SayAfter(Duration, Vec<u8>),
    /// Writes something, and something else after a while.
    SayTwice(Vec<u8>, Duration, Vec<u8>),
    /// Says nothing for a long time.
    Hang,
    /// Closes at once.
    Close,
}

/// A web server that plays a script and remembers what it was asked.
pub struct Origin {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    pub in_flight: Arc<AtomicU32>,
    pub in_flight_max: Arc<AtomicU32>,
}

impl Origin {
    pub fn new(script: impl Fn(&str) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            in_flight: Arc::default(),
            in_flight_max: Arc::default(),
        };
        let script: Arc<Script> = Arc::new(script);
        let (asked, now, most) = (Arc::clone(&origin.asked), Arc::clone(&origin.in_flight), Arc::clone(&origin.in_flight_max));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, asked, now, most) = (Arc::clone(&script), Arc::clone(&asked), Arc::clone(&now), Arc::clone(&most));
                thread::spawn(move || serve(stream, &*script, &asked, &now, &most));
            }
        });
        origin
    }

    /// Heads of the requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// How often a path was asked for.
    pub fn asked_for(&self, path: &str) -> usize {
        self.asked().iter().filter(|head| head.split(' ').nth(1) == Some(path)).count()
    }
}

fn serve(mut stream: TcpStream, script: &Script, asked: &Mutex<Vec<String>>, now: &AtomicU32, most: &AtomicU32) {
    stream.set_read_timeout(Some(LONG)).unwrap();
    while let Some(head) = read_head(&mut stream) {
        asked.lock().unwrap().push(head.clone());
        let length = field(&head, "content-length").and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
        let act = script(&head);
        let words = match act {
            Act::Say(words) => words,
            Act::SayAfter(while_, words) => {
                thread::sleep(while_);
                words
            }
            Act::SayTwice(first, while_, words) => {
                stream.write_all(&first).unwrap();
                thread::sleep(while_);
                words
            }
            Act::Hang => {
                thread::sleep(LONG);
                Vec::new()
            }
            Act::Close => Vec::new(),
        };
        now.fetch_sub(1, SeqCst);
        if words.is_empty() || stream.write_all(&words).is_err() {
            return;
        }
    }
}

/// Reads one head.
pub fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// A field's value in a head.
pub fn field(head: &str, name: &str) -> Option<String> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
}

/// A whole answer of 200 with these fields (each ended by CRLF).
pub fn ok(fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n{body}", body.len()).into_bytes()
}

/// An edge in front of `origin`, with one change to careful defaults.
pub fn edge(origin: &Origin, change: impl FnOnce(&mut Config)) -> Handle {
    edge_at(origin.address, change)
}

/// An edge in front of whatever is, or is not, at `origin`.
pub fn edge_at(origin: SocketAddr, change: impl FnOnce(&mut Config)) -> Handle {
    let mut config = Config::new(origin.to_string().parse().unwrap());
    config.threads = 2;
    change(&mut config);
    start(config, Clock::new()).unwrap()
}

/// A visitor's answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn field(&self, name: &str) -> Option<String> {
        field(&self.head, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends raw bytes on a connection of its own and reads until the edge closes.
pub fn raw(edge: &Handle, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(edge.local_addr()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    let _closed = stream.read_to_end(&mut answer);
    let _gone = stream.shutdown(Shutdown::Both);
    answer
}

/// Parses one answer; chunked bodies are put together.
pub fn parse(answer: &[u8]) -> Reply {
    let at = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(answer)));
    let head = String::from_utf8_lossy(&answer[..at]).into_owned();
    let mut body = answer[at + 4..].to_vec();
    if field(&head, "transfer-encoding").is_some() {
        body = unchunk(&body);
    }
    Reply { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..at]).unwrap().trim(), 16).unwrap();
        body.extend_from_slice(&bytes[at + 2..at + 2 + size]);
        bytes = &bytes[at + 2 + size + 2..];
        if size == 0 {
            break;
        }
    }
    body
}

/// Asks with a method and fields (each ended by CRLF).
pub fn ask(edge: &Handle, method: &str, path: &str, fields: &str) -> Reply {
    parse(&raw(edge, format!("{method} {path} HTTP/1.1\r\nHost: blog.example\r\nConnection: close\r\n{fields}\r\n").as_bytes()))
}

/// GETs a path.
pub fn get(edge: &Handle, path: &str) -> Reply {
    ask(edge, "GET", path, "")
}

/// Lets `count` visitors do the same at once.
pub fn together<T: Send>(count: usize, visit: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let visits: Vec<_> = (0..count)
            .map(|index| {
                scope.spawn({
                    let visit = &visit;
                    move || visit(index)
                })
            })
            .collect();
        visits.into_iter().map(|visit| visit.join().unwrap()).collect()
    })
}

/// Waits until something is so; fails if it takes long.
pub fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if so() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("never came: {what}");
}
