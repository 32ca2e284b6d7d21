//go:build linux

package docker_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/dockertest"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/docker"
	orgs "github.com/pizzaface/pizzeria/registry"
)

// TestRefused: who starts an instance without an image reads what to do about it.
func TestRefused(t *testing.T) {
	e := dockertest.Start(t, dockertest.Options{}) // of its own: no other test has brought the layers there
	w := &world{T: t, e: e}
	host := serve(t, e, func(context.Context) {})
	w.name = host + "/app:1"
	w.push("refused")
	changed := e.Listen(t, "127.0.0.1:0")
	srv := &http.Server{Handler: changing(e, host)} //nolint:gosec // a test's
	go func() { _ = srv.Serve(changed) }()
	t.Cleanup(func() { _ = srv.Close() })
	gone := e.Listen(t, "127.0.0.1:0")
	_ = gone.Close()
	const missing = "check its name, tag and digest, or push it there"
	const credentials = "set registry_username and registry_password, or registry_config"
	for name, row := range map[string]struct {
		image, password, want string
	}{
		"no such image":   {host + "/other:1", password, missing},
		"no such tag":     {host + "/app:9", password, missing},
		"no such digest":  {host + "/app@sha256:" + strings.Repeat("0", 64), password, missing},
		"wrong password":  {w.name, "hunter33", credentials},
		"no password":     {w.name, "", credentials},
		"a changed image": {changed.Addr().String() + "/app:1", password, "push the image again"},
		"nobody answers":  {gone.Addr().String() + "/app:1", password, "the engine does not reach the registry"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, e: e}
			p := w.provider(row.image, row.password, func(c *docker.Config) {
				if row.password == "" {
					c.Auth = docker.Auth{}
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := p.Ensure(ctx, provision.Spec{Ref: provision.Ref{OrgID: orgs.OrgID(orgs.NewID()), Generation: 1}})
			if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), row.image) ||
				strings.Contains(err.Error(), "hunter") {
				t.Errorf("it says %v, not %q", err, row.want)
			}
		})
	}
}

// TestStall: people hear that a registry stays silent, before and after it has sent something, and the
// start goes on when it speaks again.
func TestStall(t *testing.T) {
	e := dockertest.Start(t, dockertest.Options{}) // of its own: no other test has brought the layers there
	w := &world{T: t, e: e}
	var pulling atomic.Bool
	release := make(chan struct{})
	host := serve(t, e, func(ctx context.Context) {
		if pulling.Load() {
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
	})
	w.name = host + "/stall:1"
	w.push("stall")
	pulling.Store(true)
	p := w.provider(w.name, password, func(c *docker.Config) { c.Quiet = 100 * time.Millisecond })
	org := orgs.OrgID(orgs.NewID())
	t.Cleanup(func() { _ = p.Stop(context.Background(), org, 1<<40) })
	ended := make(chan error, 1)
	go func() {
		_, err := p.Ensure(t.Context(), provision.Spec{Ref: provision.Ref{OrgID: org, Generation: 1}, Progress: w.hear})
		ended <- err
	}()
	silent := regexp.MustCompile(`^pulling the image \S+: \S+ [KM]iB of \S+ MiB, and nothing new since [0-9:]{8} UTC$`)
	for late := time.Now().Add(time.Minute); !slices.ContainsFunc(w.heard(), silent.MatchString); {
		if time.Now().After(late) {
			t.Fatalf("people hear %q", w.heard())
		}
		time.Sleep(10 * time.Millisecond) // the engine takes its time
	}
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("once it speaks again: %v", err)
	}
}

// changing is a registry in front of another that changes a byte of each layer.
func changing(e *dockertest.Engine, host string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: host}) },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return e.Dial(ctx, address)
		}},
		ModifyResponse: func(res *http.Response) error {
			if res.ContentLength < 64<<10 { // no layer
				return nil
			}
			body := bufio.NewReader(res.Body)
			first, err := body.ReadByte()
			res.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(bytes.NewReader([]byte{first ^ 1}), body), res.Body}
			return err
		},
	}
}
