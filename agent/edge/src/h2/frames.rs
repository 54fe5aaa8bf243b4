//! Heads of HTTP/2 frames (RFC 9113 section 4.1) in a stream of bytes. What is in the frames is for the HTTP library to judge.

/// DATA.
pub(crate) const DATA: u8 = 0;
/// HEADERS.
pub(crate) const HEADERS: u8 = 1;
/// `RST_STREAM`.
pub(crate) const RST_STREAM: u8 = 3;
/// `WINDOW_UPDATE`.
pub(crate) const WINDOW_UPDATE: u8 = 8;
/// CONTINUATION.
pub(crate) const CONTINUATION: u8 = 9;
/// `END_STREAM`, of DATA and HEADERS.
pub(crate) const END_STREAM: u8 = 1;
/// `END_HEADERS`, of HEADERS and CONTINUATION.
pub(crate) const END_HEADERS: u8 = 4;

/// Bytes of the client's preface, which is no frame.
pub(crate) const PREFACE_BYTES: u32 = 24;
const HEAD_BYTES: usize = 9;

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Frame {
    fn read(head: [u8; HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, s, t, u, v] = head;
        // The first bit of the stream's number is reserved.
        Self { length: u32::from_be_bytes([0, a, b, c]), kind, flags, stream: u32::from_be_bytes([s & 0x7f, t, u, v]) }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    head: [u8; HEAD_BYTES],
    /// Bytes of the head that have come.
    have: usize,
    /// Bytes that are still to come before the next head.
    skip: u32,
    /// The kind of the frame that they belong to.
    kind: u8,
}

impl Frames {
    /// A direction that begins with so many bytes that are no frame.
    pub(crate) fn after(skip: u32) -> Self {
        Self { skip, kind: DATA, ..Self::default() }
    }

    /// Reads on, up to the end of the next head; the frame, if there is one, and how many bytes that took.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> (Option<Frame>, usize) {
        let skipped = bytes.len().min(self.skip as usize);
        self.skip -= u32::try_from(skipped).unwrap_or(u32::MAX);
        let rest = &bytes[skipped..];
        let taken = rest.len().min(HEAD_BYTES - self.have);
        self.head[self.have..self.have + taken].copy_from_slice(&rest[..taken]);
        self.have += taken;
        if self.have < HEAD_BYTES {
            return (None, skipped + taken);
        }
        let frame = Frame::read(self.head);
        (self.have, self.skip, self.kind) = (0, frame.length, frame.kind);
        (Some(frame), skipped + taken)
    }

    /// A frame has begun and not ended, and it is none of a body.
    pub(crate) fn is_inside_head(&self) -> bool {
        self.have > 0 || (self.skip > 0 && self.kind != DATA)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes of a frame with an empty body of the stated length.
    fn bytes_of(frame: Frame) -> Vec<u8> {
        let mut bytes = frame.length.to_be_bytes()[1..].to_vec();
        bytes.extend([frame.kind, frame.flags]);
        bytes.extend(frame.stream.to_be_bytes());
        bytes.resize(HEAD_BYTES + frame.length as usize, 0xff);
        bytes
    }

    proptest! {
        #[test]
        fn frames_are_found_however_the_bytes_come(
            frames in prop::collection::vec((0_u32..300, any::<u8>(), any::<u8>(), 0_u32..1 << 31), 0..20),
            cuts in prop::collection::vec(1_usize..200, 1..20),
        ) {
            let frames: Vec<Frame> = frames.into_iter().map(|(length, kind, flags, stream)| Frame { length, kind, flags, stream }).collect();
            let mut bytes = vec![b'P'; PREFACE_BYTES as usize];
            bytes.extend(frames.iter().flat_map(|frame| bytes_of(*frame)));
            let (mut reader, mut found, mut rest, mut cuts) = (Frames::after(PREFACE_BYTES), Vec::new(), bytes.as_slice(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (mut piece, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                while !piece.is_empty() {
                    let (frame, taken) = reader.read(piece);
                    prop_assert!(taken > 0);
                    found.extend(frame);
                    piece = &piece[taken..];
                }
                rest = later;
            }
            prop_assert_eq!(found, frames);
            prop_assert!(!reader.is_inside_head());
        }
    }
}
