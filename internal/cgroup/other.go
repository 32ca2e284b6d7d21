//go:build !linux

package cgroup

import (
	"errors"
	"time"
)

// Limits are the bounds of a group. Zero: none.
type Limits struct {
	CPU    float64
	Memory int64
	PIDs   int64
}

// Enforced says which limits this machine can hold a group to.
type Enforced struct{ CPU, Memory, PIDs bool }

// Usage is what a group uses.
type Usage struct {
	CPU                  time.Duration
	Memory, PIDs, Killed int64
}

// Group is a control group.
type Group struct{}

var errNotLinux = errors.New("control groups take Linux")

// Open returns an error, as all here.
func Open(string) (*Group, error) { return nil, errNotLinux }

// Read returns an error.
func Read(string) (Usage, error) { return Usage{}, errNotLinux }

// Add returns an error.
func (*Group) Add(int, Limits) error { return errNotLinux }

// Set returns an error.
func (*Group) Set(Limits) error { return errNotLinux }

// Usage returns an error.
func (*Group) Usage() (Usage, error) { return Usage{}, errNotLinux }

// Remove returns an error.
func (*Group) Remove() error { return errNotLinux }

// Supported returns an error.
func Supported() (Enforced, error) { return Enforced{}, errNotLinux }
