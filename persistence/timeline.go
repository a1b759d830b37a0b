package persistence

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// timelineMax bounds the ring, in entries: about 1 MB.
const timelineMax = 5000

// appendNotes appends entries and drops the oldest beyond timelineMax. Keys are consecutive, so the first and the last
// tell how many there are.
func appendNotes(b *bolt.Bucket, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	for _, e := range entries {
		v, err := json.Marshal(e)
		if err != nil {
			return err
		}
		n, err := b.NextSequence()
		if err != nil {
			return err
		}
		if err := b.Put(binary.BigEndian.AppendUint64(nil, n), v); err != nil {
			return err
		}
	}
	for c := b.Cursor(); ; {
		k, _ := c.First()
		if k == nil || b.Sequence()-binary.BigEndian.Uint64(k) < timelineMax {
			return nil
		}
		if err := c.Delete(); err != nil {
			return err
		}
	}
}

// Timeline gives the newest entries that are not older than since, at most limit, oldest first. What cannot be read is
// left out: a timeline with a hole is better than none.
func (s *State) Timeline(limit int, since time.Time) []Entry {
	var out []Entry
	// A damaged page ends the walk; what was read before it is newer and whole.
	_ = guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(timelineBucket))
			if b == nil {
				return nil
			}
			c := b.Cursor()
			// Clocks step back, so an old entry does not mean that all before it are old too.
			for k, v := c.Last(); k != nil && len(out) < limit; k, v = c.Prev() {
				var e Entry
				if json.Unmarshal(v, &e) == nil && !e.At.Before(since) {
					out = append(out, e)
				}
			}
			return nil
		})
	})
	slices.Reverse(out)
	return out
}
