package caddymodule

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAdminSocket(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	t.Setenv("TOUR", "run")
	for text, want := range map[string]string{
		"{\n\tadmin unix//run/a.sock|0600\n\tpizzeria {\n\t\tdomain x\n\t}\n}\nx {\n\tnosuch\n}": "/run/a.sock",
		"{\n\tadmin unix/./a.sock {\n\t\torigins x\n\t}\n}":                                      "./a.sock",
		"{\n\tadmin unix//{$TOUR}/a.sock\n}":                                                     "/run/a.sock",
		"{\n\tadmin off\n}":                                                                      "",
		"{\n\tadmin localhost:2019\n}":                                                           "",
		"{\n\tadmin\n}":                                                                          "",
		"{\n\tgrace_period 1s\n}\nx.example {\n\tadmin unix//a.sock\n}":                          "",
		"x.example {\n\tadmin unix//a.sock\n}":                                                   "",
		"{":                                                                                      "",
		"":                                                                                       "",
		`{"admin": {"listen": "unix//run/b.sock|0660"}, "apps": {"a": 1}}`: "/run/b.sock",
		`{"apps": {}}`: "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := adminSocket(file); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := adminSocket(file + "-that-is-not"); got != "" {
		t.Errorf("no file: %q", got)
	}
}

// TestCheckNotRunning: only a start is refused, and only while somebody serves the socket.
func TestCheckNotRunning(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("Caddyfile", []byte("{\n\tadmin unix/./a.sock|0600\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuses := func(line string) bool { return checkNotRunning(strings.Fields(line)) != nil }
	const run = "x run --pidfile p --watch"
	if refuses(run) {
		t.Error("refused without a socket")
	}
	l, err := net.Listen("unix", "a.sock")
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]bool{
		run: true, "x start": true, "x run --config Caddyfile": true, "x run -c other": false,
		"x run --help": false, "x run --config": false,
		"x": false, "x reload": false, "x validate --config Caddyfile": false, "x pizzeria org list": false,
	} {
		if refuses(line) != want {
			t.Errorf("%s: refused %v", line, !want)
		}
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if refuses(run) {
		t.Error("refused for what a server left when it was killed")
	}
}
