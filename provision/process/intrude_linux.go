//go:build linux && !portable

package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/intruder"
	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/provision"
)

// intrudeTime is how long an intruder may take.
const intrudeTime = time.Minute

// Intrude runs the intruder where an org's instance is, against another org's and the server, and
// returns what it got. Both run. Where instances are not isolated it is told so, and tries nothing.
func (p *Provider) Intrude(ctx context.Context, from, at provision.Ref) ([]intruder.Finding, error) {
	m := p.means()
	if m.way == sandbox.None {
		return []intruder.Finding{{Attack: "instances are isolated", Got: p.Isolation()}}, nil
	}
	dir := p.runDir(from)
	a, err := readApart(dir)
	if err != nil || !held(dir) {
		return nil, errors.Join(errors.New("process: the instance runs from before it was isolated, or not at all: restart it"), err)
	}
	targets, err := p.targets(from, at)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	spec, err := p.prepare(provision.Spec{Ref: from})
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	inside, err := p.sandboxSpec(a.UID, dir, provision.Spec{Ref: from}, spec)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	what, err := json.Marshal(targets)
	if err != nil {
		return nil, err
	}
	inside.Args = append(append([]string{}, p.c.Shim[:len(p.c.Shim)-1]...), "intruder", string(what))
	found, err := p.runInside(ctx, m, inside)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	return found, nil
}

func (p *Provider) runInside(ctx context.Context, m means, inside sandbox.Spec) ([]intruder.Finding, error) {
	out, err := os.CreateTemp("", "intruder")
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	if err := os.Remove(out.Name()); err != nil {
		return nil, err
	}
	cmd, err := p.c.Sandbox.Start(m.way, inside, func(int) error { return nil }, out)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, intrudeTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	waited := cmd.Wait()
	b := make([]byte, 1<<20)
	n, _ := out.ReadAt(b, 0)
	if waited != nil {
		return nil, fmt.Errorf("the intruder: %w: %s", waited, tail(b[:n]))
	}
	var found []intruder.Finding
	if err := json.NewDecoder(bytes.NewReader(b[:n])).Decode(&found); err != nil {
		return nil, fmt.Errorf("the intruder: %w: %s", err, tail(b[:n]))
	}
	return found, nil
}

// targets are what an org must not reach.
func (p *Provider) targets(from, at provision.Ref) (t intruder.Targets, err error) {
	run, orgs := p.runDir(at), filepath.Join(p.c.Dir, "orgs")
	t = intruder.Targets{
		Own:         filepath.Join(orgs, string(from.OrgID), "data"),
		Directories: p.directories(from),
		Files:       []string{run, filepath.Join(run, specFile), filepath.Join(orgs, string(at.OrgID), "data"), p.LogFile(at.OrgID), hostDir(run)},
		Addresses:   []string{"169.254.169.254:80", "[fd00:ec2::254]:80"},
		Processes:   []int{os.Getpid()},
	}
	if a, err := readApart(run); err == nil {
		t.Processes = append(t.Processes, a.PID)
	}
	for _, dir := range []string{run, p.c.Dir} {
		entries, err := some(dir)
		if err != nil {
			return t, err
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			switch {
			case e.Type() == os.ModeSocket:
				t.Sockets = append(t.Sockets, path)
			case e.Type().IsRegular():
				t.Files = append(t.Files, path)
			}
		}
	}
	t.Addresses = append(t.Addresses, hostside.Listening()...)
	return t, nil
}

// directories are an instance's own.
func (p *Provider) directories(r provision.Ref) []string {
	return []string{filepath.Join(p.orgDir(r.OrgID), "data"), filepath.Dir(p.LogFile(r.OrgID)), p.runDir(r)}
}

// mostTargets are enough: the rest would be like them, and a directory that is an org's has no end.
const mostTargets = 100

func some(dir string) ([]os.DirEntry, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	entries, err := d.ReadDir(mostTargets)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return entries, err
}
