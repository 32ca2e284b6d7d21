package endtoend

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/sockets"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/docker"
	"github.com/pizzaface/pizzeria/registry"
)

// base makes an image of files of this machine, since nothing can be pulled: what a script puts into a
// directory, and the libraries of the programs that it prints.
func (e *engine) base(name, script string) {
	e.t.Helper()
	const libraries = `
		mkdir root
		ldd $(collect) | grep -o '/\S* (0x' | cut -d' ' -f1 | sort -u | xargs cp -L --parents -t root
		tar -C root -cf root.tar .
	`
	cmd := exec.Command("sh", "-euc", "collect() {"+script+"\n}"+libraries)
	cmd.Dir = e.t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		e.t.Fatalf("%v %s", err, out)
	}
	e.docker("import", "--change", "ENV PATH=/usr/bin:/bin", filepath.Join(cmd.Dir, "root.tar"), name)
}

func testNodeImage(t *testing.T, e *engine) {
	app := nodeExample(t)
	e.base("node-base", `
		cp -L --parents /usr/bin/node root
		echo /usr/bin/node`)
	e.testAppImage(app, "node")
}

func testPythonImage(t *testing.T, e *engine) {
	app := pythonExample(t)
	e.base("python-base", `
		library=$(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
		packages=$(/usr/bin/python3 -c 'import os, jwt; print(os.path.dirname(os.path.dirname(jwt.__file__)))')
		cp -L --parents /usr/bin/python3 /bin/sh root
		tar -c --exclude 'config-*' "$library" "$packages"/jwt "$packages"/cryptography "$packages"/*cffi* /usr/lib/*/ossl-modules 2>/dev/null | tar -C root -x
		echo /usr/bin/python3 /bin/sh
		find root"$packages" root"$library"/lib-dynload -name '*.so'`)
	e.testAppImage(app, "python")
}

// testAppImage: an app in the image of its Dockerfile checks assertions in each org's container. What is
// signed for one org is nothing to the other, and their notes are apart.
func (e *engine) testAppImage(app exampleApp, name string) {
	t := e.t
	if out, err := e.command(app.dir, "docker", "build", "--network", "none", "--build-arg", "BASE="+name+"-base", "--tag", name+"-app", "."); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	keys := t.TempDir()
	file, key := filepath.Join(keys, provision.KeysFile), newAssertionKey(t, "k1")
	publish(t, file, key)
	if err := errors.Join(os.Chmod(keys, 0o755), os.Chmod(file, 0o644)); err != nil { //nolint:gosec // public keys
		t.Fatal(err)
	}
	made, err := docker.New(docker.Config{
		Dir: filepath.Join(e.dir, name), Host: e.Host, Image: name + "-app", Agent: []string{e.agent}, Grace: 15 * time.Second, Pull: docker.PullNever,
	})
	if err != nil {
		t.Fatal(err)
	}
	p := made.For(registry.InstallationID(registry.NewID()))
	acme, globex := e.inContainer(p, "acme", keys), e.inContainer(p, "globex", keys)
	signed := func(a *contained) string {
		return key.sign(t, assertionTyp, map[string]any{
			"aud": "urn:pizzeria:org:" + string(a.org), "org_id": string(a.org), "org_slug": a.slug, "org_gen": 1,
		})
	}
	if status, _ := acme.ask("POST", "/notes", "text=buy+flour", signed(acme)); status != 303 {
		t.Errorf("a note: %d", status)
	}
	if status, body := acme.ask("GET", "/", "", signed(acme)); status != 200 || !strings.Contains(body, "admin of acme") || !strings.Contains(body, "buy flour") {
		t.Errorf("acme: %d %s", status, body)
	}
	if status, body := globex.ask("GET", "/", "", signed(globex)); status != 200 || !strings.Contains(body, "admin of globex") || strings.Contains(body, "buy flour") {
		t.Errorf("globex: %d %s", status, body)
	}
	for what, tokens := range map[string][]string{"another org's": {signed(globex)}, "none": nil, "two": {signed(acme), signed(globex)}} {
		if status, body := acme.ask("GET", "/", "", tokens...); status != 401 {
			t.Errorf("%s: %d %s", what, status, body)
		}
		if status, body := acme.ask("POST", "/notes", "text=evil", tokens...); status != 401 {
			t.Errorf("%s, a note: %d %s", what, status, body)
		}
	}
	for _, a := range []*contained{acme, globex} {
		if err := p.Stop(t.Context(), a.org, 1); err != nil {
			t.Error(err)
		}
	}
}

// contained is an org's instance in a container.
type contained struct {
	t    *testing.T
	slug string
	org  registry.OrgID
	http http.Client
}

// inContainer starts the instance of an org, and returns it once it is healthy.
func (e *engine) inContainer(p provision.Provider, slug, keys string) *contained {
	e.t.Helper()
	a := &contained{t: e.t, slug: slug, org: registry.OrgID(registry.NewID())}
	o, err := p.Ensure(e.t.Context(), provision.Spec{
		Ref: provision.Ref{OrgID: a.org, Generation: 1}, Slug: slug, Keys: keys, Env: map[string]string{"PIZZERIA_ISSUER": "https://d.example"},
	})
	if err != nil {
		e.t.Fatal(err)
	}
	network, address := provision.SplitAddress(o.Address)
	a.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return sockets.Dialer(ctx, network, address)
	}}
	a.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a.http.Timeout = patience
	(&server{t: e.t, out: new(lockedBuffer)}).eventually(slug+" is healthy", func() bool {
		if o, err := p.Observe(e.t.Context(), provision.Ref{OrgID: a.org, Generation: 1}); err == nil && !o.Running {
			log, _ := p.Logs(e.t.Context(), a.org, 20, false)
			b, _ := io.ReadAll(log)
			e.t.Fatalf("it ended: %s: %s", o.Detail, b)
		}
		res, err := a.http.Get("http://" + slug + "/healthz")
		if err == nil {
			_ = res.Body.Close()
		}
		return err == nil && res.StatusCode == http.StatusOK
	})
	return a
}

// ask makes a request with these assertions.
func (a *contained) ask(method, path, body string, tokens ...string) (int, string) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, "http://"+a.slug+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header["Pizzeria-Assertion"] = tokens
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := a.http.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
