//go:build linux

package docker

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Limit implements provision.Limiter.
func (p *Provider) Limit(ctx context.Context, r provision.Ref, l registry.Limits) error {
	ctx, cancel := about(ctx, askTime)
	defer cancel()
	name, want := p.containerName(r), resources(l)
	is, err := p.engine.c.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	if h := is.Container.HostConfig; h != nil && h.Memory == want.Memory && h.MemorySwap == want.MemorySwap &&
		h.CPUQuota == want.CPUQuota && h.PidsLimit != nil && *h.PidsLimit == *want.PidsLimit {
		return nil
	}
	want.Ulimits = nil // they stay
	if _, err := p.engine.c.ContainerUpdate(ctx, name, client.ContainerUpdateOptions{Resources: &want}); err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	return nil
}

// Interface guard
var _ provision.Limiter = (*Provider)(nil)
