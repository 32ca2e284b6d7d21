//go:build linux

package docker

import (
	"context"
	"encoding/json"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

const useTime = 5 * time.Second // a page waits for it

// Use implements provision.Meter, by one sample of the engine's. An engine or an instance that does
// not answer is not measured.
func (p *Provider) Use(r provision.Ref) map[registry.LimitName]float64 {
	ctx, cancel := context.WithTimeout(context.Background(), useTime)
	defer cancel()
	res, err := p.engine.c.ContainerStats(ctx, p.containerName(r), client.ContainerStatsOptions{})
	if err != nil {
		return nil
	}
	defer func() { _ = res.Body.Close() }()
	var s container.StatsResponse
	if json.NewDecoder(res.Body).Decode(&s) != nil || s.PidsStats.Current == 0 { // it does not run
		return nil
	}
	return map[registry.LimitName]float64{
		registry.LimitMemory: float64(s.MemoryStats.Usage), registry.LimitPIDs: float64(s.PidsStats.Current),
	}
}

// Interface guard
var _ provision.Meter = (*Provider)(nil)
