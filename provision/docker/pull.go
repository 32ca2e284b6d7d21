//go:build linux

package docker

import (
	"context"
	"fmt"
	"time"

	humanize "github.com/dustin/go-humanize"
	"github.com/moby/moby/client"
)

// The defaults of Config.SayEvery and Config.Quiet.
const (
	sayEvery = 5 * time.Second
	quiet    = 30 * time.Second
)

// pullOnce pulls the image, and tells the log and who waits how far it is. Who waits hears it also while
// the registry sends nothing more.
func (p *Provider) pullOnce(ctx context.Context, now *onePull) error {
	began := time.Now()
	auth, err := p.c.Auth.header(p.c.Image)
	if err != nil {
		return fmt.Errorf("pull %s: %w", p.c.Image, err)
	}
	layers := map[string]layer{}
	now.is(progress(layers))
	r, err := p.engine.c.ImagePull(ctx, p.c.Image, client.ImagePullOptions{RegistryAuth: auth})
	if err != nil {
		return fmt.Errorf("pull %s: %w", p.c.Image, explain(err))
	}
	said := began
	for m, err := range r.JSONMessages(ctx) {
		if err == nil && m.Error != nil {
			err = m.Error
		}
		if err != nil {
			return fmt.Errorf("pull %s: %w", p.c.Image, explain(err))
		}
		if m.ID != "" && m.Progress != nil && m.Status == "Downloading" {
			layers[m.ID] = layer{m.Progress.Current, m.Progress.Total}
		}
		far := progress(layers)
		if m.Status == "Extracting" {
			far = "unpacking"
		}
		now.is(far)
		if time.Since(said) >= p.c.SayEvery {
			said = time.Now()
			p.c.Log.Info("pulling image", "image", p.c.Image, "progress", far)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("pull %s: %w", p.c.Image, ctx.Err())
	}
	is, err := p.inspect(ctx, p.c.Image)
	if err != nil {
		return err
	}
	p.c.Log.Info("pulled image", "image", p.c.Image, "digest", is.digest, "took", time.Since(began))
	return nil
}

// state is how far a pull is, and since when.
type state struct {
	far   string
	since time.Time
}

// is keeps how far the pull is.
func (o *onePull) is(far string) {
	if last := o.state.Load(); last == nil || last.far != far {
		o.state.Store(&state{far, time.Now()})
	}
}

// words are what people hear of a state; since when it is so after a while.
func (s state) words(quiet time.Duration) string {
	if time.Since(s.since) < quiet {
		return s.far
	}
	return s.far + ", and nothing new since " + s.since.UTC().Format("15:04:05 UTC")
}

type layer struct{ current, total int64 }

// progress says how much of an image is there.
func progress(layers map[string]layer) string {
	var current, total int64
	for _, l := range layers {
		current, total = current+l.current, total+l.total
	}
	if total == 0 {
		return "asking the registry"
	}
	return fmt.Sprintf("%s of %s", humanize.IBytes(uint64(current)), humanize.IBytes(uint64(total))) //nolint:gosec // sizes
}
