#!/usr/bin/env bash
# The page of the monitor: types, what its modules compute, and what a headless Chromium shows of it,
# against a made-up admin port; with LYCEUM_WEB_URL against a real one as well, or, told so, alone.
#
#   run.sh [real]
set -euo pipefail

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
room=$(mktemp -d)
profile=$room/profile
child=''
clear_up() {
  [[ -z $child ]] || { kill "$child" && wait "$child"; } 2>/dev/null || true
  # What a browser that was cut down has left; its profile's path is nobody else's.
  local pids
  mapfile -t pids < <(pgrep -f -- "--user-data-dir=$profile" || true)
  [[ ${#pids[@]} -eq 0 ]] || kill -9 "${pids[@]}" 2>/dev/null || true
  # It may write a last file while its folder is removed.
  rm -rf "$room" 2>/dev/null || { sleep 0.5 && rm -rf "$room"; }
}
trap clear_up EXIT
trap 'exit 1' HUP INT TERM
fail() {
  echo "web: $*" >&2
  exit 1
}

# Only a lock file without addresses installs from everybody's registry.
! grep -nE '"resolved"|https?://[^"]*/-/' "$source/web/package-lock.json" ||
  fail "package-lock.json names a registry (above)"
command -v "${CHROMIUM:=chromium}" >/dev/null || fail "no chromium: apt-get install chromium"
CHROMIUM=$(command -v "$CHROMIUM")

# What npm and the browser write stays out of the tree.
mkdir "$room/web" "$room/tmp"
(cd "$source/web" && cp -r modules test ./*.json ./*.ts ./*.mjs ./*.html ./*.css ./*.svg .npmrc "$room/web")
cd "$room/web"
export CHROMIUM LYCEUM_SOURCE_DIR=$source LYCEUM_WEB_PROFILE=$profile LYCEUM_WEB_HOME=$room TMPDIR=$room/tmp
export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
npm ci --no-progress --ignore-scripts --prefer-offline >"$room/npm.log" 2>&1 || {
  cat "$room/npm.log" >&2
  fail "npm ci failed (above)"
}
# Within the time that ctest gives, so that it is this script that ends what hangs.
# In the background, because a signal is heard while waiting and not while running.
limited() {
  local status=0
  timeout --kill-after=10 "$@" </dev/null &
  child=$!
  wait "$child" || status=$?
  child=''
  return "$status"
}
real() {
  limited 170 node --test test/browser.mjs || fail "the page of $LYCEUM_WEB_URL does not (above)"
}
if [[ ${1-} == real ]]; then
  real
  exit
fi
npm run --silent check >"$room/npm.log" 2>&1 || {
  cat "$room/npm.log" >&2
  fail "npm run check failed (above)"
}
# The check has teeth: a member that no answer has is an error.
sed 's/verdict\.summary/verdict.no_such_member/' modules/verdicts.js >modules/wrong.js
! npm run --silent check >"$room/npm.log" 2>&1 || fail "the checker takes a member that is not there"
grep -q no_such_member "$room/npm.log" || fail "the checker failed for another reason"
rm modules/wrong.js

limited 60 npm run --silent test || fail "the modules do not do what they should (above)"
LYCEUM_WEB_URL='' limited 170 node --test test/browser.mjs || fail "the page does not (above)"
[[ -z ${LYCEUM_WEB_URL-} ]] || real
echo "the page shows what is true"
