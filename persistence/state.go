package persistence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	stateVersion = 1
	openTimeout  = 2 * time.Second // for another process to let go of the file
)

// The buckets of state.db. A name is never used for something else. The first release had neither outbox nor failures:
// these buckets are made with the first message and the first failure.
const (
	metaBucket     = "meta"     // "version", "wanted" → text
	cursorsBucket  = "cursors"  // identity \0 conversation → Cursor as JSON
	timelineBucket = "timeline" // sequence number, big-endian → Entry as JSON
	outboxBucket   = "outbox"   // identity \0 conversation \0 id → Message as JSON
	failuresBucket = "failures" // day → cause → count as JSON
)

// State is state.db: cursors, the wish for a line, the outbox and the timeline. Its methods may be called from any
// goroutine; they touch the disk, so the loop calls none.
type State struct {
	db       *bolt.DB
	readOnly bool
}

// errDamaged: the file is no database, or one that breaks when it is read.
var errDamaged = errors.New("state.db is damaged")

// OpenState opens state.db, and makes it where it is missing. A damaged file is set aside; a newer Handline's is only
// read. note says so to a person, "" = nothing to say. Close it.
func OpenState(path string) (s *State, note string, err error) {
	s, err = openState(path)
	if errors.Is(err, errDamaged) {
		aside, asideErr := setAside(path)
		if asideErr != nil {
			return nil, "", fmt.Errorf("opening the state: %w, and it could not be set aside: %w", err, asideErr)
		}
		note = fmt.Sprintf("%s was damaged. It is kept as %s; places in conversations start anew, and unsent messages stay in it.", filepath.Base(path), aside)
		s, err = openState(path)
	}
	if err != nil {
		return nil, "", fmt.Errorf("opening the state: %w", err)
	}
	if s.readOnly {
		note = fmt.Sprintf("%s was %v.", filepath.Base(path), ErrNewer)
	}
	return s, note, nil
}

func openState(path string) (*State, error) {
	var s *State
	err := guard(func() error {
		// The free list is kept on disk (NoFreelistSync stays off): without it bbolt looks for free pages in a goroutine
		// of its own, where a damaged page ends the process.
		db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: openTimeout, NoStatistics: true})
		if err != nil {
			return fmt.Errorf("%s: %w", path, damage(err))
		}
		s = &State{db: db}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := guard(s.check); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// damage tells bbolt's words for a damaged file from those for a disk that cannot be used.
func damage(err error) error {
	for _, e := range []error{bolterrors.ErrInvalid, bolterrors.ErrVersionMismatch, bolterrors.ErrChecksum} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	if strings.Contains(err.Error(), "file size too small") { // bbolt has no name for this one
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if errors.Is(err, bolterrors.ErrTimeout) {
		return errors.New("another process holds it")
	}
	return err
}

// guard turns bbolt's panics, and the faults of reading a mapped file that was cut short, into errors.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return f()
}

// check reads everything once, so that damage shows now, then makes what a new file lacks.
func (s *State) check() error {
	found := 0
	err := s.db.View(func(tx *bolt.Tx) error {
		if fi, err := os.Stat(s.db.Path()); err != nil || fi.Size() < tx.Size() {
			return errors.Join(errDamaged, err)
		}
		if m := tx.Bucket([]byte(metaBucket)); m != nil {
			found, _ = strconv.Atoi(string(m.Get([]byte("version"))))
			if found < 1 {
				return errDamaged
			}
		}
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error { return nil })
		})
	})
	if err != nil || found == stateVersion {
		return err
	}
	if found > stateVersion {
		s.readOnly = true
		return nil
	}
	return s.db.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{metaBucket, cursorsBucket, timelineBucket} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte(metaBucket)).Put([]byte("version"), []byte(strconv.Itoa(stateVersion)))
	})
}

// Close waits for reads and writes under way.
func (s *State) Close() error { return s.db.Close() }

func cursorKey(identity, conversation string) []byte { return []byte(identity + "\x00" + conversation) }

// get reads one value, nil where there is none.
func (s *State) get(bucket string, key []byte) (v []byte, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			if b := tx.Bucket([]byte(bucket)); b != nil {
				v = bytes.Clone(b.Get(key))
			}
			return nil
		})
	})
	return v, err
}

// Cursor gives the place in a conversation, the zero Cursor where none is kept.
func (s *State) Cursor(identity, conversation string) (Cursor, error) {
	var c Cursor
	v, err := s.get(cursorsBucket, cursorKey(identity, conversation))
	if err == nil && v != nil {
		err = json.Unmarshal(v, &c)
	}
	if err != nil {
		return Cursor{}, fmt.Errorf("reading the cursor: %w", err)
	}
	return c, nil
}

// Wanted says whether a line was wanted when that was last saved; false in a new state.
func (s *State) Wanted() bool {
	v, err := s.get(metaBucket, []byte("wanted"))
	return err == nil && string(v) == "true"
}

// Write saves a batch in one transaction: all of it or, with an error, nothing. What is stored already is not written
// again, so an idle line costs no disk access.
func (s *State) Write(b Batch) error {
	cursor, wanted, err := s.changed(b)
	if err != nil {
		return fmt.Errorf("saving the state: %w", err)
	}
	if cursor == nil && wanted == "" && len(b.Notes)+len(b.Put)+len(b.Drop)+len(b.Failures) == 0 {
		return nil
	}
	return s.update(func(tx *bolt.Tx) error {
		if cursor != nil {
			if err := tx.Bucket([]byte(cursorsBucket)).Put(cursorKey(b.Identity, b.Conversation), cursor); err != nil {
				return err
			}
		}
		if wanted != "" {
			if err := tx.Bucket([]byte(metaBucket)).Put([]byte("wanted"), []byte(wanted)); err != nil {
				return err
			}
		}
		if err := writeMessages(tx, b.Put, b.Drop); err != nil {
			return err
		}
		if err := addFailures(tx, b.Failures); err != nil {
			return err
		}
		return appendNotes(tx.Bucket([]byte(timelineBucket)), b.Notes)
	})
}

// changed gives what of a batch differs from what is stored: the cursor's JSON or nil, "true", "false" or "".
func (s *State) changed(b Batch) (cursor []byte, wanted string, err error) {
	if b.Cursor != nil {
		if cursor, err = json.Marshal(b.Cursor); err != nil {
			return nil, "", err
		}
		old, err := s.get(cursorsBucket, cursorKey(b.Identity, b.Conversation))
		if err != nil {
			return nil, "", err
		}
		if bytes.Equal(old, cursor) {
			cursor = nil
		}
	}
	if b.Wanted != nil {
		old, err := s.get(metaBucket, []byte("wanted"))
		if err != nil {
			return nil, "", err
		}
		if wanted = strconv.FormatBool(*b.Wanted); wanted == string(old) {
			wanted = ""
		}
	}
	return cursor, wanted, nil
}

func (s *State) update(f func(tx *bolt.Tx) error) error {
	if s.readOnly {
		return fmt.Errorf("saving the state: %w", ErrNewer)
	}
	if err := guard(func() error { return s.db.Update(f) }); err != nil {
		return fmt.Errorf("saving the state: %w", err)
	}
	return nil
}
