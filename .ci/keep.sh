#!/usr/bin/env bash
# Keeps what long runs of libFuzzer found: `.ci/keep.sh FOLDER TARGET..`, after `.ci/fuzz.sh SECONDS FOLDER TARGET..`. Of each corpus a
# small set of inputs, of 1 KiB at most, that reaches what all of them reach becomes `agent/fuzz/corpus/TARGET.hex`, from which later runs begin.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(cd "$1" && pwd)
shift
host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-target}
for name in "$@"; do
    least=$(mktemp -d) whole=$(mktemp -d)
    # A run that goes on meanwhile replaces files by shorter ones.
    cp -r "$folder/$name/." "$whole"
    "$target/fuzzing/$host/release/fuzz_$name" -set_cover_merge=1 -use_counters=0 -use_cmp=0 -max_len=1024 "$least" "$whole" 2>"$folder/$name.keep.log"
    "$target/debug/fuzz_$name" --keep "$least" >"agent/fuzz/corpus/$name.hex"
    printf '%-10s %6s of %6s inputs kept\n' "$name" "$(wc -l <"agent/fuzz/corpus/$name.hex")" "$(find "$whole" -type f | wc -l)"
    rm -rf "$least" "$whole"
done
