#!/usr/bin/env bash
# Configures where that was not done yet, builds, and says how long it took.
#
#   scripts/build.sh PRESET [TARGET...]      presets: release, asan, tsan
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:?"usage: scripts/build.sh PRESET [TARGET...]"}
shift
started=$(date +%s)

if [[ ! -f build/$preset/build.ninja ]]; then
  mkdir -p "build/$preset"
  cmake --preset "$preset" >"build/$preset/configure.log" 2>&1 || {
    cat "build/$preset/configure.log" >&2
    exit 1
  }
fi

targets=()
[[ $# -gt 0 ]] && targets=(--target "$@")
cmake --build "build/$preset" "${targets[@]}"
echo "Built build/$preset in $(($(date +%s) - started)) s"
