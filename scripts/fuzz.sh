#!/usr/bin/env bash
# Runs the fuzz targets of build/asan, two at a time, each for FUZZ_SECONDS (60), from the inputs in
# fuzz/corpus/NAME. Ends non-zero if any found something; what it found stands in
# build/fuzz/found/NAME, and new inputs are kept in build/fuzz/corpus/NAME for the next run.
#
#   scripts/fuzz.sh [NAME...]
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

seconds=${FUZZ_SECONDS:-60}
names=("$@")
if [[ ${#names[@]} -eq 0 ]]; then
  for source in fuzz/*.cpp; do names+=("$(basename "$source" .cpp)"); done
fi

# As in run-tests.sh: the sanitizers want their shadow memory at fixed addresses.
without_aslr=
setarch --addr-no-randomize true 2>/dev/null && without_aslr="setarch --addr-no-randomize"
export without_aslr

fuzz_one() {
  local name=$1 seconds=$2
  local out=build/fuzz/corpus/$name found=build/fuzz/found/$name log=build/fuzz/$name.log
  mkdir -p "$out" "$found"
  # shellcheck disable=SC2086  # two words, or none
  if UBSAN_OPTIONS=print_stacktrace=1 $without_aslr "build/asan/bin/fuzz_$name" -max_total_time="$seconds" \
    -timeout=10 -rss_limit_mb=1024 -max_len=8192 -artifact_prefix="$found/" "$out" \
    "fuzz/corpus/$name" >"$log" 2>&1; then
    echo "fuzz: $name: ok, $(grep -c . < <(ls "$out")) inputs, $(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$log") runs"
  else
    tail -n 40 "$log"
    echo "fuzz: $name: FAILED; the input is in $found" >&2
    return 1
  fi
}
export -f fuzz_one

printf '%s\n' "${names[@]}" | xargs -P 2 -I NAME bash -c 'fuzz_one "$@"' fuzz NAME "$seconds"
