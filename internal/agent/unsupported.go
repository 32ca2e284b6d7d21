//go:build !linux && !darwin

package agent

import (
	"fmt"
	"io"
	"runtime"
)

// Main says that the agent needs Linux or macOS.
func Main(program string, _ []string, _, stderr io.Writer) int {
	_, _ = fmt.Fprintf(stderr, "%s: the agent needs Linux or macOS, and this is %s\n", program, runtime.GOOS)
	return 1
}
