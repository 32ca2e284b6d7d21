//go:build linux

package docker

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// downGrace is how long an instance may take to stop that is stopped without its configuration.
const downGrace = 15 * time.Second

// StopAll stops the instances of a data directory, of any installation, and returns how many ran: for
// when no server does. host is the engine's address, "" for DefaultHost. A data directory in which no
// container ran needs no engine.
func StopAll(ctx context.Context, dataDir, host string) (stopped int, err error) {
	p, err := New(Config{Dir: dataDir, Host: host, Image: "none", Agent: []string{"none"}, Grace: downGrace})
	if err != nil {
		return 0, err
	}
	if _, err := os.Stat(filepath.Join(p.c.Dir, "run", "docker")); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	all, err := p.find(ctx, labelDirectory+"="+p.c.Dir)
	if err != nil {
		return 0, wrap(err)
	}
	type of struct {
		installation registry.InstallationID
		org          registry.OrgID
	}
	orgs := map[of]bool{}
	for _, f := range all {
		orgs[of{f.installation, f.ref.OrgID}] = true
		if f.running && f.role == roleInstance {
			stopped++
		}
	}
	for o := range orgs {
		if err := p.For(o.installation).Stop(ctx, o.org, math.MaxInt64); err != nil {
			return stopped, err
		}
	}
	return stopped, nil
}
