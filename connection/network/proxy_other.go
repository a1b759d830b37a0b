//go:build !darwin

package network

// systemSettings is a no-op: outside macOS the environment is the setting.
func systemSettings() string { return "" }
