#!/bin/sh
# Writes SHA256SUMS of what is to be published in a directory.
#
#   build/sums.sh DIR
set -eu
cd "${1:?usage: build/sums.sh DIR}"
if command -v sha256sum >/dev/null 2>&1; then sum=sha256sum; else sum="shasum -a 256"; fi
for f in *.zip *.tar.gz *.deb; do
	[ ! -f "$f" ] || $sum "$f"
done >SHA256SUMS
