//go:build linux || darwin

package process

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// closeInherited marks the descriptors that this process inherited as close-on-exec. systemd
// hands over the front door's sockets, and an instance that inherited them could answer for
// every org. Go marks the descriptors that it opens itself.
func closeInherited() error {
	dir, err := os.Open("/dev/fd")
	if err != nil {
		return fmt.Errorf("process: list inherited descriptors: %w", err)
	}
	defer func() { _ = dir.Close() }()
	// Names only: macOS gives no types here, and stat fails for some kinds of descriptors (kqueue).
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("process: list inherited descriptors: %w", err)
	}
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	return nil
}
