//go:build linux && !portable

package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/volume"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// diskFixture is a fixture whose instances are held to limits of their disks.
func diskFixture(t *testing.T) *fixture {
	t.Helper()
	requireIsolation(t)
	f := newFixture(t)
	f.p.c.Isolation = IsolationOn
	if !f.p.Enforces(registry.LimitDisk) {
		if strings.Contains(","+os.Getenv("PIZZERIA_TEST_REQUIRE")+",", ",disk,") && os.Geteuid() == 0 {
			t.Fatal(f.p.noVolumes())
		}
		t.Skip(f.p.noVolumes())
	}
	t.Cleanup(func() {
		_ = f.p.Stop(context.Background(), f.org, 1<<40)
		if err := f.p.Release(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func disk(bytes float64) registry.Limits {
	return registry.Limits{registry.LimitDisk: bytes, registry.LimitPIDs: 100}
}

// run starts an instance that runs a script, and returns what it prints.
func (f *fixture) run(gen int64, l registry.Limits, script string) (said string, o provision.Observed) {
	f.Helper()
	c, name := f.p.c.Command, "said-"+strconv.FormatInt(gen, 10)
	defer func() { f.p.c.Command = c }()
	f.p.c.Command = []string{"/bin/sh", "-c", "{ " + script + "\n} >/tmp/said 2>&1; rm -f big; { cat /tmp/said; echo end; } >" + name + "; exec sleep 1000"}
	o, err := f.p.Ensure(f.Context(), provision.Spec{Ref: f.ref(gen), Limits: l})
	if err != nil {
		f.Fatal(err)
	}
	f.eventually("the script has ended", func() bool {
		b, _ := os.ReadFile(filepath.Join(f.p.orgDir(f.org), "data", name))
		said = string(b)
		return strings.HasSuffix(said, "end\n")
	})
	return strings.TrimSuffix(said, "end\n"), o
}

// fillAll writes wherever an instance can, until it is refused.
const fillAll = `
for dir in "$PIZZERIA_DATA_DIR" "$PIZZERIA_RUN_DIR" "$(dirname "$PIZZERIA_DATA_DIR")/logs"; do
	head -c 200000000 /dev/zero >"$dir/big" && echo "200 MB fit into $dir"
	rm -f "$dir/big"
done`

// TestDisk: an instance fills its disk and no other: neither with bytes nor with files, nor where its
// logs and sockets are.
func TestDisk(t *testing.T) {
	f := diskFixture(t)
	f.bootWith(1, disk(50<<20))
	if use := f.p.Use(f.ref(1)); use[registry.LimitDisk] < 1 || use[registry.LimitDisk] > 1<<20 {
		t.Error(use)
	}
	f.stop(1)
	said, _ := f.run(1, disk(50<<20), fillAll+`
i=0; while [ $i -lt 60000 ] && true >f$i; do i=$((i+1)); done 2>/dev/null; [ $i -lt 60000 ] || echo "60,000 files"; rm -f f*`)
	if strings.Contains(said, "fit") || strings.Contains(said, "60,000") || strings.Count(said, "No space left") != 3 {
		t.Error(said)
	}
	f.stop(1)
	if said, _ := f.run(2, nil, "cat said-1"); !strings.Contains(said, "No space left") {
		t.Errorf("its data is gone: %s", said)
	}
}

// TestDiskFull: an org that has filled its disk starts again, and can make room.
func TestDiskFull(t *testing.T) {
	f := diskFixture(t)
	c := f.p.c.Command
	f.p.c.Command = []string{"/bin/sh", "-c", `cat /dev/zero >big; cat /dev/zero >../logs/big; sync; exec sleep 1000`}
	if _, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(1), Limits: disk(50 << 20)}); err != nil {
		t.Fatal(err)
	}
	logs := filepath.Join(f.p.orgDir(f.org), "logs", "big")
	f.eventually("it is full", func() bool { _, err := os.Stat(logs); return err == nil })
	f.stop(1)
	f.p.c.Command = c
	f.boot(2)
	f.stop(2)
	if said, _ := f.run(3, disk(50<<20), "ls; rm big ../logs/big && echo removed"); !strings.Contains(said, "removed") {
		t.Error(said)
	}
}

// TestDiskFollowsThePlan: data moves to the disk when there is a limit, and stays whatever becomes of it.
func TestDiskFollowsThePlan(t *testing.T) {
	f := diskFixture(t)
	is := func(gen int64, l registry.Limits, kept string, most bool) {
		t.Helper()
		said, o := f.run(gen, l, "cat kept; echo "+kept+" >kept; head -c 100000000 /dev/zero >big && echo fits")
		if gen > 1 && !strings.Contains(said, "kept") || most == strings.Contains(said, "fits") || o.Notice != "" {
			t.Errorf("generation %d: %q, %q", gen, said, o.Notice)
		}
		f.stop(gen)
	}
	is(1, nil, "kept-1", false)
	is(2, disk(50<<20), "kept-2", true)   // moves
	is(3, disk(200<<20), "kept-3", false) // grows
	is(4, disk(60<<20), "kept-4", true)   // shrinks
	is(5, nil, "kept-5", false)
	is(6, disk(60<<20), "kept-6", true)
	if err := f.p.Release(); err != nil { // the machine restarts
		t.Fatal(err)
	}
	f.p, _ = f.p.For(f.p.installation).(*Provider)
	f.eventually("the disk is mounted again", func() bool { return !isEmpty(f.p.orgDir(f.org)) })
	is(7, disk(60<<20), "kept-7", true)
}

// TestDiskTooSmall: a limit below what an org has leaves it all it has, and says so.
func TestDiskTooSmall(t *testing.T) {
	f := diskFixture(t)
	_, _ = f.run(1, nil, "head -c 90000000 /dev/zero >keep")
	f.stop(1)
	for gen, want := range map[int64]string{2: "the disk is not limited: it has 85 MiB already"} {
		if said, o := f.run(gen, disk(50<<20), "wc -c <keep"); strings.TrimSpace(said) != "90000000" || !strings.Contains(o.Notice, want) {
			t.Errorf("%s, %q", said, o.Notice)
		}
		f.stop(gen)
	}
	_, _ = f.run(3, disk(150<<20), "wc -c <keep")
	f.stop(3)
	if said, o := f.run(4, disk(50<<20), "wc -c <keep"); strings.TrimSpace(said) != "90000000" || !strings.Contains(o.Notice, "the disk keeps its size: it has 85 MiB") {
		t.Errorf("%s, %q", said, o.Notice)
	}
}

// TestDiskWithoutSpace: a limit that cannot be reserved is an error for a new org, and no outage for
// one that was there before.
func TestDiskWithoutSpace(t *testing.T) {
	f := diskFixture(t)
	_, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(1), Limits: disk(1 << 42)})
	if err == nil || !strings.Contains(err.Error(), "to be reserved") {
		t.Fatal(err)
	}
	_, _ = f.run(1, nil, "echo kept")
	f.stop(1)
	if _, o := f.run(2, disk(1<<42), "cat said-1"); !strings.Contains(o.Notice, "to be reserved") {
		t.Error(o.Notice)
	}
}

// TestDiskOfRunning: a higher limit holds for what runs, where the kernel lets the server do that, and
// otherwise from the next start on; a lower one from the next start on.
func TestDiskOfRunning(t *testing.T) {
	f := diskFixture(t)
	was := f.bootWith(1, disk(50<<20))
	v := f.p.volume(f.org)
	if err := f.p.Limit(t.Context(), f.ref(1), disk(40<<20)); err != nil {
		t.Fatal(err)
	}
	if c, err := v.Compare(50 << 20); c != 0 || err != nil {
		t.Error(c, err)
	}
	if err := f.p.Limit(t.Context(), f.ref(1), disk(80<<20)); err != nil {
		t.Fatal(err)
	}
	if now := f.bootWith(1, disk(80<<20)); now.ID != was.ID {
		t.Error("it was restarted")
	}
	f.stop(1)
	said, _ := f.run(2, disk(80<<20), `head -c 75000000 /dev/zero >big && echo fits`)
	if !strings.Contains(said, "fits") {
		t.Error(said)
	}
}

// TestDiskDoesNotMount: an org whose disk cannot be mounted does not start on an empty directory, not
// even when it had just got the disk.
func TestDiskDoesNotMount(t *testing.T) {
	f := diskFixture(t)
	f.run(1, nil, "echo kept")
	f.stop(1)
	real, err := exec.LookPath("e2fsck")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := "#!/bin/sh\ncase \"$*\" in *.img) exit 8;; esac\nexec " + real + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "e2fsck"), []byte(script), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	t.Setenv("PATH", bin+":"+path)
	for range 2 {
		if o, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(2), Limits: disk(50 << 20)}); err == nil {
			t.Fatal("it started", o)
		}
	}
	if !isEmpty(f.p.orgDir(f.org)) {
		t.Error("something is where the disk belongs")
	}
	t.Setenv("PATH", path)
	if said, o := f.run(2, disk(50<<20), "cat said-1"); !strings.Contains(said, "kept") || o.Notice != "" {
		t.Error(said, o.Notice)
	}
}

// TestDiskInUse: a disk is not replaced under an instance that uses it.
func TestDiskInUse(t *testing.T) {
	f := diskFixture(t)
	was := f.bootWith(1, disk(50<<20))
	if o, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(2), Limits: disk(20 << 20)}); err != nil {
		t.Fatal(o, err)
	}
	if c, err := f.p.volume(f.org).Compare(50 << 20); c != 0 || err != nil {
		t.Error("it is another disk", c, err)
	}
	if now := f.bootWith(1, nil); now.ID != was.ID {
		t.Error("it was restarted")
	}
}

// TestDiskOfAnotherServer: a server whose mounts are its own, as in a unit, reaches instances that an
// earlier one started, and mounts no image twice.
func TestDiskOfAnotherServer(t *testing.T) {
	f := diskFixture(t)
	was := f.bootWith(1, disk(50<<20))
	// The earlier server's mounts are gone here, while the instance has them.
	if err := errors.Join(volume.Unbind(f.p.runDir(f.ref(1))), f.p.volume(f.org).Unmount()); err != nil {
		t.Fatal(err)
	}
	f.p = f.p.For(f.p.installation).(*Provider) //nolint:forcetypeassert // it is
	if now := f.bootWith(1, disk(50<<20)); now.ID != was.ID {
		t.Error("it is another one")
	}
	if out, err := exec.Command("losetup", "--associated", f.p.volume(f.org).Image).Output(); err != nil || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%s %v", out, err)
	}
	if err := f.p.Release(); err != nil {
		t.Fatal(err)
	}
	if mounted, err := f.p.volume(f.org).Mounted(); !mounted || err != nil {
		t.Error("the disk of what runs was unmounted", err)
	}
}

// TestUserOfADisk: the user of an org whose disk is not mounted is not given to another one.
func TestUserOfADisk(t *testing.T) {
	f := diskFixture(t)
	f.bootWith(1, disk(50<<20))
	uid, err := hostside.OwnerOf(filepath.Join(f.p.orgDir(f.org), "data"))
	if err != nil || !isOrgs(uid) {
		t.Fatal(uid, err)
	}
	f.stop(1)
	if err := f.p.Release(); err != nil {
		t.Fatal(err)
	}
	taken := map[int]bool{}
	if err := f.p.usersOfDisks(taken); err != nil || !taken[uid] {
		t.Error(taken, err)
	}
}

// TestDiskWhateverTheConfig: data that is on a disk is found without isolation, too.
func TestDiskWhateverTheConfig(t *testing.T) {
	f := diskFixture(t)
	_, _ = f.run(1, disk(50<<20), "echo kept")
	f.stop(1)
	f.p.c.Isolation, f.p.c.Disk = IsolationOff, DiskOff
	if said, _ := f.run(2, nil, "cat said-1"); !strings.Contains(said, "kept") {
		t.Error(said)
	}
}
