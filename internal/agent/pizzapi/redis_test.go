package pizzapi

import (
	"slices"
	"strings"
	"testing"
)

// TestRedis: Redis listens on loopback alone, keeps nothing on disk, and its password is in no list of
// processes.
func TestRedis(t *testing.T) {
	f := newFixture(t)
	command, input := f.app.Redis()
	password := f.app.redis.password
	if len(password) < 32 || strings.Contains(strings.Join(command, " "), password) {
		t.Errorf("%q shows the password %q", command, password)
	}
	if !slices.Equal(command, []string{"redis-server", "-"}) { // "-": it reads its configuration
		t.Errorf("%q", command)
	}
	lines := strings.Split(strings.TrimSuffix(input, "\n"), "\n")
	for _, want := range []string{
		"bind 127.0.0.1", "port 6379", "requirepass " + password, `save ""`, "appendonly no",
	} {
		name, _, _ := strings.Cut(want, " ")
		var got []string
		for _, line := range lines {
			if strings.HasPrefix(line, name+" ") {
				got = append(got, line)
			}
		}
		if !slices.Equal(got, []string{want}) { // a later line would count
			t.Errorf("%s: %q", name, got)
		}
	}
}
