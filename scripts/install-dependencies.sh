#!/usr/bin/env bash
# Installs the Debian 12 packages that a part of the project needs, those that are missing and no
# others. When nothing is missing it asks for no rights and takes a fraction of a second.
#
#   scripts/install-dependencies.sh [GROUP...]      groups: build (default), bench, package, test,
#                                                         sanitize, lint, fresh
#
# SKIP_DEPENDENCIES=1 skips it: for systems other than Debian 12 that have all of it.
set -euo pipefail

declare -A groups=(
  [build]="clang-19 lld-19 ccache ninja-build cmake
           libpq-dev libboost1.81-dev libboost-json1.81-dev libboost-container1.81-dev
           libfmt-dev libspdlog-dev libcli11-dev libtomlplusplus-dev
           libpg-query-dev prometheus-cpp-dev libsqlite3-dev libssl-dev libgtest-dev libgmock-dev curl
           postgresql-15 wordnet-base groff-base nodejs npm"
  [bench]="prometheus-postgres-exporter"
  [package]="binutils dpkg-dev systemd groff-base"
  [test]="chromium prometheus prometheus-alertmanager"
  [sanitize]="libclang-rt-19-dev llvm-19"
  [lint]="clang-tidy-19 clang-format-19 shellcheck"
  [fresh]="debootstrap"
)

fail() {
  echo "install-dependencies: $*" >&2
  exit 1
}

missing_of() {
  local package
  declare -A installed=()
  while read -r package status; do
    [[ $status == ii* ]] && installed[$package]=1
  done < <(dpkg-query -W -f='${Package} ${db:Status-Abbrev}\n' "$@" 2>/dev/null)
  for package in "$@"; do
    [[ -n ${installed[$package]-} ]] || echo "$package"
  done
}

has_candidates() {
  local found
  found=$(apt-cache policy "$@" | grep -c '^  Candidate: [^(]') || return 1
  [[ $found -eq $# ]]
}

update_lists() {
  # apt-get update exits 0 when a server cannot be reached; only with Error-Mode does it say so.
  apt-get -o DPkg::Lock::Timeout=300 -o APT::Update::Error-Mode=any -qq update </dev/null
}

install_packages() {
  apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -y -qq --no-install-recommends install "$@" \
    </dev/null
}

# Debian's PostgreSQL package makes a cluster "main" and starts it as it is installed. Lyceum brings
# its own private ones, so that is switched off while apt runs. A cluster that exists is not touched.
createcluster_dir=/etc/postgresql-common/createcluster.d
without_main_cluster() {
  local file=$createcluster_dir/zz-no-main-cluster.conf status=0
  mkdir -p "$createcluster_dir"
  # shellcheck disable=SC2064  # the file's name is wanted as it is now
  trap "rm -f '$file'; rmdir --ignore-fail-on-non-empty '$createcluster_dir' 2>/dev/null" EXIT
  echo "create_main_cluster = false" >"$file"
  "$@" || status=$?
  rm -f "$file"
  rmdir --ignore-fail-on-non-empty "$createcluster_dir"
  trap - EXIT
  return $status
}

# Debian's Prometheus, its exporter and Alertmanager start as services as they are installed, and
# with the system from then on. Tests and bench run their programs by themselves; where one was there
# before, it stays as it was. The browser brings dbus along, which nothing here asks for either.
services=" prometheus prometheus-alertmanager prometheus-postgres-exporter "
policy=/usr/sbin/policy-rc.d
without_services() {
  local package status=0 made='' new=()
  for package in "$@"; do
    [[ $services != *" $package "* ]] || new+=("$package")
  done
  if [[ ${#new[@]} -eq 0 ]]; then
    without_main_cluster install_packages "$@"
    return
  fi
  if [[ ! -e $policy ]]; then
    # shellcheck disable=SC2016  # for the shell that reads it
    printf '#!/bin/sh\ncase " %s " in *" $1 "*) exit 101 ;; esac\nexit 0\n' "${new[*]} dbus" >"$policy"
    chmod 755 "$policy"
    made=1
  fi
  without_main_cluster install_packages "$@" || status=$?
  [[ -z $made ]] || rm -f "$policy"
  if [[ $status -eq 0 ]]; then
    for package in "${new[@]}"; do
      deb-systemd-helper disable "$package.service" >/dev/null 2>&1 || true
      update-rc.d "$package" disable >/dev/null 2>&1 || true
    done
  fi
  return "$status"
}

as_root() {
  export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
  if ! has_candidates "$@"; then
    echo "Updating apt's package lists"
    update_lists || fail "apt-get update failed (above): is there a network, and are the" \
      "servers in /etc/apt/sources.list reachable?"
  fi
  without_services "$@" && return
  echo "Installation failed; once more with fresh package lists"
  update_lists || fail "apt-get update failed (above): is there a network, and are the servers in" \
    "/etc/apt/sources.list reachable?"
  without_services "$@" ||
    fail "apt-get could not install: $*. Its reason stands above."
}

if [[ ${1-} == --as-root ]]; then
  shift
  as_root "$@"
  exit
fi

[[ ${SKIP_DEPENDENCIES-} == 1 ]] && exit 0

wanted=()
for group in "${@:-build}"; do
  [[ -n ${groups[$group]-} ]] || fail "no group '$group'; there are: ${!groups[*]}"
  read -r -d '' -a packages <<<"${groups[$group]}" || true
  for package in "${packages[@]}"; do
    # A Node of another source, which brings npm along, is as good and cannot stand beside Debian's.
    [[ $package == nodejs || $package == npm ]] && command -v node >/dev/null &&
      command -v npm >/dev/null && continue
    wanted+=("$package")
  done
done

# shellcheck source=/dev/null
system=$(. /etc/os-release 2>/dev/null && echo "${ID-unknown} ${VERSION_ID-unknown}") || system=unknown
[[ $system == "debian 12" ]] ||
  fail "this is '$system', and the packages are those of Debian 12. Install what corresponds to" \
    "'${wanted[*]}' and set SKIP_DEPENDENCIES=1."

mapfile -t missing < <(missing_of "${wanted[@]}")
[[ ${#missing[@]} -eq 0 ]] && exit 0

echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
self=$(readlink -f "${BASH_SOURCE[0]}")
if [[ $EUID -eq 0 ]]; then
  exec bash "$self" --as-root "${missing[@]}"
fi
command -v sudo >/dev/null ||
  fail "needs root for apt-get and there is no sudo. As root: apt-get install --no-install-recommends ${missing[*]}"
if [[ ! -t 0 ]] && ! sudo -n true 2>/dev/null; then
  fail "needs root for apt-get, and sudo wants a password where there is no terminal. As root:" \
    "apt-get install --no-install-recommends ${missing[*]}"
fi
exec sudo bash "$self" --as-root "${missing[@]}"
