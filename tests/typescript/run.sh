#!/usr/bin/env bash
# Runs examples/typescript as its reader would: a service on a small school in a private PostgreSQL,
# an API key, `npm ci`, `npm run check`, `npm start`; and compares what it prints with the database.
#
#   run.sh PROGRAM       the lyceum to run
set -euo pipefail

lyceum=$1
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
room=$(mktemp -d)
export LYCEUM_LOCAL_DIRECTORY=$room/clusters
service=''
clear_up() {
  [[ -z $service ]] || { kill "$service" && wait "$service"; } 2>/dev/null || true
  [[ ! -d $LYCEUM_LOCAL_DIRECTORY/typescript ]] || "$lyceum" local down --name typescript || true
  rm -rf "$room"
}
trap clear_up EXIT
trap 'exit 1' HUP INT TERM
# The servers' account has to get through, if this is root; it sees nothing there.
chmod 711 "$room"
fail() {
  echo "typescript: $*" >&2
  exit 1
}

# Only a lock file without addresses installs from everybody's registry.
! grep -nE '"resolved"|https?://[^"]*/-/' "$source/examples/typescript/package-lock.json" ||
  fail "package-lock.json names a registry (above)"

# What npm and the compiler write stays out of the tree.
mkdir -p "$room/examples/typescript"
cp -r "$source/api" "$room/"
(cd "$source/examples/typescript" &&
  cp -r package.json package-lock.json .npmrc tsconfig.json "$room/examples/typescript/" &&
  mkdir "$room/examples/typescript/src" && cp src/*.ts "$room/examples/typescript/src/")
cd "$room/examples/typescript"
export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
npm ci --no-progress >"$room/npm.log" 2>&1 || {
  cat "$room/npm.log" >&2
  fail "npm ci failed (above)"
}
npm run --silent check >"$room/npm.log" 2>&1 || {
  cat "$room/npm.log" >&2
  fail "npm run check failed (above)"
}
# The check has teeth: a member that no answer has is an error.
sed 's/summary\.stories_completed/summary.no_such_member/' src/lesson.ts >src/wrong.ts
! npm run --silent check >"$room/npm.log" 2>&1 || fail "the compiler takes a member that is not there"
grep -q no_such_member "$room/npm.log" || fail "the compiler failed for another reason"
rm src/wrong.ts

{
  echo word,part_of_speech,cefr,difficulty_level,frequency_per_million,definition
  for i in {1..60}; do echo "word$i,noun,A1,0.5,$i,a word"; done
} >"$room/words.csv"
"$lyceum" local up --name typescript --fast >/dev/null
DATABASE_URL=$("$lyceum" local status --name typescript --json | grep -o 'postgresql:[^"]*' | head -n 1)
export DATABASE_URL
"$lyceum" migrate 2>/dev/null
"$lyceum" load --scale 0.002 --stories "$source/data/stories.jsonl" --vocabulary "$room/words.csv" \
  >/dev/null 2>&1
ask() { "$lyceum" local psql --name typescript -- -AtqX -F ' ' -v ON_ERROR_STOP=1 -c "$1"; }
# A login that row-level security binds, as an application has one.
ask 'create role typescript login in role lyceum_app'
tenant=$(ask 'select id from tenants order by id limit 1')
learner=$(ask "select user_id from progress where tenant_id = '$tenant' order by 1 limit 1")
key=$("$lyceum" keys create --tenant "$tenant" --name example --role learner --learner "$learner" 2>/dev/null)

"$lyceum" serve --database-url "${DATABASE_URL/postgres@/typescript@}" --data-address 127.0.0.1:0 \
  --admin-address 127.0.0.1:0 --json >"$room/addresses" 2>"$room/service.log" &
service=$!
for ((i = 0; i < 400; ++i)); do
  [[ ! -s $room/addresses ]] || break
  kill -0 "$service" 2>/dev/null || break
  sleep 0.05
done
url=$(sed -n 's/.*"data":"\([^"]*\)".*/\1/p' "$room/addresses")
[[ -n $url ]] || {
  cat "$room/service.log" >&2
  fail "the service did not start (above)"
}

before=$(ask "select coalesce(sum(time_spent), 0) from progress where user_id = '$learner'")
npm start --silent -- "$url" "$key" "$learner" >"$room/lesson" 2>"$room/lesson.err" || {
  cat "$room/lesson" "$room/lesson.err" "$room/service.log" >&2
  fail "the lesson failed (above)"
}
line() { sed -n "s/^$1 //p" "$room/lesson"; }
is() { [[ $2 == "$3" ]] || fail "$1: it printed '$2', and the database has '$3'"; }

is stories "$(line stories)" \
  "$(ask "select count(*) from stories where tenant_id = '$tenant' and level = 'A1' and published")"
[[ $(line stories) -gt 2 ]] || fail "so few stories need no second page"
is story "$(line story | sort)" \
  "$(ask "select id, title from stories where tenant_id = '$tenant' and level = 'A1' and published" | sort)"
ids=$(line word | sed "s/ .*//; s/.*/'&'/" | paste -sd ,)
is word "$(line word | sort)" "$(ask "select id, word from vocabulary where id in ($ids)" | sort)"
word=$(line word | head -n 1 | cut -d ' ' -f 1)
is reviewed "$(line reviewed)" "$(ask "select vocabulary_id, review_count, 'due', next_review_date
  from user_vocabulary_progress where user_id = '$learner' and vocabulary_id = '$word'")"
is replayed "$(line replayed)" "false true"
is progress "$(line progress)" "2 2"
read_ids=$(line story | head -n 2 | sed "s/ .*//; s/.*/'&'/" | paste -sd ,)
is completed 2 "$(ask "select count(*) from progress where user_id = '$learner'
  and story_id in ($read_ids) and completion_percentage = 100")"
is time $((before + 120)) "$(ask "select sum(time_spent) from progress where user_id = '$learner'")"
is summary "$(line summary)" "$(ask "select count(*) filter (where completion_percentage >= 100),
  sum(time_spent) from progress where user_id = '$learner'")"
is problem "$(line problem)" "404 not_found"

# A token that is none is refused, and said to be.
if npm start --silent -- "$url" none "$learner" >"$room/lesson" 2>&1; then fail "no token was taken"; fi
grep -q '^401 unauthenticated: ' "$room/lesson" || {
  cat "$room/lesson" >&2
  fail "a refusal is not shown as one (above)"
}
echo "the example agrees with the database"
