package persistence

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// configWith puts a fixture in the place of config.json.
func configWith(t *testing.T, fixture string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	b, err := os.ReadFile(filepath.Join("testdata", fixture))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

func TestConfigMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	l, err := LoadConfig(path)
	require.NoError(t, err)
	require.Equal(t, Loaded{Migrated: Migrated{Config: Default()}}, l)
	c, err := ReadConfig(path)
	require.NoError(t, err)
	require.Equal(t, Default(), c)
	require.NoFileExists(t, path)
}

func TestConfigSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	c, err := Default().Set("server", "http://localhost:3000")
	require.NoError(t, err)
	require.NoError(t, SaveConfig(path, c))
	l, err := LoadConfig(path)
	require.NoError(t, err)
	require.Equal(t, c, l.Config)
	require.Empty(t, l.Note)
	first, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), first.Mode().Perm())

	require.NoError(t, SaveConfig(path, c))
	second, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, os.SameFile(first, second), "the same bytes are not written again")
	require.Equal(t, []string{"config.json"}, names(t, filepath.Dir(path)), "no temporary file stays")

	c.Icon = "gray"
	require.ErrorContains(t, SaveConfig(path, c), "saving the configuration: icon:")
}

func TestConfigBehindALink(t *testing.T) {
	dotfiles := filepath.Join(t.TempDir(), "handline.json")
	require.NoError(t, os.WriteFile(dotfiles, []byte("{}"), 0o644))
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.Symlink(dotfiles, path))
	require.NoError(t, SaveConfig(path, Default()))
	fi, err := os.Lstat(path)
	require.NoError(t, err)
	require.NotZero(t, fi.Mode()&os.ModeSymlink, "the link stays")
	b, err := os.ReadFile(dotfiles)
	require.NoError(t, err)
	require.Equal(t, string(Default().Encode()), string(b))
}

func TestConfigCorrupt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"server": "http://loc`), 0o600))
	_, err := ReadConfig(path)
	require.ErrorContains(t, err, "config.json: not a JSON object: line 1: unexpected end of JSON input")
	require.FileExists(t, path, "who reads moves nothing")
	l, err := LoadConfig(path)
	require.NoError(t, err)
	require.Equal(t, Default(), l.Config)
	require.NoFileExists(t, path)
	aside := names(t, filepath.Dir(path))
	require.Len(t, aside, 1)
	require.Regexp(t, `^config\.json\.corrupt-\d{8}T\d{6}\.\d{3}Z$`, aside[0])
	require.Contains(t, l.Note, "config.json was damaged (not a JSON object: line 1: unexpected end of JSON input). It is kept as ")
	require.Contains(t, l.Note, aside[0])
}

// A slip of the pen is not damage: the file stays, and the error says where to look.
func TestConfigMistakeStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"icon": "gray"}`), 0o600))
	_, err := LoadConfig(path)
	require.ErrorContains(t, err, "config.json: icon:")
	_, err = ReadConfig(path)
	require.ErrorContains(t, err, "config.json: icon:")
	require.FileExists(t, path)
}

func TestConfigNewer(t *testing.T) {
	path := configWith(t, "config-v2.json")
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	l, err := LoadConfig(path)
	require.NoError(t, err)
	require.Equal(t, 2, l.Config.Version)
	require.Equal(t, "config.json is of version 2, written by a newer Handline; update this one to change it.", l.Note)
	require.Equal(t, "https://example.com", l.Config.Server, "what is understood is used")
	require.Equal(t, 7, l.Config.Retry.MaxAttempts)
	require.ErrorIs(t, SaveConfig(path, l.Config), ErrNewer)
	require.ErrorIs(t, SaveConfig(path, Default()), ErrNewer, "whoever saves")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestConfigMigratedFromV0(t *testing.T) {
	path := configWith(t, "config-v0.json")
	c, err := ReadConfig(path)
	require.NoError(t, err)
	require.ErrorContains(t, SaveConfig(path, c), "start Handline once", "its key would be gone")
	l, err := LoadConfig(path)
	require.NoError(t, err)
	want := Default()
	want.Server, want.Conversation = "http://127.0.0.1:3000", "0123abcd"
	want.Params = map[string]string{"agent": "CodeAct"}
	require.Equal(t, Migrated{
		Config: want, Identity: "http://127.0.0.1:3000", Conversation: "0123abcd", Token: "planted-key-1", Cursor: "41",
	}, l.Migrated)
	require.Contains(t, l.Note, "config.json was of version 0 and is now of version 1.")

	dir := filepath.Dir(path)
	require.Equal(t, []string{"config.json", "config.json.bak"}, names(t, dir))
	for _, name := range names(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NotContains(t, string(b), "planted", name)
	}
	bak, err := os.ReadFile(path + ".bak")
	require.NoError(t, err)
	require.Contains(t, string(bak), `"lastEventId": "41"`)
	again, err := LoadConfig(path)
	require.NoError(t, err)
	require.Equal(t, Loaded{Migrated: Migrated{Config: want}}, again, "the second start has nothing to migrate")
}

func TestMigrateV0(t *testing.T) {
	for _, row := range []struct {
		file, server, token, err string
	}{
		{`{"serverURL":"https://api.openhands.dev","conversationId":""}`, "", "", ""},
		{`{"serverURL":"https://api.openhands.dev","conversationId":"a","authToken":null}`, "https://api.openhands.dev", "", ""},
		{`{"serverURL":"http://a","conversationId":"","connectionParams":{"session_api_key":"k"}}`, "http://a", "k", ""},
		{`{"serverURL":"http://u:planted@a","conversationId":""}`, "", "", "version 0: server: the address must not hold a user"},
		{`{"serverURL":"http://a","authToken":{"planted":1}}`, "", "", "authToken: write text in quotes"},
	} {
		m, err := migrateV0([]byte(row.file))
		if row.err != "" {
			require.ErrorContains(t, err, row.err)
			require.NotContains(t, err.Error(), "planted")
			continue
		}
		require.NoError(t, err, row.file)
		require.Equal(t, row.server, m.Config.Server, row.file)
		require.Equal(t, row.token, m.Token, row.file)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSpace(e.Name()))
	}
	return out
}
