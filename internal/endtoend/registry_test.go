package endtoend

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/moby/moby/api/pkg/authconfig"
	auth "github.com/moby/moby/api/types/registry"
	moby "github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/internal/dockertest"
)

// pantry is a registry of images, which a robot alone may use.
type pantry struct {
	host    string
	slow    atomic.Bool
	changes atomic.Bool   // the first byte of each layer
	parts   chan struct{} // a slow one waits for each part of a layer but the first
}

const robot = "hunter22"

func servePantry(t *testing.T, e *engine) *pantry {
	l := e.Listen(t, "127.0.0.1:0")
	p := &pantry{host: l.Addr().String(), parts: make(chan struct{})}
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // a test's
		if user, given, _ := r.BasicAuth(); user != "robot" || given != robot {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			w = &layers{ResponseWriter: w, p: p, ctx: r.Context()}
		}
		images.ServeHTTP(w, r)
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return p
}

// layers sends what a registry keeps.
type layers struct {
	http.ResponseWriter
	p    *pantry
	ctx  context.Context //nolint:containedctx // of the request
	sent int
}

const part = 1 << 20

// Write implements io.Writer.
func (l *layers) Write(b []byte) (n int, err error) {
	if l.sent == 0 && len(b) >= 32<<10 && l.p.changes.Load() { // no configuration
		b = append([]byte{b[0] ^ 1}, b[1:]...)
	}
	for r := bufio.NewReaderSize(bytes.NewReader(b), part); ; {
		chunk, _ := r.Peek(part - l.sent%part)
		if len(chunk) == 0 {
			return n, nil
		}
		if l.sent > 0 && l.sent%part == 0 && l.p.slow.Load() {
			select {
			case <-l.p.parts:
			case <-l.ctx.Done():
				return n, context.Cause(l.ctx)
			}
		}
		m, err := l.ResponseWriter.Write(chunk)
		_, _ = r.Discard(m)
		n, l.sent = n+m, l.sent+m
		if err == nil {
			err = http.NewResponseController(l.ResponseWriter).Flush()
		}
		if err != nil {
			return n, err
		}
	}
}

// push makes an image of the test box, pushes it, and removes it here.
func (p *pantry) push(t *testing.T, e *engine, name string) {
	t.Helper()
	e.ImportFile(t, name, dockertest.Program(t, "internal/dockertest/testdata/box"), "/box", `ENTRYPOINT ["/box"]`)
	header, err := authconfig.Encode(auth.AuthConfig{Username: "robot", Password: robot})
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.Client.ImagePush(t.Context(), name, moby.ImagePushOptions{RegistryAuth: header})
	if err == nil {
		err = r.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	e.docker("rmi", "--force", name)
}

// testRegistry: who waits for an org whose image comes slowly sees how far it is, and who waits in
// vain reads what to do: at the command line, by the API and in the console alike.
func testRegistry(t *testing.T, e *engine) {
	p := servePantry(t, e)
	name := p.host + "/app:1"
	p.push(t, e, name)
	p.slow.Store(true)
	provider := func(image, password string) string {
		return fmt.Sprintf("provider docker {\n\t\t\thost %s\n\t\t\timage %s\n\t\t\tagent %s\n\t\t\tpull missing\n"+
			"\t\t\tregistry_username robot\n\t\t\tregistry_password %s\n\t\t}",
			e.Host, image, e.agent, password)
	}
	s := startWith(t, provider(name, robot), "org_gateway")
	ada := s.admin()
	if a := ada.fetch("POST", s.url("")+"/api/v1/orgs", `{"slug":"acme","name":"Acme"}`); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	says := func(what string) (said string) {
		t.Helper()
		is := regexp.MustCompile(what)
		for surface, read := range map[string]func() string{
			"org show": func() string {
				out, err := s.cli("", "org", "show", "acme")
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				return out
			},
			"the API":     func() string { return ada.fetch("GET", s.url("")+"/api/v1/orgs/acme", "").body },
			"the console": func() string { return html.UnescapeString(ada.open(s.url("") + "/orgs/acme").body) },
		} {
			last := ""
			s.eventually(fmt.Sprintf("%s says %q", surface, what), func() bool {
				last = read()
				said = is.FindString(last)
				return said != ""
			})
			if strings.Contains(last, robot) {
				t.Errorf("%s shows the password: %s", surface, last)
			}
		}
		return said
	}
	pulling := "pulling the image " + name + ": "
	first := says(pulling + ".* of .*MiB")
	p.parts <- struct{}{}
	s.eventually("it says that more is there", func() bool { return says(pulling+".* of .*MiB") != first })
	p.slow.Store(false)
	p.parts <- struct{}{}
	s.active("acme")

	for _, row := range []struct{ image, password, says string }{
		{p.host + "/app:2", robot, "the registry does not have the image: check its name, tag and digest"},
		{p.host + "/app:2", "hunter33", "the registry refuses the credentials: set registry_username and registry_password"},
		{p.host + "/changed:1", robot, "what the registry sent is not what its digest says: push the image again"},
	} {
		if row.image == p.host+"/changed:1" {
			e.docker("rmi", "--force", name) // it would have the layer
			p.push(t, e, row.image)
			p.changes.Store(true)
		}
		s.write(s.caddyfile(provider(row.image, row.password), 0))
		if out, err := s.cli("", "reload"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if out, err := s.cli("", "instance", "restart", "acme"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		says("pull " + row.image + ": " + row.says)
	}
	p.changes.Store(false)
	if out, err := s.cli("", "instance", "restart", "acme", "--wait"); err != nil {
		t.Errorf("once the registry is well: %v: %s", err, out)
	}
}
