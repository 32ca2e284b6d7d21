//go:build !linux

package volume

import (
	"context"
	"errors"
)

var errNotLinux = errors.New("volumes take Linux")

// ErrInUse is never returned.
var ErrInUse = errNotLinux

// Bind returns an error.
func Bind(string, string) error { return errNotLinux }

// Unbind does nothing.
func Unbind(string) error { return nil }

// Supported returns an error.
func Supported(string, bool) error { return errNotLinux }

// Mounted returns false.
func (Volume) Mounted() (bool, error) { return false, nil }

// Exists returns false.
func (Volume) Exists() (bool, error) { return false, nil }

// Lock does nothing.
func (Volume) Lock() (unlock func(), err error) { return func() {}, nil }

// Mount returns an error.
func (Volume) Mount(context.Context) error { return errNotLinux }

// Unmount does nothing.
func (Volume) Unmount() error { return nil }

// Make returns an error.
func (Volume) Make(context.Context, int64) (replaced string, err error) { return "", errNotLinux }

// Recover does nothing.
func (Volume) Recover() (replaced string, err error) { return "", nil }

// Compare returns an error.
func (Volume) Compare(int64) (int, error) { return 0, errNotLinux }

// Grow returns an error.
func (Volume) Grow(context.Context, int64, bool) error { return errNotLinux }

// Used returns an error.
func (Volume) Used() (int64, error) { return 0, errNotLinux }

// Fits returns an error.
func (Volume) Fits() (int64, error) { return 0, errNotLinux }
