#!/usr/bin/env bash
# run.sh TARGET FOLDER SECONDS: replays what is kept for a target, then fuzzes it that long. One line when all is
# well; else what the target said, the input that did it, and how to see it again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
target=$1 out=$2 seconds=$3
program=$out/$target log=$out/$target.log
# The defaults are made for programs that live long: pages are faster used again than fetched anew.
export ASAN_OPTIONS=quarantine_size_mb=8:malloc_context_size=10
mkdir -p "$out/new/$target" "$out/failed" "found/$target"

fail() {
    tail -n 60 "$log"
    echo "fuzz: $target failed; the whole of what it said is in build/fuzz/$target.log."
    echo "    If it names an input (Test unit written to ...): make -C tests/fuzz build && build/fuzz/$target INPUT"
    echo "    Fixed? Keep the input under a name that says what it was: tests/fuzz/found/$target/a-telling-name"
    exit 1
} >&2

kept=("corpus/$target" "found/$target")
"$program" -runs=0 -artifact_prefix="$out/failed/$target-" "${kept[@]}" >"$log" 2>&1 || fail
"$program" -max_total_time="$seconds" -timeout=20 -malloc_limit_mb=256 -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$out/failed/$target-" \
    "$out/new/$target" "${kept[@]}" >"$log" 2>&1 || fail
runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
covered=$(sed -n 's/.*DONE *cov: \([0-9]*\).*/\1/p' "$log")
echo "$target: $(cat corpus/"$target"/* found/"$target"/* 2>/dev/null | wc -c) bytes replayed, $runs runs in $seconds s, $covered edges"
