#!/usr/bin/env bash
# Runs the tests of a build and ends with ctest's summary.
#
#   scripts/run-tests.sh PRESET [CTEST-ARGUMENT...]      presets: release, asan, tsan
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:?"usage: scripts/run-tests.sh PRESET [CTEST-ARGUMENT...]"}
shift

symbolizer=$(command -v llvm-symbolizer-19 || true)
export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1:check_initialization_order=1:strict_string_checks=1:external_symbolizer_path=$symbolizer"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:external_symbolizer_path=$symbolizer"
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:external_symbolizer_path=$symbolizer"

without_aslr=()
if [[ $preset != release ]]; then
  # What a sanitizer has nothing to say of runs in the release build alone: sizes of files and memory,
  # the browser, simulations of many servers, and what starts the program a hundred times.
  GTEST_FILTER='-Page.*:*TheMonitorOfTwentyNodes*:*TakesLessThan*:Nodes/Simulated.*/32'
  GTEST_FILTER+=':Nodes/Simulated.*/64:Documents.EveryCommandLineRuns:Config.NoPasswordIsEverShown'
  export GTEST_FILTER
  # The sanitizers want their shadow memory at fixed addresses, which a kernel that randomizes more
  # bits than they reckon with (vm.mmap_rnd_bits) may have taken. A container may forbid to ask.
  if setarch --addr-no-randomize true 2>/dev/null; then
    without_aslr=(setarch --addr-no-randomize)
  fi
  # The leak checker stops the process by ptrace, and a process has one tracer at a time.
  if [[ $(awk '/^TracerPid:/ { print $2 }' /proc/self/status) != 0 ]]; then
    echo "run-tests: this process is being traced (strace, a debugger), so leaks cannot be looked" \
      "for: run it untraced" >&2
    exit 1
  fi
fi

exec "${without_aslr[@]}" ctest --test-dir "build/$preset" --parallel 2 --output-on-failure \
  --no-tests=error "$@" </dev/null
