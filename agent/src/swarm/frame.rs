//! Frames: one message on one stream, ended by the stream's end, and bounded while it arrives.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};

use super::{counters::Counters, limits::READ_STEP};

/// Bytes that all frames together may hold at once.
#[derive(Debug, Clone)]
pub(super) struct Room {
    held: Arc<AtomicUsize>,
    most: usize,
}

impl Room {
    /// Makes room for `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { held: Arc::default(), most }
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.most);
        self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// Received bytes, counted against the room until they are taken out or dropped.
#[derive(Debug)]
pub struct Frame {
    bytes: Vec<u8>,
    counted: usize,
    room: Option<Room>,
}

impl Frame {
    /// Takes the bytes out; from here on they are the caller's to bound.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, most: usize, room: &Room) -> io::Result<Self> {
        let mut frame = Self { bytes: Vec::new(), counted: 0, room: Some(room.clone()) };
        let mut step = vec![0; READ_STEP];
        loop {
            let read = io.read(&mut step).await?;
            if read == 0 {
                return Ok(frame);
            }
            if frame.bytes.len() + read > most {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than its class of message may be"));
            }
            if !room.take(read) {
                return Err(io::Error::new(io::ErrorKind::OutOfMemory, "no room for more unread messages"));
            }
            frame.counted += read;
            frame.bytes.extend_from_slice(&step[..read]);
        }
    }
}

impl From<Vec<u8>> for Frame {
    /// Wraps our own bytes, which are counted elsewhere.
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, counted: 0, room: None }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if let Some(room) = &self.room {
            room.give_back(self.counted);
        }
    }
}

/// Carries frames as requests and answers, each with its own bound.
#[derive(Debug, Clone)]
pub(super) struct FrameCodec {
    /// Bytes of a request.
    pub(super) ask_max: usize,
    /// Bytes of an answer.
    pub(super) answer_max: usize,
    /// Shared by all connections of a protocol.
    pub(super) room: Room,
    /// Where refusals are counted: libp2p reports no request that was not read whole.
    pub(super) counters: Arc<Counters>,
}

impl FrameCodec {
    async fn read<T: AsyncRead + Unpin + Send>(&self, io: &mut T, most: usize) -> io::Result<Frame> {
        let read = Frame::read(io, most, &self.room).await;
        if let Err(error) = &read
            && matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::OutOfMemory)
        {
            Counters::add(&self.counters.frames_refused);
            tracing::debug!(%error, "a frame was refused");
        }
        read
    }
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Frame;
    type Response = Frame;

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Frame> {
        self.read(io, self.ask_max).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Frame> {
        self.read(io, self.answer_max).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, ask: Frame) -> io::Result<()> {
        io.write_all(&ask.bytes).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, answer: Frame) -> io::Result<()> {
        io.write_all(&answer.bytes).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    #[test]
    fn a_frame_ends_with_its_stream() {
        let room = Room::new(100_000);
        let sent = vec![5; 40_000];
        let frame = block_on(Frame::read(&mut sent.as_slice(), 40_000, &room)).unwrap();
        assert_eq!(frame.into_bytes(), sent);
    }

    #[test]
    fn a_frame_beyond_its_class_is_refused() {
        let room = Room::new(100_000);
        let sent = vec![5; 40_001];
        let refused = block_on(Frame::read(&mut sent.as_slice(), 40_000, &room)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert!(room.take(100_000), "what was read before the refusal is given back");
    }

    #[test]
    fn frames_share_their_room_and_give_it_back() {
        let room = Room::new(50_000);
        let sent = vec![5; 30_000];
        let first = block_on(Frame::read(&mut sent.as_slice(), 40_000, &room)).unwrap();
        let refused = block_on(Frame::read(&mut sent.as_slice(), 40_000, &room)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::OutOfMemory);
        drop(first);
        assert!(block_on(Frame::read(&mut sent.as_slice(), 40_000, &room)).is_ok());
    }
}
