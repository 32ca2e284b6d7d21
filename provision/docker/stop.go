//go:build linux

package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Stop implements provision.Provider.
func (p *Provider) Stop(ctx context.Context, org registry.OrgID, upTo int64) error {
	if err := p.stop(ctx, org, upTo); err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	return nil
}

func (p *Provider) stop(ctx context.Context, org registry.OrgID, upTo int64) error {
	if !registry.ValidID(string(org)) {
		return nil // there is none
	}
	if _, err := os.Lstat(p.orgDir(org)); errors.Is(err, fs.ErrNotExist) { // the lock would make it
		if all, err := p.find(ctx, labelOrg+"="+string(org)); err != nil || len(all) == 0 {
			return err
		}
	}
	unlock, err := p.lock(ctx, org)
	if err != nil {
		return err
	}
	defer unlock()
	all, err := p.find(ctx, labelOrg+"="+string(org))
	if err != nil {
		return err
	}
	byRef := map[provision.Ref][]found{}
	for _, f := range all {
		if f.ref.Generation > upTo {
			continue
		}
		if f.installation != p.installation {
			if err := refuseForeign(f); err != nil { // it cannot share the org's data with another
				return err
			}
			continue
		}
		byRef[f.ref] = append(byRef[f.ref], f)
	}
	for ref, of := range byRef {
		for _, f := range of {
			if f.role == roleInstance && f.running {
				if err := p.end(ctx, f.id); err != nil {
					return err
				}
			}
		}
		if err := p.discard(ctx, ref, of); err != nil {
			return err
		}
	}
	return nil
}

// end asks the agent of a container to end, and kills it after the grace.
func (p *Provider) end(ctx context.Context, id string) error {
	seconds := p.graceSeconds()
	ctx, cancel := about(ctx, time.Duration(seconds)*time.Second+askTime)
	defer cancel()
	_, err := p.engine.c.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &seconds})
	if cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) { // gone, or paused: it is killed
		return nil
	}
	return err
}

// discard removes containers of an instance, and what the host side keeps of it. The data stays.
func (p *Provider) discard(ctx context.Context, r provision.Ref, of []found) error {
	for _, f := range of {
		if err := p.remove(ctx, f.id); err != nil {
			return err
		}
	}
	err := os.Remove(p.credentialFile(r))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, p.endProxy(ctx, r), hostside.RemoveAll(p.runDir(r)))
}
