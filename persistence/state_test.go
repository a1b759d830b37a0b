package persistence

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"
)

const server = "http://127.0.0.1:3000"

func openTest(t *testing.T, path string) *State {
	t.Helper()
	s, note, err := OpenState(path)
	require.NoError(t, err)
	require.Empty(t, note)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func entry(n int) Entry {
	return Entry{At: time.Unix(1700000000+int64(n), 0).UTC(), Kind: "phase", Text: fmt.Sprint("entry ", n)}
}

func place(at string) Batch {
	return Batch{Identity: server, Conversation: "c", Cursor: &Cursor{At: at, Recent: []string{at}}}
}

func TestStateKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, note, err := OpenState(path)
	require.NoError(t, err)
	require.Empty(t, note)
	c, err := s.Cursor(server, "c")
	require.NoError(t, err)
	require.Equal(t, Cursor{}, c, "nothing is kept yet")
	require.False(t, s.Wanted())

	batch := place("41")
	batch.Wanted, batch.Notes = new(bool), []Entry{entry(1), entry(2)}
	*batch.Wanted = true
	require.NoError(t, s.Write(batch))
	require.NoError(t, s.Close())

	s = openTest(t, path)
	c, err = s.Cursor(server, "c")
	require.NoError(t, err)
	require.Equal(t, *batch.Cursor, c)
	require.True(t, s.Wanted())
	require.Equal(t, batch.Notes, s.Timeline(10, time.Time{}))
	fi, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), fi.Mode().Perm())
}

// Cursors hang on the server and the conversation, and nothing else of either is found.
func TestStateCursors(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	identities, conversations := []string{server, server + "0", "http://127.0.0.1"}, []string{"", "a", "b"}
	for _, identity := range identities {
		for _, conversation := range conversations {
			require.NoError(t, s.Write(Batch{Identity: identity, Conversation: conversation, Cursor: &Cursor{At: identity + conversation}}))
		}
	}
	for _, identity := range identities {
		for _, conversation := range conversations {
			c, err := s.Cursor(identity, conversation)
			require.NoError(t, err)
			require.Equal(t, identity+conversation, c.At)
		}
	}
	c, err := s.Cursor(server, "c")
	require.NoError(t, err)
	require.Equal(t, Cursor{}, c)
}

func TestStateTimeline(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	var all []Entry
	for n := range timelineMax + 500 {
		all = append(all, entry(n))
	}
	for i := 0; i < len(all); i += 250 {
		require.NoError(t, s.Write(Batch{Notes: all[i : i+250]}))
	}
	require.Equal(t, all[500:], s.Timeline(2*timelineMax, time.Time{}), "the oldest made room")
	require.Equal(t, all[len(all)-3:], s.Timeline(3, time.Time{}))
	require.Equal(t, all[len(all)-2:], s.Timeline(10, all[len(all)-2].At))

	stepped := Entry{At: all[0].At, Kind: "start", Text: "the clock went back"}
	require.NoError(t, s.Write(Batch{Notes: []Entry{stepped}}))
	require.Equal(t, all[len(all)-1:], s.Timeline(10, all[len(all)-1].At), "an old time hides no newer entry before it")
}

func TestStateWritesOnlyWhatChanged(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	wanted := true
	batch := place("41")
	batch.Wanted = &wanted
	require.NoError(t, s.Write(batch))
	last := transactions(t, s)
	for range 100 {
		require.NoError(t, s.Write(batch))
		require.NoError(t, s.Write(Batch{}))
	}
	require.Equal(t, last, transactions(t, s))
	require.NoError(t, s.Write(place("42")))
	require.Equal(t, last+1, transactions(t, s))
}

func transactions(t *testing.T, s *State) (id int) {
	t.Helper()
	require.NoError(t, s.db.View(func(tx *bolt.Tx) error { id = tx.ID(); return nil }))
	return id
}

// The fixture was written by the first release; it is opened as a copy.
func TestStateV1(t *testing.T) {
	b, err := os.ReadFile("testdata/state-v1.db")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	s := openTest(t, path)
	c, err := s.Cursor(server, "0123abcd")
	require.NoError(t, err)
	require.Equal(t, Cursor{At: "41", Recent: []string{"40", "41"}}, c)
	require.True(t, s.Wanted())
	require.Equal(t, []Entry{entry(1)}, s.Timeline(10, time.Time{}))
	require.NoError(t, s.Write(place("42")))
}

func TestStateNewer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, _, err := OpenState(path)
	require.NoError(t, err)
	require.NoError(t, s.Write(place("41")))
	require.NoError(t, s.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(metaBucket)).Put([]byte("version"), []byte("2"))
	}))
	require.NoError(t, s.Close())

	s, note, err := OpenState(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.Equal(t, "state.db was written by a newer Handline; update this one to change it.", note)
	c, err := s.Cursor(server, "c")
	require.NoError(t, err)
	require.Equal(t, "41", c.At)
	require.ErrorIs(t, s.Write(place("42")), ErrNewer)
	_, err = s.Enqueue(Message{Identity: server, Text: "x"})
	require.ErrorIs(t, err, ErrNewer)
}

func TestStateHeldByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	openTest(t, path)
	start := time.Now()
	_, _, err := OpenState(path)
	require.ErrorContains(t, err, "another process holds it")
	require.Less(t, time.Since(start), 5*openTimeout)
	require.Equal(t, []string{"state.db"}, names(t, filepath.Dir(path)), "it is not taken for damaged")
}

// Whatever broke the file, the next start says so, keeps it and goes on.
func TestStateDamaged(t *testing.T) {
	sound := filepath.Join(t.TempDir(), "state.db")
	s, _, err := OpenState(sound)
	require.NoError(t, err)
	for n := range 400 {
		require.NoError(t, s.Write(Batch{Notes: []Entry{entry(n)}}))
		if n%100 == 0 {
			require.NoError(t, s.Write(place(fmt.Sprint(n))))
		}
	}
	require.NoError(t, s.Close())
	good, err := os.ReadFile(sound)
	require.NoError(t, err)

	overwrite := func(from, to int) []byte {
		b := append([]byte(nil), good...)
		for i := from; i < min(to, len(b)); i++ {
			b[i] = 0xa5
		}
		return b
	}
	page := os.Getpagesize()
	damaged := map[string][]byte{
		"text":             []byte("not a database\n"),
		"zeros":            make([]byte, 32768),
		"both meta pages":  overwrite(0, 2*page),
		"all but the meta": overwrite(2*page, len(good)),
		"one byte":         good[:1],
		"one page":         good[:page],
		"two pages":        good[:2*page],
		"half":             good[:len(good)/2/page*page],
	}
	for name, b := range damaged {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			require.NoError(t, os.WriteFile(path, b, 0o600))
			s, note, err := OpenState(path)
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			require.Regexp(t, `^state\.db was damaged\. It is kept as .*state\.db\.corrupt-\d{8}T`, note)
			require.NoError(t, s.Write(place("1")))
			aside, err := filepath.Glob(path + ".corrupt-*")
			require.NoError(t, err)
			require.Len(t, aside, 1)
			kept, err := os.ReadFile(aside[0])
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(kept), string(b)), "the damaged file is whole")
		})
	}
}

// Any one damaged page is set aside or survived; it never ends the process.
func TestStateAnyDamagedPage(t *testing.T) {
	good, err := os.ReadFile("testdata/state-v1.db")
	require.NoError(t, err)
	const page = 4096
	for from := 0; from < len(good); from += page {
		b := append([]byte(nil), good...)
		for i := from; i < from+page; i++ {
			b[i] ^= 0x5a
		}
		path := filepath.Join(t.TempDir(), "state.db")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		s, _, err := OpenState(path)
		require.NoError(t, err, "page %d", from/page)
		require.NoError(t, s.Write(place("1")), "page %d", from/page)
		s.Timeline(10, time.Time{})
		require.NoError(t, s.Close())
	}
}
