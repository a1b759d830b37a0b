package connection

import (
	"handline/connection/network"
)

// explain gives a failure its words. server is the configured server, "" = none.
func explain(f network.Failure, server string) Why {
	return Why{Code: f.Cause, Text: string(f.Cause), Means: "", Advice: "", Detail: f.Detail}
}

// Explain gives a failure outside the line, of a check or a request, the same words. server is the configured server,
// "" = none.
func Explain(f network.Failure, server string) Why { return explain(f, server) }
