//go:build linux || darwin

package process

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

func (p *Provider) observed(r provision.Ref) provision.Observed {
	dir := p.runDir(r)
	// One that cannot be read is another one.
	configuration, _ := os.ReadFile(filepath.Join(trustedDir(dir), configFile))
	return provision.Observed{
		Running: true, Address: "unix/" + filepath.Join(dir, appSocket), Configuration: string(configuration),
	}
}

// Observe implements provision.Provider.
func (p *Provider) Observe(_ context.Context, r provision.Ref) (provision.Observed, error) {
	dir := p.runDir(r)
	if err := p.refuseForeign(dir); err != nil {
		return provision.Observed{Detail: err.Error()}, nil
	}
	if held(dir) {
		return p.observed(r), nil
	}
	e, err := readExit(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if isApart(dir) { // otherwise its shim says how it ended
			return provision.Observed{Detail: "it was killed" + p.whyKilled(dir)}, nil
		}
		return provision.Observed{Detail: "it is not there"}, nil
	}
	if err != nil {
		return provision.Observed{}, fmt.Errorf("process: %w", err)
	}
	return provision.Observed{Detail: registry.CleanLine(e.String(), 500) + p.whyKilled(dir)}, nil
}

// whyKilled says more of an end than the instance's shim knows.
func (p *Provider) whyKilled(dir string) string {
	if isApart(dir) && p.outOfMemory(dir) {
		return "; it used more memory than its limit"
	}
	return ""
}

// List implements provision.Provider. What an instance left behind counts as the instance.
func (p *Provider) List(context.Context) ([]provision.Seen, error) {
	p.sweepGone()
	p.forgetGone()
	refs, err := p.refs()
	if err != nil {
		return nil, err
	}
	reapAdopted()
	var seen []provision.Seen
	ended := map[string]provision.Ref{}
	for _, r := range refs {
		if dir := p.runDir(r); held(dir) {
			foreign, err := p.adopt(dir)
			if err != nil {
				return nil, fmt.Errorf("process: %w", err)
			}
			seen = append(seen, provision.Seen{Ref: r, Observed: p.observed(r), Foreign: foreign})
		} else if foreign, err := p.foreign(dir); err == nil && !foreign && !isApart(dir) { // nothing outlives a sandbox
			ended[dir] = r
		}
	}
	left, _, err := leftovers(slices.Collect(maps.Keys(ended))...)
	for dir, r := range ended {
		if len(left[dir]) > 0 {
			seen = append(seen, provision.Seen{Ref: r, Observed: provision.Observed{
				Detail: "its shim ended, and processes of it are left",
			}})
		}
	}
	return seen, err
}

// refs returns every instance with a run directory, running or not.
func (p *Provider) refs() ([]provision.Ref, error) {
	entries, err := os.ReadDir(filepath.Join(p.c.Dir, "run"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	var refs []provision.Ref
	for _, e := range entries {
		k, gen, ok := strings.Cut(e.Name(), "-")
		b, err := base32.HexEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(k))
		n, err2 := strconv.ParseInt(gen, 10, 64)
		if !ok || err != nil || err2 != nil || len(b) != 16 {
			continue
		}
		refs = append(refs, provision.Ref{OrgID: registry.OrgID(uuid.UUID(b).String()), Generation: n})
	}
	return refs, nil
}
