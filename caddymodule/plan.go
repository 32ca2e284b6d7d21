package caddymodule

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/registry"
)

// Plan is what orgs that have it may use.
type Plan struct {
	// What people see. Default: the plan's name.
	Title string `json:"title,omitempty"`

	// What it is for. Default: nothing.
	Description string `json:"description,omitempty"`

	// What makes the instances of its orgs, from their next start on. Default: the first provider.
	Provider string `json:"provider,omitempty"`

	// How long a session lasts for its orgs that nobody uses, in whole minutes, from 5 minutes to the
	// `session_idle` of the installation. Orgs may ask for less. Default: as the installation says.
	SessionIdle *caddy.Duration `json:"session_idle,omitempty"`

	// How long a session lasts for its orgs, in whole minutes, from 5 minutes to the
	// `session_lifetime` of the installation. Orgs may ask for less. Default: as the installation
	// says.
	SessionLifetime *caddy.Duration `json:"session_lifetime,omitempty"`

	// The most that an org may use, by name. Default: no limit for what is not named; 0 is 0.
	Limits registry.Limits `json:"limits,omitempty"`
}

// plans returns the configured plans as the store keeps them. Errors: CodeInvalid.
func (a *App) plans(providers []string) ([]registry.Plan, error) {
	var out []registry.Plan
	for _, name := range slices.Sorted(maps.Keys(a.Plans)) {
		p := a.Plans[name]
		plan, err := p.plan(name)
		err = cmp.Or(err, p.checkSessions(a.sessions()), registry.CheckProvider(p.Provider, providers))
		if err != nil {
			return nil, fmt.Errorf("plan %s: %w", name, err)
		}
		out = append(out, plan)
	}
	return out, nil
}

func (p Plan) plan(name string) (registry.Plan, error) {
	return registry.Plan{
		Name:        name,
		Title:       p.Title,
		Description: p.Description,
		Provider:    p.Provider,
		Sessions:    lifetimes(p.SessionIdle, p.SessionLifetime),
		Limits:      p.Limits,
	}.Check()
}

// checkSessions checks the plan's lifetimes against those of the installation.
func (p Plan) checkSessions(most registry.Lifetimes) error {
	return lifetimes(p.SessionIdle, p.SessionLifetime).Within(most)
}

// parsePlan parses a plan. Syntax:
//
//	plan <name> {
//		title               <text>
//		description         <text>
//		provider            <kind>
//		session_idle        <duration>
//		session_lifetime    <duration>
//		requests_per_second <number>
//		concurrency         <number>
//		websockets          <number>
//		body                <size>
//		members             <number>
//		runners             <number>
//		cpu                 <cores>
//		memory              <size>
//		pids                <number>
//		disk                <size>
//	}
func parsePlan(d *caddyfile.Dispenser, a *App) error {
	var name string
	if err := oneArg(d, &name); err != nil {
		return err
	}
	if _, ok := a.Plans[name]; ok {
		return d.Errf("the plan %s is given twice", name)
	}
	p := Plan{Limits: registry.Limits{}}
	seen := map[string]bool{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s is given twice", option)
		}
		seen[option] = true
		var err error
		switch limit := registry.LimitName(option); {
		case option == "title":
			err = oneArg(d, &p.Title)
		case option == "description":
			err = oneArg(d, &p.Description)
		case option == "provider":
			err = oneArg(d, &p.Provider)
		case option == "session_idle":
			err = durationArg(d, &p.SessionIdle)
		case option == "session_lifetime":
			err = durationArg(d, &p.SessionLifetime)
		case slices.Contains(registry.LimitNames(), limit):
			err = limitArg(d, p.Limits, limit)
		default:
			var names []string
			for _, n := range registry.LimitNames() {
				names = append(names, string(n))
			}
			err = d.Errf(
				"unknown option %q of a plan: use title, description, provider, session_idle, session_lifetime, %s",
				option, strings.Join(names, ", "),
			)
		}
		if err != nil {
			return err
		}
	}
	if a.Plans == nil {
		a.Plans = map[string]Plan{}
	}
	a.Plans[name] = p
	_, err := expanded(p).plan(name)
	return err
}

// limitArg reads a limit with its value.
func limitArg(d *caddyfile.Dispenser, into registry.Limits, n registry.LimitName) error {
	var text string
	if err := oneArg(d, &text); err != nil {
		return err
	}
	v, err := registry.ParseLimit(n, text)
	if err == nil && v != nil {
		into[n] = *v
	}
	return err
}
