package persistence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// errNotJSON: the bytes are no JSON object at all, so there is no field to name.
var errNotJSON = errors.New("not a JSON object")

// DecodeConfig reads config.json. Missing fields take their defaults; unknown ones, wrong types and values out of range
// are errors that name the field. A newer version's file is read as far as it is understood, and keeps its version.
func DecodeConfig(b []byte) (Config, error) {
	fields, version, err := configFields(b)
	if err != nil {
		return Config{}, err
	}
	if version == 0 && isV0(fields) {
		m, err := migrateV0(b)
		return m.Config, err
	}
	c := Default()
	for _, path := range slices.Sorted(maps.Keys(fields)) {
		if !isSetting(path) && version > ConfigVersion {
			continue
		}
		if err := c.put(path, fields[path]); err != nil {
			return Config{}, err
		}
	}
	if err := c.settle(fields); err != nil {
		return Config{}, err
	}
	c.Version = max(version, ConfigVersion)
	return c, nil
}

// configFields takes the file apart into setting path → JSON: "retry.factor" → 1.5.
func configFields(b []byte) (fields map[string]json.RawMessage, version int, err error) {
	if err := json.Unmarshal(b, &fields); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errNotJSON, atLine(b, err))
	}
	if fields == nil {
		return nil, 0, errNotJSON
	}
	if v, ok := fields["version"]; ok {
		if json.Unmarshal(v, &version) != nil || version < 1 {
			return nil, 0, errors.New("version: write a whole number of at least 1")
		}
		delete(fields, "version")
	}
	for _, group := range []string{"retry", "heartbeat", "notify"} {
		raw, ok := fields[group]
		if !ok {
			continue
		}
		var inner map[string]json.RawMessage
		if json.Unmarshal(raw, &inner) != nil {
			return nil, 0, fmt.Errorf("%s: write an object in braces", group)
		}
		delete(fields, group)
		for name, v := range inner {
			fields[group+"."+name] = v
		}
	}
	return fields, version, nil
}

// atLine adds the line to a syntax error.
func atLine(b []byte, err error) error {
	var s *json.SyntaxError
	if !errors.As(err, &s) {
		return err
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(b[:min(int(s.Offset), len(b))], []byte("\n")), err)
}

// Settings lists the paths that Get and Set know, sorted. Beyond them, params.NAME is one query parameter.
func Settings() []string {
	var out []string
	for name, v := range tree(Default()) {
		if group, ok := v.(map[string]any); ok && name != "params" {
			for inner := range group {
				out = append(out, name+"."+inner)
			}
		} else if name != "version" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func isSetting(path string) bool { return slices.Contains(Settings(), path) }

// put decodes one setting's JSON into its place.
func (c *Config) put(path string, raw json.RawMessage) error {
	if !isSetting(path) {
		return fmt.Errorf("%s: there is no such setting", path)
	}
	if raw = bytes.TrimSpace(raw); !json.Valid(raw) || string(raw) == "null" {
		return fmt.Errorf("%s: write a value", path)
	}
	switch path { // the decoder would write into what copies share
	case "params":
		c.Params = map[string]string{}
	case "allowPlaintext":
		c.AllowPlaintext = []string{}
	}
	doc := []byte(raw)
	parts := strings.Split(path, ".")
	for _, name := range slices.Backward(parts) {
		doc = fmt.Appendf(nil, "{%q:%s}", name, doc)
	}
	if err := json.Unmarshal(doc, c); err != nil {
		return fmt.Errorf("%s: %w", path, inWords(err))
	}
	return nil
}

// inWords says what a JSON field wants, without Go's names of types.
func inWords(err error) error {
	var t *json.UnmarshalTypeError
	if !errors.As(err, &t) {
		return err
	}
	switch t.Type.Kind() {
	case reflect.Bool:
		return errors.New("write true or false")
	case reflect.Int:
		return errors.New("write a whole number")
	case reflect.Float64:
		return errors.New("write a number")
	case reflect.Slice:
		return errors.New("write a list")
	case reflect.Map:
		return errors.New("write an object whose values are text")
	}
	return errors.New("write text in quotes")
}

// settle puts the numbers behind preset names, then checks all.
func (c *Config) settle(given map[string]json.RawMessage) error {
	beside := func(group string) (n int) {
		for path := range given {
			if strings.HasPrefix(path, group+".") {
				n++
			}
		}
		return n
	}
	var err error
	if c.Retry, err = preset("retry", c.Retry, c.Retry.Preset, beside("retry"), retryPresets()); err != nil {
		return err
	}
	if c.Heartbeat, err = preset("heartbeat", c.Heartbeat, c.Heartbeat.Preset, beside("heartbeat"), heartbeatPresets()); err != nil {
		return err
	}
	if err := c.normalise(); err != nil {
		return err
	}
	return c.Validate()
}

// preset gives the named preset, or own where there is no name. given counts the group's fields.
func preset[T any](group string, own T, name string, given int, all map[string]T) (T, error) {
	p, ok := all[name]
	switch {
	case name == "":
		return own, nil
	case !ok:
		return own, fmt.Errorf("%s.preset: %q is not one of %s", group, name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	case given > 1:
		return own, fmt.Errorf("%s.preset: a preset stands for all numbers of %s; remove either", group, group)
	}
	return p, nil
}

// Encode gives the file's bytes.
func (c Config) Encode() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(c); err != nil {
		panic(err) // Validate refuses the only values that JSON cannot write: infinite numbers
	}
	return b.Bytes()
}

// tree is c as JSON objects, with every number and the presets' names beside them.
func tree(c Config) map[string]any {
	names := map[string]string{"retry": c.Retry.Preset, "heartbeat": c.Heartbeat.Preset}
	c.Retry.Preset, c.Heartbeat.Preset = "", ""
	dec := json.NewDecoder(bytes.NewReader(c.Encode()))
	dec.UseNumber()
	var t map[string]any
	if err := dec.Decode(&t); err != nil {
		panic(err) // Encode wrote it
	}
	for group, name := range names {
		t[group].(map[string]any)["preset"] = name
	}
	return t
}
