//go:build linux

package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Watch implements provision.Watcher, by the engine's events. It also pulls the image, if the config
// says so, since it is called when the server starts.
func (p *Provider) Watch(ctx context.Context, changed func(provision.Ref)) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if p.c.Pull == PullStart {
		wg.Go(func() { p.pullEarly(ctx) })
	}
	defer p.engine.forget()
	told := p.engine.c.Events(ctx, client.EventsListOptions{Filters: client.Filters{}.
		Add("type", string(events.ContainerEventType)).Add("event", string(events.ActionDie)).
		Add("label", labelInstallation+"="+string(p.installation), labelRole+"="+roleInstance)})
	// Those that ended before are looked for once the engine tells of the others.
	all, err := p.ofInstallation(ctx, labelRole+"="+roleInstance)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("docker: %w", err)
	}
	for _, f := range all {
		if !f.running {
			changed(f.ref)
		}
	}
	for {
		select {
		case m := <-told.Messages:
			generation, err := strconv.ParseInt(m.Actor.Attributes[labelGeneration], 10, 64)
			if err == nil {
				changed(provision.Ref{OrgID: registry.OrgID(m.Actor.Attributes[labelOrg]), Generation: generation})
			}
		case err := <-told.Err:
			if ctx.Err() != nil {
				return nil //nolint:nilerr // it was asked to end
			}
			if errors.Is(err, io.EOF) || err == nil {
				err = errors.New("the engine has closed the connection")
			}
			return fmt.Errorf("docker: watch events: %w", err)
		}
	}
}

// Interface guard
var _ provision.Watcher = (*Provider)(nil)
