package persistence

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Migrated is what an older config.json held beyond a Config. The file keeps none of it, so the caller stores it: Token
// in the keychain of Identity, Cursor as the place in Conversation.
type Migrated struct {
	Config       Config
	Identity     string // scheme://host[:port] of the server
	Conversation string
	Token        string // "" = none
	Cursor       string // "" = none
}

// configurationV0 is spec A 1.1's ConnectionConfiguration.
type configurationV0 struct {
	ServerURL        string            `json:"serverURL"`
	ConversationID   string            `json:"conversationId"`
	LastEventID      *string           `json:"lastEventId"`
	AuthToken        *string           `json:"authToken"`
	ConnectionParams map[string]string `json:"connectionParams"`
}

// defaultServerV0 is spec A's default server. It does not exist, so it says only that nobody chose one.
const defaultServerV0 = "https://api.openhands.dev"

// isV0: version 0 carries no version, so its own names tell it.
func isV0(fields map[string]json.RawMessage) bool {
	_, url := fields["serverURL"]
	_, id := fields["conversationId"]
	return url || id
}

// migrateV0 reads a version 0 file. Its errors hold no value of the file, which could be the key.
func migrateV0(b []byte) (Migrated, error) {
	var old configurationV0
	if err := json.Unmarshal(b, &old); err != nil {
		var t *json.UnmarshalTypeError
		if errors.As(err, &t) {
			return Migrated{}, fmt.Errorf("%s: %w", t.Field, inWords(err))
		}
		return Migrated{}, fmt.Errorf("%w: %w", errNotJSON, err)
	}
	m := Migrated{Config: Default(), Conversation: old.ConversationID}
	m.Config.Conversation = old.ConversationID
	if old.ServerURL != defaultServerV0 || old.ConversationID != "" {
		m.Config.Server = old.ServerURL
	}
	if old.AuthToken != nil {
		m.Token = *old.AuthToken
	}
	if old.LastEventID != nil {
		m.Cursor = *old.LastEventID
	}
	// OpenHands took its key as a query parameter too, so that one may be the only place of the key.
	for _, name := range slices.Sorted(maps.Keys(old.ConnectionParams)) {
		v := old.ConnectionParams[name]
		switch {
		case isKeyName(name):
			if m.Token == "" {
				m.Token = v
			}
		case !slices.Contains(ownParams(), name):
			m.Config.Params[name] = v
		}
	}
	if err := m.Config.settle(nil); err != nil {
		return Migrated{}, fmt.Errorf("version 0: %w", err)
	}
	m.Identity = Origin(m.Config.Server)
	return m, nil
}

// withoutKeys gives a version 0 file's bytes for the .bak: what is known to hold no key.
func withoutKeys(b []byte) ([]byte, error) {
	var old configurationV0
	if err := json.Unmarshal(b, &old); err != nil {
		return nil, err
	}
	old.AuthToken = nil
	maps.DeleteFunc(old.ConnectionParams, func(name, _ string) bool { return isKeyName(name) })
	return json.MarshalIndent(old, "", "  ")
}
