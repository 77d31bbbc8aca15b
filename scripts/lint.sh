#!/usr/bin/env bash
# Format, clang-tidy, shellcheck, and the house's own rules. Every part runs, also after one failed.
#
#   scripts/lint.sh [FILE.cpp...]      with files: clang-tidy looks at these alone
# shellcheck disable=SC2317  # part() calls the functions
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

failed=0
part() {
  local name=$1 started
  shift
  started=$(date +%s)
  if "$@"; then
    echo "lint: $name: ok, $(($(date +%s) - started)) s"
  else
    echo "lint: $name: FAILED, $(($(date +%s) - started)) s" >&2
    failed=1
  fi
}

no_machine_paths() {
  # Put together here, so that this file does not name what it looks for.
  local folder=work
  ! git grep --untracked -nI "/$folder/" || {
    echo "these name a folder of one machine; take it from a flag or say it from the project's root" >&2
    return 1
  }
}

shell_scripts() {
  git ls-files -z --cached --others --exclude-standard -- '*.sh' '.ci/*' |
    xargs -0 --no-run-if-empty shellcheck --external-sources
}

tidy() {
  # What clang-tidy reads beside the sources: the generated headers, and the precompiled header, which
  # it can read because it is of the compiler's own version.
  scripts/build.sh release lyceum_sql lyceum_pch || return 1
  local files=("$@")
  if [[ ${#files[@]} -eq 0 ]]; then
    mapfile -t files < <(git ls-files --cached --others --exclude-standard -- 'src/*.cpp')
  fi
  printf '%s\0' "${files[@]}" |
    xargs -0 -P "$(nproc)" -n 1 clang-tidy-19 -p build/release --quiet 2> >(
      grep -vE '^[0-9]+ warnings? (generated|treated as errors?)|^$' >&2)
}

part "no machine's paths" no_machine_paths
part shellcheck shell_scripts
part format scripts/format.sh --check
part clang-tidy tidy "$@"
exit "$failed"
