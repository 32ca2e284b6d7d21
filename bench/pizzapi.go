package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

const (
	pizzapiPatience = 15 * time.Minute       // for all orgs that are created at once
	pizzapiAgain    = 100 * time.Millisecond // between requests to an org that does not answer yet
	pizzapiSettle   = 5 * time.Second
)

// pizzapiBench is an installation whose instances are stand-ins for PizzaPi.
type pizzapiBench struct {
	*servers
	agent       string
	orgs, first int
	busy        int
	lasts       time.Duration
}

// pizzapiCost prints what orgs with PizzaPi cost on this machine: from the call of the API to an org
// that is served, one by one and all at once; memory and processor time of each part, idle and while
// some orgs are busy; and how soon a member who is removed has no access. It runs the stand-in of the
// end-to-end tests, with the npm packages in $PIZZERIA_NODE_MODULES. It needs redis-server, and root
// for isolation.
func pizzapiCost() error {
	b := &pizzapiBench{servers: new(servers)}
	f := flag.NewFlagSet("pizzapi", flag.ExitOnError)
	f.IntVar(&b.orgs, "orgs", 100, "orgs to create")
	f.IntVar(&b.first, "first", 20, "of them one by one, before the others are created at once")
	f.IntVar(&b.busy, "busy", 20, "of them busy")
	f.DurationVar(&b.lasts, "time", 30*time.Second, "how long they are busy, and how long idleness is measured")
	_ = f.Parse(os.Args[2:]) // it exits
	b.first, b.busy = min(b.first, b.orgs), min(b.busy, b.orgs)
	var err error
	if b.dir, err = os.MkdirTemp("/tmp", "pz"); err != nil {
		return err
	}
	defer b.stop()
	if err := b.build(); err != nil {
		return err
	}
	b.client.Timeout = pizzapiPatience
	if err := b.create(); err != nil {
		return err
	}
	time.Sleep(pizzapiSettle)
	if err := b.measure("idle", func() error { time.Sleep(b.lasts); return nil }); err != nil {
		return err
	}
	if err := b.measure("busy", b.load); err != nil {
		return err
	}
	return b.removals()
}

// build builds the programs and the stand-in, and starts the server with the rules of the example.
func (b *pizzapiBench) build() error {
	if err := os.Chmod(b.dir, 0o755); err != nil { // instances have users of their own
		return err
	}
	b.binary, b.agent = filepath.Join(b.dir, "pizzeria"), filepath.Join(b.dir, "pizzeria-agent")
	for out, pkg := range map[string]string{b.binary: "./cmd/pizzeria", b.agent: "./cmd/agent"} {
		if out, err := exec.Command("go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	modules := os.Getenv("PIZZERIA_NODE_MODULES")
	buns, _ := filepath.Glob(filepath.Join(modules, "@oven/bun-*/bin/bun"))
	if modules == "" || len(buns) == 0 {
		return errors.New("PIZZERIA_NODE_MODULES does not say where Bun and PizzaPi's packages are")
	}
	app := filepath.Join(b.dir, "app")
	source := filepath.Join(app, "source")
	if err := errors.Join(os.CopyFS(source, os.DirFS("internal/endtoend/testdata/pizzapi")),
		os.Symlink(modules, filepath.Join(source, "node_modules"))); err != nil {
		return err
	}
	build := exec.Command(buns[0], "build.mjs", app)
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	example, err := filepath.Abs("examples/pizzapi")
	if err != nil {
		return err
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	b.port = ports[0]
	return b.launch(fmt.Sprintf(`{
	http_port %d
	https_port %d
	skip_install_trust
	persist_config off
	admin unix/./data/admin.sock|0600
	storage file_system ./data/caddy
	log {
		level ERROR
	}
	pizzeria {
		domain %s
		issuer %s
		prefix /api/.pizzeria
		provider process {
			command %s %s/server.js
			files   %s
			env     PIZZAPI_UI_DIR %s/ui
			profile pizzapi
		}
		import %s/orgs.caddy
	}
}
%s {
	control_plane
}
*.%s {
	import %s/edge.caddy
}
`, ports[1], b.port, domain, b.url(""), buns[0], app, app, app, example, domain, domain, example))
}

func slugOf(i int) string { return fmt.Sprintf("org-%d", i) }

// create creates the orgs.
func (b *pizzapiBench) create() error {
	var one []time.Duration
	for i := range b.first {
		took, err := b.served(slugOf(i))
		if err != nil {
			return err
		}
		one = append(one, took)
	}
	if len(one) > 0 {
		fmt.Printf("create to healthy, one by one: p50 %s, p95 %s (%d orgs)\n", part(one, 50), part(one, 95), len(one))
	}
	all, failed := make([]time.Duration, b.orgs-b.first), make([]error, b.orgs-b.first)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i], failed[i] = b.served(slugOf(b.first + i)) })
	}
	wg.Wait()
	if len(all) > 0 {
		fmt.Printf("create to healthy, all at once: p50 %s, p95 %s, the last %s (%d orgs)\n",
			part(all, 50), part(all, 95), part(all, 100), len(all))
	}
	return errors.Join(failed...)
}

// served creates an org, and returns how long it took until a request reached it.
func (b *pizzapiBench) served(slug string) (time.Duration, error) {
	began := time.Now()
	code, text, err := b.do(b.client, "POST", b.url("")+"/api/v1/orgs", fmt.Sprintf(`{"slug":%q,"name":%q}`, slug, slug), b.own())
	if err != nil || code != http.StatusCreated {
		return 0, fmt.Errorf("create %s: %d %s %w", slug, code, text, err)
	}
	for ; time.Since(began) < pizzapiPatience; time.Sleep(pizzapiAgain) {
		// Held until the org is there, or refused with 503 after a while. Then nobody is signed in.
		if code, text, err = b.do(b.client, "GET", b.url(slug)+"/api/me", "", nil); err == nil && code == http.StatusUnauthorized {
			return time.Since(began), nil
		}
	}
	return 0, fmt.Errorf("%s: %d %.300s %w", slug, code, text, err)
}

// measure prints the memory of each part after something, and the processor time that each took.
func (b *pizzapiBench) measure(what string, do func() error) error {
	before, err := b.parts()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := do(); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := b.parts()
	if err != nil {
		return err
	}
	for _, name := range pizzapiParts {
		p := after[name]
		fmt.Printf("%s, %s: %d processes, %d MiB in all, median %.1f MiB, most %.1f MiB (PSS); %.1f %% of one core\n",
			what, name, len(p.memory), p.total()>>10, float64(p.at(50))/1024, float64(p.at(100))/1024,
			100*float64(p.cpu-before[name].cpu)/float64(took))
	}
	return nil
}

// key makes an API key of a signed-in person's, as they do in PizzaPi's UI.
func (b *pizzapiBench) key(c *http.Client, slug string) (string, error) {
	h := b.own()
	h["Origin"] = b.url(slug)
	code, text, err := b.do(c, "POST", b.url(slug)+"/api/auth/api-key/create", `{"name":"bench"}`, h)
	var made struct{ Key string }
	if err == nil {
		err = json.Unmarshal([]byte(text), &made)
	}
	if err == nil && made.Key == "" {
		err = fmt.Errorf("a key at %s: %d %s", slug, code, text)
	}
	return made.Key, err
}
