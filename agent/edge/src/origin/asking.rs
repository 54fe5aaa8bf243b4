//! One request on its way to the origin: its head and, as it comes, its body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Method, Request, header};
use http_body::Body;
use tokio::io::AsyncWrite;

use super::Upload;

/// A request, as far as it has left.
#[derive(Debug)]
pub(super) struct Asking {
    /// Ready to leave, and how much of it has left.
    output: Bytes,
    left: usize,
    /// What follows, unless it has all been taken.
    upload: Option<Upload>,
    coding: Coding,
    progress: Progress,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Leaving,
    /// All of it was handed to the connection.
    Left,
    /// The connection takes no more.
    CutOff,
}

/// How a body is told from what follows (RFC 9112 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// So many bytes are to come.
    Length(u64),
    Chunked,
}

impl Asking {
    pub(super) fn new(request: Request<Upload>) -> Self {
        let (parts, upload) = request.into_parts();
        let coding = if upload.is_end_stream() { Some(0) } else { upload.size_hint().exact() }.map_or(Coding::Chunked, Coding::Length);
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let output = head(&parts.method, target, &parts.headers, coding);
        Self { upload: (coding != Coding::Length(0)).then_some(upload), coding, ..Self::bare(output) }
    }

    /// A request that is a head alone.
    pub(super) fn bare(head: Bytes) -> Self {
        Self { output: head, left: 0, upload: None, coding: Coding::Length(0), progress: Progress::Leaving }
    }

    /// Begins anew, which a request without a body can.
    pub(super) fn rewind(&mut self) {
        (self.left, self.progress) = (0, Progress::Leaving);
    }

    /// There is more to send.
    pub(super) fn is_leaving(&self) -> bool {
        self.progress == Progress::Leaving
    }

    /// The connection took all of it.
    pub(super) fn has_left(&self) -> bool {
        self.progress == Progress::Left
    }

    /// Sends on. Ready when nothing is left to send: all of it has left, or the connection takes no more.
    ///
    /// # Errors
    /// When the visitor's part breaks off.
    pub(super) fn poll(&mut self, wire: Pin<&mut (impl AsyncWrite + Unpin)>, cx: &mut Context<'_>) -> Poll<Result<(), CutOff>> {
        if !self.is_leaving() {
            return Poll::Ready(Ok(()));
        }
        let sent = ready!(self.poll_send(wire, cx));
        self.progress = if sent.is_ok() { Progress::Left } else { Progress::CutOff };
        Poll::Ready(if matches!(sent, Err(Cut::Upload)) { Err(CutOff) } else { Ok(()) })
    }

    fn poll_send(&mut self, mut wire: Pin<&mut (impl AsyncWrite + Unpin)>, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        loop {
            while self.left < self.output.len() {
                match ready!(wire.as_mut().poll_write(cx, &self.output[self.left..])) {
                    Ok(0) | Err(_) => return Poll::Ready(Err(Cut::Wire)),
                    Ok(count) => self.left += count,
                }
            }
            let Some(upload) = &mut self.upload else {
                ready!(wire.as_mut().poll_flush(cx)).map_err(|_| Cut::Wire)?;
                return Poll::Ready(Ok(()));
            };
            let Poll::Ready(frame) = Pin::new(upload).poll_frame(cx) else {
                // What is there leaves, whenever the rest comes.
                ready!(wire.as_mut().poll_flush(cx)).map_err(|_| Cut::Wire)?;
                return Poll::Pending;
            };
            match frame {
                // Trailers are for whoever is told of them beforehand (RFC 9110 section 6.5.1), which the origin is not.
                Some(Ok(frame)) => self.take(frame.into_data().unwrap_or_default())?,
                Some(Err(_)) => return Poll::Ready(Err(Cut::Upload)),
                None => self.end()?,
            }
        }
    }

    fn take(&mut self, data: Bytes) -> Result<(), Cut> {
        match &mut self.coding {
            Coding::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(Cut::Upload)?;
                self.send(data);
            }
            // An empty chunk would end it.
            Coding::Chunked if data.is_empty() => {}
            Coding::Chunked => {
                let mut chunk = BytesMut::with_capacity(data.len() + 20);
                chunk.put_slice(format!("{:x}\r\n", data.len()).as_bytes());
                chunk.put(data);
                chunk.put_slice(b"\r\n");
                self.send(chunk.freeze());
            }
        }
        Ok(())
    }

    fn send(&mut self, next: Bytes) {
        (self.output, self.left) = (next, 0);
    }

    fn end(&mut self) -> Result<(), Cut> {
        self.upload = None;
        match self.coding {
            Coding::Length(0) => {}
            Coding::Length(_) => return Err(Cut::Upload),
            Coding::Chunked => self.send(Bytes::from_static(b"0\r\n\r\n")),
        }
        Ok(())
    }
}

/// A request's body broke off, or was not as long as was said.
#[derive(Debug)]
pub(super) struct CutOff;

/// Why a request did not leave whole.
#[derive(Debug)]
enum Cut {
    Upload,
    /// The connection takes no more.
    Wire,
}

/// A head. Host comes first (RFC 9110 section 7.2), and what says where the body ends is written anew.
fn head(method: &Method, target: &str, headers: &HeaderMap, coding: Coding) -> Bytes {
    let mut text = BytesMut::with_capacity(1024);
    let mut line = |parts: &[&[u8]]| parts.iter().for_each(|part| text.put_slice(part));
    line(&[method.as_str().as_bytes(), b" ", target.as_bytes(), b" HTTP/1.1\r\n"]);
    if let Some(host) = headers.get(header::HOST) {
        line(&[b"host: ", host.as_bytes(), b"\r\n"]);
    }
    for (name, value) in headers {
        if !matches!(*name, header::HOST | header::CONTENT_LENGTH | header::TRANSFER_ENCODING) {
            line(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
    }
    match coding {
        // Such a request has a body by its meaning, though it be an empty one (RFC 9110 section 8.6).
        Coding::Length(0) if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) => line(&[b"\r\n"]),
        Coding::Length(length) => line(&[b"content-length: ", length.to_string().as_bytes(), b"\r\n\r\n"]),
        Coding::Chunked => line(&[b"transfer-encoding: chunked\r\n\r\n"]),
    }
    text.freeze()
}
