package connection

import (
	"handline/connection/network"
)

// explain gives a failure its words. server is the configured server, "" = none.
func explain(f network.Failure, server string) Why {
	return Why{Code: f.Cause, Text: string(f.Cause), Means: "", Advice: "", Detail: f.Detail}
}
