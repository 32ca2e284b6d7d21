package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// tryTime is how long a try may take.
const tryTime = 20 * time.Second

// Supported tries, in a directory, whether this machine has what a volume takes, and returns why not.
func Supported(dir string, sparse bool) error {
	if os.Geteuid() != 0 {
		return errors.New("only root mounts file systems")
	}
	for _, program := range []string{"mke2fs", "e2fsck", "resize2fs", "cp"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: install e2fsprogs", err)
		}
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(dir, ".volume")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), tryTime)
	defer cancel()
	v := Volume{Image: filepath.Join(dir, "image"), At: filepath.Join(dir, "at"), Sparse: sparse}
	_, err = v.Make(ctx, 1<<20)
	if err == nil {
		var at unix.Statfs_t
		if err = unix.Statfs(v.At, &at); err == nil && at.Type != unix.EXT4_SUPER_MAGIC {
			err = errors.New("what is mounted does not show")
		}
	}
	err = errors.Join(err, v.Unmount(), v.dropBuilding())
	return errors.Join(err, os.RemoveAll(dir))
}
