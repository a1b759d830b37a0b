#!/bin/sh
# Makes what is published for Linux: a tar.gz, a deb where dpkg-deb is there, and their checksums.
#
#   build/linux.sh OUT VERSION [amd64|arm64]
#
# The program is static, so it runs on any distribution. The same commit gives the same files.
set -eu

out=${1:?usage: build/linux.sh OUT VERSION [ARCH]}
version=${2:?usage: build/linux.sh OUT VERSION [ARCH]}
arch=${3:-$(go env GOARCH)}
case $version in
*[!0-9.]* | '') echo "linux: version $version: only digits and dots" >&2; exit 2 ;;
esac
case $arch in
amd64 | arm64) ;;
*) echo "linux: $arch: only amd64 and arm64" >&2; exit 2 ;;
esac
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

(cd "$here" && GOOS=linux GOARCH="$arch" CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$work/handline" ./cmd/handline)

name=handline-$version-linux-$arch
mkdir "$work/$name"
cp "$work/handline" "$here/README.md" "$here/LICENSE" "$here/build/handline.desktop" "$work/$name/"
cp "$here/assets/icons/app.png" "$work/$name/handline.png"
chmod -R u=rwX,go=rX "$work/$name"
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"

deb() {
	root=$work/deb
	install -D -m 0755 "$work/handline" "$root/usr/bin/handline"
	install -D -m 0644 "$here/build/handline.desktop" "$root/usr/share/applications/handline.desktop"
	install -D -m 0644 "$here/assets/icons/app.png" "$root/usr/share/icons/hicolor/512x512/apps/handline.png"
	install -D -m 0644 "$here/LICENSE" "$root/usr/share/doc/handline/copyright"
	# A link to the entry in the menu, and no file of its own: dpkg keeps files below /etc when a package is removed.
	# Who does not want Handline at login hides it (handline service uninstall).
	mkdir -p "$root/etc/xdg/autostart"
	ln -s ../../../usr/share/applications/handline.desktop "$root/etc/xdg/autostart/handline.desktop"
	mkdir "$root/DEBIAN"
	cat >"$root/DEBIAN/control" <<-END
		Package: handline
		Version: $version
		Architecture: $arch
		Section: net
		Priority: optional
		Maintainer: The Handline authors <noreply@handline.invalid>
		Installed-Size: $(du -sk --apparent-size "$root/usr" | cut -f1)
		Recommends: xdg-utils, gnome-keyring | kwalletmanager | keepassxc
		Description: keeps the line to your OpenHands backend
		 An icon in the panel says whether the connection to an OpenHands server is
		 good. When it breaks, Handline mends it by itself; where it cannot, it says
		 why and what to do.
	END
	(cd "$root" && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k2) >"$root/DEBIAN/md5sums"
	chmod -R u=rwX,go=rX "$root"
	find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	dpkg-deb --root-owner-group -Zxz --build "$root" "$out/handline_${version}_$arch.deb" >/dev/null
}

if command -v dpkg-deb >/dev/null 2>&1; then
	deb
else
	echo "linux: there is no deb: dpkg-deb is missing" >&2
fi
sh "$here/build/sums.sh" "$out"
