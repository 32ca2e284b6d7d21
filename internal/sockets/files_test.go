//go:build unix

package sockets_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/pizzaface/pizzeria/internal/sockets"
)

// TestNothingButTheFile: what an org puts in its directory leads to no file but its own, and nobody
// waits for it.
func TestNothingButTheFile(t *testing.T) {
	for name, spoil := range map[string]func(file, secret string) error{
		"a link":               func(file, secret string) error { return os.Symlink(secret, file) },
		"a pipe":               func(file, _ string) error { return syscall.Mkfifo(file, 0o600) },
		"a directory":          func(file, _ string) error { return os.Mkdir(file, 0o700) },
		"more than is allowed": func(file, _ string) error { return os.WriteFile(file, make([]byte, 101), 0o600) },
		"nothing":              func(_, _ string) error { return nil },
		"a link of the directory": func(file, secret string) error {
			dir := filepath.Dir(file)
			if err := os.Remove(dir); err != nil {
				return err
			}
			return os.Symlink(filepath.Dir(secret), dir)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, org := range []string{"acme", "globex"} {
				if err := os.Mkdir(filepath.Join(dir, org), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			file, secret := filepath.Join(dir, "acme", "exit"), filepath.Join(dir, "globex", "exit")
			for _, path := range []string{file, secret} {
				if err := os.WriteFile(path, []byte(path), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if b, err := sockets.ReadFile(file, 1000); string(b) != file || err != nil {
				t.Fatalf("%q %v", b, err)
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := spoil(file, secret); err != nil {
				t.Fatal(err)
			}
			if b, err := sockets.ReadFile(file, 100); err == nil {
				t.Errorf("it reads %d bytes", len(b))
			}
		})
	}
}
