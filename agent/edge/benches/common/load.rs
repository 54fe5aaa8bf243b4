//! A load generator that reads what comes as cheaply as the kernel allows.
//!
//! One that copies each body spends as long on it as a server does, so that with one core each it is what is measured. This one reads heads, and
//! has the kernel drop the bodies uncopied (`MSG_TRUNC`, tcp(7)). Every answer must have the status that is expected and be as long as it says;
//! whoever closes, or is silent for 20 s, ends the run.
#![allow(missing_docs, dead_code)]

use std::{
    error::Error,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    fd::OwnedFd,
    io::Errno,
    net::{RecvFlags, recv},
};
use socket2::{Domain, Socket, Type};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// Room for a head, and for a body that comes in its packet.
const HEAD_BYTES: usize = 2048;
/// As much of a body is dropped at once, and waits in the kernel at most.
const DROPPED_BYTES: usize = 1 << 20;
const EVENTS: usize = 512;
const SILENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };
/// Until connections are made, on both sides of the server, and nothing is new.
const WARM_UP: Duration = Duration::from_millis(500);

/// Connections with one request each on its way, all the time.
pub struct Load<'a> {
    request: &'a [u8],
    status: u16,
    connections: Vec<Connection>,
    ready: OwnedFd,
    dropped: Vec<u8>,
    told: Told,
}

/// What came of it.
#[derive(Default)]
pub struct Told {
    pub requests: usize,
    pub per_second: f64,
    /// Heads and bodies.
    pub bytes: u64,
    /// Microseconds of each, in order.
    latencies: Vec<u32>,
}

impl Told {
    /// Microseconds within which so many of a hundred were answered.
    pub fn within(&self, percent: usize) -> u32 {
        self.latencies.get(self.latencies.len() * percent / 100).copied().unwrap_or(0)
    }
}

struct Connection {
    stream: TcpStream,
    asked: Instant,
    head: [u8; HEAD_BYTES],
    /// What has come of the head.
    filled: usize,
    /// What has not come of the body; unknown before the head has.
    missing: Option<usize>,
    /// Head and body.
    length: u64,
}

impl<'a> Load<'a> {
    pub fn start(address: SocketAddr, request: &'a [u8], status: u16, number: usize) -> Outcome<Self> {
        let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(number);
        for place in 0..number {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            socket.set_recv_buffer_size(DROPPED_BYTES)?;
            socket.connect(&address.into())?;
            socket.set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            epoll::add(&ready, &socket, epoll::EventData::new_u64(place as u64), epoll::EventFlags::IN)?;
            let mut connection =
                Connection { stream: socket.into(), asked: Instant::now(), head: [0; HEAD_BYTES], filled: 0, missing: None, length: 0 };
            connection.ask(request)?;
            connections.push(connection);
        }
        Ok(Self { request, status, connections, ready, dropped: vec![0; DROPPED_BYTES], told: Told::default() })
    }

    /// Goes on for a while that does not count.
    pub fn warm_up(&mut self) -> Outcome<()> {
        self.run(WARM_UP).map(drop)
    }

    pub fn run(&mut self, span: Duration) -> Outcome<Told> {
        self.told = Told::default();
        let begun = Instant::now();
        let mut events = Vec::with_capacity(EVENTS);
        while begun.elapsed() < span {
            events.clear();
            epoll::wait(&self.ready, spare_capacity(&mut events), Some(&SILENCE))?;
            if events.is_empty() {
                return Err("nothing has come for 20 s".into());
            }
            for event in &events {
                self.hear(usize::try_from(event.data.u64())?)?;
            }
        }
        let mut told = std::mem::take(&mut self.told);
        told.latencies.sort_unstable();
        told.requests = told.latencies.len();
        told.per_second = told.requests as f64 / begun.elapsed().as_secs_f64();
        Ok(told)
    }

    /// Takes what one connection has, until there is no more, or the answer is whole and the next is asked for.
    fn hear(&mut self, place: usize) -> Outcome<()> {
        let connection = &mut self.connections[place];
        loop {
            let heard = match connection.missing {
                None => connection.hear_head(self.status)?,
                Some(missing) => connection.drop_body(missing, &mut self.dropped)?,
            };
            if !heard {
                return Ok(());
            }
            if connection.missing == Some(0) {
                self.told.latencies.push(u32::try_from(connection.asked.elapsed().as_micros())?);
                self.told.bytes += connection.length;
                return connection.ask(self.request);
            }
        }
    }
}

impl Connection {
    /// A request of one packet into an empty socket, which has room for it.
    fn ask(&mut self, request: &[u8]) -> Outcome<()> {
        (self.filled, self.missing, self.asked) = (0, None, Instant::now());
        Ok(self.stream.write_all(request)?)
    }

    /// Whether there was anything to read.
    fn hear_head(&mut self, status: u16) -> Outcome<bool> {
        let read = match self.stream.read(&mut self.head[self.filled..]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Ok(0) => return Err("closed, or a head of more than 2 KiB".into()),
            other => other?,
        };
        self.filled += read;
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(head) = response.parse(&self.head[..self.filled])? else {
            return Ok(true);
        };
        if response.code != Some(status) {
            return Err(format!("status {:?}", response.code).into());
        }
        let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length")).ok_or("no Content-Length")?;
        let length = head + std::str::from_utf8(length.value)?.parse::<usize>()?;
        self.length = length as u64;
        self.missing = Some(length.checked_sub(self.filled).ok_or("more than was asked for")?);
        Ok(true)
    }

    /// Whether there was anything to drop.
    fn drop_body(&mut self, missing: usize, dropped: &mut [u8]) -> Outcome<bool> {
        let most = missing.min(dropped.len());
        match recv(&self.stream, &mut dropped[..most], RecvFlags::TRUNC) {
            Err(Errno::AGAIN) => Ok(false),
            Ok((_, 0)) => Err("closed within a body".into()),
            Ok((_, read)) => {
                self.missing = Some(missing - read);
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }
}
