//go:build linux || darwin

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// The installation of an instance is a file of its run directory and not a part of the path, which
// has to be short. Instances that an earlier version started have none: whoever lists them first
// adopts them.

// For implements provision.Provider.
func (p *Provider) For(id registry.InstallationID) provision.Provider {
	bound := *p
	bound.installation = id
	bound.mountRunning(context.Background())
	bound.mounting = new(sync.WaitGroup)
	bound.mounting.Go(func() { bound.mountRest(context.Background()) })
	return &bound
}

// OfAll returns the provider of all installations' instances: to stop what is left where no database
// says which one this is.
func (p *Provider) OfAll() provision.Provider {
	bound := *p
	bound.ofAll = true
	bound.mountRunning(context.Background())
	return &bound
}

// installationOf returns whose a run directory is, "" when nothing says so.
func installationOf(dir string) (registry.InstallationID, error) {
	b, err := os.ReadFile(filepath.Join(trustedDir(dir), installationFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return registry.InstallationID(b), err
}

// foreign reports whether a run directory is another installation's.
func (p *Provider) foreign(dir string) (bool, error) {
	id, err := installationOf(dir)
	return id != "" && id != p.installation && !p.ofAll, err
}

// refuseForeign returns an error when an instance of another installation runs in a directory.
func (p *Provider) refuseForeign(dir string) error {
	foreign, err := p.foreign(dir)
	if err != nil || !foreign || !held(dir) {
		return err
	}
	return fmt.Errorf("an instance of another installation runs in %s: put the database of that "+
		"installation back, or stop the instance with `kill $(cat %s)`",
		dir, filepath.Join(dir, lockFile))
}

// label says whose a run directory is.
func (p *Provider) label(dir string) error {
	return writeFile(filepath.Join(trustedDir(dir), installationFile), []byte(p.installation))
}

// adopt labels the directory of an instance that an earlier version started. It returns the other
// installation that the instance belongs to, if it does.
func (p *Provider) adopt(dir string) (foreign registry.InstallationID, err error) {
	id, err := installationOf(dir)
	switch {
	case err != nil || id == p.installation || p.ofAll:
		return "", err
	case id != "":
		return id, nil
	}
	if err = p.label(dir); errors.Is(err, fs.ErrNotExist) { // it was stopped meanwhile
		err = nil
	}
	return "", err
}
