//go:build linux

package dockertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
)

// Options of an Engine.
type Options struct {
	// Remap maps the users of containers to those of this machine from RemapFirst on.
	Remap bool
	// Containerd starts containerd apart, as distributions do: it outlives dockerd.
	Containerd bool
	// Args are more arguments of dockerd.
	Args []string
}

// RemapFirst is root of the containers of an engine with Options.Remap.
const RemapFirst = 700_000

// Engine is a Docker engine.
type Engine struct {
	Host   string // unix:///...
	Client *client.Client

	o     Options
	dir   string
	netns string
	daemon
	containerd *daemon
	once       sync.Once // of Import
}

// daemon is a process that ends with this one.
type daemon struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

const readyTime = time.Minute

var (
	mu      sync.Mutex
	engines []*Engine
	shared  = map[bool]*Engine{}
)

// Shared returns an engine that all tests of a package have together.
func Shared(t testing.TB, remap bool) *Engine {
	t.Helper()
	Require(t)
	mu.Lock()
	defer mu.Unlock()
	if e := shared[remap]; e != nil {
		return e
	}
	e, err := start(Options{Remap: remap})
	if err != nil {
		t.Fatal(err)
	}
	shared[remap] = e
	return e
}

// Start returns an engine that ends with a test.
func Start(t testing.TB, o Options) *Engine {
	t.Helper()
	Require(t)
	mu.Lock()
	e, err := start(o)
	mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.end(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// Main runs the tests of a package, and ends the engines.
func Main(m *testing.M) {
	status := m.Run()
	mu.Lock()
	defer mu.Unlock()
	for _, e := range engines {
		if err := e.end(); err != nil {
			fmt.Fprintln(os.Stderr, "dockertest:", err)
			status = max(status, 1)
		}
	}
	for _, dir := range built {
		_ = os.RemoveAll(dir)
	}
	os.Exit(status)
}

// Require skips a test where there is no Docker.
func Require(t testing.TB) {
	t.Helper()
	why := ""
	for _, name := range []string{"dockerd", "iptables", "ip", "nsenter"} {
		if _, err := exec.LookPath(name); err != nil {
			why = err.Error()
		}
	}
	if os.Geteuid() != 0 {
		why = "it takes root"
	}
	switch {
	case why == "":
	case slices.Contains(strings.Split(os.Getenv("PIZZERIA_TEST_REQUIRE"), ","), "docker"):
		t.Fatal("Docker is required: " + why)
	default:
		t.Skip(why)
	}
}

func start(o Options) (*Engine, error) {
	dir, err := os.MkdirTemp("/tmp", "pzd") // short, for sockets
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // mapped users walk through it
		return nil, err
	}
	e := &Engine{
		Host: "unix://" + filepath.Join(dir, "d.sock"), o: o, dir: dir,
		netns: "pzd-" + filepath.Base(dir),
	}
	engines = append(engines, e)
	for _, args := range [][]string{{"netns", "add", e.netns}, {"-n", e.netns, "link", "set", "lo", "up"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil { //nolint:gosec // a test's
			return nil, fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	if e.Client, err = client.New(client.WithHost(e.Host)); err != nil {
		return nil, err
	}
	if o.Containerd {
		at := e.dir + "/containerd"
		e.o.Args = append(slices.Clone(o.Args), "--containerd", at+".sock")
		e.containerd, err = e.launch("containerd", "--address", at+".sock", "--root", at+"/root", "--state", at+"/state")
		if err != nil {
			return nil, err
		}
	}
	return e, e.Boot()
}

// Boot starts dockerd, and returns when it answers.
func (e *Engine) Boot() error {
	args := append([]string{
		"--net=/run/netns/" + e.netns, "dockerd", "-H", e.Host, "--data-root", e.dir + "/data",
		"--exec-root", e.dir + "/exec", "--pidfile", e.dir + "/pid", "--default-ulimit", "nofile=10000:10000",
	}, e.o.Args...)
	name := "nsenter"
	if e.o.Remap {
		// Of the machine's own files only this engine sees others.
		args = append(args, "--userns-remap=nobody:nogroup")
		ids := filepath.Join(e.dir, "ids")
		line := fmt.Sprintf("nobody:%d:65536\nnogroup:%d:65536\n", RemapFirst, RemapFirst)
		if err := os.WriteFile(ids, []byte(line), 0o644); err != nil { //nolint:gosec // a test's
			return err
		}
		script := `touch /etc/subuid /etc/subgid; mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && exec nsenter "$@"`
		name, args = "unshare", append([]string{"--mount", "sh", "-c", script, ids}, args...)
	}
	d, err := e.launch(name, args...)
	if err != nil {
		return err
	}
	e.daemon = *d
	for late := time.Now().Add(readyTime); ; {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := e.Client.Ping(ctx, client.PingOptions{})
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-e.ended:
			b, _ := os.ReadFile(e.dir + "/log")
			return fmt.Errorf("dockerd has ended: %s", b[max(0, len(b)-2000):])
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(late) {
			return fmt.Errorf("dockerd does not answer: %w", err)
		}
	}
}

// launch starts a daemon, whose output is added to the log.
func (e *Engine) launch(name string, args ...string) (*daemon, error) {
	log, err := os.OpenFile(e.dir+"/log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	d := &daemon{exec.Command(name, args...), make(chan struct{})} //nolint:gosec // a test's
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // it is told of the end of this thread, too
		err := d.cmd.Start()
		started <- err
		if err == nil {
			_ = d.cmd.Wait()
		}
		close(d.ended)
	}()
	return d, <-started
}

// Signal sends a signal to dockerd, and returns when it has ended.
func (d *daemon) Signal(s os.Signal) error {
	if err := d.cmd.Process.Signal(s); err != nil {
		return err
	}
	select {
	case <-d.ended:
		return nil
	case <-time.After(readyTime):
		_ = d.cmd.Process.Kill()
		<-d.ended
		return fmt.Errorf("%s did not end by %s", d.cmd.Path, s)
	}
}

// end removes all containers, ends the engine and removes what it made.
func (e *Engine) end() error {
	if e.dir == "" {
		return nil
	}
	var errs []error
	if e.ended != nil { // it was started
		select {
		case <-e.ended:
		default:
			errs = append(errs, e.empty(), e.Signal(syscall.SIGTERM))
		}
	}
	if e.containerd != nil {
		errs = append(errs, e.containerd.Signal(syscall.SIGTERM))
	}
	if out, err := exec.Command("ip", "netns", "del", e.netns).CombinedOutput(); err != nil { //nolint:gosec // a test's
		errs = append(errs, fmt.Errorf("%w: %s", err, out))
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	errs = append(errs, err)
	lines := strings.Split(string(mounts), "\n")
	for _, line := range slices.Backward(lines) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], e.dir+"/") {
			errs = append(errs, unix.Unmount(f[1], unix.MNT_DETACH))
		}
	}
	errs = append(errs, os.RemoveAll(e.dir))
	e.dir = ""
	return errors.Join(errs...)
}

func (e *Engine) empty() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	all, err := e.Client.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range all.Items {
		_, err := e.Client.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
