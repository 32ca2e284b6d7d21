//go:build !linux

package postgrestest

import "syscall"

func asServer() (*syscall.SysProcAttr, error) { return &syscall.SysProcAttr{}, nil }

// Own gives a file or directory to the user that servers run as: this one.
func Own(string) error { return nil }
