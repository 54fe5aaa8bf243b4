#!/usr/bin/env bash
# Has libFuzzer drive fuzz targets, from their seeds: `.ci/fuzz.sh SECONDS FOLDER [TARGET..]`. A stable toolchain will do: coverage is asked
# of the code generator, and the targets are safe code, for which sanitizers would find nothing. FOLDER keeps what was found: a corpus
# for each target, from which the next run begins. Needs a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
bounds="-max_total_time=$1"
# As often, and in the same order, each time: what a change is measured by must not depend on luck.
[ -z "${OVERSPILL_FUZZ_RUNS:-}" ] || bounds="$bounds -runs=$OVERSPILL_FUZZ_RUNS -seed=1"
folder=$(mkdir -p "$2" && cd "$2" && pwd)
shift 2
host=$(rustc -vV | sed -n 's/^host: //p')
built=${CARGO_TARGET_DIR:-target}/fuzzing
flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags="$flags -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks"
# With a target named, build scripts are not instrumented.
RUSTFLAGS=$flags cargo build -q --release --locked -p overspill-fuzz --bins --target "$host" --target-dir "$built"
cargo build -q --locked -p overspill-fuzz --bins

drive() {
    local name=$1 corpus=$folder/$1
    mkdir -p "$corpus"
    "${CARGO_TARGET_DIR:-target}/debug/fuzz_$name" --seeds "$corpus" >/dev/null
    if ! "$built/$host/release/fuzz_$name" "$corpus" $bounds -timeout=10 -rss_limit_mb=2048 -max_len=16384 \
        -artifact_prefix="$folder/found-$name-" -print_final_stats=1 >"$folder/$name.log" 2>&1; then
        tail -30 "$folder/$name.log"
        echo "fuzz_$name found something; once mended, put it as hex digits into \`found\` in agent/fuzz/src/lib.rs"
        return 1
    fi
    printf '%-10s %12s runs, %6s of coverage, %5s in its corpus\n' "$name" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$name.log")" \
        "$(grep -o 'cov: [0-9]*' "$folder/$name.log" | tail -1 | cut -d' ' -f2)" "$(find "$corpus" -type f | wc -l)"
}
export -f drive
export folder bounds built host CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}"
names=("$@")
[ ${#names[@]} -gt 0 ] || mapfile -t names < <(sed -n 's/^name = "fuzz_\([a-z]*\)"$/\1/p' agent/fuzz/Cargo.toml)
printf '%s\n' "${names[@]}" | xargs -P "$(nproc)" -I NAME bash -euo pipefail -c 'drive NAME'
