//go:build linux

package dockertest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/moby/moby/client"
)

// Image is the name of the image that Import makes of the test box.
const Image = "pizzeria.test/box:1"

var programs sync.Map // package: func() (string, error)

// Program builds a package of this module, such as cmd/agent, as a static program.
func Program(t testing.TB, pkg string) string {
	t.Helper()
	build, _ := programs.LoadOrStore(pkg, sync.OnceValues(func() (string, error) {
		_, file, _, _ := runtime.Caller(0)
		root := filepath.Join(filepath.Dir(file), "..", "..")
		dir, err := os.MkdirTemp("/tmp", "pzb")
		if err != nil {
			return "", err
		}
		built = append(built, dir)
		to := filepath.Join(dir, filepath.Base(pkg))
		cmd := exec.Command("go", "build", "-o", to, "./"+pkg) //nolint:gosec // a test's
		cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build %s: %w: %s", pkg, err, out)
		}
		return to, nil
	}))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var built []string // directories; Main removes them

// Import makes Image of the test box, once. Its command is /box.
func (e *Engine) Import(t testing.TB) string {
	t.Helper()
	e.once.Do(func() {
		e.ImportFile(t, Image, Program(t, "internal/dockertest/testdata/box"), "/box", `ENTRYPOINT ["/box"]`)
	})
	return Image
}

// ImportFile makes an image of one file, with the changes that a Dockerfile would make.
func (e *Engine) ImportFile(t testing.TB, name, from, at string, changes ...string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	var image bytes.Buffer
	w := tar.NewWriter(&image)
	if err := w.WriteHeader(&tar.Header{Name: at[1:], Mode: 0o755, Size: int64(len(b))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := e.Client.ImageImport(t.Context(), client.ImageImportSource{Source: &image, SourceName: "-"}, name,
		client.ImageImportOptions{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if out, err := io.ReadAll(r); err != nil || bytes.Contains(out, []byte(`"error"`)) {
		t.Fatalf("%v: %s", err, out)
	}
}
