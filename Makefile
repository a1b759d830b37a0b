# Each target does all it needs on a fresh machine with Go, node, npm and python3; `app` wants zip besides.
.PHONY: demo test app deb icons soak bench

# A release's number, from the last tag.
VERSION ?= $(or $(shell git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null | tr -d v),0.0.0)

# A minute with a Handline and a backend of its own, on loopback.
demo:
	go run ./cmd/handline demo

# Everything, once: formatting, the three systems' types, every test with the race detector.
test:
	sh build/prepare.sh
	sh build/test.sh

# Handline.app, its zip and its Homebrew cask, into dist. SIGN_ID signs it and NOTARY_PROFILE has it notarised. The program
# in it needs a Mac; elsewhere the rest is made.
app:
	sh build/bundle.sh dist $(VERSION)

# The deb and the tar.gz for Linux, into dist.
deb:
	sh build/linux.sh dist $(VERSION)

# What lies in assets/icons, drawn anew from the data.
icons:
	go run ./build/icons -out assets/icons

# The long series: kills by the hundred, days in virtual time. Hours. And whatever is promised in real time, to the letter,
# one after the other, so that nothing else keeps the machine busy.
soak: LONG = Soak|RandomFaults|CutAnywhere|RealPeers|Kill|TestWindow$$
soak:
	sh build/prepare.sh
	HANDLINE_SOAK=1 go test -p 1 -parallel 1 -timeout 8h -skip '$(LONG)' -v ./cmd/handline ./connection/network
	HANDLINE_SOAK=1 HANDLINE_SCRIPTS=100000 HANDLINE_CUTS=10000 HANDLINE_KILLS=1000 HANDLINE_SENDS=10000 \
		go test -p 1 -timeout 8h -run '$(LONG)' -v ./...

# The table of the README's section Numbers: a quarter of an hour on a machine that does nothing else. Linux only.
bench:
	go run ./build/bench
