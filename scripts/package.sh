#!/usr/bin/env bash
# Makes the Debian package of a build: the program stripped, its man page and completion, the
# service, a commented configuration, documents and the stories of the demo. Says where it is. The
# same build and commit make the same bytes.
#
#   scripts/package.sh [BUILD_DIR [OUTPUT_DIR]]      default: build/release, build
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=${1:-build/release}
out=${2:-build}
program=$build/bin/lyceum
[[ -x $program ]] || {
  echo "package: there is no $program: build first" >&2
  exit 1
}
version=$(sed -n 's/^project(lyceum VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
architecture=$(dpkg --print-architecture)
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH
# Files are for all to read, whoever makes the package.
umask 022

mkdir -p "$out"
room=$(mktemp -d "$out/package.XXXXXX")
trap 'rm -rf "$room"' EXIT
chmod 755 "$room"
root=$room/root
doc=$root/usr/share/doc/lyceum
control=$root/DEBIAN
put() { install -D -m "${3:-644}" "$1" "$root/$2"; }
zipped() { gzip -9n >"$1"; }

install -d "$control" "$doc" "$root/usr/share/man/man1"
put "$program" usr/bin/lyceum 755
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/lyceum"
"$program" manual | zipped "$root/usr/share/man/man1/lyceum.1.gz"
"$program" completion >"$room/completion"
put "$room/completion" usr/share/bash-completion/completions/lyceum
put deploy/lyceum.service lib/systemd/system/lyceum.service
awk -f deploy/debian/settings.awk docs/configuration.md >"$room/lyceum.toml"
# A password may stand in these: the package makes the one readable to the service's user.
put "$room/lyceum.toml" etc/lyceum/lyceum.toml 640
put deploy/debian/default etc/default/lyceum 640
chmod 750 "$root/etc/lyceum"

put data/stories.jsonl usr/share/lyceum/data/stories.jsonl
put data/NOTICE.md usr/share/lyceum/data/NOTICE.md
put api/openapi.json usr/share/doc/lyceum/api/openapi.json
put README.md usr/share/doc/lyceum/README.md
for document in docs/*.md; do put "$document" "usr/share/doc/lyceum/$document"; done
for example in deploy/prometheus/*.yml deploy/grafana/*.json; do
  put "$example" "usr/share/doc/lyceum/examples/$(basename "$example")"
done
put sql/README.md usr/share/doc/lyceum/sql/README.md
put deploy/debian/copyright usr/share/doc/lyceum/copyright
zipped "$doc/changelog.gz" <deploy/debian/changelog

# dpkg-shlibdeps looks for the source package's control file and wants no more of it than to be there.
mkdir "$room/debian"
printf 'Source: lyceum\n\nPackage: lyceum\nArchitecture: any\n' >"$room/debian/control"
depends=$(cd "$room" && dpkg-shlibdeps -O --warnings=0 root/usr/bin/lyceum)
depends=${depends#shlibs:Depends=}
[[ $depends == *libpq5* ]] || {
  echo "package: dpkg-shlibdeps named no libpq5, only: $depends" >&2
  exit 1
}

for script in postinst prerm postrm; do install -m 755 "deploy/debian/$script" "$control/$script"; done
printf '%s\n' /etc/default/lyceum /etc/lyceum/lyceum.toml >"$control/conffiles"
(cd "$root" && find etc lib usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) |
  grep -v '  etc/' >"$control/md5sums"
size=$(find "$root" -path "$control" -prune -o -type f -printf '%s\n' |
  awk '{ kib += int(($1 + 1023) / 1024) } END { print kib }')
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@INSTALLED_SIZE@/$size/" \
  -e "s/@DEPENDS@/$depends/" deploy/debian/control.in >"$control/control"

package=$out/lyceum_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$room/lyceum.deb" >/dev/null
mv "$room/lyceum.deb" "$package"
echo "$package"
