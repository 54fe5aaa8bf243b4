//! Frames: one message on one stream, its length before it, and bounded while it arrives.
//!
//! The length is there because the stream's end says nothing: to the reader, a stream that its sender gave up in the middle ends just as
//! one that was sent whole. Without it, what a peer gives up while we stand still would reach us as its garbage.

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

    /// Reads one frame of at most `most` bytes.
    ///
    /// # Errors
    /// `InvalidData`: longer than that. `OutOfMemory`: no room. `UnexpectedEof`: the stream ended before the first byte. `ConnectionReset`:
    /// it ended in the middle of the frame.
    async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, most: usize, room: &Room) -> io::Result<Self> {
        let mut frame = Self { bytes: Vec::new(), counted: 0, room: Some(room.clone()) };
        let len = read_len(io).await?;
        if len > most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than its class of message may be"));
        }
        while frame.bytes.len() < len {
            let (start, step) = (frame.bytes.len(), READ_STEP.min(len - frame.bytes.len()));
            if !room.take(step) {
                return Err(io::Error::new(io::ErrorKind::OutOfMemory, "no room for more unread messages"));
            }
            frame.counted += step;
            frame.bytes.resize(start + step, 0);
            io.read_exact(&mut frame.bytes[start..]).await.map_err(cut_short)?;
        }
        Ok(frame)
    }

    async fn write<T: AsyncWrite + Unpin + Send>(&self, io: &mut T) -> io::Result<()> {
        let len = u32::try_from(self.bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        io.write_all(&len.to_le_bytes()).await?;
        io.write_all(&self.bytes).await
    }
}

async fn read_len<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<usize> {
    let mut len = [0; 4];
    // Alone, because only an end before the first byte is the answer of a peer that refuses to answer.
    io.read_exact(&mut len[..1]).await?;
    io.read_exact(&mut len[1..]).await.map_err(cut_short)?;
    usize::try_from(u32::from_le_bytes(len)).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn cut_short(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(io::ErrorKind::ConnectionReset, "the frame was cut short"),
        _ => error,
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
        if let Err(error) = &read {
            if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::OutOfMemory) {
                Counters::add(&self.counters.frames_refused);
            }
            tracing::debug!(%error, "a frame was not taken");
        }
        read
    }
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Frame;
    type Response = Frame;

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Frame> {
        let read = self.read(io, self.ask_max).await;
        // Answers that are cut short are counted with the requests that they fail.
        if let Err(error) = &read
            && matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
        {
            Counters::add(&self.counters.frames_cut);
        }
        read
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Frame> {
        self.read(io, self.answer_max).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, ask: Frame) -> io::Result<()> {
        ask.write(io).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, answer: Frame) -> io::Result<()> {
        answer.write(io).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    /// The frame as it is sent.
    fn sent(bytes: Vec<u8>) -> Vec<u8> {
        let mut stream = Vec::new();
        block_on(Frame::from(bytes).write(&mut stream)).unwrap();
        stream
    }

    fn read(stream: &[u8], most: usize, room: &Room) -> io::Result<Frame> {
        block_on(Frame::read(&mut &*stream, most, room))
    }

    #[test]
    fn a_frame_is_what_its_length_says_and_an_empty_one_is_a_frame_too() {
        let room = Room::new(100_000);
        for len in [40_000, READ_STEP, READ_STEP + 1, 1, 0] {
            let mut stream = sent(vec![5; len]);
            assert_eq!(read(&stream, 40_000, &room).unwrap().into_bytes(), vec![5; len]);
            stream.extend(b"what follows is not read");
            assert_eq!(read(&stream, 40_000, &room).unwrap().into_bytes(), vec![5; len]);
        }
    }

    #[test]
    fn a_frame_beyond_its_class_is_refused_by_its_length_alone() {
        let room = Room::new(100_000);
        for stream in [sent(vec![5; 40_001]), u32::MAX.to_le_bytes().to_vec()] {
            let refused = read(&stream, 40_000, &room).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        }
        assert!(room.take(100_000), "nothing was held for it");
    }

    #[test]
    fn a_frame_that_its_sender_gave_up_is_no_frame() {
        let (room, whole) = (Room::new(100_000), sent(vec![5; 2 * READ_STEP]));
        assert_eq!(read(&[], 40_000, &room).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        for kept in [1, 3, 4, 5, READ_STEP, READ_STEP + 4, whole.len() - 1] {
            assert_eq!(read(&whole[..kept], 40_000, &room).unwrap_err().kind(), io::ErrorKind::ConnectionReset, "{kept} bytes came");
        }
        assert!(room.take(100_000), "what was read of them is given back");
    }

    #[test]
    fn frames_share_their_room_and_give_it_back() {
        let (room, stream) = (Room::new(50_000), sent(vec![5; 30_000]));
        let first = read(&stream, 40_000, &room).unwrap();
        assert_eq!(read(&stream, 40_000, &room).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        drop(first);
        assert!(read(&stream, 40_000, &room).is_ok());
    }
}
