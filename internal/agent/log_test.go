//go:build linux || darwin

package agent

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// TestLog: what is printed becomes lines of JSON that say where they come from, without secrets.
func TestLog(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Command = append(c.Command, "print", "fail") })
	f.a.Wait()
	got := map[string]string{}
	for _, l := range f.lines() {
		got[l.Msg] = l.Stream
		if l.Time.IsZero() {
			t.Errorf("%+v", l)
		}
	}
	for msg, stream := range map[string]string{"the password is [redacted]": "stdout", "to stderr": "stderr", "no newline": "stdout"} {
		if got[msg] != stream {
			t.Errorf("%q: %v", msg, got)
		}
	}
}

// logged returns the messages of a text, read in whatever pieces r gives.
func copied(t *testing.T, r io.Reader, secrets ...string) (msgs []string) {
	t.Helper()
	var to bytes.Buffer
	l := &logbook{redact: newRedactor(secrets), now: time.Now, to: &to}
	if err := l.copy(r, "stdout", ""); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(to.String()) {
		var v Line
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		msgs = append(msgs, v.Msg)
	}
	return msgs
}

// TestSecretsNeverReachTheLog: however they are written and read.
func TestSecretsNeverReachTheLog(t *testing.T) {
	secrets := []string{
		"s3cret", "s3cret-longer", "line one of a key\nline two of a key\r\n", "redis://user:p%40ss-word@host/0", strings.Repeat("long", 3000),
	}
	parts := []string{
		"s3cret", "s3cret-longer", "line one of a key", "line two of a key", "redis://user:p%40ss-word@host/0", "p@ss-word", "p%40ss-word", strings.Repeat("long", 3000),
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		var text strings.Builder
		clean := 0
		for range 40 {
			n := random.IntN(3000)
			clean += n
			text.WriteString(strings.Repeat(".", n))
			text.WriteString(parts[random.IntN(len(parts))])
			if random.IntN(4) == 0 {
				text.WriteString("\n")
			}
		}
		for _, r := range []io.Reader{strings.NewReader(text.String()), iotest.HalfReader(strings.NewReader(text.String()))} {
			got := strings.Join(copied(t, r, secrets...), "")
			for _, p := range parts {
				if strings.Contains(got, p) {
					t.Fatalf("seed %d: the log holds %.20q", seed, p)
				}
			}
			if dots := strings.Count(got, "."); dots != clean || strings.Count(got, redacted) != 40 {
				t.Fatalf("seed %d: %d of %d other characters, %d of 40 redacted", seed, dots, clean, strings.Count(got, redacted))
			}
		}
	}
}

// TestOverlaps: of secrets that overlap, nothing is left.
func TestOverlaps(t *testing.T) {
	got := copied(t, strings.NewReader("<abcdefghij>\n<abcdabcdef>\n"), "abcdef", "defgh", "ghij")
	if want := "<[redacted]>|<abcd[redacted]>"; strings.Join(got, "|") != want {
		t.Errorf("%q", got)
	}
}

// TestLines: lines stay lines, long ones are continued, and short secrets are no reason to hide all.
func TestLines(t *testing.T) {
	long := strings.Repeat("x", maxLine+10)
	got := copied(t, iotest.OneByteReader(strings.NewReader("a\r\n\n"+long+"\nabc \xff")), "abc", "")
	want := []string{"a", "", long[:maxLine], long[maxLine:], "abc \ufffd"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%.40q", got)
	}
}
