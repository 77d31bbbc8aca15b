#!/usr/bin/env bash
# Proves the Debian package on a Debian 12 of its own (a chroot, see fresh-room.sh): installs it, runs
# its service as its user by the very command of the unit against a PostgreSQL in there, upgrades,
# removes and purges it. Needs root, and a build. Leaves nothing behind but the downloads.
#
#   scripts/test-package.sh [OPTION...]
#     --no-lintian       not lintian, which brings some hundred packages
#     --node             also the TypeScript example, with Debian's Node
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

arguments=("$@")
lintian=yes node=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --no-lintian) lintian='' ;;
    --node) node=yes ;;
    *) sed -n '/^#   scripts/,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
  esac
  shift
done

# shellcheck source=scripts/fresh-room.sh
source scripts/fresh-room.sh
enter_fresh_room scripts/test-package.sh "${arguments[@]}"
make_fresh_room

# What set -e would end without a word.
trap 'echo "test-package: line $LINENO failed" >&2' ERR
failed=0
wrong() {
  echo "test-package: WRONG: $*" >&2
  failed=1
}
apt() {
  inside env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Dpkg::Use-Pty=0 "$@" </dev/null \
    >"$top/apt.log" 2>&1 || {
    cat "$top/apt.log" >&2
    fail "apt-get $* failed (above)"
  }
}
# Whether a command holds within 20 s.
eventually() {
  local i
  for ((i = 0; i < 400; ++i)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.05
  done
  return 1
}

package=$(scripts/package.sh build/release "$top")
cp "$package" "$root/tmp/lyceum.deb"
package=/tmp/lyceum.deb

say "a PostgreSQL, and what the package depends on"
apt update
mkdir -p "$root/etc/postgresql-common/createcluster.d"
echo "create_main_cluster = false" >"$root/etc/postgresql-common/createcluster.d/none.conf"
apt install --no-install-recommends postgresql-15 man-db curl
apt satisfy --no-install-recommends "$(inside dpkg-deb -f $package Depends Pre-Depends |
  sed 's/^[A-Za-z-]*: //' | paste -sd ,)"

# Names of all files, and who may log in: what a package leaves is in the one or the other.
everything() {
  inside find / -xdev \( -path /proc -o -path /tmp -o -path /run -o -path /var/cache \
    -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/log -o -path /var/lib/postgresql \
    -o -path /etc/postgresql -o -path /root \) -prune -o -print |
    grep -vE '^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|^/etc/\.pwd\.lock$'
  inside cat /etc/passwd /etc/group
}
everything | LC_ALL=C sort >"$top/before"

say "install"
apt install --no-install-recommends $package
inside lyceum --version
inside man lyceum | grep -q 'lyceum serve' || wrong "man lyceum does not show serve"
inside man -l /usr/share/man/man1/lyceum.1.gz >/dev/null || wrong "the man page cannot be shown"
inside bash -c 'source /usr/share/bash-completion/completions/lyceum && complete -p lyceum' >/dev/null ||
  wrong "the completion cannot be read"
inside getent passwd lyceum | grep -q ':/nonexistent:/usr/sbin/nologin$' || wrong "the user differs"
rights() { inside stat -c '%A %U:%G %n' /etc/lyceum /etc/lyceum/lyceum.toml; }
wanted=$'drwxr-x--- root:lyceum /etc/lyceum\n-rw-r----- root:lyceum /etc/lyceum/lyceum.toml'
[[ $(rights) == "$wanted" ]] || wrong "the rights of the configuration are $(rights)"
[[ ! -e $root/etc/systemd/system/multi-user.target.wants/lyceum.service ]] ||
  wrong "the service was enabled"
inside env DPKG_MAINTSCRIPT_PACKAGE=lyceum deb-systemd-helper debian-installed lyceum.service || wrong "deb-systemd-helper does not know it"

say "a database"
inside pg_createcluster 15 main --start -- --no-sync >/dev/null
port=$(inside pg_lsclusters -h | awk '{ print $3 }')
as_postgres() { inside setpriv --reuid postgres --regid postgres --init-groups "$@"; }
ask() { as_postgres psql -p "$port" -d lyceum -AtqX -v ON_ERROR_STOP=1 -c "$1"; }
owner="host=/var/run/postgresql port=$port dbname=lyceum"
as_postgres createdb -p "$port" lyceum
as_postgres lyceum migrate --database-url "$owner" >/dev/null
printf '%s\n' word,part_of_speech,cefr,difficulty_level,frequency_per_million,definition \
  >"$root/tmp/words.csv"
for i in {1..60}; do echo "word$i,noun,A1,0.5,$i,a word"; done >>"$root/tmp/words.csv"
as_postgres lyceum load --database-url "$owner" --scale 0.002 --vocabulary /tmp/words.csv 2>/dev/null
# Whom the service's user is by its socket.
ask 'create role lyceum login in role lyceum_app'
tenant=$(ask 'select id from tenants order by id limit 1')
key=$(as_postgres lyceum keys create --database-url "$owner" --tenant "$tenant" --name test \
  --role service 2>/dev/null)

say "the service, by the unit's own command"
free_ports() {
  perl -MIO::Socket::INET -e 'for (1, 2) { push @s, IO::Socket::INET->new(Listen => 1,
    LocalAddr => "127.0.0.1") } print join " ", map { $_->sockport } @s'
}
read -r data_port admin_port <<<"$(free_ports)"
# As the comments tell: the database's line is taken in, the addresses changed.
sed -i -e 's|^#\(url = "host=/var/run/postgresql .*\)" .*|\1 port='"$port"'"|' \
  -e 's|^#data_address = .*|data_address = "127.0.0.1:'"$data_port"'"|' \
  -e 's|^#admin_address = .*|admin_address = "127.0.0.1:'"$admin_port"'"|' \
  "$root/etc/lyceum/lyceum.toml"
cp "$root/etc/lyceum/lyceum.toml" "$top/edited.toml"
# A variable of the environment's file wins.
echo LYCEUM_LOG_FORMAT=json >>"$root/etc/default/lyceum"

unit=$root/lib/systemd/system/lyceum.service
setting() { sed -n "s/^$1=-\{0,1\}//p" "$unit"; }
read -r -a command <<<"$(setting ExecStart)"
read -r -a variables <<<"$(grep -v '^#' "$root$(setting EnvironmentFile)" | paste -sd ' ')"
# What a service manager is told, line by line.
# shellcheck disable=SC2016  # perl expands them
inside perl -MIO::Socket::UNIX -e '$| = 1; umask 0;
  my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "/tmp/notify") or die "$!";
  while (defined $s->recv(my $text, 4096)) { print "$text\n"; last if $text =~ /^STOPPING/ }' >"$top/told" &
listener=$!
eventually test -S "$root/tmp/notify" || fail "nothing listens to what the service tells"
inside setpriv --reuid "$(setting User)" --regid "$(setting Group)" --clear-groups --no-new-privs \
  --bounding-set=-all env -i "${variables[@]}" NOTIFY_SOCKET=/tmp/notify "${command[@]}" \
  >"$top/service.log" 2>&1 &
service=$!
told() { grep -q "^$1" "$top/told"; }
eventually told READY=1 || {
  cat "$top/service.log" >&2
  fail "the service did not say READY=1"
}
process=''
for pid in $(processes_inside); do
  [[ $(readlink "/proc/$pid/exe") != */bin/lyceum ]] || process=$pid
done
[[ $(stat -c %u "/proc/$process") == "$(inside id -u lyceum)" ]] ||
  wrong "the service does not run as its user"
admin() { curl -sS -o "$top/answer" -w '%{http_code}' "http://127.0.0.1:$admin_port$1"; }
[[ $(admin /live) == 200 ]] || wrong "/live does not answer"
[[ $(admin /ready) == 200 ]] || wrong "/ready answers $(cat "$top/answer")"
stories="http://127.0.0.1:$data_port/v1/stories?include=total"
curl -sS -H "Authorization: Bearer $key" "$stories" >"$top/stories"
total=$(ask "select count(*) from stories where tenant_id = '$tenant' and published")
grep -q "\"total_count\":$total}" "$top/stories" ||
  wrong "the service does not count the $total stories: $(cut -c1-300 "$top/stories")"
grep -q '"route":"/v1/stories"' "$top/service.log" || wrong "the log is not what the environment says"

kill -HUP "$process"
eventually told RELOADING=1 || wrong "it did not say that it reloads"
twice() { [[ $(grep -c '^READY=1' "$top/told") -eq 2 ]]; }
eventually twice || wrong "it did not say that it has reloaded"

# Drained: a request that waits for a lock when the signal comes gets its answer.
as_postgres psql -p "$port" -d lyceum -qX -c 'begin; lock table stories' \
  -c 'select pg_sleep(60)' >/dev/null 2>&1 &
locker=$!
locked() {
  [[ $(ask "select count(*) from pg_locks where relation = 'stories'::regclass and granted
            and mode = 'AccessExclusiveLock'") -eq 1 ]]
}
eventually locked || fail "the lock was not taken"
curl -sS -o "$top/waited" -w '%{http_code}' -H "Authorization: Bearer $key" "$stories" >"$top/status" &
waiting=$!
waits() {
  [[ $(ask "select count(*) from pg_stat_activity where usename = 'lyceum'
            and wait_event_type = 'Lock'") -ge 1 ]]
}
eventually waits || wrong "no request waits for the lock"
kill -TERM "$process"
eventually told STOPPING=1 || wrong "it did not say that it stops"
[[ $(admin /ready) == 503 ]] || wrong "/ready is not 503 while it drains"
ask "select pg_cancel_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)%'
     and pid <> pg_backend_pid()" >/dev/null
wait "$locker" || true
wait "$waiting" || wrong "the request in flight was not answered"
[[ $(cat "$top/status") == 200 ]] || wrong "the request in flight got $(cat "$top/status")"
wait "$service" || wrong "the service ended with $?"
wait "$listener" || wrong "the listener ended with $?"
[[ $failed == 0 ]] || cat "$top/service.log" >&2

say "upgrade"
mkdir "$top/next"
dpkg-deb -R "$root$package" "$top/next"
sed -i 's/^Version: .*/&+next/' "$top/next/DEBIAN/control"
dpkg-deb --root-owner-group --build "$top/next" "$root/tmp/next.deb" >/dev/null
apt install --no-install-recommends /tmp/next.deb
inside dpkg -s lyceum | grep -q '^Version: .*+next$' || wrong "the upgrade was not installed"
cmp "$top/edited.toml" "$root/etc/lyceum/lyceum.toml" || wrong "the upgrade changed the configuration"
[[ $(rights) == "$wanted" ]] || wrong "after the upgrade the rights are $(rights)"
! ls "$root/etc/lyceum/"*dpkg* 2>/dev/null || wrong "the upgrade left files beside the configuration"

if [[ -n $node ]]; then
  say "the TypeScript example, with Debian's Node"
  apt install --no-install-recommends nodejs npm
  inside node --version
  mkdir -p "$root/root/lyceum/data"
  cp -r api tests examples "$root/root/lyceum/"
  rm -rf "$root/root/lyceum/examples/typescript/"{node_modules,src/generated}
  cp data/stories.jsonl "$root/root/lyceum/data/"
  inside /root/lyceum/tests/typescript/run.sh /usr/bin/lyceum || wrong "the TypeScript example"
  apt purge --autoremove nodejs npm
fi

say "remove, and purge"
inside lyceum local up --name left --fast >/dev/null 2>&1
inside lyceum local down --name left --keep-data >/dev/null 2>&1
[[ -d $root/var/lib/lyceum ]] || wrong "no private cluster is in /var/lib/lyceum"
apt remove lyceum
cmp "$top/edited.toml" "$root/etc/lyceum/lyceum.toml" || wrong "removing changed the configuration"
[[ ! -e $root/usr/bin/lyceum ]] || wrong "removing left the program"
apt purge lyceum
everything | LC_ALL=C sort >"$top/after"
diff "$top/before" "$top/after" >&2 || wrong "purged, it leaves or misses files (above)"

inside pg_dropcluster --stop 15 main
mapfile -t left < <(processes_inside)
[[ ${#left[@]} -eq 0 ]] || {
  describe "${left[@]}"
  wrong "processes are left behind (above)"
}

if [[ -n $lintian ]]; then
  say "lintian"
  apt install --no-install-recommends lintian
  # The project has no address that mail could be sent to.
  no_address=bogus-mail-host,bogus-mail-host-in-debian-changelog
  inside setpriv --reuid nobody --regid nogroup --clear-groups env HOME=/tmp \
    lintian --fail-on error --tag-display-limit 0 --suppress-tags "$no_address" $package || wrong "lintian finds errors (above)"
fi

[[ $failed == 0 ]] || fail "something is wrong (above)"
say "all is as it should be"
