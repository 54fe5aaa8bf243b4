//! An origin: a plain web server with a few pages and assets, whose bytes a test can compute itself.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// A running origin. Its threads end with the test process.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) port: u16,
    asked: Arc<AtomicU64>,
    /// Paths whose bodies were changed.
    edited: Arc<Mutex<BTreeSet<String>>>,
}

impl Origin {
    /// Starts an origin on a free port.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicU64::new(0));
        let edited = Arc::<Mutex<BTreeSet<String>>>::default();
        let (counter, changed) = (asked.clone(), edited.clone());
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (counter, changed) = (counter.clone(), changed.clone());
                thread::spawn(move || serve(&socket, &counter, &changed));
            }
        });
        Self { port, asked, edited }
    }

    /// Changes what stands at a path, once.
    pub(crate) fn edit(&self, path: &str) {
        self.edited.lock().unwrap().insert(path.to_owned());
    }

    /// How many requests have come.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The body behind a path: `/asset/NAME-KIB.png`, or `.js`, has so many KiB; `/page/` is a page with two assets that caches may keep;
/// `/shown/` is a page that a browser can show, with its files; everything else is a small page that says nothing of itself.
pub(crate) fn body_of(path: &str) -> Vec<u8> {
    let name = path.strip_prefix("/asset/").and_then(|name| name.strip_suffix(".png").or(name.strip_suffix(".js")));
    let size = name.and_then(|name| name.rsplit_once('-')?.1.parse::<usize>().ok());
    match size {
        Some(kib) => {
            let salt = path.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
            let mut state = salt | 1;
            let next = || {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state.to_le_bytes()[0]
            };
            std::iter::repeat_with(next).take(kib * 1024).collect()
        }
        None if path.starts_with("/shown/") => shown(path),
        None if path == "/page/" => b"<!doctype html><html><head><title>A page</title><script src=\"/asset/page-9.js\"></script></head>\
              <body><p>Text.<img src='/asset/page-20.png' alt=''></body></html>\n"
            .to_vec(),
        None => format!("<!doctype html><title>{path}</title>").into_bytes(),
    }
}

/// A page that says in its own elements what of it came: the script's word, the image's width, the style's.
fn shown(path: &str) -> Vec<u8> {
    let filling = " ".repeat(6_000);
    match path {
        "/shown/style.css" => format!("p {{ width: 123px; background: #0a0 }}{filling}\n"),
        "/shown/code.js" => format!("document.documentElement.dataset.code = 'ran';{filling}\n"),
        "/shown/module.js" => format!("document.documentElement.dataset.module = 'ran';{filling}\n"),
        "/shown/picture.svg" => format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"64\" height=\"48\"><rect width=\"64\" height=\"48\" fill=\"#c00\"/>{filling}</svg>\n"
        ),
        _ => "<!doctype html><html><head><meta charset=utf-8><title>Shown</title>\
              <link rel=stylesheet href=\"/shown/style.css\"><script src=\"/shown/code.js\"></script>\
              <script>document.cookie = '_ga=secret'; const after = document.documentElement.dataset; after.order = after.code;</script>\
              <script type=module src=\"/shown/module.js\"></script></head>\
              <body><p>Text.</p><img src=\"/shown/picture.svg\" alt=''><script>addEventListener('load', () => setTimeout(() => {\
              after.picture = document.images[0].naturalWidth; after.style = document.querySelector('p').offsetWidth; }, 500));</script>\
              </body></html>\n"
            .to_owned(),
    }
    .into_bytes()
}

fn serve(socket: &TcpStream, counter: &AtomicU64, edited: &Mutex<BTreeSet<String>>) {
    let Ok(read) = socket.try_clone() else { return };
    let mut reader = BufReader::new(read);
    let mut socket = socket;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
        let mut header = String::new();
        while reader.read_line(&mut header).unwrap_or(0) > 2 {
            header.clear();
        }
        counter.fetch_add(1, Ordering::Relaxed);
        let mut body = body_of(&path);
        let tag = if edited.lock().unwrap().contains(&path) {
            body.reverse();
            2
        } else {
            1
        };
        // As Ghost does it: an edit's answer names the paths that it changed.
        let changed = path.strip_prefix("/ghost").map(|changed| format!("X-Cache-Invalidate: {changed}\r\n")).unwrap_or_default();
        let kind = match path.as_str() {
            "/shown/style.css" => "Content-Type: text/css\r\nCache-Control: public, max-age=3600\r\nETag: \"1\"",
            "/shown/picture.svg" => "Content-Type: image/svg+xml\r\nCache-Control: public, max-age=3600\r\nETag: \"1\"",
            "/page/" | "/shown/" => "Content-Type: text/html; charset=utf-8\r\nCache-Control: public, max-age=3600\r\nETag: \"p\"",
            path if path.ends_with(".js") => "Content-Type: text/javascript\r\nCache-Control: public, max-age=3600\r\nETag: \"1\"",
            path if path.starts_with("/asset/") => "Content-Type: image/png\r\nCache-Control: public, max-age=3600",
            _ => "Content-Type: text/html; charset=utf-8",
        };
        let is_named = path.starts_with("/asset/") && path.ends_with(".png");
        let named = if is_named { format!("X-Cache-Tags: of:{path}\r\nETag: \"{tag}\"\r\n") } else { String::new() };
        let head = format!("HTTP/1.1 200 OK\r\n{kind}\r\n{named}{changed}Content-Length: {}\r\n\r\n", body.len());
        if socket.write_all(head.as_bytes()).is_err() || socket.write_all(&body).is_err() {
            return;
        }
    }
}
