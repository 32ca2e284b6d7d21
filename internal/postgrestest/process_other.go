//go:build !linux

package postgrestest

import (
	"errors"
	"os"
	"syscall"
)

func asServer() (*syscall.SysProcAttr, error) { return &syscall.SysProcAttr{}, nil }

// Own gives a file or directory to the user that servers run as: this one.
func Own(string) error { return nil }

func finish(pid int) error { return signalOne(pid, os.Interrupt) }

func kill(pid int) error { return signalOne(pid, os.Kill) }

type treeSignal int

const stall, proceed treeSignal = 0, 1

func signalTree(int, treeSignal) error {
	return errors.New("a PostgreSQL server is stalled on Linux alone")
}

func signalOne(pid int, sig os.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Signal(sig)
}
