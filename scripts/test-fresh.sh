#!/usr/bin/env bash
# Proves `make demo` and `make test` on a Debian 12 that has nothing but make, git and sudo: in a
# chroot made by debootstrap, from a clone of the committed HEAD, as root and then as a user with
# sudo. Needs root. Leaves nothing behind but the downloads, under ~/.cache/lyceum-fresh.
#
#   scripts/test-fresh.sh [OPTION...]
#     --data FOLDER      put FOLDER where the clone looks for shared data (default: no shared data)
#     --only WHAT        demo or test (default: both)
#     --no-user          not the second pass, as an ordinary user with sudo
#     --ccache           share this machine's compiler cache (default: an empty one)
#     --shell            a shell in the chroot instead of the commands
#     --forget           drop the cached downloads first
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

suite=bookworm
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lyceum-fresh
data='' only='' user_pass=yes share_ccache='' shell=''
arguments=("$@")
usage() { sed -n '/^#   scripts/,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
while [[ $# -gt 0 ]]; do
  case $1 in
    --data) data=$(readlink -f "${2:?--data wants a folder}") && shift ;;
    --only) only=${2:?--only wants demo or test} && shift ;;
    --no-user) user_pass='' ;;
    --ccache) share_ccache=yes ;;
    --shell) shell=yes ;;
    --forget) [[ -n ${LYCEUM_FRESH_ROOM-} ]] || rm -rf "$cache" ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

fail() {
  echo "test-fresh: $*" >&2
  exit 1
}
say() { printf '\n--- test-fresh, %s: %s\n' "$(date +%H:%M:%S)" "$*"; }

[[ $EUID -eq 0 ]] || fail "debootstrap and chroot need root: sudo make test-fresh"
command -v debootstrap >/dev/null || fail "no debootstrap: apt-get install debootstrap"
[[ -z $only || $only == demo || $only == test ]] || fail "--only wants demo or test, not '$only'"
[[ -z $data || -d $data ]] || fail "no folder '$data'"

# The outer half makes a folder, runs the inner half in namespaces of its own, and removes the folder.
# What the inner half mounts and starts ends with it, whatever it dies of, and the outer half never
# saw a mount: so removing cannot reach through one into the machine.
if [[ -z ${LYCEUM_FRESH_ROOM-} ]]; then
  mkdir -p "$cache"
  exec {lock}>"$cache/lock"
  flock --nonblock "$lock" || fail "another one is running"
  # What a killed one left; nothing can be mounted there any more.
  rm -rf --one-file-system "${TMPDIR:-/tmp}"/lyceum-fresh.*
  room=$(mktemp -d "${TMPDIR:-/tmp}/lyceum-fresh.XXXXXX")
  trap 'rm -rf --one-file-system "$room"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  chmod 755 "$room"
  LYCEUM_FRESH_ROOM=$room unshare --mount --propagation private --pid --fork --kill-child \
    --mount-proc bash "${BASH_SOURCE[0]}" "${arguments[@]}"
  exit
fi

mkdir -p "$cache/archives"
top=$LYCEUM_FRESH_ROOM
root=$top/root
mkdir "$root"

# The processes whose root is the chroot's: whatever it started and did not end.
processes_inside() {
  local entry
  for entry in /proc/[0-9]*; do
    [[ $(readlink "$entry/root" 2>/dev/null) == "$root" ]] && echo "${entry#/proc/}"
  done
  return 0
}

describe() {
  local pid
  for pid in "$@"; do
    echo "  $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-150)"
  done
}

# The address apt takes Debian from here, and the settings it needs to get there.
# shellcheck disable=SC2016  # apt expands them
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 2>/dev/null |
  awk -v suite="$suite" '$2 == suite { print $1; exit }')
: "${mirror:=$(awk '/^URIs:.*\/debian\/?$/ { print $2; exit }
                    /^deb .*\/debian\/? / { for (i = 2; i <= NF; ++i) if ($i ~ /:\/\//) { print $i; exit } }' \
  /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null)}"
: "${mirror:=http://deb.debian.org/debian}"

chroot_apt_settings() {
  apt-config dump |
    grep -E '^Acquire::(http|https|Check-Valid-Until|Check-Date|Retries|AllowRedirect)(::[^"]*)? ' || true
}

make_base() {
  local tarball=$1 started
  started=$(date +%s)
  say "debootstrap $suite from $mirror"
  debootstrap --variant=minbase --include=make,git,sudo,ca-certificates \
    --cache-dir="$cache/archives" "$suite" "$root" "$mirror" >"$cache/debootstrap.log" 2>&1 || {
    tail -n 20 "$cache/debootstrap.log" >&2
    fail "debootstrap failed (above)"
  }
  tar -C "$root" --one-file-system -czf "$tarball.new" .
  mv "$tarball.new" "$tarball"
  say "a new Debian 12 after $(($(date +%s) - started)) s"
}

base=$cache/$suite-base.tar.gz
# A base of yesterday's package versions would fetch them all again: it is made anew each fortnight.
if [[ -f $base && -z $(find "$base" -mtime +14) ]]; then
  tar -C "$root" -xzf "$base"
else
  make_base "$base"
fi

for mount in proc dev dev/pts dev/shm; do mkdir -p "$root/$mount"; done
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t devpts devpts "$root/dev/pts" -o gid=5,mode=620,ptmxmode=666
mount -t tmpfs tmpfs "$root/dev/shm" -o mode=1777
mkdir -p "$root/var/cache/apt/archives"
mount --bind "$cache/archives" "$root/var/cache/apt/archives"

cp /etc/resolv.conf "$root/etc/resolv.conf"
grep -q localhost "$root/etc/hosts" 2>/dev/null || echo "127.0.0.1 localhost" >"$root/etc/hosts"
{
  chroot_apt_settings
  echo 'APT::Keep-Downloaded-Packages "true";'
} >"$root/etc/apt/apt.conf.d/90test-fresh"
{
  echo "deb $mirror $suite main"
  echo "deb $mirror $suite-updates main"
  echo "deb ${mirror%/debian*}/debian-security $suite-security main"
} >"$root/etc/apt/sources.list"
# Package lists would be older than the mirror's packages.
rm -rf "$root"/var/lib/apt/lists/*

environment=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  TERM="${TERM:-dumb}" LANG=C.UTF-8)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY LYCEUM_DEMO_SCALE; do
  [[ -n ${!name-} ]] && environment+=("$name=${!name}")
done
inside() { env -i "${environment[@]}" chroot "$root" "$@"; }

if [[ -n $share_ccache ]]; then
  host_ccache=$(ccache --get-config cache_dir)
  mkdir -p "$host_ccache" "$root/root/.cache/ccache"
  mount --bind "$host_ccache" "$root/root/.cache/ccache"
fi

failures=()
summary=()

# Runs a command in the clone and looks for what it leaves behind.
step() {
  local name=$1 folder=$2 command=$3 started status=0 left log
  log=$top/${name// /-}.log
  say "$name: $command"
  started=$(date +%s)
  inside /bin/bash -c "cd '$folder' && $command" </dev/null 2>&1 | tee "$log" || status=$?
  local outcome=ok
  if [[ $status -ne 0 ]]; then
    outcome="FAILED (status $status)"
    failures+=("$name")
  fi
  mapfile -t left < <(processes_inside)
  if [[ ${#left[@]} -gt 0 ]]; then
    outcome="$outcome, LEFT ${#left[@]} PROCESSES"
    failures+=("$name: processes left behind")
    describe "${left[@]}"
    for pid in "${left[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  fi
  summary+=("$(printf '%-14s %5d s   %s   %s' "$name" "$(($(date +%s) - started))" "$outcome" \
    "$(grep -E '^[0-9]+% tests passed' "$log" | tail -n 1)")")
}

clone_into() {
  local folder=$1
  git clone --quiet --no-hardlinks . "$root$folder"
  if [[ -n $data ]]; then
    mkdir -p "$root$(dirname "$folder")/shared"
    cp -r "$data" "$root$(dirname "$folder")/shared/data"
  fi
}

commands=(demo test)
[[ -n $only ]] && commands=("$only")

say "clone of $(git rev-parse --short HEAD), shared data: ${data:-none}"
[[ -z $(git status --porcelain --untracked-files=no) ]] ||
  echo "test-fresh: note that what is not committed is not in the clone"
clone_into /root/lyceum

if [[ -n $shell ]]; then
  inside /bin/bash -c 'cd /root/lyceum && exec bash -i'
  exit
fi

for command in "${commands[@]}"; do step "root $command" /root/lyceum "make $command"; done

if [[ -n $user_pass ]]; then
  # The same once more as one who may use sudo; the packages are there by now, so what this shows is
  # that nothing of a build, a demo or a test needs root.
  inside /usr/sbin/useradd --create-home --shell /bin/bash teacher
  echo 'teacher ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/teacher"
  clone_into /home/teacher/lyceum
  inside /bin/chown -R teacher: /home/teacher
  # One package less, so that installing by sudo is walked through as well.
  inside /usr/bin/env DEBIAN_FRONTEND=noninteractive dpkg --purge --force-depends wordnet-base \
    >/dev/null 2>&1 || true
  # What root compiled serves the user, if it is the same to the byte that is compiled.
  if [[ -d $root/root/.cache/ccache && -z $share_ccache ]]; then
    mkdir -p "$root/home/teacher/.cache"
    cp -r "$root/root/.cache/ccache" "$root/home/teacher/.cache/"
    inside /bin/chown -R teacher: /home/teacher/.cache
  fi
  for command in "${commands[@]}"; do
    step "user $command" /home/teacher/lyceum \
      "setpriv --reuid teacher --regid teacher --init-groups --reset-env make -C /home/teacher/lyceum $command"
  done
fi

clusters=$(find "$root/etc/postgresql" -mindepth 2 -maxdepth 2 2>/dev/null || true)
if [[ -n $clusters ]]; then
  echo "test-fresh: installing made a PostgreSQL cluster: $clusters" >&2
  failures+=("a cluster of Debian's own was made")
fi

say "outcome"
printf '%s\n' "${summary[@]}"
if [[ ${#failures[@]} -gt 0 ]]; then
  printf 'failed: %s\n' "${failures[@]}"
  exit 1
fi
