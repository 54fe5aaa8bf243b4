//! A body on its way from the origin: one filler appends, any number of visitors follow, each at its own pace.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};

use crate::{
    admission::Interest,
    limits::{SHORT_BODY_BYTES_MAX, WINDOW_BYTES},
};

/// The body, as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Growing(Mutex<Grown>);

#[derive(Debug, Default)]
struct Grown {
    chunks: Vec<Bytes>,
    /// How many chunks before `chunks[0]` were let go of.
    gone: usize,
    /// Bytes in `chunks`.
    kept: u64,
    /// All bytes so far.
    length: u64,
    end: Option<End>,
    /// Too long to be kept: what every follower has taken is let go of, and nobody can begin to follow.
    windowed: bool,
    /// Next chunk of each follower.
    followers: BTreeMap<u64, usize>,
    next_follower: u64,
    /// Bytes that the fastest follower took.
    taken: u64,
    wakers: Vec<Waker>,
    filler: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
}

impl Growing {
    fn lock(&self) -> MutexGuard<'_, Grown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what came.
    pub(crate) fn push(&self, bytes: Bytes) {
        let mut grown = self.lock();
        grown.kept += bytes.len() as u64;
        grown.length += bytes.len() as u64;
        grown.chunks.push(bytes);
        grown.wake_followers();
    }

    /// Ends the body: whole, or broken off. The first word counts.
    pub(crate) fn end(&self, whole: bool) {
        let mut grown = self.lock();
        grown.end.get_or_insert(if whole { End::Whole } else { End::Broken });
        grown.wake_followers();
    }

    /// Gives up keeping the whole.
    pub(crate) fn make_windowed(&self) {
        let mut grown = self.lock();
        grown.windowed = true;
        grown.let_go();
    }

    /// Ready when more may be appended: always, unless the body is too long to be kept and a follower is far behind.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut grown = self.lock();
        if !grown.windowed || grown.kept <= WINDOW_BYTES || grown.followers.is_empty() {
            return Poll::Ready(());
        }
        grown.filler = Some(cx.waker().clone());
        Poll::Pending
    }

    /// All bytes so far, and those that the fastest follower took.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let grown = self.lock();
        (grown.length, grown.taken)
    }

    /// What came so far, if all of it is here.
    pub(crate) fn so_far(&self) -> Option<Vec<Bytes>> {
        let grown = self.lock();
        (grown.gone == 0).then(|| grown.chunks.clone())
    }

    /// The whole body in one piece, if all of it is here.
    pub(crate) fn whole(&self) -> Option<Bytes> {
        let grown = self.lock();
        if grown.gone > 0 {
            return None;
        }
        // Who stores a short body copies it anyway.
        if let [one] = grown.chunks.as_slice()
            && grown.length <= SHORT_BODY_BYTES_MAX as u64
        {
            return Some(one.clone());
        }
        // Copied even if it is one piece: that would keep the whole buffer of a connection.
        let mut body = BytesMut::with_capacity(usize::try_from(grown.length).ok()?);
        for chunk in &grown.chunks {
            body.extend_from_slice(chunk);
        }
        Some(body.freeze())
    }

    /// Begins to follow from the first byte; `None` when it is gone already.
    pub(crate) fn follow(self: &Arc<Self>, interest: Arc<Interest>) -> Option<Follower> {
        let mut grown = self.lock();
        if grown.windowed {
            return None;
        }
        let id = grown.next_follower;
        grown.next_follower += 1;
        grown.followers.insert(id, 0);
        Some(Follower { growing: Arc::clone(self), id, taken: 0, _interest: interest })
    }
}

impl Grown {
    fn wake_followers(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }

    /// Drops the chunks that every follower has, and wakes the filler that waits for that.
    fn let_go(&mut self) {
        let Some(slowest) = self.followers.values().min().copied().or(self.windowed.then_some(self.gone + self.chunks.len())) else {
            return;
        };
        let count = slowest.saturating_sub(self.gone).min(self.chunks.len());
        let freed: u64 = self.chunks.drain(..count).map(|chunk| chunk.len() as u64).sum();
        self.gone += count;
        self.kept -= freed;
        if let Some(filler) = self.filler.take() {
            filler.wake();
        }
    }
}

/// Breaks a body off when its filler ends in whatever way without having ended it.
#[derive(Debug)]
pub(crate) struct Ending(pub(crate) Arc<Growing>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end(false);
    }
}

/// One visitor's place in a growing body.
#[derive(Debug)]
pub(crate) struct Follower {
    growing: Arc<Growing>,
    id: u64,
    taken: u64,
    /// Counted by the filler: it may stop when nobody is interested.
    _interest: Arc<Interest>,
}

impl Follower {
    /// The next bytes; `None` at the end; an error when the origin broke off.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut guard = self.growing.lock();
        let grown = &mut *guard;
        let Some(next) = grown.followers.get_mut(&self.id) else { return Poll::Ready(None) };
        if let Some(chunk) = grown.chunks.get(*next - grown.gone).cloned() {
            *next += 1;
            self.taken += chunk.len() as u64;
            grown.taken = grown.taken.max(self.taken);
            if grown.windowed {
                grown.let_go();
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
        match grown.end {
            Some(End::Whole) => Poll::Ready(None),
            Some(End::Broken) => Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
            None => {
                if !grown.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                    grown.wakers.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// Tells whether the last byte was taken.
    pub(crate) fn is_done(&self) -> bool {
        let grown = self.growing.lock();
        grown.end == Some(End::Whole) && grown.followers.get(&self.id).is_none_or(|next| *next >= grown.gone + grown.chunks.len())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut grown = self.growing.lock();
        grown.followers.remove(&self.id);
        if grown.windowed {
            grown.let_go();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(follower: &mut Follower) -> (Vec<u8>, bool) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut body = Vec::new();
        loop {
            match follower.poll_next(&mut cx) {
                Poll::Ready(Some(Ok(bytes))) => body.extend_from_slice(&bytes),
                Poll::Ready(None) => return (body, true),
                Poll::Ready(Some(Err(_))) | Poll::Pending => return (body, false),
            }
        }
    }

    #[test]
    fn followers_see_every_byte_whenever_they_come() {
        let growing = Arc::new(Growing::default());
        let mut early = growing.follow(Arc::default()).unwrap();
        growing.push(Bytes::from_static(b"ab"));
        assert_eq!(drain(&mut early), (b"ab".to_vec(), false));
        growing.push(Bytes::from_static(b"cd"));
        let mut late = growing.follow(Arc::default()).unwrap();
        growing.end(true);
        assert_eq!(drain(&mut early), (b"cd".to_vec(), true));
        assert_eq!(drain(&mut late), (b"abcd".to_vec(), true));
        assert_eq!(growing.whole().as_deref(), Some(&b"abcd"[..]));
        assert!(early.is_done());
    }

    #[test]
    fn a_broken_body_is_never_taken_for_a_whole_one() {
        let growing = Arc::new(Growing::default());
        let mut follower = growing.follow(Arc::default()).unwrap();
        growing.push(Bytes::from_static(b"ab"));
        growing.end(false);
        assert_eq!(drain(&mut follower), (b"ab".to_vec(), false));
        assert!(!follower.is_done());
    }

    #[test]
    fn a_body_too_long_to_keep_waits_for_its_slowest_visitor() {
        let growing = Arc::new(Growing::default());
        let (mut slow, mut fast) = (growing.follow(Arc::default()).unwrap(), growing.follow(Arc::default()).unwrap());
        let chunk = Bytes::from(vec![7; usize::try_from(WINDOW_BYTES).unwrap()]);
        growing.push(chunk.clone());
        growing.push(chunk);
        growing.make_windowed();
        assert!(growing.follow(Arc::default()).is_none() && growing.whole().is_some());
        let room = || growing.poll_room(&mut Context::from_waker(Waker::noop())).is_ready();
        drain(&mut fast);
        assert!(!room());
        drain(&mut slow);
        assert!(room());
        assert_eq!(growing.whole(), None);
        growing.push(Bytes::from_static(b"end"));
        growing.end(true);
        drop(slow);
        assert_eq!(drain(&mut fast), (b"end".to_vec(), true));
    }
}
