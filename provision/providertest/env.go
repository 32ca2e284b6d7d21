package providertest

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

type env struct {
	*testing.T
	p     provision.Provider
	again func() provision.Provider
	// elsewhere is the provider of another installation in the same world.
	elsewhere func() provision.Provider
	mu        sync.Mutex
	orgs      []registry.OrgID
}

var ctx = context.Background()

// org returns a new org, whose instances end with the test.
func (e *env) org() registry.OrgID {
	id := registry.OrgID(registry.NewID())
	e.mu.Lock()
	defer e.mu.Unlock()
	e.orgs = append(e.orgs, id)
	e.Cleanup(func() { _ = e.p.Stop(ctx, id, 1<<40) })
	return id
}

func (e *env) ensure(org registry.OrgID, gen int64, vars ...string) provision.Observed {
	e.Helper()
	o, err := e.p.Ensure(ctx, spec(org, gen, vars...))
	if err != nil || !o.Running || o.Address == "" {
		e.Fatalf("Ensure: %+v %v", o, err)
	}
	e.call(o, "GET", "/healthz", "")
	return o
}

func spec(org registry.OrgID, gen int64, vars ...string) provision.Spec {
	m := map[string]string{"PIZZERIA_ORG_ID": string(org)}
	for _, v := range vars {
		m[v] = "1"
	}
	return provision.Spec{Ref: provision.Ref{OrgID: org, Generation: gen}, Slug: "acme", Env: m}
}

// transport reaches an instance.
func transport(o provision.Observed) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		network, address := provision.SplitAddress(o.Address)
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}
}

// crash makes an instance end by itself.
func (e *env) crash(o provision.Observed) {
	e.Helper()
	req, err := http.NewRequest("POST", "http://instance/crash", nil)
	if err != nil {
		e.Fatal(err)
	}
	if res, err := transport(o).RoundTrip(req); err == nil {
		_ = res.Body.Close()
	}
}

// call asks an instance, for as long as it takes to come up.
func (e *env) call(o provision.Observed, method, path, body string) string {
	e.Helper()
	tr := transport(o)
	var last error
	for range 400 {
		req, err := http.NewRequest(method, "http://instance"+path, strings.NewReader(body))
		if err != nil {
			e.Fatal(err)
		}
		res, err := tr.RoundTrip(req)
		if err != nil {
			last = err
			time.Sleep(25 * time.Millisecond) // the instance is a process of its own
			continue
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			e.Fatalf("%s: %d %s %v", path, res.StatusCode, b, err)
		}
		return string(b)
	}
	e.Fatalf("%s does not answer: %v", o.Address, last)
	return ""
}

func (e *env) boot(o provision.Observed) (b Boot) {
	e.Helper()
	if err := json.Unmarshal([]byte(e.call(o, "GET", "/boot", "")), &b); err != nil {
		e.Fatal(err)
	}
	return b
}

func (e *env) stop(org registry.OrgID, upTo int64) {
	e.Helper()
	if err := e.p.Stop(ctx, org, upTo); err != nil {
		e.Fatal(err)
	}
}

func (e *env) running(org registry.OrgID) (gens []int64) {
	e.Helper()
	seen, err := e.p.List(ctx)
	if err != nil {
		e.Fatal(err)
	}
	for _, s := range seen {
		if s.OrgID == org {
			gens = append(gens, s.Generation)
		}
	}
	slices.Sort(gens)
	return gens
}
