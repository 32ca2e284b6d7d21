package identity

import (
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// TestHiddenNumbers: an ID tells its number to this installation alone, for one org and purpose, and
// nobody makes one up.
func TestHiddenNumbers(t *testing.T) {
	f := newFixture(t)
	seen := map[string]bool{}
	for _, n := range []int64{0, 1, 2, 255, 256, 1 << 40, 1<<63 - 1} {
		id := f.s.HideNumber(NumberEvent, "acme", n)
		if again := f.s.HideNumber(NumberEvent, "acme", n); again != id || seen[id] {
			t.Errorf("%d: %s and %s", n, id, again)
		}
		seen[id] = true
		if got, ok := f.s.ShowNumber(NumberEvent, "acme", id); !ok || got != n {
			t.Errorf("%d: %d %t", n, got, ok)
		}
		for _, other := range []struct {
			purpose string
			org     registry.OrgID
		}{{NumberAudit, "acme"}, {NumberEvent, "globex"}, {NumberEvent, ""}} {
			if _, ok := f.s.ShowNumber(other.purpose, other.org, id); ok || f.s.HideNumber(other.purpose, other.org, n) == id {
				t.Errorf("%d is one of %+v", n, other)
			}
		}
		changed := []byte(id)
		changed[5] ^= 1
		if _, ok := f.s.ShowNumber(NumberEvent, "acme", string(changed)); ok {
			t.Error("a changed ID is one")
		}
	}
	for _, bad := range []string{"", "1", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAAAAAA"} {
		if _, ok := f.s.ShowNumber(NumberEvent, "acme", bad); ok {
			t.Errorf("%q is an ID", bad)
		}
	}
	sealed := f.s.HideCursor("acme", "cursor")
	if c, err := f.s.ShowCursor("acme", sealed); err != nil || c != "cursor" {
		t.Errorf("%q %v", c, err)
	}
	for _, bad := range []string{"cursor", sealed + "A", sealed[1:]} {
		_, err := f.s.ShowCursor("acme", bad)
		want(t, err, registry.CodeInvalid)
	}
	_, err := f.s.ShowCursor("globex", sealed)
	want(t, err, registry.CodeInvalid)
}
