package console

import "testing"

// TestSize: small amounts are told too.
func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 KiB", 45056: "44 KiB", 1 << 20: "1 MiB", 35 << 20: "35 MiB", 12 << 30: "12 GiB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
