//go:build linux || darwin

package process

import (
	"testing"

	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/internal/sandbox"
)

// TestFingerprint: the same program elsewhere is the same configuration; another one, other
// arguments or another environment are not.
func TestFingerprint(t *testing.T) {
	of := func(self, command, arg, env string) string {
		return fingerprint(Config{
			Self: self, Command: []string{command, arg},
			Env: map[string]string{"A": env},
		}, sandbox.None)
	}
	was := of("/a/pizzeria", "/a/pizzeria", "sample", "1")
	if was != of("/b/pizzeria", "/b/pizzeria", "sample", "1") {
		t.Error("a program that moved is another configuration")
	}
	for name, now := range map[string]string{
		"command": of("/a/pizzeria", "/app", "sample", "1"), "argument": of("/a/pizzeria", "/a/pizzeria", "x", "1"),
		"env": of("/a/pizzeria", "/a/pizzeria", "sample", "2"),
	} {
		if now == was {
			t.Errorf("another %s changes nothing", name)
		}
	}
	for name, c := range map[string]Config{
		"profile": {Profile: agent.Bearer}, "required": {Required: true}, "sidecar": {Sidecars: [][]string{{"x"}}},
		"files": {Files: []string{"/app"}}, "egress": {Egress: EgressOpen},
	} {
		c.Command = []string{"/app"}
		if fingerprint(c, sandbox.Users) == fingerprint(Config{Command: c.Command}, sandbox.Users) {
			t.Errorf("another %s changes nothing", name)
		}
	}
	c := Config{Command: []string{"/app"}}
	if fingerprint(c, sandbox.Users) == fingerprint(c, sandbox.None) {
		t.Error("isolation changes nothing")
	}
	if of("/a/pizzeria", "/app", "x", "1") == of("/a/pizzeria", "/other", "x", "1") {
		t.Error("another program changes nothing")
	}
}
