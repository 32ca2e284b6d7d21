//go:build linux

package docker

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/pizzaface/pizzeria/internal/dockertest"
	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// TestLiveRestore: the engine is restarted, and killed, while requests go on. No request fails, the
// instance is the same, and its end is told again.
func TestLiveRestore(t *testing.T) {
	t.Parallel()
	e := dockertest.Start(t, dockertest.Options{Containerd: true, Args: []string{"--live-restore"}})
	f := newFixture(t, e)
	o := f.ensure(1)
	f.boot(1)
	pid := f.pid()
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var done atomic.Int64
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				if _, err := get(context.Background(), o.Address, "/healthz"); err != nil {
					t.Errorf("a request failed: %v", err)
					return
				}
				done.Add(1)
			}
		})
	}
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		told := make(chan error, 1)
		go func() { told <- f.p.Watch(ctx, func(provision.Ref) {}) }()
		before := done.Load()
		if err := e.Signal(s); err != nil {
			t.Fatal(err)
		}
		if _, err := f.p.Observe(t.Context(), f.ref(1)); err == nil {
			t.Error("the engine is away, and something is observed")
		}
		if err := <-told; err == nil {
			t.Error("it is not told that the engine is away")
		}
		f.eventually("requests go on", func() bool { return done.Load() > before+100 || t.Failed() })
		if err := e.Boot(); err != nil {
			t.Fatal(err)
		}
		if again := f.ensure(1); again != o || f.pid() != pid {
			t.Errorf("it is another one: %+v", again)
		}
	}
	stop()
	load.Wait()
	if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
		t.Error(err)
	}
	f.nothingLeft()
}

func (f *fixture) pid() int {
	f.Helper()
	is, err := f.e.Client.ContainerInspect(f.Context(), f.p.containerName(f.ref(1)), client.ContainerInspectOptions{})
	if err != nil {
		f.Fatal(err)
	}
	return is.Container.State.Pid
}

// nothingLeft checks that no container is, nor what is kept of one.
func (f *fixture) nothingLeft() {
	f.Helper()
	left, err := f.p.find(f.Context(), labelDirectory+"="+f.p.c.Dir)
	if err != nil {
		f.Fatal(err)
	}
	r, err := f.e.Client.ContainerList(f.Context(), client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", labelDirectory+"="+f.p.c.Dir),
	})
	if err != nil || len(left) > 0 || len(r.Items) > 0 {
		f.Errorf("left: %+v %+v %v", left, r.Items, err)
	}
	for _, at := range []string{"*-*", ".credentials/*", ".egress/*", ".probe*"} {
		if files, _ := filepath.Glob(filepath.Join(f.p.c.Dir, "run", "docker", at)); len(files) > 0 {
			f.Errorf("left: %v", files)
		}
	}
}

// TestFailedStart: a start that fails says why, and leaves nothing.
func TestFailedStart(t *testing.T) {
	t.Parallel()
	e := dockertest.Shared(t, false)
	script := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(script, []byte("no program\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	box := dockertest.Program(t, "internal/dockertest/testdata/box")
	e.ImportFile(t, "pizzeria.test/none:1", box, "/box")
	e.ImportFile(t, "pizzeria.test/two:1", box, "/box", `ENTRYPOINT ["/box"]`, "VOLUME /a", "VOLUME /b")
	for name, row := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"agent":   {func(c *Config) { c.Agent = []string{script} }, "exec format error"},
		"image":   {func(c *Config) { c.Image = "pizzeria.test/missing:1" }, "is not there"},
		"command": {func(c *Config) { c.Image = "pizzeria.test/none:1" }, "neither entrypoint nor command"},
		"volumes": {func(c *Config) { c.Image = "pizzeria.test/two:1" }, "keeps data in /a and /b"},
		"root":    {func(c *Config) { c.Root = true }, "userns-remap"},
		"engine":  {func(c *Config) { c.Host += ".not" }, "docker.sock.not"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, e, row.change)
			_, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(1)})
			if says := strings.Replace(row.says, "docker.sock", "d.sock", 1); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v", err)
			}
			if name != "engine" {
				f.nothingLeft()
			}
		})
	}
}

// TestStopMakesNothing: stopping an org that never ran leaves no directory.
func TestStopMakesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dockertest.Shared(t, false))
	if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(f.p.orgDir(f.org)); !os.IsNotExist(err) {
		t.Errorf("its directory: %v", err)
	}
}

// TestVolume: the only volume of an image is the org's data directory.
func TestVolume(t *testing.T) {
	t.Parallel()
	e := dockertest.Shared(t, false)
	e.ImportFile(t, "pizzeria.test/volume:1", dockertest.Program(t, "internal/dockertest/testdata/box"), "/box", `ENTRYPOINT ["/box"]`, "VOLUME /app/data")
	f := newFixture(t, e, func(c *Config) { c.Image = "pizzeria.test/volume:1" })
	f.ensure(1)
	is, err := e.Client.ContainerInspect(t.Context(), f.p.containerName(f.ref(1)), client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range is.Container.Mounts {
		if m.Type == "volume" || m.Destination == "/app/data" && m.Source != filepath.Join(f.p.orgDir(f.org), "data") {
			t.Errorf("%+v", m)
		}
	}
}

// TestElsewhere: a data directory that the engine does not see is an error that says so.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dockertest.Shared(t, true)) // which has the mounts of its start
	if err := unix.Mount("tmpfs", f.p.c.Dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(f.p.c.Dir, unix.MNT_DETACH) })
	_, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(1)})
	if err == nil || !strings.Contains(err.Error(), "does not find the data directory "+f.p.c.Dir) {
		t.Error(err)
	}
	f.nothingLeft()
}

// TestUsers: each org has a user of its own, which owns its data on the machine as it is mapped, and
// which it keeps.
func TestUsers(t *testing.T) {
	for name, remap := range map[string]bool{"plain": false, "remap": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, dockertest.Shared(t, remap))
			owner := func() int {
				var st unix.Stat_t
				if err := unix.Lstat(filepath.Join(f.p.orgDir(f.org), "data"), &st); err != nil {
					t.Fatal(err)
				}
				return int(st.Uid)
			}
			f.ensure(1)
			first, offset := owner(), 0
			if remap {
				offset = dockertest.RemapFirst
			}
			if first < offset+firstUser || first > offset+lastUser {
				t.Errorf("the data belongs to %d", first)
			}
			f.ensure(2)
			if owner() != first {
				t.Errorf("now it belongs to %d", owner())
			}
		})
	}
}

// TestStopAll: without a server, and whatever the installation, all instances of a data directory are
// stopped, and no others.
func TestStopAll(t *testing.T) {
	t.Parallel()
	e := dockertest.Shared(t, false)
	f, other := newFixture(t, e), newFixture(t, e)
	f.ensure(1)
	other.ensure(1)
	second, _ := f.p.For(registry.InstallationID(registry.NewID())).(*Provider)
	another := &fixture{t, e, second, registry.OrgID(registry.NewID())}
	another.ensure(3)
	if n, err := StopAll(t.Context(), f.p.c.Dir, e.Host); n != 2 || err != nil {
		t.Error(n, err)
	}
	for _, p := range []*Provider{f.p, second} {
		if all, err := p.List(t.Context()); len(all) > 0 || err != nil {
			t.Error(all, err)
		}
	}
	if o, err := other.p.Observe(t.Context(), other.ref(1)); !o.Running || err != nil {
		t.Error(o, err)
	}
	if n, err := StopAll(t.Context(), t.TempDir(), "unix:///nowhere.sock"); n != 0 || err != nil {
		t.Errorf("a directory without containers needs an engine: %d, %v", n, err)
	}
}

// TestDiskImage: an org whose files are on a disk of the process provider's gets no empty directory
// in their place.
func TestDiskImage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dockertest.Shared(t, false))
	image := hostside.DiskImage(f.p.c.Dir, string(f.org))
	if err := errors.Join(os.MkdirAll(filepath.Dir(image), 0o700), os.WriteFile(image, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(1)}); err == nil || !strings.Contains(err.Error(), image) {
		t.Error(err)
	}
	f.nothingLeft()
}

// TestOtherProvider: no container starts on files that an instance of the process provider uses.
func TestOtherProvider(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dockertest.Shared(t, false))
	dir := filepath.Join(f.p.c.Dir, "run", key(f.org)+"-7")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, hostside.AppSocket))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(1)}); err == nil || !strings.Contains(err.Error(), "process provider") {
		t.Error(err)
	}
	f.nothingLeft()
}
