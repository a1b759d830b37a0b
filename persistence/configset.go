package persistence

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// Get gives one setting as text: "retry.factor" → "1.5", a list or an object as JSON.
func (c Config) Get(path string) (string, error) {
	if name, ok := strings.CutPrefix(path, "params."); ok {
		return c.Params[name], nil
	}
	if !isSetting(path) {
		return "", fmt.Errorf("%s: there is no such setting", path)
	}
	var v any = tree(c)
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	if text, ok := v.(string); ok {
		return text, nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

// Set gives c with one setting changed. value is what a person types: 20, 1.5s, true, a list with commas.
// params.NAME sets one query parameter, and removes it where value is "". With an error c is unchanged.
func (c Config) Set(path, value string) (Config, error) {
	next, err := c.edit(path, value)
	if err == nil {
		err = next.settle(nil)
	}
	if err != nil {
		return c, err
	}
	return next, nil
}

// edit puts value in its place, read in the first way that fits the setting.
func (c Config) edit(path, value string) (Config, error) {
	if name, ok := strings.CutPrefix(path, "params."); ok {
		params := map[string]string{}
		maps.Copy(params, c.Params)
		params[name] = value
		maps.DeleteFunc(params, func(_, v string) bool { return v == "" })
		c.Params = params
		return c, nil
	}
	switch group, name, _ := strings.Cut(path, "."); {
	case name == "preset":
	case group == "retry": // one number more of one's own: the others stay what the preset made them
		c.Retry.Preset = ""
	case group == "heartbeat":
		c.Heartbeat.Preset = ""
	}
	ways := []json.RawMessage{marshal(value), []byte(value)}
	if path == "allowPlaintext" {
		ways = append(ways, marshal(strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })))
	}
	var first error
	for _, raw := range ways {
		next := c
		err := next.put(path, raw)
		if err == nil {
			return next, nil
		}
		first = cmp.Or(first, err)
	}
	return c, first
}

// marshal writes a string or a list of strings, which always have a JSON form.
func marshal(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
