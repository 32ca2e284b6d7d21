package registry

import "context"

// InstallationID names one installation for ever: a UUIDv7, which is part of the names of all that
// its providers make.
type InstallationID string

// PlaceID names a data directory for ever: a UUIDv7, in a file there.
type PlaceID string

// InstallationStore names the installation, and where its providers keep instances.
type InstallationStore interface {
	Installation(ctx context.Context, a Actor) (InstallationID, error)
	PlaceOf(ctx context.Context, a Actor, provider string, here PlaceID, alone bool) (PlaceID, error)
}
