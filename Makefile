# Each target does all it needs on a fresh machine with Go, node, npm and python3.
.PHONY: demo test soak bench

# A minute with a Handline and a backend of its own, on loopback.
demo:
	go run ./cmd/handline demo

# Everything, once: formatting, the three systems' types, every test with the race detector.
test:
	sh build/prepare.sh
	sh build/test.sh

# The long series: kills by the hundred, days in virtual time. Hours.
soak:
	sh build/prepare.sh
	HANDLINE_SOAK=1 go test -timeout 6h -run Soak -v ./...

bench:
	go test -run '^$$' -bench . -benchmem ./...
