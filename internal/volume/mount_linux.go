package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Mounted reports whether something is mounted on the directory: in this mount namespace, the volume
// or what an operator mounted there.
func (v Volume) Mounted() (bool, error) {
	var at, above unix.Stat_t
	if err := unix.Lstat(v.At, &at); err != nil {
		if errors.Is(err, unix.ENOENT) {
			err = nil
		}
		return false, err
	}
	if err := unix.Lstat(filepath.Dir(v.At), &above); err != nil {
		return false, err
	}
	return at.Dev != above.Dev, nil
}

// Exists reports whether there is an image, which then has the data.
func (v Volume) Exists() (bool, error) {
	switch _, err := os.Lstat(v.Image); {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, err
	}
}

// Mount mounts the image, after a check when nothing has it mounted. The caller has the lock.
func (v Volume) Mount(ctx context.Context) error {
	if mounted, err := v.Mounted(); err != nil || mounted {
		return err
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("the files of %s are in the disk image %s, which only root can mount", v.At, v.Image)
	}
	if err := os.MkdirAll(v.At, dirMode); err != nil {
		return err
	}
	if entries, err := os.ReadDir(v.At); err != nil || len(entries) > 0 {
		if err == nil {
			err = fmt.Errorf("%s has files, and so has the disk image %s, which belongs there: "+
				"move one of the two elsewhere", v.At, v.Image)
		}
		return err
	}
	return v.mount(ctx, v.Image, v.At)
}

func (v Volume) mount(ctx context.Context, image, at string) error {
	device, err := attached(image)
	if err == nil && device == nil {
		if err := v.check(ctx, image); err != nil {
			return err
		}
		device, err = attach(image)
	}
	if err != nil {
		return err
	}
	defer func() { _ = device.Close() }()
	options := "errors=remount-ro,noinit_itable"
	if v.Sparse {
		options += ",discard"
	}
	if err := unix.Mount(device.Name(), at, "ext4", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOATIME, options); err != nil {
		return fmt.Errorf("mount %s on %s: %w", image, at, err)
	}
	return nil
}

// check replays and repairs what can be without asking. It is not cut off.
func (v Volume) check(ctx context.Context, image string, more ...string) error {
	err := v.run(context.WithoutCancel(ctx), "e2fsck", append(more, "-p", image)...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 { // it was repaired
		return nil
	}
	if err != nil {
		return fmt.Errorf("the file system in %s needs a repair by hand: `e2fsck %s`: %w", image, image, err)
	}
	return nil
}

// Unmount unmounts the volume here. Where it is in use it stays attached until that ends.
func (v Volume) Unmount() error { return unmount(v.At) }

func unmount(at string) error {
	if os.Geteuid() != 0 {
		return nil // only root has mounted something
	}
	err := unix.Unmount(at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", at, err)
	}
	return nil
}

// Lock takes the volume for changes; it waits for who has it.
func (v Volume) Lock() (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(v.Image), dirMode); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(v.Image+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	locks.Store(v.Image, f)
	return func() {
		locks.Delete(v.Image)
		_ = f.Close()
	}, nil
}

// locks are those that this process has, by image.
var locks sync.Map

const dirMode fs.FileMode = 0o700

// tail is how much of what a program says an error has.
const tail = 500

// run runs a program, which has the lock as well: should this process be killed, nobody touches the
// volume before the program has ended, too.
func (v Volume) run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	if f, ok := locks.Load(v.Image); ok {
		cmd.ExtraFiles = []*os.File{f.(*os.File)} //nolint:forcetypeassert // it is
	}
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", program, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(out[max(0, len(out)-tail):])))
	}
	return nil
}
