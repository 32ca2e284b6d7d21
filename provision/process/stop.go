//go:build linux || darwin

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/volume"
	"github.com/pizzaface/pizzeria/registry"
)

// Stop implements provision.Provider.
func (p *Provider) Stop(ctx context.Context, org registry.OrgID, upTo int64) error {
	refs, err := p.refs()
	if err != nil {
		return err
	}
	for _, r := range refs {
		if r.OrgID != org || r.Generation > upTo {
			continue
		}
		dir := p.runDir(r)
		foreign, err := p.foreign(dir)
		switch {
		case err == nil && foreign:
			err = p.refuseForeign(dir) // it cannot share the org's data with another
		case err == nil:
			err = p.stop(ctx, dir)
		}
		if err != nil {
			return fmt.Errorf("process: %w", err)
		}
	}
	return nil
}

func (p *Provider) stop(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, p.c.Grace+10*time.Second)
	defer cancel()
	// A shim that does not do it, since it stands still itself, takes its instance along.
	force := time.AfterFunc(p.c.Grace+shimStart, func() { killShim(dir) })
	defer force.Stop()
	for {
		// Removing is done under the lock: a shim that was just started finds nothing to run.
		l, err := lock(dir)
		if err == nil {
			if isApart(dir) {
				err = awaitGone(ctx, dir)
			} else {
				err = endLeftovers(ctx, dir)
			}
			if err != nil {
				return errors.Join(err, l.Close())
			}
			reapAdopted()
			return errors.Join(p.discard(dir), l.Close())
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		// An error is a shim that has just ended, or is about to listen: the lock tells.
		within, done := context.WithTimeout(ctx, p.c.Grace+shimStart)
		_, _ = call(within, dir, request{Op: opStop, GraceMS: p.c.Grace.Milliseconds()})
		done()
		select {
		case <-ctx.Done():
			return fmt.Errorf("the shim in %s does not end: %w", dir, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// goneDir keeps run directories between their disappearing, which is atomic, and their removal.
const goneDir = ".gone"

func (p *Provider) discard(dir string) error {
	if err := os.Remove(p.credentialFile(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	to, err := p.moveAway(dir)
	if err != nil { // it is the org's, and not to be trusted once the host side forgets it
		return err
	}
	return errors.Join(hostside.RemoveAll(to), p.forget(dir))
}

// moveAway makes a directory disappear at once, and returns where it is to be removed.
func (p *Provider) moveAway(dir string) (to string, err error) {
	gone := filepath.Join(p.c.Dir, "run", goneDir)
	if err := os.MkdirAll(gone, 0o700); err != nil {
		return "", err
	}
	if err := volume.Unbind(dir); err != nil {
		return "", err
	}
	to = filepath.Join(gone, uuid.NewString())
	err = os.Rename(dir, to)
	if _, there := os.Lstat(dir); err != nil && errors.Is(there, fs.ErrNotExist) {
		err = nil
	}
	return to, err
}

// sweepGone removes what a crash left there. The directory stays: somebody may be about to use it.
func (p *Provider) sweepGone() {
	gone := filepath.Join(p.c.Dir, "run", goneDir)
	entries, _ := os.ReadDir(gone)
	for _, e := range entries {
		_ = hostside.RemoveAll(filepath.Join(gone, e.Name()))
	}
}
