#!/usr/bin/env bash
# Installs a build into a temporary prefix, builds the program beside this file and the example of the
# README against it, and runs them: the example on a small school in a private PostgreSQL.
#
#   run.sh BUILD_DIR COMPILER SANITIZERS
set -euo pipefail

build=$1 compiler=$2 sanitizers=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
room=$(mktemp -d)
lyceum=$room/prefix/bin/lyceum
export LYCEUM_LOCAL_DIRECTORY=$room/clusters
clear_up() {
  [[ ! -d $LYCEUM_LOCAL_DIRECTORY/outside ]] || "$lyceum" local down --name outside || true
  rm -rf "$room"
}
trap clear_up EXIT
# The servers' account has to get through, if this is root; it sees nothing there.
chmod 711 "$room"

cmake --install "$build" --prefix "$room/prefix" >"$room/install.log" || {
  cat "$room/install.log" >&2
  exit 1
}

# The sources lie in a place of their own, so that nothing of this tree can be found by accident.
cp "$here/CMakeLists.txt" "$here"/*.cpp "$here/../../examples/stories_page.cpp" "$room/"
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

{
  echo word,part_of_speech,cefr,difficulty_level,frequency_per_million,definition
  for i in {1..60}; do echo "word$i,noun,A1,0.5,$i,a word"; done
} >"$room/words.csv"
"$lyceum" local up --name outside --fast
DATABASE_URL=$("$lyceum" local status --name outside --json | grep -o 'postgresql:[^"]*' | head -n 1)
export DATABASE_URL
"$lyceum" migrate
"$lyceum" load --scale 0.002 --stories "$here/../../data/stories.jsonl" --vocabulary "$room/words.csv"
ask() { "$lyceum" local psql --name outside -- -AtqX -v ON_ERROR_STOP=1 -c "$1"; }
# A login that row-level security binds, as an application has one.
ask 'create role outside login in role lyceum_app'
tenant=$(ask 'select id from tenants order by id limit 1')
page=$("$room/build/stories_page" "${DATABASE_URL/postgres@/outside@}" "$tenant")
echo "$page"
wanted=$(ask "select least(5, count(*)) from stories where tenant_id = '$tenant' and published
                and search @@ plainto_tsquery('english', 'river')")
[[ $wanted -gt 0 && $(wc -l <<<"$page") -eq $wanted ]] || {
  echo "the example did not print the $wanted stories that are about a river" >&2
  exit 1
}
