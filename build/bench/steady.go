//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"handline/persistence"
)

const (
	steadyRate = 200 // events a second
	steadyTime = 16 * time.Second
)

// steady is an ordinary stream: what an event costs that comes by itself, and how often the disk is written to.
type steady struct {
	handline, node time.Duration // of CPU, for each event
	commits        float64       // a second
}

// steady sends events of 4 KB one by one to both clients at the same time.
func (l *lab) steady(ctx context.Context) (steady, error) {
	s := newStream(4<<10, steadyRate*int((steadyTime+10*time.Second)/time.Second), false)
	script := func(so *socket) error {
		tick := time.NewTicker(time.Second / steadyRate)
		defer tick.Stop()
		for i := range s.count {
			<-tick.C
			if _, err := so.ws.NetConn().Write(s.append(nil, i)); err != nil {
				return err
			}
		}
		return so.idle()
	}
	var got steady
	conversation, _ := l.server.expect(script)
	home, err := l.home(conversation, nil)
	if err != nil {
		return got, err
	}
	ours, err := l.handline(home, nil, "--headless")
	if err != nil {
		return got, err
	}
	defer ours.end()
	node := ours
	if l.node != "" {
		conversation, _ := l.server.expect(script)
		if node, err = l.stock(l.plainURL(), conversation, 0, true); err != nil {
			return got, err
		}
		defer node.end()
	}
	if err := sleep(ctx, 3*time.Second); err != nil {
		return got, err
	}
	a, err1 := ours.work()
	b, err2 := node.work()
	from, err3 := commits(home)
	if err := errors.Join(err1, err2, err3, sleep(ctx, steadyTime)); err != nil {
		return got, err
	}
	to, err1 := commits(home)
	c, err2 := ours.work()
	d, err3 := node.work()
	events := time.Duration(steadyRate * steadyTime / time.Second)
	return steady{(c.cpu - a.cpu) / events, (d.cpu - b.cpu) / events, float64(to-from) / steadyTime.Seconds()}, errors.Join(err1, err2, err3)
}

// commits counts the write transactions of a state so far. It reads a copy, because the file is locked.
func commits(home *persistence.Home) (n int, err error) {
	b, err := os.ReadFile(home.State())
	if err != nil {
		return 0, err
	}
	copied := home.State() + ".copy"
	if err := os.WriteFile(copied, b, 0o600); err != nil {
		return 0, err
	}
	defer os.Remove(copied)
	db, err := bolt.Open(copied, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error { n = tx.ID(); return nil })
	return n, err
}
