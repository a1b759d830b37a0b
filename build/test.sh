#!/bin/sh
# Everything once. The first thing that fails ends it.
set -eu

step() { printf '== %s\n' "$*"; }

step gofmt
# shellcheck disable=SC2046 # no package has a space in its path
unformatted=$(gofmt -l $(go list -f '{{.Dir}}' ./...))
[ -z "$unformatted" ] || { echo "gofmt would change: $unformatted"; exit 1; }

step go vet, linux
go vet ./...
# macOS needs cgo for what draws; build/ has its own check for that. Here go the rooms that need none.
step go vet, darwin and windows
for os in darwin windows; do
	CGO_ENABLED=0 GOOS=$os GOARCH=arm64 go vet ./...
done

# The race detector costs ten times the time, so under it the long series of the line are short. The rooms that drive
# whole programs, browsers and panels run without it: systray races with itself.
whole='/cmd/handline$|/tray/native$|/build'
line='handline/connection'
browsers='^(TestWindow|TestPictures)'
step go test, with the race detector
# shellcheck disable=SC2046 # no package has a space in its path
go test -race -timeout 20m $(go list ./... | grep -vE "$whole" | grep -vx "$line")
HANDLINE_SCRIPTS=120 HANDLINE_CUTS=20 go test -race -short -timeout 20m "$line"

step the line, in full
go test -timeout 20m "$line"

# Browsers keep every core busy, so they have the machine to themselves. The other programs wait far more than they work.
whole=$(go list ./... | grep -E "$whole")
step browsers
go test -parallel 8 -timeout 30m -run "$browsers" ./cmd/handline
step whole programs
# shellcheck disable=SC2086
go test -parallel 16 -timeout 30m -skip "$browsers" $whole
