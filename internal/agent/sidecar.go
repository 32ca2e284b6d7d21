//go:build linux || darwin

package agent

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pizzaface/pizzeria/internal/processtree"
)

const (
	sidecarWait    = time.Second // before the first restart; doubles
	sidecarWaitMax = time.Minute
	sidecarSteady  = time.Minute // one that ran so long begins anew
)

// sidecar is a command that runs beside the app.
type sidecar struct {
	command []string
	env     []string
	input   string // what it reads
}

// sidecars are the commands that run beside the app.
type sidecars struct {
	restarts atomic.Int64
	loops    sync.WaitGroup

	mu       sync.Mutex
	stopping chan struct{} // closed when none is started any more; nil before the first
	running  map[*processtree.Process]struct{}
}

func (a *Agent) startSidecars() error {
	s := &a.sidecars
	s.stopping, s.running = make(chan struct{}), map[*processtree.Process]struct{}{}
	for _, one := range a.wantedSidecars() {
		p, err := a.startSidecar(one)
		if err != nil {
			return fmt.Errorf("cannot start the sidecar %s: %w", one.command[0], err)
		}
		s.loops.Go(func() { a.keepSidecar(one, p) })
	}
	return nil
}

func (a *Agent) wantedSidecars() (all []sidecar) {
	for _, command := range a.c.Sidecars {
		all = append(all, sidecar{command: command, env: a.env})
	}
	if a.pizzapi != nil {
		command, input := a.pizzapi.Redis()
		all = append(all, sidecar{command: command, env: []string{"PATH=" + a.c.Env["PATH"]}, input: input})
	}
	return all
}

// startSidecar starts one; nil when none is started any more.
func (a *Agent) startSidecar(one sidecar) (*processtree.Process, error) {
	s := &a.sidecars
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stopping:
		return nil, nil
	default:
	}
	p, err := a.run(one, filepath.Base(one.command[0]))
	if err == nil {
		s.running[p] = struct{}{}
	}
	return p, err
}

// keepSidecar starts one again when it ends, with increasing pauses.
func (a *Agent) keepSidecar(one sidecar, p *processtree.Process) {
	s := &a.sidecars
	wait := sidecarWait
	for {
		began := time.Now()
		if p != nil {
			<-p.Done()
			s.mu.Lock()
			delete(s.running, p)
			s.mu.Unlock()
		}
		if time.Since(began) >= sidecarSteady {
			wait = sidecarWait
		}
		select {
		case <-s.stopping:
			return
		default:
			a.log.say(fmt.Sprintf("sidecar ended, starting it again in %s: %s", wait, one.command[0]))
		}
		select {
		case <-s.stopping:
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, sidecarWaitMax)
		s.restarts.Add(1)
		var err error
		if p, err = a.startSidecar(one); err != nil {
			a.log.say("sidecar does not start: " + err.Error())
		}
	}
}

// stop asks all to end.
func (s *sidecars) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping == nil {
		return
	}
	select {
	case <-s.stopping:
		return
	default:
		close(s.stopping)
	}
	for p := range s.running {
		p.Signal(syscall.SIGTERM)
	}
}

// await returns when all have ended; after the grace it kills them.
func (s *sidecars) await(grace time.Duration) {
	force := time.AfterFunc(grace, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for p := range s.running {
			p.Kill()
		}
	})
	defer force.Stop()
	s.loops.Wait()
}
