//! What the cache says that it takes, beside what the process takes. Alone in its process, whose memory it reads.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use overspill_edge::{Clock, Config, Handle, inside, start};
use overspill_governance::units;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BUDGET: u64 = 64 << 20;

/// Bytes of this process in memory that are no file's.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn fields(media_type: &'static str) -> HeaderMap {
    let pairs = [
        ("server", "nginx/1.22.1"),
        ("content-type", media_type),
        ("last-modified", "Sat, 21 Nov 2026 09:00:00 GMT"),
        ("etag", "\"6740b1e0-400\""),
        ("cache-control", "max-age=86400"),
        ("vary", "accept-encoding"),
    ];
    pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

/// Lengths of bodies, so that each order of magnitude from 100 bytes to 100 KB has about as many.
fn lengths() -> impl Iterator<Item = usize> {
    let mut state = 7_u64;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some((100.0 * 1_000_f64.powf((state >> 11) as f64 / (1_u64 << 53) as f64)) as usize)
    })
}

/// Stores bodies of these lengths and asks for each, and goes on past `least` of them for as long as the process takes more than `most` bytes
/// beyond what it took before: for a second the allocator keeps what it was given back, in case that the same sizes are wanted again.
fn fill(edge: &Handle, lengths: impl Iterator<Item = usize>, media_type: &'static str, before: u64, (least, most): (usize, u64)) {
    let mut taken = 0;
    for (at, length) in lengths.enumerate() {
        let address = format!("http://blog.example:80/{length}/{at}");
        inside::stock(edge, std::iter::once(address.clone()), &fields(media_type), &Bytes::from(vec![7; length]));
        assert!(inside::look_up(edge, &address).is_some());
        if at % 4_000 == 0 && at >= least {
            let counted = edge.metrics().stored_bytes;
            taken = resident().saturating_sub(before);
            println!("{at} stored, {} MiB counted, {} MiB taken", counted >> 20, taken >> 20);
            // Seven eighths are for whole responses.
            assert!(counted <= BUDGET, "{counted}");
            if counted > BUDGET * 3 / 4 && taken <= most {
                return;
            }
        }
    }
    panic!("{taken} bytes are taken, for more than a second and where {most} would do, or the cache is never full");
}

#[test]
fn memory_as_configured_is_the_memory_that_is_used() {
    let before = resident();
    // More than twice what fits, so that what leaves makes room for what comes.
    fill(&cache(), std::iter::repeat_n(1_024, 200_000), "image/jpeg", before, (80_000, BUDGET * 9 / 8));
    // What the first cache took is used again. Of all sizes, the allocator leaves more unused between what stays.
    fill(&cache(), lengths().take(200_000), "text/html", before, (12_000, BUDGET * 3 / 2));
}

fn cache() -> Handle {
    let mut config = Config::new("127.0.0.1:1".parse().unwrap());
    (config.threads, config.memory) = (1, units::Bytes(BUDGET));
    start(config, Clock::new()).unwrap()
}
