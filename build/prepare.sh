#!/bin/sh
# Installs what the tests need besides Go, node, npm and python3, where that is possible, and says what stays missing.
# The tests install their own packages from npm and PyPI.
set -eu

# program:package, as Debian and Ubuntu name them
wanted="dbus-daemon:dbus Xvfb:xvfb xdotool:xdotool convert:imagemagick xfce4-panel:xfce4-panel dunst:dunst
gnome-keyring-daemon:gnome-keyring chromium:chromium tinyproxy:tinyproxy nginx:nginx-light iptables:iptables ip:iproute2
debootstrap:debootstrap curl:curl dex:dex strace:strace gio:libglib2.0-bin zip:zip fakeroot:fakeroot shellcheck:shellcheck node:nodejs npm:npm python3:python3"
fonts=/usr/share/fonts/truetype/dejavu
gnustep=/usr/include/GNUstep/AppKit # the headers that messages to macOS are spelled after

missing() {
	for pair in $wanted; do
		command -v "${pair%%:*}" >/dev/null 2>&1 || [ -x "/usr/sbin/${pair%%:*}" ] || echo "${pair##*:}"
	done
	[ "$(uname)" != Linux ] || [ -d "$fonts" ] || echo fonts-dejavu-core
	[ "$(uname)" != Linux ] || [ -d "$gnustep" ] || echo libgnustep-gui-dev
}

if [ -n "$(missing)" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	export DEBIAN_FRONTEND=noninteractive
	# One by one after a common try: a package that this release does not have must not keep out the others.
	apt-get -qq update >/dev/null 2>&1 || true
	# shellcheck disable=SC2046
	apt-get -qq install -y --no-install-recommends $(missing) >/dev/null 2>&1 ||
		for package in $(missing); do
			apt-get -qq install -y --no-install-recommends "$package" >/dev/null 2>&1 || true
		done
fi

left=$(missing | tr '\n' ' ')
[ -z "$left" ] || echo "Not installed, so the tests that need them are skipped: $left"
