package caddymodule

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/internal/egress"
)

// appOptions are where the options go that providers share that start an app with the agent.
type appOptions struct {
	command  *[]string
	env      *map[string]string
	profile  *agent.Profile
	required *bool
	sidecars *[][]string
	grace    **caddy.Duration
	agent    *string
}

// unmarshal reads the option that d is at, if it is one of these.
func (o appOptions) unmarshal(d *caddyfile.Dispenser) (ok bool, err error) {
	switch d.Val() {
	case "command":
		if *o.command != nil {
			return true, d.Err("command is given twice")
		}
		if *o.command = d.RemainingArgs(); len(*o.command) == 0 {
			return true, d.ArgErr()
		}
	case "env":
		var name, value string
		if !d.AllArgs(&name, &value) {
			return true, d.ArgErr()
		}
		if *o.env == nil {
			*o.env = map[string]string{}
		}
		if _, ok := (*o.env)[name]; ok {
			return true, d.Errf("env %s is given twice", name)
		}
		(*o.env)[name] = value
	case "profile":
		if *o.profile != "" {
			return true, d.Err("profile is given twice")
		}
		var name string
		if !d.AllArgs(&name) {
			return true, d.ArgErr()
		}
		*o.profile = agent.Profile(name)
		if err := agent.CheckProfile(*o.profile); err != nil {
			return true, d.WrapErr(err)
		}
	case "required":
		if d.NextArg() {
			return true, d.ArgErr()
		}
		if *o.required {
			return true, d.Err("required is given twice")
		}
		*o.required = true
	case "sidecar":
		command := d.RemainingArgs()
		if len(command) == 0 {
			return true, d.ArgErr()
		}
		*o.sidecars = append(*o.sidecars, command)
	case "grace":
		if *o.grace != nil {
			return true, d.Err("grace is given twice")
		}
		return true, durationArg(d, o.grace)
	case "agent":
		if *o.agent != "" {
			return true, d.Err("agent is given twice")
		}
		if !d.AllArgs(o.agent) {
			return true, d.ArgErr()
		}
		if *o.agent == "" {
			return true, d.Err("agent needs the path of " + agentName)
		}
	default:
		return false, nil
	}
	return true, nil
}

// check checks what only the whole says.
func (o appOptions) check() error {
	if *o.grace != nil && **o.grace < 0 {
		return errors.New("grace must not be negative")
	}
	if err := agent.CheckProfile(*o.profile); err != nil {
		return err
	}
	if *o.required && (*o.profile == "" || *o.profile == agent.Direct) {
		return errors.New("required needs a profile other than direct, in which the app itself decides")
	}
	if *o.required && *o.profile == agent.PizzaPi {
		return errors.New("required would keep the runners of PizzaPi out: profile pizzapi decides itself")
	}
	return nil
}

// checkWord checks a choice that JSON may have made.
func checkWord[T ~string](name string, is T, words []T) error {
	if is != "" && !slices.Contains(words, is) {
		return fmt.Errorf("%s %q is unknown: use %s", name, is, wordList(words))
	}
	return nil
}

// defaultGrace is how long an instance may take to stop.
const defaultGrace = caddy.Duration(15 * time.Second)

// agentName is the agent's program.
const agentName = "pizzeria-agent"

// findAgent returns the command of the agent: a program of its own, or this same program.
func findAgent(path string) ([]string, error) {
	if path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return nil, fmt.Errorf("agent: name the path of %s, or leave it out: %w", agentName, err)
		}
		found, err = filepath.Abs(found)
		return []string{found}, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{filepath.Join(filepath.Dir(self), agentName), agentName} {
		if found, err := exec.LookPath(name); err == nil && filepath.IsAbs(found) {
			return []string{found}, nil
		}
	}
	return []string{self, "pizzeria"}, nil
}

var errEgress = errors.New("egress allow needs what it allows, and nothing else does")

// egressArg reads which networks instances reach: one of some words, and what "allow" allows.
func egressArg[T ~string](d *caddyfile.Dispenser, into *T, allow *[]string, words []T) error {
	if *into != "" {
		return d.Err("egress is given twice")
	}
	given := d.RemainingArgs()
	if len(given) == 0 {
		return d.ArgErr()
	}
	*into = T(given[0])
	if !slices.Contains(words, *into) {
		return d.Errf("egress %q is unknown: use %s", given[0], wordList(words))
	}
	if *allow = given[1:]; (*into == "allow") != (len(*allow) > 0) {
		return d.WrapErr(errEgress)
	}
	for _, rule := range *allow {
		if _, err := egress.ParseRules([]string{rule}); err != nil && !strings.HasPrefix(rule, "{") {
			return d.Errf("egress allow: %v", err)
		}
	}
	return nil
}

// checkEgress checks what egressArg does, where JSON may have said it.
func checkEgress[T ~string](is T, allow []string, words []T) error {
	if err := checkWord("egress", is, words); err != nil {
		return err
	}
	if (is == "allow") != (len(allow) > 0) {
		return errEgress
	}
	if _, err := egress.ParseRules(allow); err != nil {
		return fmt.Errorf("egress allow: %w", err)
	}
	return nil
}
