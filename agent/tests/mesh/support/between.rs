//! Somebody between visitors and a helper, who hears every request and may alter what is sent.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// A running go-between. Its threads end with the test process.
#[derive(Debug)]
pub(crate) struct Between {
    pub(crate) port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    /// In answers to requests whose first line has this in it, one byte is another.
    lies: Arc<Mutex<Option<&'static str>>>,
}

impl Between {
    /// Stands before whoever listens at `port`.
    pub(crate) fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let between = Self { port: listener.local_addr().unwrap().port(), heads: Arc::default(), lies: Arc::default() };
        let (heads, lies) = (Arc::clone(&between.heads), Arc::clone(&between.lies));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heads, lies) = (Arc::clone(&heads), Arc::clone(&lies));
                thread::spawn(move || pass(stream, port, &heads, &lies));
            }
        });
        between
    }

    /// From now on, one byte of every script is another.
    pub(crate) fn lies(&self) {
        self.lies_about(".js?");
    }

    /// From now on, one byte is another of every file whose address has this in it.
    pub(crate) fn lies_about(&self, files: &'static str) {
        *self.lies.lock().unwrap() = Some(files);
    }

    /// Heads of the requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn pass(mut visitor: TcpStream, port: u16, heads: &Mutex<Vec<String>>, lies: &Mutex<Option<&str>>) -> io::Result<()> {
    visitor.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        visitor.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).replace("keep-alive", "close");
    let mut helper = TcpStream::connect(("127.0.0.1", port))?;
    helper.set_read_timeout(Some(Duration::from_secs(10)))?;
    helper.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    helper.read_to_end(&mut answer)?;
    let lies = lies.lock().unwrap().is_some_and(|files| head.lines().next().is_some_and(|line| line.contains(files)));
    if lies && answer.starts_with(b"HTTP/1.1 200") {
        // A space for the line's end.
        if let Some(last) = answer.last_mut() {
            *last = b' ';
        }
    }
    heads.lock().unwrap().push(head);
    visitor.write_all(&answer)?;
    visitor.shutdown(Shutdown::Write)
}
