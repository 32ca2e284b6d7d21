//go:build linux || darwin

package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/internal/cgroup"
	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/sandbox"
)

// means are what this machine has to keep instances apart. They are tried when the first one who asks
// needs to know, and again after a while if nothing works: it may have been a moment's want.
type means struct {
	way    sandbox.Way
	why    error // why nothing does
	limits cgroup.Enforced
	tried  time.Time
}

const tryAgain = time.Minute

var tried struct {
	sync.Mutex
	by map[string]means
}

// means returns what keeps this provider's instances apart.
func (p *Provider) means() means {
	if p.c.Isolation == IsolationOff {
		return means{way: sandbox.None, why: errors.New("isolation is off")}
	}
	if len(p.c.Sandbox) == 0 || !canKeepApart {
		return means{way: sandbox.None, why: errors.New("there is no program for it")}
	}
	tried.Lock()
	defer tried.Unlock()
	key := strings.Join(p.c.Sandbox, "\x00")
	m, ok := tried.by[key]
	if !ok || m.way == sandbox.None && time.Since(m.tried) > tryAgain {
		m = means{tried: time.Now()}
		if m.way, m.why = p.c.Sandbox.Probe(); m.way == sandbox.Users {
			m.limits, _ = cgroup.Supported()
		}
		if tried.by == nil {
			tried.by = map[string]means{}
		}
		tried.by[key] = m
	}
	return m
}

// refuseDowngrade returns an error when an instance was isolated and would not be any more, though the
// config does not say so: a fault of a moment must not open it to the others.
func (p *Provider) refuseDowngrade(dir, data string, why error) error {
	if p.c.Isolation == IsolationOff {
		return nil
	}
	was := isApart(dir)
	if os.Geteuid() == 0 && !was {
		uid, err := hostside.OwnerOf(data)
		if err != nil {
			return err
		}
		was = isOrgs(uid)
	}
	if !was {
		return nil
	}
	return fmt.Errorf("the org's instance was isolated, and this machine cannot isolate it now: %w; "+
		"set `isolation off` to start it all the same", why)
}

// Check returns an error when instances cannot be started as the config says: isolated, or with what
// their command names.
func (p *Provider) Check() error {
	m := p.means()
	if m.way == sandbox.None {
		if p.c.Isolation == IsolationOn {
			return fmt.Errorf("process: isolation is on, and this machine cannot isolate instances: %w", m.why)
		}
		if p.c.Profile == agent.PizzaPi && p.c.Isolation != IsolationOff {
			return fmt.Errorf("process: PizzaPi listens at every address, so that everybody in this machine's network would reach it: "+
				"instances cannot be isolated: %w; set `isolation off` to start them all the same", m.why)
		}
		return nil
	}
	for _, arg := range p.c.Command[1:] {
		if !filepath.IsAbs(arg) || sandbox.Visible(arg, p.c.Files) {
			continue
		}
		if _, err := os.Stat(arg); err == nil {
			return fmt.Errorf("process: the command names %s, which isolated instances do not see: "+
				"add `files %s`, or a directory above it, to the provider", arg, filepath.Dir(arg))
		}
	}
	return nil
}
