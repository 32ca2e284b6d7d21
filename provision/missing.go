package provision

import (
	"log/slog"

	"github.com/pizzaface/pizzeria/registry"
)

// missing are the providers that instances run under and the config does not have any more, each of
// which is logged once. Those instances are left alone: they go on to be served.
type missing struct {
	log  *slog.Logger
	said map[string]bool
}

func (m *missing) say(set *Providers, all []registry.Work) {
	now := map[string]int{}
	for i := range all {
		if inst := &all[i].Instance; inst.State.Serves() {
			if _, err := set.Get(inst.Provider); err != nil {
				now[inst.Provider]++
			}
		}
	}
	for name, n := range now {
		if !m.said[name] {
			m.log.Warn("provider not configured, leaving its instances alone", "provider", name,
				"instances", n)
		}
	}
	m.said = make(map[string]bool, len(now))
	for name := range now {
		m.said[name] = true
	}
}

// leftAlone is what is known of an instance whose provider nobody can ask.
func leftAlone(i registry.Instance) Observed { return Observed{Running: true, Address: i.Address} }
