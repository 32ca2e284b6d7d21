package control

import (
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// sample is what the host side counts of an instance that serves.
func (c *Control) sample(ref provision.Ref) (s provision.Sample, ok bool) {
	name, serves := c.reconciler.RunBy(ref)
	if !serves {
		return s, false
	}
	p, err := c.Providers().Get(name)
	if sampler, can := p.(provision.Sampler); can && err == nil {
		return sampler.Sample(ref)
	}
	return s, false
}

// counted is a heartbeat with what the host side counts, in place of what the instance says: its agent
// gets no turn while its org takes all of its processors.
func (c *Control) counted(h registry.Heartbeat) registry.Heartbeat {
	if s, ok := c.sample(provision.Ref{OrgID: h.OrgID, Generation: h.Generation}); ok {
		h.CPU, h.Memory = s.CPU.Seconds(), s.Memory
	}
	return h
}

// count is counted, for an instance that is shown.
func (c *Control) count(i *registry.Instance) {
	if i.Heartbeat != nil {
		h := c.counted(*i.Heartbeat)
		i.Heartbeat = &h
	}
}
