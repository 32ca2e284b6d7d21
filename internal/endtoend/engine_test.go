package endtoend

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// engine is a Docker engine of a test's own, with a network of its own.
type engine struct {
	t         *testing.T
	dir       string // short: sockets lie below it
	namespace string // file of its network namespace
}

func startEngine(t *testing.T) *engine {
	t.Helper()
	for _, program := range []string{"dockerd", "docker", "ip", "nsenter", "iptables"} {
		if _, err := exec.LookPath(program); err != nil || os.Getuid() != 0 {
			lacking(t, "docker", "there is no "+program+", or this is not root")
		}
	}
	dir, err := os.MkdirTemp("/tmp", "pze")
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{t, dir, "/run/netns/" + filepath.Base(dir)}
	for _, args := range [][]string{{"netns", "add", filepath.Base(dir)}, {"-n", filepath.Base(dir), "link", "set", "lo", "up"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %s", args, out)
		}
	}
	cmd := exec.Command("nsenter", "--net="+e.namespace, "dockerd", "--host", e.host(), "--data-root", dir+"/root", "--exec-root", dir+"/exec",
		"--pidfile", dir+"/pid", "--default-ulimit", "nofile=10000:10000")
	log := new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if ids := strings.Fields(e.docker("ps", "--all", "--quiet")); len(ids) > 0 {
			e.docker(append([]string{"rm", "--force", "--volumes"}, ids...)...)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("dockerd: %s", tail(log.String(), 3000))
		}
		if err := errors.Join(exec.Command("ip", "netns", "del", filepath.Base(dir)).Run(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	(&server{t: t, out: log}).eventually("the engine answers", func() bool {
		return exec.Command("docker", "--host", e.host(), "version").Run() == nil
	})
	return e
}

func (e *engine) host() string { return "unix://" + e.dir + "/docker.sock" }

// command runs a program that speaks to this engine, and returns what it prints.
func (e *engine) command(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.host(), "DOCKER_BUILDKIT=0", "DOCKER_CONFIG="+e.dir+"/config")
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

// dial connects to an address in the engine's network.
func (e *engine) dial(ctx context.Context, address string) (net.Conn, error) {
	runtime.LockOSThread() // and never unlocks it if the thread cannot come back
	here, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(here) }()
	there, err := unix.Open(e.namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(there) }()
	if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if back := unix.Setns(here, unix.CLONE_NEWNET); back != nil {
		return nil, errors.Join(back, err)
	}
	runtime.UnlockOSThread()
	return conn, err
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
