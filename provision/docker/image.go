//go:build linux

package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/provision"
)

// resolved is what the image's name led to.
type resolved struct {
	id      string // of its configuration, by which it is run
	digest  string // for people, and other machines: name@sha256:..., or the ID of one that has no registry
	command []string
	volumes []string
	env     []string
}

// sets reports whether the image sets a variable.
func (r resolved) sets(name string) bool {
	return slices.ContainsFunc(r.env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
}

// image returns the image of an instance. One that is started again keeps that of its generation: a
// tag may lead elsewhere by now.
func (p *Provider) image(ctx context.Context, s provision.Spec, ended []found) (resolved, error) {
	for _, f := range ended {
		if f.role != roleInstance || f.configuration != s.Configuration {
			continue
		}
		if c, err := p.engine.c.ContainerInspect(ctx, f.id, client.ContainerInspectOptions{}); err == nil {
			if r, err := p.inspect(ctx, c.Container.Image); err == nil {
				return r, p.checkImage(r)
			}
		}
	}
	r, err := p.inspect(ctx, p.c.Image)
	if cerrdefs.IsNotFound(err) {
		if _, ok := nameOf(p.c.Image); !ok || p.c.Pull == PullNever {
			return r, fmt.Errorf("the image %s is not there: load it, or let it be pulled by its name", p.c.Image)
		}
		if err := p.pull(ctx, s.Progress); err != nil {
			return r, err
		}
		r, err = p.inspect(ctx, p.c.Image)
	}
	if err != nil {
		return r, err
	}
	return r, p.checkImage(r)
}

func (p *Provider) inspect(ctx context.Context, name string) (r resolved, err error) {
	ctx, cancel := about(ctx, askTime)
	defer cancel()
	i, err := p.engine.c.ImageInspect(ctx, name)
	if err != nil {
		return r, err
	}
	r = resolved{id: i.ID, digest: i.ID}
	for _, d := range i.RepoDigests {
		if r.digest == i.ID || sameRepository(d, p.c.Image) {
			r.digest = d
		}
	}
	if c := i.Config; c != nil {
		r.command = append(slices.Clone(c.Entrypoint), c.Cmd...)
		r.env = c.Env
		for v := range c.Volumes {
			r.volumes = append(r.volumes, v)
		}
		slices.Sort(r.volumes)
	}
	return r, nil
}

func sameRepository(a, b string) bool {
	x, ok := nameOf(a)
	y, ok2 := nameOf(b)
	return ok && ok2 && x.Name() == y.Name()
}

// pulls is the one that is under way, if any.
type pulls struct {
	mu  sync.Mutex
	now *onePull
}

type onePull struct {
	ended chan struct{}
	err   error // once it has ended
	state atomic.Pointer[state]
}

// pullTime bounds a pull.
const pullTime = time.Hour

// pull pulls the image, or waits for the pull that is under way, and tells say how far that is. A pull
// continues when nobody waits for it any more: the next start finds it, or the image.
func (p *Provider) pull(ctx context.Context, say func(string)) error {
	s := &p.engine.pulls
	s.mu.Lock()
	now := s.now
	if now == nil {
		now = &onePull{ended: make(chan struct{})}
		s.now = now
		apart, cancel := context.WithTimeout(context.WithoutCancel(ctx), pullTime)
		go func() {
			defer cancel()
			now.err = p.pullOnce(apart, now)
			s.mu.Lock()
			s.now = nil
			s.mu.Unlock()
			close(now.ended)
		}()
	}
	s.mu.Unlock()
	if say == nil {
		say = func(string) {}
	}
	say("pulling the image " + p.c.Image)
	tick := time.NewTicker(p.c.SayEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("pull %s: %w", p.c.Image, context.Cause(ctx))
		case <-now.ended:
			return now.err
		case <-tick.C:
			if s := now.state.Load(); s != nil {
				say("pulling the image " + p.c.Image + ": " + s.words(p.c.Quiet))
			}
		}
	}
}

// pullEarly pulls the image before anybody needs it.
func (p *Provider) pullEarly(ctx context.Context) {
	if _, ok := nameOf(p.c.Image); !ok {
		return
	}
	if err := p.pull(ctx, nil); err != nil && ctx.Err() == nil {
		p.c.Log.Warn("cannot pull image", "image", p.c.Image, "error", err)
	}
}
