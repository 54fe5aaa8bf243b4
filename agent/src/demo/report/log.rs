//! What became of an access log that was replayed: nothing of it is left out silently.

use serde_json::{Value, json};

use super::table::megabytes;
use crate::demo::crowd::Account;

/// Objects that are named one by one.
const NAMED: usize = 5;

/// As names and values for people.
pub(super) fn facts(account: &Account) -> Vec<(&'static str, String)> {
    let Account { lines, requests, others, crawlers, odd, aside, .. } = account;
    let first = account.first_odd.map_or_else(String::new, |first| format!(" (the first is line {first})"));
    let (beyond, bytes) = aside.too_large();
    let named: Vec<String> =
        aside.too_large.iter().take(NAMED).map(|one| format!("{} ({} x {})", one.path, one.requests, megabytes(one.bytes))).collect();
    vec![
        ("log", format!("{lines} lines: {requests} requests to replay, {others} of other kinds, {crawlers} by crawlers, {odd} odd{first}")),
        (
            "replayed stretch",
            format!(
                "{:.1} h of it: {} requests for {} objects, {} of them pages; each visit stands for {:.1} visitors",
                account.seconds as f64 / 3_600.0,
                account.stretch_requests,
                account.objects,
                account.pages,
                account.copies
            ),
        ),
        (
            "too large for this line in time",
            format!(
                "{beyond} requests of the log for {} objects beyond {}, {} in all: {}",
                aside.too_large.len(),
                megabytes(aside.largest_bytes),
                megabytes(bytes),
                if named.is_empty() { "none".to_owned() } else { named.join(", ") }
            ),
        ),
        ("of unknown size", format!("{} requests", aside.unsized_requests)),
    ]
}

/// As an object.
pub(super) fn json(account: &Account) -> Value {
    let aside = &account.aside;
    let (requests, bytes) = aside.too_large();
    json!({
        "lines": account.lines,
        "requests": account.requests,
        "others": account.others,
        "crawlers": account.crawlers,
        "odd": account.odd,
        "first_odd": account.first_odd,
        "stretch_from": account.from_second,
        "stretch_seconds": account.seconds,
        "stretch_requests": account.stretch_requests,
        "objects": account.objects,
        "pages": account.pages,
        "visitors_per_visit": account.copies,
        "too_large": {
            "beyond_bytes": aside.largest_bytes,
            "objects": aside.too_large.len(),
            "requests": requests,
            "bytes": bytes,
        },
        "unsized_requests": aside.unsized_requests,
    })
}
