#!/usr/bin/env bash
# A Debian 12 of its own for one script, to be sourced by it: a chroot made by debootstrap, in
# namespaces of its own, as root. What is kept is the downloads, under ~/.cache/lyceum-fresh; one
# script at a time.
#
#   enter_fresh_room SCRIPT ARGUMENT...   runs the script once more, inside, and ends with it
#   make_fresh_room                       inside: the chroot is $root, in the folder $top
#   inside COMMAND...                     runs a command in it
#   processes_inside                      the ids of what was started in there and still runs

suite=bookworm
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lyceum-fresh
script_name=$(basename "$0" .sh)

fail() {
  echo "$script_name: $*" >&2
  exit 1
}
say() { printf '\n--- %s, %s: %s\n' "$script_name" "$(date +%H:%M:%S)" "$*"; }

# The outer half makes a folder, runs the inner half in namespaces of its own, and removes the folder.
# What the inner half mounts and starts ends with it, whatever it dies of, and the outer half never
# saw a mount: so removing cannot reach through one into the machine.
enter_fresh_room() {
  [[ $EUID -eq 0 ]] || fail "debootstrap and chroot need root: sudo make $script_name"
  command -v debootstrap >/dev/null || fail "no debootstrap: apt-get install debootstrap"
  [[ -n ${LYCEUM_FRESH_ROOM-} ]] && return
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
    --mount-proc bash "$@"
  exit
}

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

make_fresh_room() {
  top=$LYCEUM_FRESH_ROOM
  root=$top/root
  local base=$cache/$suite-base.tar.gz mount
  mkdir -p "$cache/archives" "$root"
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
  } >"$root/etc/apt/apt.conf.d/90fresh-room"
  {
    echo "deb $mirror $suite main"
    echo "deb $mirror $suite-updates main"
    echo "deb ${mirror%/debian*}/debian-security $suite-security main"
  } >"$root/etc/apt/sources.list"
  # Whom this machine trusts beside Debian's authorities, as where a proxy stands between.
  if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
    inside update-ca-certificates >/dev/null
  fi
  # Package lists would be older than the mirror's packages.
  rm -rf "$root"/var/lib/apt/lists/*
}

environment=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  TERM="${TERM:-dumb}" LANG=C.UTF-8)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY LYCEUM_DEMO_SCALE; do
  [[ -n ${!name-} ]] && environment+=("$name=${!name}")
done
inside() { env -i "${environment[@]}" chroot "$root" "$@"; }

