package diagnostics

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"handline/connection/network"
)

func TestTriesInWords(t *testing.T) {
	for _, row := range []struct {
		failed map[string]int
		want   string
	}{
		{nil, ""},
		{map[string]int{"refused": 1}, "1 try failed: nothing listening"},
		{map[string]int{"refused": 9, "timeout": 3}, "12 tries failed: nothing listening 9, no answer 3"},
		{map[string]int{"tls-name": 1, "tls-clock": 1}, "2 tries failed: certificate"},
		{map[string]int{"dns": 1, "reset": 1, "proxy": 2, "auth": 1, "of tomorrow": 1}, "6 tries failed: proxy 2, cut off 1, key refused 1, other 2"},
	} {
		require.Equal(t, row.want, tries(row.failed))
	}
}

// A cause that is added gets its words.
func TestEveryCauseHasBriefWords(t *testing.T) {
	source, err := os.ReadFile("../connection/network/cause.go")
	require.NoError(t, err)
	causes := regexp.MustCompile(`(?m)^\t\w+ +Cause += "([a-z-]+)"`).FindAllSubmatch(source, -1)
	require.Len(t, causes, len(brief))
	for _, c := range causes {
		require.NotEmpty(t, brief[network.Cause(c[1])], "%s", c[1])
	}
}
