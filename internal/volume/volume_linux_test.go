package volume

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newVolume returns a volume in a directory of the test's own, which is unmounted at the end.
func newVolume(t *testing.T) Volume {
	t.Helper()
	dir := t.TempDir()
	if err := Supported(dir, false); err != nil {
		if strings.Contains(","+os.Getenv("PIZZERIA_TEST_REQUIRE")+",", ",disk,") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	v := Volume{Image: filepath.Join(dir, "disks", "a.img"), At: filepath.Join(dir, "a")}
	t.Cleanup(func() {
		if err := errors.Join(v.Unmount(), v.dropBuilding()); err != nil {
			t.Error(err)
		}
	})
	return v
}

func (v Volume) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(v.At, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func (v Volume) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(v.At, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (v Volume) make(t *testing.T, room int64) {
	t.Helper()
	replaced, err := v.Make(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(replaced); err != nil {
		t.Fatal(err)
	}
}

// most writes to the volume until something is refused, and returns how many bytes it took.
func (v Volume) most(t *testing.T) (written int64) {
	t.Helper()
	f, err := os.Create(filepath.Join(v.At, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	block := bytes.Repeat([]byte("x"), 1<<20)
	for written < 1<<30 {
		n, err := f.Write(block)
		written += int64(n)
		if err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			break
		}
	}
	_ = f.Close()
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	return written
}

// TestRoom: a volume has room for what it is made for, and hardly more, whatever its size.
func TestRoom(t *testing.T) {
	v := newVolume(t)
	for _, room := range []int64{1 << 20, 50 << 20, 300 << 20} {
		v.make(t, room)
		if n := v.most(t); n < room || n > room+room/10+(12<<20) {
			t.Errorf("of %d MiB %d were written", room>>20, n>>20)
		}
		var at unix.Statfs_t
		if err := unix.Statfs(v.At, &at); err != nil || at.Ffree < uint64(room)/16384 {
			t.Errorf("%d files, %v", at.Ffree, err)
		}
	}
}

// TestInodes: files end as bytes do.
func TestInodes(t *testing.T) {
	v := newVolume(t)
	v.make(t, 1<<20)
	for i := range 100_000 {
		err := os.WriteFile(filepath.Join(v.At, "f"+strings.Repeat("x", i%50)+string(rune('a'+i%26))+filepath.Base(t.TempDir())), nil, 0o600)
		if errors.Is(err, unix.ENOSPC) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("100,000 files fit in")
}

// TestMoves: what a directory has is in the volume, and stays when the volume is made smaller.
func TestMoves(t *testing.T) {
	v := newVolume(t)
	v.write(t, "data/file", "kept")
	if err := errors.Join(
		os.Link(filepath.Join(v.At, "data/file"), filepath.Join(v.At, "data/hard")),
		os.Symlink("file", filepath.Join(v.At, "data/soft")),
		os.Chmod(filepath.Join(v.At, "data/file"), 0o640),
		os.Lchown(filepath.Join(v.At, "data/file"), 1234, 1235),
		unix.Setxattr(filepath.Join(v.At, "data/file"), "user.note", []byte("x"), 0),
		unix.Mkfifo(filepath.Join(v.At, "data/pipe"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	holds := func() {
		t.Helper()
		i, err := os.Lstat(filepath.Join(v.At, "data/file"))
		if err != nil {
			t.Fatal(err)
		}
		st, _ := i.Sys().(*syscall.Stat_t)
		target, _ := os.Readlink(filepath.Join(v.At, "data/soft"))
		note := make([]byte, 1)
		_, _ = unix.Getxattr(filepath.Join(v.At, "data/file"), "user.note", note)
		if v.read(t, "data/hard") != "kept" || st.Nlink != 2 || st.Uid != 1234 || st.Gid != 1235 || i.Mode().Perm() != 0o640 ||
			target != "file" || string(note) != "x" {
			t.Errorf("%+v %s %s", st, target, note)
		}
		entries, _ := os.ReadDir(v.At)
		if len(entries) != 1 {
			t.Errorf("there is more than was: %v", entries)
		}
	}
	holds()
	v.make(t, 40<<20)
	holds()
	if n := v.most(t); n > 60<<20 {
		t.Errorf("%d MiB were written", n>>20)
	}
	v.make(t, 20<<20)
	holds()
	if n := v.most(t); n > 34<<20 {
		t.Errorf("%d MiB were written", n>>20)
	}
}

// TestMakeWithoutRoom: what does not fit stays where it is.
func TestMakeWithoutRoom(t *testing.T) {
	v := newVolume(t)
	v.write(t, "data/file", strings.Repeat("x", 40<<20))
	if _, err := v.Make(t.Context(), 1<<20); err == nil || !strings.Contains(err.Error(), "No space left") {
		t.Fatal(err)
	}
	if len(v.read(t, "data/file")) != 40<<20 {
		t.Error("it is gone")
	}
	if there, err := v.Exists(); there || err != nil {
		t.Error(there, err)
	}
	entries, _ := os.ReadDir(filepath.Dir(v.Image))
	if len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
	if _, err := v.Make(t.Context(), 1<<43); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "disk sparse") {
		t.Error(err)
	}
}

// TestGrow: a volume grows while it is in use, also when an earlier try was cut off.
func TestGrow(t *testing.T) {
	v := newVolume(t)
	v.make(t, 20<<20)
	v.write(t, "file", "kept")
	if err := os.Truncate(v.Image, imageSize(30<<20)); err != nil { // and then the server was killed
		t.Fatal(err)
	}
	// The kernel lets it grow in use, or says that it may not.
	if err := v.Grow(t.Context(), 30<<20, false); mayGrow() != (err == nil) || err != nil && !errors.Is(err, ErrInUse) {
		t.Error(err)
	}
	for _, room := range []int64{30 << 20, 100 << 20} {
		if err := v.Grow(t.Context(), room, true); err != nil {
			t.Fatal(err)
		}
		if n := v.most(t); n < room || n > room+room/5+(12<<20) {
			t.Errorf("of %d MiB %d were written", room>>20, n>>20)
		}
	}
	if err := v.Grow(t.Context(), 1<<43, true); !errors.Is(err, unix.ENOSPC) {
		t.Error(err)
	}
	if c, err := v.Compare(100 << 20); c != 0 || err != nil {
		t.Error(c, err)
	}
	if v.read(t, "file") != "kept" {
		t.Error("it is gone")
	}
}

// TestReserves: a volume that is not sparse has its space from the start, and a sparse one gives it back.
func TestReserves(t *testing.T) {
	v := newVolume(t)
	used := func() int64 {
		unix.Sync()
		var st unix.Stat_t
		if err := unix.Stat(v.Image, &st); err != nil {
			t.Fatal(err)
		}
		return st.Blocks * 512
	}
	v.make(t, 50<<20)
	if used() < 50<<20 {
		t.Errorf("%d bytes are reserved", used())
	}
	v.Sparse = true
	v.make(t, 60<<20)
	before := used()
	v.most(t)
	after := used()
	for end := time.Now().Add(10 * time.Second); after > before+(20<<20) && time.Now().Before(end); after = used() {
		time.Sleep(10 * time.Millisecond) // the kernel gives it back in its own time
	}
	if before > 15<<20 || after > before+(20<<20) {
		t.Errorf("%d bytes before, %d after", before, after)
	}
	v.Sparse = false
	if err := v.Grow(t.Context(), 60<<20, true); err != nil || used() < 60<<20 {
		t.Errorf("%d bytes are reserved, %v", used(), err)
	}
}

// TestCutOff: wherever a Make is cut off, the data is there afterwards, once.
func TestCutOff(t *testing.T) {
	v := newVolume(t)
	// Twice as there would be after the end of the first half, and after all but the removal.
	cases := map[string]func(){
		"while it is built": func() {
			if err := v.build(t.Context(), 20<<20); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Mkdir(v.buildingAt(), 0o700), v.mount(t.Context(), v.building(), v.buildingAt())); err != nil {
				t.Fatal(err)
			}
		},
		"before it is in place": func() {
			if err := errors.Join(v.build(t.Context(), 20<<20), os.Rename(v.At, v.old())); err != nil {
				t.Fatal(err)
			}
		},
		"before it is mounted": func() {
			if err := errors.Join(v.build(t.Context(), 20<<20), os.Rename(v.At, v.old()), os.Rename(v.building(), v.Image)); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, cutOff := range cases {
		t.Run(name, func(t *testing.T) {
			v.write(t, "file", name)
			cutOff()
			replaced, err := v.Recover()
			if err != nil {
				t.Fatal(err)
			}
			there, err := v.Exists()
			if err != nil || there != (replaced != "") {
				t.Fatal(there, replaced, err)
			}
			if there {
				if err := errors.Join(v.Mount(t.Context()), os.RemoveAll(replaced)); err != nil {
					t.Fatal(err)
				}
			}
			if v.read(t, "file") != name {
				t.Error("it is gone")
			}
			for _, path := range []string{v.building(), v.buildingAt(), v.old()} {
				if _, err := os.Lstat(path); err == nil {
					t.Errorf("%s is left", path)
				}
			}
			if err := errors.Join(v.Unmount(), os.RemoveAll(v.At), os.RemoveAll(v.Image)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestTwoNamespaces: what another mount namespace has mounted gets no second device, and no check
// while it is in use.
func TestTwoNamespaces(t *testing.T) {
	v := newVolume(t)
	v.make(t, 20<<20)
	v.write(t, "file", "before")
	held := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", "cd "+v.At+" && echo ready && read line && cat file && echo mine >file && cat file")
	in, err1 := held.StdinPipe()
	out, err2 := held.StdoutPipe()
	if err := errors.Join(err1, err2, held.Start()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Process.Kill(); _ = held.Wait() }()
	said := make([]byte, 6)
	if _, err := out.Read(said); err != nil {
		t.Fatal(err)
	}
	if err := v.Unmount(); err != nil {
		t.Fatal(err)
	}
	if mounted, err := v.Mounted(); mounted || err != nil {
		t.Fatal(mounted, err)
	}
	device, err := attached(v.Image)
	if err != nil || device == nil {
		t.Fatal("the other namespace has it no more", err)
	}
	_ = device.Close()
	if err := v.Mount(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.write(t, "file", "after")
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	n := 0
	for n < len("aftermine\n") {
		m, err := out.Read(got[n:])
		if err != nil {
			break
		}
		n += m
	}
	if string(got[:n]) != "aftermine\n" || v.read(t, "file") != "mine\n" {
		t.Errorf("two file systems: %q and %q", got[:n], v.read(t, "file"))
	}
}

// TestLockOutlivesItsServer: what repairs an image keeps the lock when the server is killed.
func TestLockOutlivesItsServer(t *testing.T) {
	v := newVolume(t)
	v.make(t, 20<<20)
	dir := t.TempDir()
	script := "#!/bin/sh\ncd " + dir + "\n: >started\nwhile [ ! -e go ]; do sleep 0.02; done\n"
	if err := os.WriteFile(filepath.Join(dir, "e2fsck"), []byte(script), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	unlock, err := v.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	lock, _ := locks.Load(v.Image)
	held := int(lock.(*os.File).Fd()) //nolint:forcetypeassert // it is
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	checked := make(chan error, 1)
	go func() { checked <- v.check(t.Context(), v.Image) }()
	for range 1000 {
		if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond) // another program
	}
	// As when this process ends: its descriptor of the lock is another file's.
	if err := unix.Dup3(int(null.Fd()), held, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(v.Image + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Error("the lock is free while the image is repaired", err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "go"), nil, 0o600), <-checked); err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Error(err)
	}
}

// TestGrowsNothingInUse: an image that another mount namespace has is not made larger behind its back.
func TestGrowsNothingInUse(t *testing.T) {
	v := newVolume(t)
	v.make(t, 20<<20)
	held, err := os.Open(v.At) // keeps it in use after it is unmounted
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	if err := v.growUnmounted(t.Context()); !errors.Is(err, ErrInUse) {
		t.Error(err)
	}
	if mounted, err := v.Mounted(); !mounted || err != nil {
		t.Error("it is not mounted again", err)
	}
}

// TestBothHaveFiles: what was put in the place of an image is not covered by it.
func TestBothHaveFiles(t *testing.T) {
	v := newVolume(t)
	v.make(t, 20<<20)
	if err := v.Unmount(); err != nil {
		t.Fatal(err)
	}
	v.write(t, "restored", "by hand")
	if err := v.Mount(t.Context()); err == nil || !strings.Contains(err.Error(), "move one of the two") {
		t.Error(err)
	}
	if v.read(t, "restored") != "by hand" {
		t.Error("it is covered")
	}
}

// TestBroken: an image that cannot be repaired by itself is not mounted, and the error says what to do.
func TestBroken(t *testing.T) {
	v := newVolume(t)
	v.make(t, 20<<20)
	if err := v.Unmount(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(v.Image, os.O_RDWR, 0)
	if err == nil {
		_, err = f.WriteAt(make([]byte, 8<<20), 0)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := v.Mount(t.Context()); err == nil || !strings.Contains(err.Error(), "repair by hand") {
		t.Error(err)
	}
}
