package persistence

import (
	"encoding/json"

	bolt "go.etcd.io/bbolt"
)

// failureDays bounds how many days are kept: a month, of which a week is shown.
const failureDays = 31

// addFailures counts more failures to the stored ones, and drops the oldest days. A day that cannot be read begins anew.
func addFailures(tx *bolt.Tx, more Failures) error {
	if len(more) == 0 {
		return nil
	}
	b, err := tx.CreateBucketIfNotExists([]byte(failuresBucket))
	if err != nil {
		return err
	}
	for day, causes := range more {
		all := Failures{day: make(map[string]int)}
		var stored map[string]int
		if json.Unmarshal(b.Get([]byte(day)), &stored) == nil {
			all[day] = stored
		}
		all.Merge(Failures{day: causes})
		v, err := json.Marshal(all[day])
		if err != nil {
			return err
		}
		if err := b.Put([]byte(day), v); err != nil {
			return err
		}
	}
	kept := 0
	_ = b.ForEach(func(_, _ []byte) error { kept++; return nil })
	for ; kept > failureDays; kept-- {
		first, _ := b.Cursor().First()
		if err := b.Delete(first); err != nil {
			return err
		}
	}
	return nil
}

// Failures are all that are stored. What cannot be read is left out.
func (s *State) Failures() Failures {
	all := Failures{}
	_ = guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(failuresBucket))
			if b == nil {
				return nil
			}
			return b.ForEach(func(day, v []byte) error {
				var causes map[string]int
				if json.Unmarshal(v, &causes) == nil {
					all[string(day)] = causes
				}
				return nil
			})
		})
	})
	return all
}
