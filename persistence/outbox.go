package persistence

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Message is one that a person wants the agent to have. It is on disk from before it is shown until it is confirmed or
// discarded.
type Message struct {
	// ID is the client's, and the order of sending: the microsecond in which it was stored, in decimal digits.
	ID           string    `json:"id"`
	Identity     string    `json:"identity"`     // of the server
	Conversation string    `json:"conversation"` // "" where the server has none
	Text         string    `json:"text"`
	At           time.Time `json:"at"` // when a person last asked for it to be sent
	State        string    `json:"state"`
	Why          string    `json:"why,omitempty"` // what a person reads about the state
	// Tried says that a frame may have gone out: it is not sent again before it was looked for.
	Tried bool `json:"tried,omitempty"`
	// After is the conversation's cursor when it last went out: its echo comes later. While the state is "sending" the
	// stored cursor stays there.
	After string `json:"after,omitempty"`
}

// Bounds of the outbox, over all servers and conversations: a message or more for each minute of a long flight.
const (
	MostMessages  = 256
	MostTextBytes = 1 << 20
)

// ErrOutboxFull says that a message was not stored, because there is no room for one more.
var ErrOutboxFull = errors.New("the outbox is full")

func messageKey(m Message) []byte {
	return append(append(cursorKey(m.Identity, m.Conversation), 0), m.ID...)
}

// Enqueue stores a new message and gives it its ID. It returns when the message is on disk; with an error nothing is.
func (s *State) Enqueue(m Message) (Message, error) {
	err := s.update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(outboxBucket))
		if err != nil {
			return err
		}
		count, size, last := 0, len(m.Text), int64(0)
		err = b.ForEach(func(k, v []byte) error {
			var other Message
			if err := json.Unmarshal(v, &other); err != nil {
				return err
			}
			count, size = count+1, size+len(other.Text)
			if id, err := strconv.ParseInt(other.ID, 10, 64); err == nil {
				last = max(last, id)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if count >= MostMessages || size > MostTextBytes {
			return ErrOutboxFull
		}
		// A clock that was set back must not put a message before those that wait.
		m.ID = strconv.FormatInt(max(m.At.UnixMicro(), last+1), 10)
		return putMessage(b, m)
	})
	if errors.Is(err, ErrOutboxFull) {
		return Message{}, ErrOutboxFull
	}
	return m, err
}

func putMessage(b *bolt.Bucket, m Message) error {
	v, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return b.Put(messageKey(m), v)
}

// Outbox gives all stored messages, those of one conversation in the order in which they were sent.
func (s *State) Outbox() ([]Message, error) {
	var all []Message
	err := guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(outboxBucket))
			if b == nil {
				return nil
			}
			return b.ForEach(func(_, v []byte) error {
				var m Message
				if err := json.Unmarshal(v, &m); err != nil {
					return err
				}
				all = append(all, m)
				return nil
			})
		})
	})
	if err != nil {
		return all, fmt.Errorf("reading the outbox: %w", err)
	}
	return all, nil
}

// writeMessages stores what became of messages, and removes those that are done with. A message that was removed in the
// meantime is not stored again; one that is removed here and stored under another conversation moves there.
func writeMessages(tx *bolt.Tx, put, drop []Message) error {
	b := tx.Bucket([]byte(outboxBucket))
	if b == nil {
		return nil
	}
	for _, m := range put {
		moves := slices.ContainsFunc(drop, func(d Message) bool { return d.ID == m.ID && b.Get(messageKey(d)) != nil })
		if b.Get(messageKey(m)) == nil && !moves {
			continue
		}
		if err := putMessage(b, m); err != nil {
			return err
		}
	}
	for _, m := range drop {
		if err := b.Delete(messageKey(m)); err != nil {
			return err
		}
	}
	return nil
}
