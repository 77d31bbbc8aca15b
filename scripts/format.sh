#!/usr/bin/env bash
# Puts every C++ file into the project's format; with --check changes nothing and fails on the first
# file that differs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=(-i)
[[ ${1-} == --check ]] && mode=(--dry-run -Werror)
git ls-files -z --cached --others --exclude-standard -- \
  'src/*.h' 'src/*.cpp' 'tests/*.h' 'tests/*.cpp' \
  'tools/*.h' 'tools/*.cpp' 'examples/*.h' 'examples/*.cpp' 'fuzz/*.h' 'fuzz/*.cpp' 'cmake/*.cpp' |
  xargs -0 --no-run-if-empty clang-format-19 "${mode[@]}"
