//go:build unix

package sockets_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/sockets"
)

// listen makes a socket in a directory of its own, which says who it is.
func listen(t *testing.T, dir, org string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, org), 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, org, "app.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(org))
			_ = c.Close()
		}
	}()
	return path
}

func ask(t *testing.T, path string) (string, error) {
	t.Helper()
	c, err := sockets.Dial(t.Context(), path)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	b := make([]byte, 10)
	n, err := c.Read(b)
	return string(b[:n]), err
}

// TestNothingButTheSocket: what an org puts in its directory leads to no socket but its own.
func TestNothingButTheSocket(t *testing.T) {
	for name, spoil := range map[string]func(dir, acme, globex string) error{
		"a link to another's socket": func(_, acme, globex string) error { return os.Symlink(globex, acme) },
		"a relative link":            func(_, acme, _ string) error { return os.Symlink("../globex/app.sock", acme) },
		"a link of the directory": func(dir, acme, _ string) error {
			if err := os.Remove(filepath.Dir(acme)); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(dir, "globex"), filepath.Dir(acme))
		},
		"a file":      func(_, acme, _ string) error { return os.WriteFile(acme, nil, 0o600) },
		"a directory": func(_, acme, _ string) error { return os.Mkdir(acme, 0o700) },
		"nothing":     func(_, _, _ string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("/tmp", "pz")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.RemoveAll(dir) }()
			acme, globex := listen(t, dir, "acme"), listen(t, dir, "globex")
			if got, err := ask(t, acme); got != "acme" || err != nil {
				t.Fatalf("%q %v", got, err)
			}
			if err := os.Remove(acme); err != nil {
				t.Fatal(err)
			}
			if err := spoil(dir, acme, globex); err != nil {
				t.Fatal(err)
			}
			if got, err := ask(t, acme); err == nil || got != "" {
				t.Errorf("it leads to %q", got)
			}
			if got, err := ask(t, globex); got != "globex" || err != nil {
				t.Errorf("the other: %q %v", got, err)
			}
		})
	}
}

// TestLinksAboveAreTheOperators: the operator may keep the data directory behind a link.
func TestLinksAboveAreTheOperators(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "pz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := listen(t, filepath.Join(dir, "real"), "acme")
	if err := os.Symlink(filepath.Join(dir, "real"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if got, err := ask(t, strings.Replace(path, "/real/", "/link/", 1)); got != "acme" || err != nil {
		t.Errorf("%q %v", got, err)
	}
}
