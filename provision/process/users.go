//go:build linux || darwin

package process

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/registry"
)

// user is the user of an org's instances: the owner of its data directory. An org that has none yet
// gets one that no org of this data directory has.
func (p *Provider) user(way sandbox.Way, org registry.OrgID) (int, error) {
	if way != sandbox.Users {
		return os.Geteuid(), nil
	}
	unlock, err := hostside.LockFile(filepath.Join(p.c.Dir, "run", ".users.lock"))
	if err != nil {
		return 0, err
	}
	defer unlock()
	orgs := filepath.Join(p.c.Dir, "orgs")
	own := filepath.Join(orgs, string(org))
	if uid, err := hostside.OwnerOf(filepath.Join(own, "data")); err != nil || isOrgs(uid) {
		return uid, err
	}
	entries, err := os.ReadDir(orgs)
	if err != nil {
		return 0, err
	}
	taken := map[int]bool{}
	for _, e := range entries {
		uid, err := hostside.OwnerOf(filepath.Join(orgs, e.Name(), "data"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		taken[uid] = true
	}
	if err := p.usersOfDisks(taken); err != nil {
		return 0, err
	}
	for {
		// Anywhere in the range: other installations of the machine have theirs there too.
		uid := sandbox.FirstUID + rand.IntN(sandbox.LastUID-sandbox.FirstUID) //nolint:gosec // not a secret
		if !taken[uid] {
			return uid, hostside.Give(filepath.Join(own, "data"), uid)
		}
	}
}

func isOrgs(uid int) bool { return uid >= sandbox.FirstUID && uid <= sandbox.LastUID }
