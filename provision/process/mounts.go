//go:build linux || darwin

package process

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/volume"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// mountRunning mounts the volumes of instances that run, where this server's mount namespace does not
// have them: an earlier server had mounts of its own. They are in use, so nothing checks them.
func (p *Provider) mountRunning(ctx context.Context) {
	refs, err := p.refs()
	if err != nil {
		return
	}
	for _, r := range refs {
		if dir := p.runDir(r); isApart(dir) && held(dir) {
			p.mountAgain(ctx, r.OrgID, refs)
		}
	}
}

// mountRest mounts the others, as after a restart of the machine, so that their files are there to be
// copied. A start does not wait for it: one of them may need a long check. An org whose volume cannot
// be mounted does not start, and says why.
func (p *Provider) mountRest(ctx context.Context) {
	images, err := filepath.Glob(hostside.DiskImage(p.c.Dir, "*"))
	if err != nil {
		return
	}
	for _, image := range images {
		if id := strings.TrimSuffix(filepath.Base(image), hostside.DiskImageEnd); registry.ValidID(id) {
			p.mountAgain(ctx, registry.OrgID(id), nil)
		}
	}
}

// mountAgain mounts the volume of an org that has one and is not mounted, and shows the run directories
// of its instances again that are among refs.
func (p *Provider) mountAgain(ctx context.Context, org registry.OrgID, refs []provision.Ref) {
	v := p.volume(org)
	if exists, err := v.Exists(); !exists || err != nil {
		return
	}
	if mounted, err := v.Mounted(); mounted || err != nil {
		return
	}
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
	if p.mounting != nil {
		p.mounting.Wait()
	}
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
