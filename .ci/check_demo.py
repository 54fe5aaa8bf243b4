"""Checks what `overspill demo --json` printed: the shape, and figures that hold on any machine (ratios and sums, never times)."""

import json
import sys

arguments = [argument for argument in sys.argv[1:] if argument != "--replay"]
replay = "--replay" in sys.argv
run = json.load(open(arguments[0], encoding="utf-8"))
report = open(arguments[1], encoding="utf-8").read()

assert run["schema"] == "overspill.demo/1", run["schema"]
for arm in ("bare_origin", "agent_alone", "mesh"):
    for field in ("requests", "right_bytes", "right_bytes_ratio", "errors", "p50_ms", "p95_ms", "p99_ms"):
        assert field in run[arm], f"{arm} has no {field}"
for field in (
    "helpers", "factor", "carried_ratio", "helper_bytes", "onset_to_first_redirect_ms", "end_to_share_below_1pct_ms",
    "end_to_last_lease_ms", "owner_copies_per_object", "origin_in_flight_max", "origin_limit_max", "credit_moved", "credit_sum", "unsettled",
):
    assert field in run, f"the object has no {field}"

print(json.dumps(run, indent=1))
assert len(run["helper_bytes"]) == run["helpers"]
assert run["credit_sum"] == 0, "the ledgers of the two ends disagree"
for arm in ("bare_origin", "agent_alone", "mesh"):
    assert run[arm]["ends"]["wrong"] == 0, f"{arm}: a body was not the expected one"
    assert run[arm]["right_bytes_ratio"] > 0
assert run["mesh"]["right_bytes_ratio"] > run["agent_alone"]["right_bytes_ratio"]
assert run["agent_alone"]["right_bytes_ratio"] > run["bare_origin"]["right_bytes_ratio"]
assert run["carried_ratio"] > 0.5, "helpers carried less than half of the body bytes"
assert run["credit_moved"] > 0, "nothing was settled"
assert run["unsettled"] == 0, "service was left unsettled"
if replay:
    log = run["log"]
    assert log["lines"] == log["requests"] + log["others"] + log["crawlers"] + log["odd"], "lines of the log are unaccounted for"
    assert run["mesh"]["requests"] > 2_000, "too few requests to judge by"
    assert run["mesh"]["right_bytes_ratio"] > 1.25 * run["agent_alone"]["right_bytes_ratio"], "the mesh is not clearly better"
assert "<svg" in report and "src=" not in report.replace("src=\"data:", ""), "the report must be self-contained and have plots"
