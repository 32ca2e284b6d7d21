package process

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// keepDescriptors keeps what this process inherited from what it starts: the
// sockets of the front door, when systemd hands them over, would let an instance
// answer in everybody's name. What Go opens itself is kept already.
func keepDescriptors() error {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return fmt.Errorf("process: inherited descriptors cannot be listed: %w", err)
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	return nil
}
