package registry

import "context"

// InstallationID names one installation for ever: a UUIDv7, which is part of the names of all that
// its providers make.
type InstallationID string

// InstallationStore names the installation.
type InstallationStore interface {
	Installation(ctx context.Context, a Actor) (InstallationID, error)
}
