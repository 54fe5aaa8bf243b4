//! One stored response as the bytes of a file, version 1.
//!
//! A prelude of fixed length, the head (canonical bytes: `governance::codec`), then the body, unless that has a file of its own. The
//! prelude's check covers the head, and the head holds a check of each block of the body: whatever was damaged is noticed before it is used.
//! One field is not covered, so that it can be written over in place: the mark of a copy that was purged. Whatever damages it makes the copy stale.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use overspill_governance::{
    codec::{self, Decode, Encode},
    digest::ObjectDigest,
    time::{Date, Now},
};

use crate::{
    cache::{
        admit::Kept,
        key::Key,
        stored::{Stored, Terms},
        vary::Vary,
    },
    limits::{DISK_BODY_BYTES_MAX, DISK_HEAD_BYTES_MAX},
};

/// Bytes before the head.
pub(crate) const PRELUDE_BYTES: usize = 32;
/// Where the mark of a purged copy stands, and how it is written.
pub(crate) const OUTDATED_AT: u64 = 10;
pub(crate) const OUTDATED: [u8; 2] = [1, 0];
/// Bytes of the body under one check.
pub(crate) const BLOCK_BYTES: usize = 128 * 1024;

const MAGIC: [u8; 8] = *b"ospcache";
const VERSION: u16 = 1;

/// Why bytes are not the beginning of a stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// So many bytes of the file are needed to tell.
    Short(usize),
    /// They are damaged, or something else.
    Damaged,
}

/// What the beginning of a file says.
#[derive(Debug)]
pub(crate) struct Read {
    /// The response, with an empty body.
    pub(crate) stored: Stored,
    /// Where the body begins.
    pub(crate) body_at: u64,
    pub(crate) body: Body,
}

/// Where a body is, and how to tell that it is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) length: u64,
    /// The check of each block.
    pub(crate) checks: Vec<u32>,
    /// The number of the file of its own that it has.
    pub(crate) apart: Option<u64>,
}

#[derive(Debug, Encode, Decode)]
struct Head {
    key: String,
    path_at: u16,
    status: u16,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    kept: u8,
    digest: Option<[u8; 32]>,
    fresh_until_ms: u64,
    vary: Vec<String>,
    values: Vec<u8>,
    /// By the calendar: the only clock that outlives a process.
    came_ms: u64,
    initial_age_ms: u64,
    held_ms: u64,
    lifetime_ms: u64,
    forbids_stale: bool,
    for_authorized: bool,
    stale_while_revalidate_ms: u64,
    stale_if_error_ms: u64,
    body_bytes: u64,
    checks: Vec<u32>,
    apart: Option<u64>,
}

/// The checks of a body that is here.
pub(crate) fn checks(body: &[u8]) -> Vec<u32> {
    body.chunks(BLOCK_BYTES).map(crc32fast::hash).collect()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Writes prelude and head; `None` if there is more of it than is ever read.
pub(crate) fn write(stored: &Stored, body: Body, now: Now) -> Option<Vec<u8>> {
    let head = Head {
        key: stored.key_text().to_owned(),
        path_at: u16::try_from(stored.origin().len()).ok()?,
        status: stored.status.as_u16(),
        fields: stored.fields().map(|(name, value)| (name.into(), value.into())).collect(),
        kept: match stored.kept {
            Kept::Explicit => 0,
            Kept::Heuristic => 1,
            Kept::Contract => 2,
        },
        digest: stored.digest.map(|digest| digest.0),
        fresh_until_ms: stored.fresh_until().as_millis(),
        vary: stored.vary().fields().map(|name| name.as_str().to_owned()).collect(),
        values: stored.values().to_vec(),
        came_ms: now.date.before(now.time.since(stored.came)).as_millis(),
        initial_age_ms: millis(stored.initial_age()),
        held_ms: millis(stored.held_before.into()),
        lifetime_ms: millis(stored.lifetime()),
        forbids_stale: stored.forbids_stale,
        for_authorized: stored.for_authorized,
        stale_while_revalidate_ms: millis(stored.stale_while_revalidate()),
        stale_if_error_ms: millis(stored.stale_if_error()),
        body_bytes: body.length,
        checks: body.checks,
        apart: body.apart,
    };
    let head = codec::encode(&head);
    if head.len() > DISK_HEAD_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(PRELUDE_BYTES + head.len());
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(u32::try_from(head.len()).ok()?.to_le_bytes());
    bytes.extend(crc32fast::hash(&head).to_le_bytes());
    bytes.extend([0; 12]);
    bytes.extend(head);
    Some(bytes)
}

/// Reads the beginning of a file, as far as it is given.
pub(crate) fn read(bytes: &[u8], now: Now) -> Result<Read, Unread> {
    let Some((prelude, rest)) = bytes.split_at_checked(PRELUDE_BYTES) else { return Err(Unread::Short(PRELUDE_BYTES)) };
    let number = |at: usize| prelude.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes);
    let length = usize::try_from(number(12)).unwrap_or(usize::MAX);
    let is_ours = prelude.starts_with(&MAGIC) && prelude.get(8..10) == Some(&VERSION.to_le_bytes()) && prelude.get(20..) == Some(&[0; 12]);
    if !is_ours || length > DISK_HEAD_BYTES_MAX {
        return Err(Unread::Damaged);
    }
    let Some(head) = rest.get(..length) else { return Err(Unread::Short(PRELUDE_BYTES + length)) };
    if crc32fast::hash(head) != number(16) {
        return Err(Unread::Damaged);
    }
    let head: Head = codec::decode(head, DISK_HEAD_BYTES_MAX).map_err(|_| Unread::Damaged)?;
    let body = Body { length: head.body_bytes, checks: head.checks.clone(), apart: head.apart };
    let mut stored = head.stored(now).filter(|_| body.is_sound()).ok_or(Unread::Damaged)?;
    if prelude.get(10..12) != Some(&[0; 2]) {
        stored = stored.outdated(now.time);
    }
    Ok(Read { stored, body_at: (PRELUDE_BYTES + length) as u64, body })
}

impl Body {
    /// Of a body that is here.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self { length: body.len() as u64, checks: checks(body), apart: None }
    }

    fn is_sound(&self) -> bool {
        self.length <= DISK_BODY_BYTES_MAX && self.checks.len() as u64 == self.length.div_ceil(BLOCK_BYTES as u64)
    }

    /// Tells whether these bytes are the body.
    pub(crate) fn is(&self, body: &[u8]) -> bool {
        body.len() as u64 == self.length && checks(body) == self.checks
    }
}

impl Head {
    fn stored(self, now: Now) -> Option<Stored> {
        let key = Key::restored(&self.key, self.path_at)?;
        let status = StatusCode::from_u16(self.status).ok().filter(|status| !status.is_informational())?;
        let mut headers = HeaderMap::with_capacity(self.fields.len());
        for (name, value) in &self.fields {
            headers.try_append(HeaderName::from_lowercase(name).ok()?, HeaderValue::from_bytes(value).ok()?).ok()?;
        }
        let vary = self.vary.iter().map(|name| HeaderName::from_lowercase(name.as_bytes()).ok()).collect::<Option<Vec<_>>>()?;
        let kept = match self.kept {
            0 => Kept::Explicit,
            1 => Kept::Heuristic,
            2 => Kept::Contract,
            _ => return None,
        };
        let lifetime = Duration::from_millis(self.lifetime_ms);
        // A calendar that went back says nothing of how old it is: stale, then.
        let resident =
            if self.came_ms <= now.date.as_millis() { Duration::from_millis(now.date.as_millis() - self.came_ms) } else { lifetime };
        let terms = Terms {
            kept,
            came: now.time,
            initial_age: Duration::from_millis(self.initial_age_ms).saturating_add(resident),
            held_before: Duration::from_millis(self.held_ms).saturating_add(resident),
            lifetime,
            fresh_until: Date::from_millis(self.fresh_until_ms),
            stale_while_revalidate: Duration::from_millis(self.stale_while_revalidate_ms),
            stale_if_error: Duration::from_millis(self.stale_if_error_ms),
            forbids_stale: self.forbids_stale,
            for_authorized: self.for_authorized,
            vary: Vary::restored(vary),
            digest: self.digest.map(ObjectDigest),
        };
        Some(Stored::of(&key, (status, &headers), Bytes::new(), &self.values, terms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::heads::Heads;
    use http::header;
    use overspill_governance::time::Time;
    use proptest::prelude::*;
    use std::sync::Arc;

    const NOON: Now = Now { time: Time::from_micros(5_000_000), date: Date::from_millis(1_795_305_600_000) };

    fn sample() -> Stored {
        let fields = [
            (header::CACHE_CONTROL, "max-age=60, stale-if-error=600"),
            (header::VARY, "accept-language, accept-encoding"),
            (header::ETAG, "\"1\""),
            (HeaderName::from_static("cache-groups"), "\"posts\""),
        ];
        let stored = Stored::sample(&fields, Bytes::from_static(b"a body")).with_values(b"de,\0\x02\0");
        Stored { came: NOON.time, ..stored }
    }

    fn file() -> Vec<u8> {
        let stored = sample();
        let mut bytes = write(&stored, Body::of(stored.body_bytes()), NOON).unwrap();
        bytes.extend(stored.body_bytes());
        bytes
    }

    fn later(seconds: u64) -> Now {
        let span = Duration::from_secs(seconds);
        Now { time: Time::ZERO, date: NOON.date.after(span) }
    }

    #[test]
    fn what_was_written_is_read_and_has_aged_by_the_calendar() {
        let (before, bytes) = (sample(), file());
        let Read { stored, body_at, body } = read(&bytes, later(20)).unwrap();
        assert!(body.is(&bytes[usize::try_from(body_at).unwrap()..]) && !body.is(b"a bodY") && !body.is(b"a bod"));
        assert_eq!((stored.key(), stored.status, stored.headers()), (before.key(), before.status, before.headers()));
        assert_eq!((stored.vary(), stored.values(), stored.groups()), (before.vary(), before.values(), before.groups()));
        assert_eq!(
            (stored.kept, stored.fresh_until(), stored.stale_if_error()),
            (before.kept, before.fresh_until(), before.stale_if_error())
        );
        assert_eq!((stored.age(Time::ZERO), stored.held_for(Time::ZERO)), (Duration::from_secs(20), Duration::from_secs(20)));
        assert!(stored.is_fresh(Time::ZERO) && !read(&bytes, later(60)).unwrap().stored.is_fresh(Time::ZERO));
        let again = read(&write(&stored, body, later(20)).unwrap(), later(30)).unwrap().stored;
        assert_eq!(again.held_for(Time::ZERO), Duration::from_secs(30), "two restarts add up");
    }

    #[test]
    fn nothing_is_fresh_whose_age_nobody_knows() {
        let earlier = Now { time: Time::ZERO, date: NOON.date.before(Duration::from_secs(1)) };
        let stored = read(&file(), earlier).unwrap().stored;
        assert!(!stored.is_fresh(Time::ZERO));
    }

    #[test]
    fn the_mark_of_a_purge_makes_it_stale_and_damages_nothing() {
        let mut bytes = file();
        let at = usize::try_from(OUTDATED_AT).unwrap();
        bytes[at..at + 2].copy_from_slice(&OUTDATED);
        let stored = read(&bytes, later(0)).unwrap().stored;
        assert!(!stored.is_fresh(Time::ZERO) && stored.has_validator());
    }

    #[test]
    fn every_flipped_bit_of_a_head_is_noticed() {
        let bytes = file();
        let head = bytes.len() - sample().body_bytes().len();
        for bit in 0..head * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match read(&damaged, later(0)) {
                Ok(read) => assert!((10..12).contains(&(bit / 8)) && !read.stored.is_fresh(Time::ZERO), "bit {bit}"),
                Err(Unread::Damaged) => {}
                Err(Unread::Short(bytes)) => assert!((12..16).contains(&(bit / 8)) && bytes > head, "bit {bit}"),
            }
        }
    }

    #[test]
    fn a_beginning_says_how_much_is_missing() {
        let bytes = file();
        assert_eq!(read(&bytes[..3], later(0)).unwrap_err(), Unread::Short(PRELUDE_BYTES));
        let Err(Unread::Short(all)) = read(&bytes[..40], later(0)) else { panic!("it is not all there") };
        assert!(read(&bytes[..all], later(0)).is_ok());
        assert_eq!(read(&bytes[..all - 1], later(0)).unwrap_err(), Unread::Short(all));
    }

    proptest! {
        #[test]
        fn a_head_in_two_pieces_is_written_whole(fields in prop::collection::vec((0_usize..4, 0_usize..4), 1..12)) {
            let names = [header::SERVER, header::LINK, header::CONTENT_TYPE, header::VIA];
            let values = ["1.1 one", "</a>; rel=preload, and whatever else makes a long line of it", "text/css", ""];
            let mut stored = fields.iter().fold(sample(), |stored, (name, value)| stored.with_field(&names[*name], values[*value]));
            let (before, heads) = (stored.headers(), Arc::new(Heads::new(1 << 20)));
            stored.share(&heads);
            prop_assert!(stored.head()[0].is_empty(), "seen for the first time");
            let whole = read(&write(&stored, Body::of(stored.body_bytes()), NOON).unwrap(), NOON).unwrap().stored;
            stored.share(&heads);
            prop_assert_eq!(stored.head()[0].is_empty(), heads.bytes() == 0);
            let shared = read(&write(&stored, Body::of(stored.body_bytes()), NOON).unwrap(), NOON).unwrap().stored;
            prop_assert_eq!((shared.headers(), whole.headers()), (before.clone(), before));
            prop_assert_eq!((shared.key(), shared.values(), shared.lifetime()), (whole.key(), whole.values(), whole.lifetime()));
        }

        #[test]
        fn foreign_bytes_cannot_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..400, cut in 0_usize..400) {
            let _ = read(&bytes, later(0));
            let mut mixed = file();
            let at = at.min(mixed.len());
            mixed.splice(at..(at + bytes.len()).min(mixed.len()), bytes);
            mixed.truncate(mixed.len().saturating_sub(cut));
            if let Ok(read) = read(&mixed, later(0)) {
                prop_assert!(read.body.is_sound());
            }
        }
    }
}
