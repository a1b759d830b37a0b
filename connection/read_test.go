package connection

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Nothing that somebody said may get into the log, however it is quoted.
func TestASampleShowsNoText(t *testing.T) {
	for frame, want := range map[string]string{
		`42["oh_event",{"id":7}]`:                 `42["........",{"..":7}]`,
		`{"a":"she said \"secret\" twice","b":1}`: `{".":".........................",".":1}`,
		`{"path":"C:\\","secret":2}`:              `{"....":"....","......":2}`,
		`{"cut":"secret\`:                         `{"...":".......`,
		"1\n2":                                    "1.2",
	} {
		require.Equal(t, want, sample([]byte(frame)), frame)
	}
	require.Len(t, sample([]byte(strings.Repeat("x", 1000))), 200)
}
