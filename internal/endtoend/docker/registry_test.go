//go:build linux

// Package docker_test runs the docker provider against a registry.
package docker_test

import (
	"bytes"
	"context"
	"crypto/subtle"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	humanize "github.com/dustin/go-humanize"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/container"
	auth "github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/internal/dockertest"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/docker"
	orgs "github.com/pizzaface/pizzeria/registry"
)

func TestMain(m *testing.M) { dockertest.Main(m) }

const password = "hunter22"

type world struct {
	*testing.T
	e    *dockertest.Engine
	name string // of the image
	log  bytes.Buffer
	mu   sync.Mutex
	said []string
}

// serve runs a registry, where the robot alone may pull and push. It sends large layers in parts, and
// waits before each but the first.
func serve(t *testing.T, e *dockertest.Engine, wait func(ctx context.Context)) (host string) {
	l := e.Listen(t, "127.0.0.1:0")
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, given, _ := r.BasicAuth()
		if user != "robot" || subtle.ConstantTimeCompare([]byte(given), []byte(password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		images.ServeHTTP(slow{w, func() { wait(r.Context()) }}, r)
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return l.Addr().String()
}

// slow writes parts, and waits between them.
type slow struct {
	http.ResponseWriter
	wait func()
}

const part = 1 << 20

// Write implements io.Writer.
func (s slow) Write(b []byte) (n int, err error) {
	for chunk := range slices.Chunk(b, part) {
		if n > 0 {
			s.wait()
		}
		m, err := s.ResponseWriter.Write(chunk)
		if err == nil {
			err = http.NewResponseController(s.ResponseWriter).Flush()
		}
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// hear keeps what people hear of a start.
func (w *world) hear(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.said, s) {
		w.said = append(w.said, s)
	}
}

func (w *world) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.said)
}

// untilHeard waits until people have heard something new of what comes, for a while: the engine does not
// tell of each part.
func (w *world) untilHeard(ctx context.Context) {
	parts := func() int {
		asked := func(s string) bool { return strings.HasSuffix(s, ": asking the registry") }
		return len(slices.DeleteFunc(w.heard(), asked))
	}
	before := parts()
	for late := time.Now().Add(2 * time.Second); parts() == before && time.Now().Before(late) && ctx.Err() == nil; {
		time.Sleep(10 * time.Millisecond) // the engine takes its time
	}
}

// push makes an image that differs from others by a label, pushes it, and removes it here.
func (w *world) push(label string) {
	w.Helper()
	w.e.ImportFile(w, w.name, dockertest.Program(w, "internal/dockertest/testdata/box"), "/box", `ENTRYPOINT ["/box"]`, "LABEL is="+label)
	header, err := authconfig.Encode(auth.AuthConfig{Username: "robot", Password: password})
	if err != nil {
		w.Fatal(err)
	}
	r, err := w.e.Client.ImagePush(w.Context(), w.name, client.ImagePushOptions{RegistryAuth: header})
	if err == nil {
		err = r.Wait(w.Context())
	}
	if err == nil {
		_, err = w.e.Client.ImageRemove(w.Context(), w.name, client.ImageRemoveOptions{Force: true})
	}
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) provider(image, password string, change ...func(*docker.Config)) provision.Provider {
	w.Helper()
	dir, err := os.MkdirTemp("/tmp", "pz")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := docker.Config{
		Dir: dir, Host: w.e.Host, Image: image, Agent: []string{dockertest.Program(w, "cmd/agent")}, Grace: time.Second,
		Auth: docker.Auth{Username: "robot", Password: password}, Log: slog.New(slog.NewTextHandler(w, nil)),
		SayEvery: 20 * time.Millisecond, Quiet: time.Hour,
	}
	for _, f := range change {
		f(&c)
	}
	p, err := docker.New(c)
	if err != nil {
		w.Fatal(err)
	}
	return p.For(orgs.InstallationID(orgs.NewID()))
}

// Write keeps the log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// digest starts an instance, and returns what its image's name led to.
func (w *world) digest(p provision.Provider, org orgs.OrgID, generation int64) string {
	w.Helper()
	o, err := p.Ensure(w.Context(), provision.Spec{
		Ref: provision.Ref{OrgID: org, Generation: generation}, Progress: w.hear,
	})
	if err != nil {
		w.Fatal(err)
	}
	all, err := w.e.Client.ContainerList(w.Context(), client.ContainerListOptions{All: true, Filters: client.Filters{}.
		Add("label", "pizzeria.org="+string(org), "pizzeria.role=instance")})
	if err != nil {
		w.Fatal(err)
	}
	if !slices.ContainsFunc(all.Items, func(c container.Summary) bool {
		return strings.HasSuffix(c.Names[0], "-"+string(rune('0'+generation))) && c.Labels["pizzeria.image"] == o.Image
	}) {
		w.Fatalf("no container says that it runs %s", o.Image)
	}
	later, err := p.Observe(w.Context(), provision.Ref{OrgID: org, Generation: generation})
	if err != nil || later.Image != o.Image {
		w.Errorf("it ran %s, and %s later: %v", o.Image, later.Image, err)
	}
	return o.Image
}

// TestRegistry: an image is pulled with credentials that nobody sees, people hear how far it is, and an
// instance keeps what a tag led to when its generation was started.
func TestRegistry(t *testing.T) {
	e := dockertest.Start(t, dockertest.Options{}) // of its own: no other test has brought the layers there
	w := &world{T: t, e: e}
	var pulling atomic.Bool
	w.name = serve(t, e, func(ctx context.Context) {
		if pulling.Load() {
			w.untilHeard(ctx)
		}
	}) + "/app:1"
	w.push("first")
	org := orgs.OrgID(orgs.NewID())
	wrong := w.provider(w.name, "hunter33")
	if _, err := wrong.Ensure(t.Context(), provision.Spec{Ref: provision.Ref{OrgID: org, Generation: 1}}); err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("with a wrong password: %v", err)
	}
	p := w.provider(w.name, password)
	t.Cleanup(func() { _ = p.Stop(context.Background(), org, 1<<40) })
	pulling.Store(true)
	first := w.digest(p, org, 1)
	pulling.Store(false)
	if !strings.Contains(first, "/app@sha256:") {
		t.Errorf("the digest is %q", first)
	}
	// It is asked for, and comes in parts.
	heard := w.heard()
	if len(heard) < 4 || heard[0] != "pulling the image "+w.name {
		t.Errorf("people hear %q", heard)
	}
	var last uint64
	for _, s := range heard[1:] {
		far, total, of := strings.Cut(strings.TrimPrefix(s, "pulling the image "+w.name+": "), " of ")
		now, err := humanize.ParseBytes(far)
		all, err2 := humanize.ParseBytes(total)
		if s == "pulling the image "+w.name+": unpacking" {
			continue
		}
		if of && (err != nil || err2 != nil || now < last || now > all) || !of && far != "asking the registry" {
			t.Errorf("people hear %q in %q", s, heard)
		}
		last = now
	}
	if n := strings.Count(w.logged(), "msg=\"pulling image\""); n < 3 {
		t.Errorf("the log says %d times how far it is: %s", n, w.logged())
	}
	w.push("second")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.(provision.Watcher).Watch(ctx, func(provision.Ref) {}) }()
	for range 2000 {
		if strings.Count(w.logged(), "pulled image") > 1 {
			break
		}
		time.Sleep(25 * time.Millisecond) // the engine takes its time
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	name := "pizzeria-"
	all, err := e.Client.ContainerList(t.Context(), client.ContainerListOptions{Filters: client.Filters{}.Add("label", "pizzeria.org="+string(org))})
	if err != nil || len(all.Items) != 1 || !strings.HasPrefix(all.Items[0].Names[0], "/"+name) {
		t.Fatalf("%+v %v", all.Items, err)
	}
	if _, err := e.Client.ContainerKill(t.Context(), all.Items[0].ID, client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		t.Fatal(err)
	}
	if again := w.digest(p, org, 1); again != first {
		t.Errorf("started again it is %s", again)
	}
	second := w.digest(p, org, 2)
	if second == first || !strings.Contains(second, "/app@sha256:") {
		t.Errorf("the next generation is %s", second)
	}
	pinned := w.provider(first, password)
	other := orgs.OrgID(orgs.NewID())
	t.Cleanup(func() { _ = pinned.Stop(context.Background(), other, 1<<40) })
	if is := w.digest(pinned, other, 1); is != first {
		t.Errorf("pinned to %s it is %s", first, is)
	}
	if log := w.logged(); strings.Contains(log, "hunter") {
		t.Errorf("the log shows the password: %s", log)
	}
}
