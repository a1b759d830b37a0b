package diagnostics

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Handline that was stopped has its socket open still: the system takes connections for it.
func TestAStuckHandlineIsSaidToBeOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	c := NewClient(path)
	require.GreaterOrEqual(t, c.prompt, 5*time.Second, "a busy computer is not stuck")
	c.prompt = 50 * time.Millisecond
	_, err = c.Status(t.Context())
	require.ErrorIs(t, err, ErrStuck)
	require.ErrorIs(t, c.Quit(t.Context()), ErrStuck)
}
