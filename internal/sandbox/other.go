//go:build !linux

package sandbox

import (
	"errors"
	"os"
	"os/exec"
)

// Helper is the command that calls Enter and nothing else.
type Helper []string

var errNotLinux = errors.New("it takes Linux")

// Start returns an error.
func (Helper) Start(Way, Spec, func(int) error, *os.File, ...*os.File) (*exec.Cmd, error) {
	return nil, errNotLinux
}

// Probe returns None.
func (Helper) Probe() (Way, error) { return None, errNotLinux }

// Enter returns an error.
func Enter() error { return errNotLinux }
