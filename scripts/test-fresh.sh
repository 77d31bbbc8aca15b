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

data='' only='' user_pass=yes share_ccache='' shell='' forget=''
arguments=("$@")
usage() { sed -n '/^#   scripts/,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
while [[ $# -gt 0 ]]; do
  case $1 in
    --data) data=$(readlink -f "${2:?--data wants a folder}") && shift ;;
    --only) only=${2:?--only wants demo or test} && shift ;;
    --no-user) user_pass='' ;;
    --ccache) share_ccache=yes ;;
    --shell) shell=yes ;;
    --forget) forget=yes ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

# shellcheck source=scripts/fresh-room.sh
source scripts/fresh-room.sh

[[ -z $only || $only == demo || $only == test ]] || fail "--only wants demo or test, not '$only'"
[[ -z $data || -d $data ]] || fail "no folder '$data'"

[[ -n $forget && -z ${LYCEUM_FRESH_ROOM-} ]] && rm -rf "$cache"
enter_fresh_room "${BASH_SOURCE[0]}" "${arguments[@]}"
make_fresh_room

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
