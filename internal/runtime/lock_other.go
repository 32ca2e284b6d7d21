//go:build !linux && !darwin

package runtime

import (
	"fmt"
	"runtime"
)

// lockDir returns an error: two servers must never share a data directory, and there is no lock
// here that has been tested.
func lockDir(string, bool) (unlock func() error, err error) {
	return nil, fmt.Errorf("a control plane needs Linux or macOS, and this is %s", runtime.GOOS)
}
