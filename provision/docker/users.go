//go:build linux

package docker

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/registry"
)

// Users of orgs, within their containers. They are below 65,536, as many as userns-remap maps.
const (
	firstUser = 10_000
	lastUser  = 59_999
)

// mapping says which users of this machine those of containers are.
type mapping struct{ offset int }

func (m mapping) uid(user int) int    { return m.offset + user }
func (m mapping) isOrgs(uid int) bool { return uid >= m.uid(firstUser) && uid <= m.uid(lastUser) }

// user returns the user of an org's instances: the owner of its data directory. An org that has none
// yet, or one of another provider or mapping, gets one that no org of this data directory has. The
// caller has the org's lock.
func (p *Provider) user(org registry.OrgID, m mapping) (int, error) {
	data := filepath.Join(p.orgDir(org), "data")
	if p.c.Root {
		return 0, hostside.Give(data, m.uid(0))
	}
	unlock, err := hostside.LockFile(filepath.Join(p.c.Dir, "run", "docker", ".users.lock"))
	if err != nil {
		return 0, err
	}
	defer unlock()
	uid, err := hostside.OwnerOf(data)
	if err != nil {
		return 0, err
	}
	if m.isOrgs(uid) {
		return uid - m.offset, nil
	}
	entries, err := os.ReadDir(filepath.Join(p.c.Dir, "orgs"))
	if err != nil {
		return 0, err
	}
	taken := map[int]bool{}
	for _, e := range entries {
		uid, err := hostside.OwnerOf(filepath.Join(p.orgDir(registry.OrgID(e.Name())), "data"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		taken[uid] = true
	}
	if len(taken) > (lastUser-firstUser)/2 {
		return 0, errors.New("there are too many orgs in the data directory for a user each")
	}
	for {
		// Anywhere in the range: other installations of the machine have theirs there too.
		user := firstUser + rand.IntN(lastUser-firstUser) //nolint:gosec // not a secret
		if !taken[m.uid(user)] {
			return user, hostside.Give(data, m.uid(user))
		}
	}
}
