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
	"time"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/internal/volume"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// An org whose plan limits its disk has a volume, mounted on its directory: what it writes, its logs
// among it. Its instances' run directories are on it, too. An image that exists has the org's data and
// is mounted whatever the config says now.

const (
	// mostMoved is how many bytes of files a start moves to or from a volume.
	mostMoved = 4 << 30
	// moveTime bounds a move: the org waits for it.
	moveTime = time.Minute
	// runName is the directory of a volume with those that are mounted on run directories.
	runName = "run"
)

func (p *Provider) orgDir(org registry.OrgID) string {
	return filepath.Join(p.c.Dir, "orgs", string(org))
}

func (p *Provider) volume(org registry.OrgID) volume.Volume {
	return volume.Volume{
		Image: hostside.DiskImage(p.c.Dir, string(org)), At: p.orgDir(org), Sparse: p.c.Disk == DiskSparse,
	}
}

func (p *Provider) disksDir() string { return hostside.DisksDir(p.c.Dir) }

var triedVolumes struct {
	sync.Mutex
	by map[string]triedVolume
}

type triedVolume struct {
	why error
	at  time.Time
}

// noVolumes says why orgs without a volume get none.
func (p *Provider) noVolumes() error {
	if p.c.Disk == DiskOff {
		return errors.New("`disk off` is set")
	}
	triedVolumes.Lock()
	defer triedVolumes.Unlock()
	key := string(p.c.Disk) + p.disksDir()
	last, ok := triedVolumes.by[key]
	if !ok || last.why != nil && time.Since(last.at) > tryAgain {
		last = triedVolume{volume.Supported(p.disksDir(), p.c.Disk == DiskSparse), time.Now()}
		if triedVolumes.by == nil {
			triedVolumes.by = map[string]triedVolume{}
		}
		triedVolumes.by[key] = last
	}
	return last.why
}

// openDisk makes the directory of an org be what the org's limit says, as far as it can: notice says
// what is not. The caller calls unlock once something of the org runs.
func (p *Provider) openDisk(ctx context.Context, s provision.Spec) (notice string, unlock func(), err error) {
	v := p.volume(s.OrgID)
	if exists, err := v.Exists(); os.Geteuid() != 0 && err == nil && !exists {
		return "", func() {}, nil
	}
	release, err := v.Lock()
	if err != nil {
		return "", nil, err
	}
	unlock = sync.OnceFunc(release)
	unused, err := p.unused(ctx, s.OrgID)
	if err == nil {
		notice, err = p.fitDisk(ctx, v, s.Limits, unused)
	}
	if err == nil { // whatever became of it: the org is not to find an empty directory
		_, err = p.mountDisk(ctx, v)
	}
	if err != nil {
		unlock()
	}
	return notice, unlock, err
}

// unused reports whether nothing of an org runs, and ends what is left of what did.
func (p *Provider) unused(ctx context.Context, org registry.OrgID) (bool, error) {
	refs, err := p.refs()
	if err != nil {
		return false, err
	}
	for _, r := range refs {
		if r.OrgID != org {
			continue
		}
		dir := p.runDir(r)
		if held(dir) {
			return false, nil
		}
		if isApart(dir) {
			err = awaitGone(ctx, dir)
		} else {
			err = endLeftovers(ctx, dir)
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

func (p *Provider) fitDisk(ctx context.Context, v volume.Volume, l registry.Limits, unused bool) (notice string, err error) {
	limit, limited := l[registry.LimitDisk]
	exists, err := p.mountDisk(ctx, v)
	switch {
	case err != nil:
		return "", err
	case exists && unused:
		return p.resizeDisk(ctx, v, l, true)
	case exists, !unused, !limited, p.means().way != sandbox.Users, p.noVolumes() != nil:
		return "", nil
	}
	if mounted, err := v.Mounted(); err != nil || mounted {
		return "the disk is not limited: something else is mounted on " + v.At, err
	}
	if isEmpty(v.At) {
		_, err := v.Make(ctx, int64(limit))
		return "", err
	}
	if err := p.move(ctx, v, int64(limit)); err != nil {
		return "the disk is not limited: " + err.Error(), ctx.Err()
	}
	return "", nil
}

// mountDisk mounts the volume of an org that has one.
func (p *Provider) mountDisk(ctx context.Context, v volume.Volume) (exists bool, err error) {
	replaced, err := v.Recover()
	if err != nil {
		return false, err
	}
	if exists, err = v.Exists(); !exists || err != nil {
		return false, err
	}
	if err := v.Mount(ctx); err != nil {
		return true, err
	}
	if replaced != "" {
		err = hostside.RemoveAll(replaced)
	}
	return true, err
}

// resizeDisk makes a volume as large as its limit.
func (p *Provider) resizeDisk(ctx context.Context, v volume.Volume, l registry.Limits, unused bool) (notice string, err error) {
	limit, limited := l[registry.LimitDisk]
	room := int64(limit)
	if !limited {
		if room, err = v.Fits(); err != nil {
			return "", err
		}
		v.Sparse = true
	}
	c, err := v.Compare(room)
	if err != nil {
		return "", err
	}
	if c > 0 && limited {
		if !unused {
			return "", errors.ErrUnsupported
		}
		if err := p.move(ctx, v, room); err != nil {
			return "the disk keeps its size: " + err.Error(), ctx.Err()
		}
		return "", nil
	}
	if err := v.Grow(ctx, room, unused); err != nil {
		if !unused || ctx.Err() != nil {
			return "", err
		}
		return "the disk keeps its size: " + err.Error(), nil
	}
	return "", nil
}

// move moves what an org has to a new volume.
func (p *Provider) move(ctx context.Context, v volume.Volume, room int64) error {
	used, err := hostside.SizeOf(v.At)
	if err != nil {
		return err
	}
	if used > mostMoved {
		return fmt.Errorf("its %d MiB are too much to be moved at a start", used>>20)
	}
	if used > room {
		return fmt.Errorf("it has %d MiB already, and its limit is %d MiB", used>>20, room>>20)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, moveTime, fmt.Errorf("its files cannot be moved within %s", moveTime))
	defer cancel()
	replaced, err := v.Make(ctx, room)
	if err == nil && replaced != "" {
		err = hostside.RemoveAll(replaced)
	}
	return err
}

func isEmpty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0
}

// limitDisk holds an org whose instance runs to another limit.
func (p *Provider) limitDisk(ctx context.Context, org registry.OrgID, l registry.Limits) error {
	v := p.volume(org)
	if exists, err := v.Exists(); err != nil || !exists {
		return errors.Join(err, errors.ErrUnsupported)
	}
	unlock, err := v.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := p.mountDisk(ctx, v); err != nil {
		return err
	}
	_, err = p.resizeDisk(ctx, v, l, false)
	if errors.Is(err, volume.ErrInUse) { // from the next start on
		err = errors.ErrUnsupported
	}
	return err
}

// shareDisk puts the run directory of an instance that is kept apart on the org's volume, if it has
// one, and removes there what earlier ones left.
func (p *Provider) shareDisk(org registry.OrgID, dir string) error {
	exists, err := p.volume(org).Exists()
	if err != nil || !exists {
		return err
	}
	own := p.runOnDisk(org, dir)
	all, err := os.ReadDir(filepath.Dir(own))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range all {
		if e.Name() == filepath.Base(own) || !held(filepath.Join(filepath.Dir(dir), e.Name())) {
			if err := hostside.RemoveAll(filepath.Join(filepath.Dir(own), e.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.MkdirAll(own, 0o700); err != nil {
		return err
	}
	return volume.Bind(own, dir)
}

// runOnDisk is where a run directory is on the org's volume.
func (p *Provider) runOnDisk(org registry.OrgID, dir string) string {
	return filepath.Join(p.orgDir(org), runName, filepath.Base(dir))
}
