#!/usr/bin/env bash
# Installs a build into a temporary prefix, builds the program beside this file against it, runs it.
#
#   run.sh BUILD_DIR COMPILER SANITIZERS
set -euo pipefail

build=$1 compiler=$2 sanitizers=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

cmake --install "$build" --prefix "$room/prefix" >"$room/install.log" || {
  cat "$room/install.log" >&2
  exit 1
}

# The sources lie in a place of their own, so that nothing of this tree can be found by accident.
cp "$here/CMakeLists.txt" "$here"/*.cpp "$room/"
flags=${sanitizers:+-fsanitize=$sanitizers -fno-sanitize-recover=all}
# ccache, where it is there, by the way that makes it independent of the temporary folder's name.
launcher=()
if ccache=$(command -v ccache); then
  launcher=("-DCMAKE_CXX_COMPILER_LAUNCHER=$here/../../cmake/compile_cached.sh;$room;$ccache")
fi
cmake -S "$room" -B "$room/build" -G Ninja "-DCMAKE_PREFIX_PATH=$room/prefix" \
  "-DCMAKE_CXX_COMPILER=$compiler" "-DCMAKE_CXX_FLAGS=$flags" -DCMAKE_BUILD_TYPE=Debug \
  "${launcher[@]}"
cmake --build "$room/build"

# Nothing of how Lyceum itself is built may reach others.
packages=$(find "$room/prefix" -name '*.cmake')
# shellcheck disable=SC2086  # one word for each file
if grep -nE 'Werror|Wall|include-pch|lyceum_options' $packages; then
  echo "the installed package hands on the project's own compiler options (above)" >&2
  exit 1
fi

"$room/build/outside"
