//! The one object that `overspill demo --json` prints; its schema is `overspill.demo/1`.

use serde_json::{Value, json};

use super::{Measured, log, millis};
use crate::demo::{crowd::Marks, figures::Arm, sampler::owner_line};

/// Puts the figures into the object. Arms that were not run are null.
#[must_use]
pub fn json(measured: &Measured) -> Value {
    let setting = &measured.setting;
    let marks = &setting.crowd.marks;
    let mut object = json!({
        "schema": "overspill.demo/1",
        "helpers": setting.helpers,
        "factor": setting.factor,
        "seed": setting.seed,
        "uplink_bytes_per_second": setting.uplink,
        "log": setting.account.as_ref().map(log::json),
        "bare_origin": measured.bare_origin.as_ref().map(|one| arm(one, marks)),
        "agent_alone": measured.agent_alone.as_ref().map(|one| arm(one, marks)),
        "mesh": measured.mesh.as_ref().map(|mesh| arm(&mesh.arm, marks)),
    });
    let Some(mesh) = &measured.mesh else { return object };
    let books = &mesh.books;
    let figures = json!({
        "carried_ratio": mesh.arm.carried.helped_ratio(),
        "helper_bytes": mesh.arm.carried.helpers,
        "onset_to_first_redirect_ms": mesh.arm.onset_to_first_redirect.map(millis),
        "end_to_share_below_1pct_ms": millis(mesh.arm.end_to_share_below_1pct),
        "owner_copies_per_object": mesh.copies.per_object_and_helper(),
        "fills": mesh.copies.fills,
        "objects_carried": mesh.copies.objects,
        "origin_in_flight_max": mesh.arm.origin.in_flight_max,
        "origin_limit_max": mesh.limit_max,
        "credit_moved": books.moved(),
        "credit_sum": books.sum(),
        "lines": books.lines.iter().map(|line| json!({
            "helper": line.helper,
            "owner_says": line.owner_says,
            "helper_says": line.helper_says,
        })).collect::<Vec<_>>(),
        "ledgers_whole": books.whole,
        "ledgers_read": books.read,
        "end_to_last_lease_ms": mesh.settled.end_to_last_lease.map(millis),
        "unsettled": mesh.settled.unsettled,
        "fault": mesh.fault.as_ref().map(|fault| json!({
            "kind": fault.kind,
            "who": fault.who,
            "at_ms": millis(fault.at),
            "last_redirect_after_ms": fault.last_redirect_after.map(millis),
            "redirects_in_second_before": fault.redirects_before,
            "away_ms": fault.away.map(millis),
            "lost_requests": fault.lost_requests,
            "lost_ratio": fault.lost_ratio,
            "failed_after_return": fault.failed_after_return,
        })),
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut object, figures) {
        all.extend(more);
    }
    object
}

fn arm(arm: &Arm, marks: &Marks) -> Value {
    let mut value = json!(arm.seen);
    let cpu = arm.samples.iter().map(|sample| u64::from(sample.cpu_permille)).sum::<u64>() as f64 / 1e3 / arm.samples.len().max(1) as f64;
    if let Value::Object(fields) = &mut value {
        fields.insert("wanted_bytes".to_owned(), json!(arm.wanted_bytes));
        fields.insert("plateau_right_bytes_per_second".to_owned(), json!(arm.plateau_rate.round()));
        let (visitors, peers) = owner_line(&arm.samples, marks.plateau..marks.decay);
        fields.insert("plateau_line_bytes_per_second".to_owned(), json!({ "to_visitors": visitors, "to_peers": peers }));
        fields.insert("ends".to_owned(), json!(arm.ends));
        fields.insert("carried".to_owned(), json!(arm.carried));
        fields.insert("redirected".to_owned(), json!(arm.redirected));
        fields.insert("named".to_owned(), json!(arm.named));
        fields.insert("asked_owner".to_owned(), json!(arm.asked_owner));
        fields.insert("sent_back".to_owned(), json!(arm.sent_back));
        fields.insert("origin_in_flight_max".to_owned(), json!(arm.origin.in_flight_max));
        fields.insert("origin_rendered".to_owned(), json!(arm.origin.rendered));
        fields.insert("cpu_mean".to_owned(), json!(cpu));
    }
    value
}
