#!/usr/bin/env bash
# Runs each fuzz target for a while, two at a time, from the corpus in fuzz/corpus and what earlier
# runs have found (build/fuzz/found). What breaks one is left in build/fuzz/broken.
#
#   FUZZ_SECONDS=60 scripts/fuzz.sh [TARGET...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${FUZZ_SECONDS:-60}
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
  for source in fuzz/*.cpp; do targets+=("$(basename "$source" .cpp)"); done
fi
mkdir -p build/fuzz/broken
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1" ASAN_OPTIONS="detect_leaks=1"

fuzz() {
  local name=$1 seconds=$2 found=build/fuzz/found/$1 log=build/fuzz/$1.log status=0
  mkdir -p "$found"
  "build/fuzz/fuzz/fuzz_$name" "$found" "fuzz/corpus/$name" -max_total_time="$seconds" \
    -timeout=10 -rss_limit_mb=2048 -max_len=4096 -artifact_prefix="build/fuzz/broken/$name-" \
    >"$log" 2>&1 </dev/null || status=$?
  printf '%-14s %s\n' "$name" "$(grep -E '^Done|ERROR|does not hold' "$log" | tail -n 1)"
  if [[ $status -ne 0 ]]; then
    tail -n 40 "$log" >&2
  fi
  return "$status"
}
export -f fuzz

printf '%s\0' "${targets[@]}" |
  xargs -0 -P 2 -I{} bash -euo pipefail -c 'fuzz {} '"$seconds"
