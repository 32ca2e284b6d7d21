//go:build linux || darwin

package hostside

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// tree is a directory of an org with a directory in it, beside somebody else's of the same names.
func tree(t *testing.T) (org, others string) {
	t.Helper()
	base := t.TempDir()
	org, others = filepath.Join(base, "org"), filepath.Join(base, "others")
	for _, dir := range []string{org, others} {
		in := filepath.Join(dir, "in")
		if err := errors.Join(os.MkdirAll(in, 0o700), os.WriteFile(filepath.Join(in, "file"), []byte(dir), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return org, others
}

// swap puts a link to somebody else's directory into the place of the org's, which is kept beside it.
func swap(org, others string) error {
	in := filepath.Join(org, "in")
	return errors.Join(os.Rename(in, filepath.Join(org, "kept")), os.Symlink(filepath.Join(others, "in"), in))
}

// TestWalkFollowsNoLink: not one that takes a directory's place after it was looked at, nor in place of
// the directory that is walked.
func TestWalkFollowsNoLink(t *testing.T) {
	org, others := tree(t)
	var seen []string
	err := walk(org, func(e entry) error {
		seen = append(seen, e.name)
		return swap(org, others)
	})
	if err == nil || !slices.Equal(seen, []string{"in"}) {
		t.Errorf("it visits %q: %v", seen, err)
	}
	if err := walk(filepath.Join(org, "in"), func(e entry) error {
		t.Errorf("it visits %s", e.name)
		return nil
	}); err == nil {
		t.Error("a link is walked")
	}
}

// TestWalkActsOnWhatItSaw: what a link replaces meanwhile is changed all the same, and not what the
// link leads to.
func TestWalkActsOnWhatItSaw(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	const uid = 65533
	org, others := tree(t)
	err := walk(org, func(e entry) error {
		if e.name != "file" {
			return nil
		}
		err := errors.Join(swap(org, others), e.give(uid))
		_, unlinked := e.unlink()
		return errors.Join(err, unlinked)
	})
	if err != nil {
		t.Fatal(err)
	}
	if now, err := OwnerOf(filepath.Join(others, "in", "file")); now != 0 || err != nil {
		t.Errorf("somebody else's file belongs to %d: %v", now, err)
	}
	for dir, want := range map[string]int{others: 1, filepath.Dir(org): 2} {
		if all, err := os.ReadDir(dir); len(all) != want || err != nil {
			t.Errorf("%s: %v %v", dir, all, err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(org, "kept", "file")); string(b) != org || err != nil {
		t.Errorf("the org's file: %q %v", b, err)
	}
}

// TestWalkSeesSwaps: a file that takes the place of another after it was looked at is neither given
// away nor copied nor entered.
func TestWalkSeesSwaps(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("only root gives files away, and only Linux tells which")
	}
	const uid = 65533
	for name, swap := range map[string]func(org, secret string) error{
		"another file": func(org, secret string) error {
			return errors.Join(os.Remove(filepath.Join(org, "file")), os.Link(secret, filepath.Join(org, "file")))
		},
		"a link": func(org, secret string) error {
			return errors.Join(os.Remove(filepath.Join(org, "file")), os.Symlink(secret, filepath.Join(org, "file")))
		},
		"a pipe": func(org, _ string) error {
			return errors.Join(os.Remove(filepath.Join(org, "file")), syscall.Mkfifo(filepath.Join(org, "file"), 0o600))
		},
		"another name": func(org, secret string) error {
			return os.Link(filepath.Join(org, "file"), secret+".own")
		},
	} {
		for act, do := range map[string]func(entry) error{
			"give":   func(e entry) error { return e.give(uid) },
			"unlink": func(e entry) error { _, err := e.unlink(); return err },
		} {
			org, others := t.TempDir(), t.TempDir()
			secret := filepath.Join(others, "secret")
			if err := errors.Join(os.WriteFile(filepath.Join(org, "file"), []byte("own"), 0o600),
				os.WriteFile(secret, []byte("secret"), 0o600)); err != nil {
				t.Fatal(err)
			}
			err := walk(org, func(e entry) error { return errors.Join(swap(org, secret), do(e)) })
			if err == nil {
				t.Errorf("%s, %s: no error", name, act)
			}
			if now, err := OwnerOf(secret); now != 0 || err != nil {
				t.Errorf("%s, %s: somebody else's file belongs to %d: %v", name, act, now, err)
			}
			if name != "a link" || act != "unlink" {
				continue
			}
			if b, err := os.ReadFile(filepath.Join(org, "file")); string(b) != "secret" {
				t.Errorf("the link is gone: %q %v", b, err)
			}
		}
	}
	org, others := tree(t)
	err := walk(org, func(e entry) error {
		if e.name != "in" {
			t.Errorf("it visits %s", e.name)
			return nil
		}
		in := filepath.Join(org, "in")
		return errors.Join(os.Rename(in, filepath.Join(org, "kept")), os.Rename(filepath.Join(others, "in"), in))
	})
	if !errors.Is(err, errOther) {
		t.Errorf("another directory is entered: %v", err)
	}
}

// TestWalkSeesMoves: a file that has moved to the place of another after it was looked at, with no other
// name than that, is neither given away nor copied.
func TestWalkSeesMoves(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("only root gives files away, and only Linux tells which")
	}
	const uid = 65533
	for act, do := range map[string]func(entry) error{
		"give":   func(e entry) error { return e.give(uid) },
		"unlink": func(e entry) error { _, err := e.unlink(); return err },
	} {
		org, secret := t.TempDir(), filepath.Join(t.TempDir(), "secret")
		file := filepath.Join(org, "file")
		if err := errors.Join(os.WriteFile(file, []byte("own"), 0o600), os.WriteFile(secret, []byte("secret"), 0o600)); err != nil {
			t.Fatal(err)
		}
		moved, err := os.Stat(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := walk(org, func(e entry) error { return errors.Join(os.Rename(secret, file), do(e)) }); !errors.Is(err, errOther) {
			t.Errorf("%s: %v", act, err)
		}
		now, err := os.Stat(file)
		if err != nil || !os.SameFile(moved, now) {
			t.Errorf("%s: another file is there: %v", act, err)
		}
		if owner, err := OwnerOf(file); owner != 0 || err != nil {
			t.Errorf("%s: somebody else's file belongs to %d: %v", act, owner, err)
		}
	}
}

// TestWalkStaysInside: when the directory that it is in moves away, it ends.
func TestWalkStaysInside(t *testing.T) {
	org, others := tree(t)
	err := walk(org, func(e entry) error {
		if e.name != "file" {
			return nil
		}
		return os.Rename(filepath.Join(org, "in"), filepath.Join(others, "moved"))
	})
	if err == nil || !strings.Contains(err.Error(), "moved meanwhile") {
		t.Error(err)
	}
}

// TestGive: everything gets the owner, links themselves and not what they lead to, and no name of a
// file elsewhere. Deeper than a path may be long, and wherever it was cut off before.
func TestGive(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	const uid, levels = 65533, 2200
	org, others := tree(t)
	in, secret := filepath.Join(org, "in"), filepath.Join(others, "in", "file")
	if err := errors.Join(os.Symlink(secret, filepath.Join(in, "link")), os.Link(secret, filepath.Join(in, "linked")),
		os.Link(filepath.Join(in, "file"), filepath.Join(org, "again")), syscall.Mkfifo(filepath.Join(in, "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	dir, err := unix.Open(in, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	for range levels {
		if err == nil {
			err = unix.Mkdirat(dir, "d", 0o700)
		}
		if err == nil {
			var next int
			next, err = unix.Openat(dir, "d", unix.O_RDONLY|unix.O_DIRECTORY, 0)
			_ = unix.Close(dir)
			dir = next
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Close(dir)
		_ = RemoveAll(org) // os.RemoveAll takes a descriptor for each level
	})
	if err := Give(org, uid); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := walk(org, func(e entry) error {
		if n++; e.Uid != uid || e.Gid != uid {
			t.Errorf("%s belongs to %d:%d", e.name, e.Uid, e.Gid)
		}
		return nil
	}); err != nil || n != levels+6 {
		t.Errorf("%d entries, %v", n, err)
	}
	if now, err := OwnerOf(org); now != uid || err != nil {
		t.Errorf("the directory belongs to %d: %v", now, err)
	}
	if now, err := OwnerOf(secret); now != 0 || err != nil {
		t.Errorf("the file elsewhere belongs to %d: %v", now, err)
	}
	if b, err := os.ReadFile(filepath.Join(in, "linked")); string(b) != others || err != nil {
		t.Errorf("the copy: %q %v", b, err)
	}
	same, err := os.Stat(filepath.Join(in, "file"))
	again, err2 := os.Stat(filepath.Join(org, "again"))
	if err := errors.Join(err, err2); err != nil || !os.SameFile(same, again) {
		t.Errorf("two names of the org's own file are two files now: %v", err)
	}
}
