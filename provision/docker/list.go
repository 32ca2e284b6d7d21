//go:build linux

package docker

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// found is a container of ours, or of another installation.
type found struct {
	id, name      string
	installation  registry.InstallationID
	ref           provision.Ref
	role          string
	configuration string
	image         string
	running       bool
}

// find returns the containers that have all of the labels, each as name=value or a name.
func (p *Provider) find(ctx context.Context, labels ...string) ([]found, error) {
	ctx, cancel := about(ctx, askTime)
	defer cancel()
	r, err := p.engine.c.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", append(labels, labelInstallation)...),
	})
	if err != nil {
		return nil, err
	}
	var all []found
	for _, c := range r.Items {
		f := found{
			id: c.ID, installation: registry.InstallationID(c.Labels[labelInstallation]), role: c.Labels[labelRole],
			configuration: c.Labels[labelConfiguration], image: c.Labels[labelImage], running: runs(c.State),
		}
		if len(c.Names) > 0 {
			f.name = c.Names[0][1:] // it begins with a slash
		}
		f.ref.OrgID = registry.OrgID(c.Labels[labelOrg])
		if f.ref.Generation, err = strconv.ParseInt(c.Labels[labelGeneration], 10, 64); err != nil {
			continue // not made here
		}
		all = append(all, f)
	}
	return all, nil
}

// runs reports whether a container has processes.
func runs(s container.ContainerState) bool {
	return s == container.StateRunning || s == container.StatePaused || s == container.StateRestarting
}

// ofInstallation returns our containers that have one more label.
func (p *Provider) ofInstallation(ctx context.Context, more ...string) ([]found, error) {
	return p.find(ctx, append(more, labelInstallation+"="+string(p.installation))...)
}

func (p *Provider) observed(r provision.Ref, configuration, image string) provision.Observed {
	return provision.Observed{
		Running: true, Address: "unix/" + filepath.Join(p.runDir(r), appSocket), Configuration: configuration, Image: image,
	}
}

// Observe implements provision.Provider.
func (p *Provider) Observe(ctx context.Context, r provision.Ref) (provision.Observed, error) {
	ctx, cancel := about(ctx, askTime)
	defer cancel()
	res, err := p.engine.c.ContainerInspect(ctx, p.containerName(r), client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return provision.Observed{Detail: "it is not there"}, nil
	}
	if err != nil {
		return provision.Observed{}, fmt.Errorf("docker: %w", err)
	}
	c := res.Container
	if c.State == nil || c.Config == nil {
		return provision.Observed{}, fmt.Errorf("docker: the engine says nothing of the container %s", c.Name)
	}
	if runs(c.State.Status) {
		return p.observed(r, c.Config.Labels[labelConfiguration], c.Config.Labels[labelImage]), nil
	}
	return provision.Observed{Detail: registry.CleanLine(whyEnded(c.State), 500)}, nil
}

// whyEnded says how a container ended. The agent's exit status is the app's.
func whyEnded(s *container.State) string {
	why := fmt.Sprintf("ended with exit code %d: see its log", s.ExitCode)
	switch {
	case s.Status == container.StateCreated:
		why = "it was not started"
	case s.ExitCode > 128 && s.ExitCode < 160:
		why = fmt.Sprintf("ended by signal %d", s.ExitCode-128)
	}
	if s.Error != "" {
		why += ": " + s.Error
	}
	if s.OOMKilled {
		why += "; it used more memory than its limit"
	}
	return why
}

// List implements provision.Provider. Those of other installations are not seen.
func (p *Provider) List(ctx context.Context) ([]provision.Seen, error) {
	all, err := p.ofInstallation(ctx, labelRole+"="+roleInstance)
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	var seen []provision.Seen
	for _, f := range all {
		o := p.observed(f.ref, f.configuration, f.image)
		if !f.running {
			if o, err = p.Observe(ctx, f.ref); err != nil {
				return nil, err
			}
		}
		seen = append(seen, provision.Seen{Ref: f.ref, Observed: o})
	}
	return seen, nil
}
