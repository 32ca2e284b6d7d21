package endtoend

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/dockertest"
)

// engine is a Docker engine of a test's own, with a network of its own, and what speaks to it.
type engine struct {
	*dockertest.Engine
	t     *testing.T
	dir   string // of the test; short: sockets lie below it
	agent string // the program, once there is an image
}

func startEngine(t *testing.T) *engine {
	t.Helper()
	if _, err := exec.LookPath("docker"); err != nil {
		lacking(t, "docker", "there is no docker")
	}
	e := &engine{dockertest.Start(t, dockertest.Options{}), t, "", ""}
	var err error
	if e.dir, err = os.MkdirTemp("/tmp", "pz"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Before the directories that they see.
		if ids := strings.Fields(e.docker("ps", "--all", "--quiet")); len(ids) > 0 {
			e.docker(append([]string{"rm", "--force", "--volumes"}, ids...)...)
		}
		_ = os.RemoveAll(e.dir)
	})
	return e
}

// of returns the engine for a part of its test.
func (e *engine) of(t *testing.T) *engine { return &engine{e.Engine, t, e.dir, e.agent} }

// command runs a program that speaks to this engine, and returns what it prints.
func (e *engine) command(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host, "DOCKER_BUILDKIT=0", "DOCKER_CONFIG="+e.dir+"/config")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (e *engine) docker(args ...string) string {
	e.t.Helper()
	out, err := e.command("", "docker", args...)
	if err != nil {
		e.t.Fatalf("docker %s: %v %s", strings.Join(args, " "), err, out)
	}
	return out
}

// image builds examples/docker on a base of two Debian packages, certificates and time zones, as
// "pizzeria".
func (e *engine) image() {
	e.t.Helper()
	base := e.t.TempDir()
	if err := writeTree(filepath.Join(base, "base.tar"), "/etc/ssl/certs/ca-certificates.crt", "/usr/share/zoneinfo"); err != nil {
		e.t.Fatal(err)
	}
	e.docker("import", filepath.Join(base, "base.tar"), "base")

	context := e.t.TempDir()
	for _, name := range []string{"LICENSE", "NOTICE", "Caddyfile", ".dockerignore", "examples/docker/Dockerfile", "examples/docker/data/.gitkeep"} {
		b, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			e.t.Fatal(err)
		}
		path := filepath.Join(context, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644)); err != nil { //nolint:gosec // G301, G306
			e.t.Fatal(err)
		}
	}
	// As a release builds them: the binaries under test may need a libc.
	for output, source := range map[string]string{"pizzeria": "./cmd/pizzeria", "pizzeria-agent": "./cmd/agent"} {
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "nobadger,nomysql,nopgx", "-ldflags", "-s -w",
			"-o", filepath.Join(context, "dist/linux_"+runtime.GOARCH, output), source)
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			e.t.Fatalf("%v: %s", err, out)
		}
	}
	e.agent = filepath.Join(context, "dist/linux_"+runtime.GOARCH, "pizzeria-agent")
	if out, err := e.command(context, "docker", "build", "--file", "examples/docker/Dockerfile", "--build-arg", "BASE=base",
		"--build-arg", "TARGETARCH="+runtime.GOARCH, "--tag", "pizzeria", "."); err != nil {
		e.t.Fatalf("%v: %s", err, out)
	}
}

// writeTree writes files and directories of this machine to a tar file.
func writeTree(file string, paths ...string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	for _, path := range paths {
		err := filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			h := &tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o644, Size: int64(len(b)), ModTime: time.Unix(0, 0)}
			if err := w.WriteHeader(h); err != nil {
				return err
			}
			_, err = bytes.NewReader(b).WriteTo(w)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return w.Close()
}
