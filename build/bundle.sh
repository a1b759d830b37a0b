#!/bin/sh
# Makes Handline.app, and of it a zip, a Homebrew cask and their checksums.
#
#   build/bundle.sh OUT VERSION
#
# On a Mac the result is a universal app with a sealed signature: ad hoc, or by the identity in SIGN_ID, and then also
# notarised where NOTARY_PROFILE names a profile of `xcrun notarytool store-credentials`. Elsewhere all but compiling and
# signing is done, so that the rest can be checked; the app then has no program in it. HOMEPAGE is the project's page.
set -eu

out=${1:?usage: build/bundle.sh OUT VERSION}
version=${2:?usage: build/bundle.sh OUT VERSION}
case $version in
*[!0-9.]* | '') echo "bundle: version $version: only digits and dots" >&2; exit 2 ;;
esac
command -v zip >/dev/null 2>&1 || { echo "bundle: zip is not installed" >&2; exit 1; }
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
app=$out/Handline.app
zip=$out/Handline-$version.zip

# The layout. One executable, which is CFBundleExecutable itself: macOS 26 shows no icon for a program that a launcher
# starts.
rm -rf "$app"
mkdir -p "$app/Contents/MacOS" "$app/Contents/Resources"
sed "s/@VERSION@/$version/" "$here/build/Info.plist" >"$app/Contents/Info.plist"
printf 'APPL????' >"$app/Contents/PkgInfo"
cp "$here/LICENSE" "$app/Contents/Resources/LICENSE"
(cd "$here" && go run ./build/icons -icns "$app/Contents/Resources/Handline.icns")

compile() {
	for arch in arm64 amd64; do
		(cd "$here" && GOOS=darwin GOARCH=$arch CGO_ENABLED=1 \
			CGO_CFLAGS="-mmacosx-version-min=12.3" CGO_LDFLAGS="-mmacosx-version-min=12.3" \
			go build -trimpath -ldflags "-s -w" -o "$out/handline-$arch" ./cmd/handline)
	done
	lipo -create -output "$app/Contents/MacOS/handline" "$out/handline-arm64" "$out/handline-amd64"
	rm "$out/handline-arm64" "$out/handline-amd64"
}

# The seal covers the whole bundle: with the linker's own signature a downloaded app is called damaged. A signature ad hoc
# takes no time stamp and no hardened runtime.
sign() {
	if [ -n "${SIGN_ID:-}" ]; then
		codesign --force --options runtime --timestamp --sign "$SIGN_ID" "$app"
	else
		codesign --force --sign - "$app"
	fi
	codesign --verify --deep --strict "$app"
}

# -y keeps links and -X leaves out what only this machine knows.
pack() {
	rm -f "$zip"
	(cd "$out" && zip -qrXy "$zip" Handline.app)
}

notarise() {
	xcrun notarytool submit "$zip" --keychain-profile "$NOTARY_PROFILE" --wait
	xcrun stapler staple "$app"
	pack
}

if [ "$(uname)" = Darwin ]; then
	compile
	sign
else
	echo "bundle: $app has no program and no signature: both need a Mac" >&2
fi
pack
if [ -n "${SIGN_ID:-}" ] && [ -n "${NOTARY_PROFILE:-}" ]; then
	notarise
fi
sh "$here/build/sums.sh" "$out"
sum=$(cd "$out" && sed -n "s/  Handline-$version.zip\$//p" SHA256SUMS)
sed -e "s/@VERSION@/$version/" -e "s/@SHA256@/$sum/" -e "s|@HOMEPAGE@|${HOMEPAGE:-https://github.com/OWNER/handline}|" \
	"$here/build/cask.rb" >"$out/handline.rb"
