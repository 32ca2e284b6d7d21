package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// root is a root directory in the making.
type root struct {
	dir string // where it is mounted
}

// buildRoot makes the root directory of s, and moves into it.
func buildRoot(s Spec) error {
	// Nothing that is mounted here shows outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// Nothing is shown of /proc, so this namespace can do without it meanwhile.
	r := root{dir: "/proc"}
	if err := unix.Mount("sandbox", r.dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=4m"); err != nil {
		return fmt.Errorf("mount the root: %w", err)
	}
	for _, step := range []func(Spec) error{r.system, r.devices, r.own, r.etc} {
		if err := step(s); err != nil {
			return err
		}
	}
	return r.enter()
}

// own shows what the Spec names.
func (r root) own(s Spec) error {
	if err := r.temporary("/tmp", s.Temporary); err != nil {
		return err
	}
	if err := r.symlink("/tmp", "/var/tmp"); err != nil {
		return err
	}
	for _, path := range s.Read {
		if err := r.show(path.From, path.At, true); err != nil {
			return err
		}
	}
	var hidden []string
	for _, path := range s.Hide {
		covered, err := r.hide(path, s.Read)
		if err != nil {
			return err
		}
		if covered {
			hidden = append(hidden, path)
		}
	}
	for _, path := range s.Write {
		if err := r.show(path, path, false); err != nil {
			return err
		}
	}
	for _, path := range hidden {
		if err := r.freeze(path); err != nil {
			return err
		}
	}
	return nil
}

// system shows programs and libraries.
func (r root) system(Spec) error {
	for _, path := range system {
		if target, err := os.Readlink(path); err == nil { // such as /bin, where it is /usr/bin
			if err := r.symlink(target, path); err != nil {
				return err
			}
			continue
		}
		if err := r.showIfThere(path); err != nil {
			return err
		}
	}
	return nil
}

func (r root) etc(s Spec) error {
	paths := config
	if s.Network {
		paths = slices.Concat(config, ofNetwork)
	}
	for _, path := range paths {
		if err := r.showIfThere(path); err != nil {
			return err
		}
	}
	passwd := fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\napp:x:%[1]d:%[1]d:app:%[2]s:/bin/sh\n", s.UID, s.Home)
	files := map[string]string{"/etc/passwd": passwd, "/etc/group": fmt.Sprintf("root:x:0:\napp:x:%d:\n", s.UID)}
	if !s.Network {
		files["/etc/hosts"] = "127.0.0.1 localhost " + s.Host + "\n::1 localhost\n"
	}
	for path, text := range files {
		if err := r.write(path, text); err != nil {
			return err
		}
	}
	return nil
}

// devices makes /dev and /proc.
func (r root) devices(s Spec) error {
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := r.bind("/dev/"+name, "/dev/"+name, 0); err != nil {
			return err
		}
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
		"ptmx": "pts/ptmx",
	} {
		if err := r.symlink(target, "/dev/"+name); err != nil {
			return err
		}
	}
	if err := r.temporary("/dev/shm", s.Temporary); err != nil {
		return err
	}
	if err := r.mount("devpts", "/dev/pts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"); err != nil {
		return err
	}
	if err := r.mount("proc", "/proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	for _, name := range []string{"kcore", "keys", "key-users", "kmsg", "kpagecount", "kpageflags", "latency_stats", "sched_debug", "timer_list", "sysrq-trigger"} {
		if _, err := os.Lstat(r.at("/proc/" + name)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := unix.Mount("/dev/null", r.at("/proc/"+name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("hide /proc/%s: %w", name, err)
		}
	}
	return nil
}

// at is where a path of the sandbox is while it is made. The path is of ours, or was resolved.
func (r root) at(path string) string { return filepath.Join(r.dir, path) }

func (r root) mount(kind, path string, flags uintptr, data string) error {
	if err := os.MkdirAll(r.at(path), dirMode); err != nil {
		return err
	}
	if err := unix.Mount(kind, r.at(path), kind, flags, data); err != nil {
		return fmt.Errorf("mount %s: %w", path, err)
	}
	return nil
}

func (r root) temporary(path string, size int64) error {
	return r.mount("tmpfs", path, unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("mode=1777,size=%d,nr_inodes=%d", size, max(1024, size>>12)))
}

func (r root) symlink(target, path string) error {
	if err := os.MkdirAll(filepath.Dir(r.at(path)), dirMode); err != nil {
		return err
	}
	return os.Symlink(target, r.at(path))
}

func (r root) write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(r.at(path)), dirMode); err != nil {
		return err
	}
	return os.WriteFile(r.at(path), []byte(text), 0o644) //nolint:gosec // for all to read
}

func (r root) showIfThere(path string) error {
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return nil
	case err != nil:
		return err
	}
	return r.show(path, path, true)
}

// show mounts what is at path of the machine there in the sandbox.
func (r root) show(from, path string, readOnly bool) error {
	attrs := uint64(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV)
	if readOnly {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	return r.bind(from, path, attrs)
}

// bind mounts a file or directory with all that is mounted below it.
func (r root) bind(from, path string, attrs uint64) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, from, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return fmt.Errorf("open %s: %w", from, err)
	}
	defer func() { _ = unix.Close(tree) }()
	if attrs != 0 {
		set := unix.MountAttr{Attr_set: attrs}
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &set); err != nil {
			return fmt.Errorf("restrict %s: %w", from, err)
		}
	}
	if err := r.place(tree, path); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, r.at(path), unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount %s: %w", path, err)
	}
	return nil
}

// place makes the file or directory on which tree is mounted.
func (r root) place(tree int, path string) error {
	var st unix.Stat_t
	if err := unix.Fstat(tree, &st); err != nil {
		return err
	}
	at := r.at(path)
	if now, err := os.Stat(at); err == nil && now.IsDir() == (st.Mode&unix.S_IFMT == unix.S_IFDIR) {
		return nil // it is shown already
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return os.MkdirAll(at, dirMode)
	}
	if err := os.MkdirAll(filepath.Dir(at), dirMode); err != nil {
		return err
	}
	f, err := os.OpenFile(at, os.O_CREATE|os.O_WRONLY, 0o444) //nolint:gosec // a mount point
	if err != nil {
		return err
	}
	return f.Close()
}

// hide covers a directory that is shown, and shows what is to be seen in it again. It returns false
// for one that is not there.
func (r root) hide(path string, read []Path) (bool, error) {
	if _, err := os.Stat(r.at(path)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err := r.mount("tmpfs", path, unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=64k"); err != nil {
		return false, err
	}
	for _, p := range read {
		if below(path, p.At) {
			if err := r.show(p.From, p.At, true); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// enter makes r the root of this namespace, with nothing of the machine's behind it.
func (r root) enter() error {
	for _, dir := range []string{"/run", "/var", "/etc"} {
		if err := os.MkdirAll(r.at(dir), dirMode); err != nil {
			return err
		}
	}
	if err := os.Chdir(r.dir); err != nil {
		return err
	}
	// The old root lies on the new one, and goes: see pivot_root(2), "." twice.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the machine's root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return root{"/"}.freeze("/")
}

// freeze makes a directory of ours read-only, and nothing that is mounted in it.
func (r root) freeze(path string) error {
	ro := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, r.at(path), 0, &ro); err != nil {
		return fmt.Errorf("make %s read-only: %w", path, err)
	}
	return nil
}
