//go:build linux

package docker

import "testing"

// TestProgress: the layers that are known are added up.
func TestProgress(t *testing.T) {
	for _, row := range []struct {
		layers map[string]layer
		want   string
	}{
		{nil, "asking the registry"},
		{map[string]layer{"a": {}}, "asking the registry"},
		{map[string]layer{"a": {0, 1024}}, "0 B of 1.0 KiB"},
		{map[string]layer{"a": {512, 1024}, "b": {1 << 20, 3 << 20}}, "1.0 MiB of 3.0 MiB"},
		{map[string]layer{"a": {1 << 30, 1 << 30}, "b": {}}, "1.0 GiB of 1.0 GiB"},
	} {
		if got := progress(row.layers); got != row.want {
			t.Errorf("%v: %q, want %q", row.layers, got, row.want)
		}
	}
}
