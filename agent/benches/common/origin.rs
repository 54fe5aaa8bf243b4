//! A web site for benches: every path is a body of as many bytes as the path says, cacheable for an hour.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    thread,
};

/// Starts it, for as long as the process lives.
pub fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 8192];
            let read = stream.read(&mut head).unwrap_or(0);
            let text = String::from_utf8_lossy(&head[..read]).into_owned();
            let size = text.split(' ').nth(1).and_then(|path| path.trim_start_matches('/').parse().ok()).unwrap_or(0);
            let fields = "Content-Type: image/jpeg\r\nCache-Control: public, max-age=3600\r\nETag: \"1\"\r\nConnection: close";
            let mut answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: {size}\r\n\r\n").into_bytes();
            answer.resize(answer.len() + size, b'x');
            let _ = stream.write_all(&answer);
        }
    });
    address
}
