package persistence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// ErrNewer says that a file was written by a newer Handline: it is read as far as it is understood and never changed.
var ErrNewer = errors.New("written by a newer Handline; update this one to change it")

// Mistake says what is wrong in config.json, and where.
type Mistake struct {
	Path string
	Err  error
}

func (m *Mistake) Error() string { return "reading " + m.Path + ": " + m.Err.Error() }
func (m *Mistake) Unwrap() error { return m.Err }

// Loaded is what LoadConfig found.
type Loaded struct {
	Migrated        // beyond Config, filled only where an older file was migrated
	Note     string // what a person should be told, "" = nothing
}

// ReadConfig reads config.json and changes nothing. A missing file gives the defaults. A mistake, and damage, is a Mistake.
// A newer Handline's file has a Version over ConfigVersion, and SaveConfig refuses with ErrNewer.
func ReadConfig(path string) (Config, error) {
	c, _, err := readConfig(path)
	return c, err
}

// readConfig also gives the file's bytes, nil where it is missing.
func readConfig(path string) (Config, []byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Default(), nil, nil
	}
	if err != nil {
		return Config{}, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := DecodeConfig(b)
	if err != nil {
		return Config{}, b, &Mistake{path, err}
	}
	return c, b, nil
}

// LoadConfig is ReadConfig for the start of the app, which nobody may keep from starting: a damaged file is set aside
// and noted, and the defaults are used. An older one is migrated, with a .bak that holds no key. After a mistake in a
// readable file everything stays as it is.
func LoadConfig(path string) (Loaded, error) {
	c, b, err := readConfig(path)
	switch {
	case errors.Is(err, errNotJSON):
		aside, asideErr := setAside(path)
		if asideErr != nil {
			return Loaded{}, fmt.Errorf("%w, and it could not be set aside: %w", err, asideErr)
		}
		note := fmt.Sprintf("%s was damaged (%v). It is kept as %s, and the defaults are used.", filepath.Base(path), errors.Unwrap(err), aside)
		return Loaded{Migrated: Migrated{Config: Default()}, Note: note}, nil
	case err != nil:
		return Loaded{}, err
	case c.Version > ConfigVersion:
		note := fmt.Sprintf("%s is of version %d, %v.", filepath.Base(path), c.Version, ErrNewer)
		return Loaded{Migrated: Migrated{Config: c}, Note: note}, nil
	}
	if fields, version, _ := configFields(b); version == 0 && isV0(fields) {
		return migrateFile(path, b)
	}
	return Loaded{Migrated: Migrated{Config: c}}, nil
}

// migrateFile writes the .bak first: until config.json is replaced, nothing is lost.
func migrateFile(path string, b []byte) (Loaded, error) {
	m, err := migrateV0(b)
	if err != nil {
		return Loaded{}, fmt.Errorf("migrating %s: %w", path, err)
	}
	kept, err := withoutKeys(b)
	if err != nil {
		return Loaded{}, fmt.Errorf("migrating %s: %w", path, err)
	}
	bak := path + ".bak"
	if err := replace(bak, kept); err != nil {
		return Loaded{}, fmt.Errorf("migrating %s: %w", path, err)
	}
	if err := replace(path, m.Config.Encode()); err != nil {
		return Loaded{}, fmt.Errorf("migrating %s: %w", path, err)
	}
	note := fmt.Sprintf("%s was of version 0 and is now of version %d. The old one is kept as %s, without its key.",
		filepath.Base(path), ConfigVersion, bak)
	return Loaded{Migrated: m, Note: note}, nil
}

// SaveConfig writes c so that a reader, or a crash, finds the old file or the new one, never a half. It refuses what
// Validate refuses, to replace an older file before LoadConfig has taken over what is in it, and with ErrNewer to replace
// a newer Handline's. The same bytes are not written again.
func SaveConfig(path string, c Config) error {
	if c.Version > ConfigVersion {
		return fmt.Errorf("saving the configuration: %s: %w", path, ErrNewer)
	}
	c.Version = ConfigVersion
	if err := c.Validate(); err != nil {
		return fmt.Errorf("saving the configuration: %w", err)
	}
	next := c.Encode()
	if now, err := os.ReadFile(path); err == nil {
		if string(now) == string(next) {
			return nil
		}
		switch fields, version, err := configFields(now); {
		case err == nil && version > ConfigVersion:
			return fmt.Errorf("saving the configuration: %s: %w", path, ErrNewer)
		case err == nil && version == 0 && isV0(fields):
			return fmt.Errorf("saving the configuration: %s is of version 0; start Handline once to take it over", path)
		}
	}
	if err := replace(path, next); err != nil {
		return fmt.Errorf("saving the configuration: %w", err)
	}
	return nil
}

// replace puts a whole new file in the place of path, 0600. Where path is a link, the file behind it is replaced, so
// that a configuration kept elsewhere stays there. The temporary file is new and ours: no planted link is followed.
func replace(path string, b []byte) (err error) {
	if behind, err := filepath.EvalSymlinks(path); err == nil {
		path = behind
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// setAside renames a damaged file, and gives its new name.
func setAside(path string) (string, error) {
	aside := path + ".corrupt-" + time.Now().UTC().Format("20060102T150405.000Z")
	return aside, os.Rename(path, aside)
}
