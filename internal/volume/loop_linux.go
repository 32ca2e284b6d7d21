package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// attached returns the loop device of an image, open, or nil when it has none. While it is open the
// kernel does not detach it.
func attached(image string) (*os.File, error) {
	var want unix.Stat_t
	if err := unix.Stat(image, &want); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: image, Err: err}
	}
	// Only devices with a file have this directory.
	all, err := filepath.Glob("/sys/block/loop*/loop")
	if err != nil {
		return nil, err
	}
	for _, dir := range all {
		// The name is as the kernel knows it now. Others' devices are not opened.
		file, err := os.ReadFile(filepath.Join(dir, "backing_file"))
		name := filepath.Base(strings.TrimSuffix(strings.TrimSpace(string(file)), " (deleted)"))
		if err != nil || name != filepath.Base(image) {
			continue
		}
		f, err := os.Open("/dev/" + filepath.Base(filepath.Dir(dir)))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENXIO) {
			continue
		}
		if err != nil {
			return nil, err
		}
		info, err := unix.IoctlLoopGetStatus64(int(f.Fd()))
		if err == nil && info.Device == want.Dev && info.Inode == want.Ino {
			return f, nil
		}
		_ = f.Close()
		if err != nil && !errors.Is(err, unix.ENXIO) { // it was detached meanwhile
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	return nil, nil
}

// attach gives an image a loop device, which goes when its last mount does. The caller closes it.
func attach(image string) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = control.Close() }()
	file, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	for {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("find a free loop device: %w", err)
		}
		device, err := os.OpenFile("/dev/loop"+strconv.Itoa(n), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(file.Fd()), Info: unix.LoopInfo64{ //nolint:gosec // a descriptor
			// Direct: its pages would be cached twice otherwise.
			Flags: unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO,
		}}
		copy(config.Info.File_name[:len(config.Info.File_name)-1], image)
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			return device, nil
		}
		_ = device.Close()
		if !errors.Is(err, unix.EBUSY) { // another was faster
			return nil, fmt.Errorf("attach %s: %w", image, err)
		}
	}
}

// grown tells the device of an image that the image has grown.
func grown(device *os.File) error {
	if err := unix.IoctlSetInt(int(device.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		return fmt.Errorf("grow %s: %w", device.Name(), err)
	}
	return nil
}
