package connection

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestToxiproxy runs the tests of a module of its own, so that what Toxiproxy needs is nobody's dependency.
func TestToxiproxy(t *testing.T) {
	if testing.Short() {
		t.Skip("short: real faults take half a minute")
	}
	t.Parallel()
	throughToxiproxy(t, "Toxics")
}

// TestToxiproxySoak is the default pace on slow lines, in real time.
func TestToxiproxySoak(t *testing.T) {
	if os.Getenv("HANDLINE_SOAK") != "1" {
		t.Skip("HANDLINE_SOAK is not 1: several heartbeats in real time take some minutes")
	}
	throughToxiproxy(t, "ASlowLineIsNeverGivenUp")
}

func throughToxiproxy(t *testing.T, tests string) {
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command("go", args...)
		cmd.Dir = filepath.Join("testdata", "toxi")
		return cmd.CombinedOutput()
	}
	if out, err := run("mod", "download"); err != nil {
		t.Skipf("THE MODULE PROXY COULD NOT BE REACHED, so nothing was tested through Toxiproxy: %s", out)
	}
	out, err := run("test", "-count=1", "-run", tests, "./...")
	require.NoError(t, err, "%s", out)
}
