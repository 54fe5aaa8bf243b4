//! The web sites behind the agents: each has one picture, of the size that the simulator's sites have, and replaces it when it is purged.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

/// Bytes of a picture.
pub(crate) const SIZE: usize = 20_000;

/// A running web site. Its threads end with the process.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) port: u16,
    edition: Arc<AtomicU32>,
}

impl Origin {
    /// Starts the web site behind a site, where all namespaces reach it.
    pub(crate) fn start(site: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let edition = Arc::new(AtomicU32::new(0));
        let known = edition.clone();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let known = known.clone();
                thread::spawn(move || serve(&socket, site, &known));
            }
        });
        Self { port, edition }
    }

    /// Replaces the picture.
    pub(crate) fn edit(&self) {
        self.edition.fetch_add(1, Ordering::Relaxed);
    }
}

/// The path of a site's picture.
pub(crate) fn path(site: usize) -> String {
    format!("/{site}.png")
}

/// A site's picture, in one of its editions.
fn picture(site: usize, edition: u32) -> Vec<u8> {
    let mut bytes = format!("site {site} edition {edition}\n").into_bytes();
    let mut state = (site as u32 + 1).wrapping_mul(2_654_435_761) ^ edition;
    bytes.resize_with(SIZE, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    bytes
}

/// Whether these bytes are a picture of a site, of whatever edition they say.
pub(crate) fn is_picture(site: usize, bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
    let edition = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    edition.is_some_and(|edition| picture(site, edition) == bytes)
}

fn serve(socket: &TcpStream, site: usize, edition: &AtomicU32) {
    let mut socket = socket;
    let mut reader = BufReader::new(socket);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut header = String::new();
        while reader.read_line(&mut header).unwrap_or(0) > 2 {
            header.clear();
        }
        let body = picture(site, edition.load(Ordering::Relaxed));
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nCache-Control: public, max-age=3600\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if socket.write_all(head.as_bytes()).is_err() || socket.write_all(&body).is_err() {
            return;
        }
    }
}
