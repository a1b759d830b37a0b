package persistence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/zalando/go-keyring"
	secretservice "github.com/zalando/go-keyring/secret_service"
)

// orphanLimit is beyond every time that a parent gives.
const orphanLimit = 5 * time.Minute

// SecretChild is the whole life of the child: args are what follows __secret on its command line: get, set, delete or
// clear, and an identity ("" for clear). A key to set is read from in; the answer goes to out. It gives the exit code.
func SecretChild(args []string, in io.Reader, out io.Writer) int {
	if len(args) != 2 {
		return 2
	}
	// The parent ends a child that is late. Where the parent died first, the child ends itself.
	defer time.AfterFunc(orphanLimit, func() { os.Exit(1) }).Stop()
	say := json.NewEncoder(out).Encode
	key, err := io.ReadAll(io.LimitReader(in, maxSecret))
	if err != nil {
		return 1
	}
	r := serve(args[0], args[1], string(key), func() { _ = say(reply{State: stateLocked}) })
	if say(r) != nil {
		return 1
	}
	return 0
}

// serve asks the Secret Service. It looks first whether the keyring is there and open, which asks nobody: go-keyring's
// errors do not tell.
func serve(op, identity, key string, asking func()) reply {
	svc, err := secretservice.NewSecretService()
	if err != nil {
		return reply{State: stateNoStore, Text: err.Error()}
	}
	locked, err := svc.GetLoginCollection().GetProperty("org.freedesktop.Secret.Collection.Locked")
	var answered dbus.Error
	switch {
	case errors.As(err, &answered) && isNoObject(answered):
		if op == "set" {
			return reply{State: stateNoStore, Text: "no keyring has been made yet; sign in to the desktop once"}
		}
		return reply{State: stateDone} // so no key is in it
	case err != nil:
		return failure(err)
	case locked.Value() == true:
		asking()
	}
	switch op {
	case "get":
		key, err = keyring.Get(service, identity)
	case "set":
		key, err = "", keyring.Set(service, identity, key)
	case "delete":
		key, err = "", keyring.Delete(service, identity)
	case "clear":
		key, err = "", keyring.DeleteAll(service)
	default:
		err = fmt.Errorf("there is no operation %q", op)
	}
	if err != nil && !errors.Is(err, keyring.ErrNotFound) {
		return failure(err)
	}
	return reply{State: stateDone, Key: key}
}

func isNoObject(e dbus.Error) bool {
	return e.Name == "org.freedesktop.DBus.Error.UnknownObject" || e.Name == "org.freedesktop.DBus.Error.UnknownMethod" ||
		e.Name == "org.freedesktop.Secret.Error.NoSuchObject"
}

// failure sorts what the bus and the daemon say. NoReply is a daemon that died on the way: the next call finds another.
func failure(err error) reply {
	r := reply{State: stateFailed, Text: err.Error()}
	var e dbus.Error
	if errors.As(err, &e) {
		switch e.Name {
		case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
			"org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Disconnected":
			r.State = stateNoStore
		case "org.freedesktop.DBus.Error.AccessDenied":
			r.State = stateDenied
		}
	}
	return r
}
