//go:build linux || darwin

package process

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/volume"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// mountAll mounts the volumes of orgs that have one, where this server's mount namespace does not have
// them yet: after a restart of the machine, or of a server with mounts of its own. Whose cannot be
// mounted fails when it is started.
func (p *Provider) mountAll(ctx context.Context) {
	entries, err := os.ReadDir(p.disksDir())
	if err != nil {
		return
	}
	refs, err := p.refs()
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	free := make(chan struct{}, mountsAtOnce)
	for _, e := range entries {
		id, isImage := strings.CutSuffix(e.Name(), hostside.DiskImageEnd)
		org := registry.OrgID(id)
		if !isImage || !registry.ValidID(id) {
			continue
		}
		if mounted, err := p.volume(org).Mounted(); mounted || err != nil {
			continue
		}
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			p.mountAgain(ctx, org, refs)
		})
	}
}

const mountsAtOnce = 8

func (p *Provider) mountAgain(ctx context.Context, org registry.OrgID, refs []provision.Ref) {
	v := p.volume(org)
	unlock, err := v.Lock()
	if err != nil {
		return
	}
	defer unlock()
	if _, err := p.mountDisk(ctx, v); err != nil {
		return
	}
	for _, r := range refs {
		if dir := p.runDir(r); r.OrgID == org && isApart(dir) && held(dir) {
			_ = volume.Bind(p.runOnDisk(org, dir), dir)
		}
	}
}

// Release implements provision.Releaser.
func (p *Provider) Release() error {
	entries, err := os.ReadDir(p.disksDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if id, isImage := strings.CutSuffix(e.Name(), hostside.DiskImageEnd); isImage && registry.ValidID(id) {
			err = errors.Join(err, p.release(registry.OrgID(id)))
		}
	}
	return err
}

// release unmounts the volume of an org of which nothing runs.
func (p *Provider) release(org registry.OrgID) error {
	v := p.volume(org)
	unlock, err := v.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	refs, err := p.refs()
	if err != nil {
		return err
	}
	for _, r := range refs {
		if r.OrgID == org && held(p.runDir(r)) {
			return nil
		}
	}
	return v.Unmount()
}

// noteUser makes the user of an org's instances the owner of its image, which tells while it is not
// mounted. The org does not see it.
func (p *Provider) noteUser(org registry.OrgID, uid int) error {
	err := os.Lchown(p.volume(org).Image, uid, 0)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

func (p *Provider) usersOfDisks(taken map[int]bool) error {
	images, err := filepath.Glob(filepath.Join(p.disksDir(), "*"+hostside.DiskImageEnd))
	if err != nil {
		return err
	}
	for _, image := range images {
		uid, err := hostside.OwnerOf(image)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		taken[uid] = true
	}
	return nil
}
