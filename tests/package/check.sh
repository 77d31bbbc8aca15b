#!/usr/bin/env bash
# Builds the Debian package of a build, and checks what is in it and what systemd says of its service,
# without installing it: that is scripts/test-package.sh's.
#
#   check.sh BUILD_DIR
set -euo pipefail

build=$1
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
failed=0
wrong() {
  echo "package: $*" >&2
  failed=1
}

package=$("$source/scripts/package.sh" "$build" "$room")
root=$room/root
dpkg-deb -x "$package" "$root"
dpkg-deb -e "$package" "$room/control"

# Every file with its mode, owner and group.
dpkg-deb --fsys-tarfile "$package" | tar -tv --numeric-owner |
  awk '$1 !~ /^d/ { print $1, $2, $6 }' | LC_ALL=C sort -k 3 >"$room/files"
{
  for file in etc/default/lyceum etc/lyceum/lyceum.toml; do echo "-rw-r----- 0/0 ./$file"; done
  echo "-rwxr-xr-x 0/0 ./usr/bin/lyceum"
  documents=$(cd "$source" && printf 'usr/share/doc/lyceum/%s\n' README.md api/openapi.json \
    changelog.gz copyright docs/*.md sql/README.md \
    examples/{lyceum.json,lyceum.rules.yml,prometheus.yml})
  for file in lib/systemd/system/lyceum.service \
    usr/share/bash-completion/completions/lyceum $documents \
    usr/share/lyceum/data/{NOTICE.md,stories.jsonl} usr/share/man/man1/lyceum.1.gz; do
    echo "-rw-r--r-- 0/0 ./$file"
  done
} | LC_ALL=C sort -k 3 >"$room/wanted"
diff -u "$room/wanted" "$room/files" >&2 || wrong "the package's files differ (above)"

# Metadata.
field() { dpkg-deb -f "$package" "$1"; }
version=$(sed -n 's/^project(lyceum VERSION \([0-9.]*\).*/\1/p' "$source/CMakeLists.txt")
[[ $(field Version) == "$version" ]] || wrong "its version is not $version"
[[ $(basename "$package") == "lyceum_${version}_$(dpkg --print-architecture).deb" ]] ||
  wrong "it is called $package"
head -n 1 "$source/deploy/debian/changelog" | grep -qF "lyceum ($version)" ||
  wrong "deploy/debian/changelog does not begin with $version"
for library in libpq5 libssl3 libsqlite3-0 libstdc++6 libboost-json1.81.0 adduser; do
  [[ ", $(field Depends)," == *", $library"[\ ,]* ]] || wrong "it does not depend on $library"
done
[[ $(sort "$room/control/conffiles") == $'/etc/default/lyceum\n/etc/lyceum/lyceum.toml' ]] ||
  wrong "its conffiles differ"
(cd "$root" && md5sum --quiet -c "$room/control/md5sums") || wrong "md5sums do not hold"
for script in postinst prerm postrm; do
  sh -n "$room/control/$script" || wrong "$script is no shell script"
done

# What is installed works from its place. The stories lie where the program looks for them.
program=$root/usr/bin/lyceum
[[ $("$program" --version) == *"$version"* ]] || wrong "--version does not say $version"
! readelf -SW "$program" | grep -qF .debug_ || wrong "the program is not stripped"
(cd "$room" && env -u LYCEUM_CONFIG "$program" load --dry-run --scale 0.002 >/dev/null) ||
  wrong "the program does not find the stories of the package"
bash -n "$root/usr/share/bash-completion/completions/lyceum"
zcat "$root/usr/share/man/man1/lyceum.1.gz" | groff -man -Tascii -ww 2>&1 >/dev/null |
  grep . && wrong "groff warns of the man page (above)"

# The example of a configuration is one, as it is and with every default taken in, and has every
# setting.
configuration=$root/etc/lyceum/lyceum.toml
check() { env -u LYCEUM_CONFIG -u DATABASE_URL "$program" config check --config "$1" >/dev/null; }
check "$configuration" || wrong "the configuration is not valid"
sed -n -e '/^\[/p' -e '/^#[a-z_]* =  /d' -e 's/^#\([a-z_]* = \)/\1/p' "$configuration" \
  >"$room/defaults.toml"
check "$room/defaults.toml" || wrong "the defaults in the configuration are not valid"
settings=$(grep -c '^| `' "$source/docs/configuration.md")
[[ $(grep -cE '^#[a-z_]+ = ' "$configuration") -eq $settings && $settings -gt 40 ]] ||
  wrong "the configuration does not have all $settings settings"
[[ $(grep -cE '^[a-z_]+ = ' "$room/defaults.toml") -gt 30 ]] || wrong "the defaults were not found"

# The service, by systemd's own word: it is to be readable without a warning, and as closed as this.
unit=$room/lyceum.service
sed "s|=/usr/bin/lyceum|=$program|" "$root/lib/systemd/system/lyceum.service" >"$unit"
chmod 755 "$room"
said=$(systemd-analyze verify --man=no "$unit" 2>&1) || wrong "systemd does not take the service"
[[ -z $said ]] || wrong "systemd says of the service: $said"
systemd-analyze security --offline=true --no-pager --threshold=15 "$unit" >"$room/security" || {
  grep -v '✓' "$room/security" >&2
  wrong "the service is more exposed than 1.5"
}
# What is waited for at its end is more than what it takes at most by default.
stop=$(sed -n 's/^TimeoutStopSec=\([0-9]*\)s$/\1/p' "$unit")
drain=$(sed -n '/^\[server\]/,$s/^#drain_timeout = "\([0-9]*\)s"$/\1/p' "$configuration")
[[ -n $stop && -n $drain && $stop -gt $((drain + 5)) ]] ||
  wrong "TimeoutStopSec, '$stop' s, is not well above server.drain_timeout, '$drain' s"

# The same build makes the same bytes.
mkdir "$room/again"
cmp "$package" "$("$source/scripts/package.sh" "$build" "$room/again")" ||
  wrong "made twice, the package is not the same"

exit $failed
