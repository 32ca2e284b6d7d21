package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// scaleBench is one server over one store.
type scaleBench struct {
	*servers
	postgres *postgresServer // nil: SQLite
	delay    *delay          // between the server and PostgreSQL; nil: none
	calls    int             // of each operation
}

// cost is what one operation takes: of both cores of the server and its database, and in time.
type cost struct{ cpu, p50, p99 time.Duration }

// scaleCost prints what operations cost by the number of orgs, on both stores.
func scaleCost() error {
	f := flag.NewFlagSet("scale", flag.ExitOnError)
	stores := f.String("stores", "sqlite,postgres", "stores to measure")
	sizes := f.String("orgs", "1000,10000,100000", "numbers of orgs")
	calls := f.Int("calls", 100, "calls of each operation")
	built := f.String("program", "", "a server that is built already")
	_ = f.Parse(os.Args[2:]) // it exits
	t := &scaleTable{cells: map[string]map[string]string{}}
	binary, remove, err := program(*built)
	if err != nil {
		return err
	}
	defer remove()
	defer t.print() // also what was measured before an error
	for store := range strings.SplitSeq(*stores, ",") {
		for size := range strings.SplitSeq(*sizes, ",") {
			orgs, err := strconv.Atoi(size)
			if err != nil {
				return err
			}
			t.add(fmt.Sprintf("%s, %s", store, size))
			fmt.Fprintf(os.Stderr, "%s, %d orgs ...\n", store, orgs)
			if err := measureScale(t, binary, store, orgs, *calls); err != nil {
				return fmt.Errorf("%s, %d orgs: %w", store, orgs, err)
			}
		}
	}
	return nil
}

func measureScale(t *scaleTable, binary, store string, orgs, calls int) error {
	b, err := startScale(binary, store, orgs, 0)
	if err != nil {
		return err
	}
	defer b.stop()
	b.calls = calls
	took, err := b.restart()
	if err != nil {
		return err
	}
	t.set("start until ready, s", fmt.Sprintf("%.2f", took.Seconds()))
	if err := b.settle(); err != nil {
		return err
	}
	middle := strconv.Itoa(orgs / 2)
	for _, o := range []struct {
		what string
		call func(i int) error
	}{
		{"list: 200 orgs", b.get("/api/v1/orgs?limit=200")},
		{"list: 200 people", b.get("/api/v1/users?limit=200")},
		{"search: one org", b.get("/api/v1/orgs?limit=50&search=scale-" + middle)},
		{"search: one person", b.get("/api/v1/users?limit=50&search=user-" + middle)},
		{"console: orgs", b.get("/platform/orgs")},
		{"sign-in", b.signInOf},
		{"switch to an org", b.switchTo},
	} {
		c, err := b.cost(o.call)
		if err != nil {
			return fmt.Errorf("%s: %w", o.what, err)
		}
		t.set(o.what, fmt.Sprintf("%s, %s, %s", short(c.cpu), short(c.p50), short(c.p99)))
	}
	memory, err := b.memory("ours/data/admin.sock")
	if err != nil {
		return err
	}
	t.set("memory, MiB", fmt.Sprintf("%.0f", float64(memory)/(1<<20)))
	share, err := b.heartbeats(min(orgs, 10_000))
	if err != nil {
		return fmt.Errorf("heartbeats: %w", err)
	}
	t.set("heartbeats, of one core", fmt.Sprintf("%.1f %%", 100*share))
	return nil
}

// program builds the server, unless there is one.
func program(built string) (binary string, remove func(), err error) {
	if built != "" {
		return built, func() {}, nil
	}
	dir, err := os.MkdirTemp("/tmp", "pzb")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	binary = filepath.Join(dir, "pizzeria")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/pizzeria").CombinedOutput(); err != nil {
		remove()
		return "", nil, fmt.Errorf("building: %w: %s", err, out)
	}
	return binary, remove, nil
}

// startScale starts a server with many orgs over a store, which is by away.
func startScale(binary, store string, orgs int, away time.Duration) (_ *scaleBench, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &scaleBench{}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	lines := fmt.Sprintf("process {\n\t\t\tcommand %s upstream\n\t\t}", self)
	switch store {
	case "sqlite":
	case "postgres":
		if b.postgres, err = startPostgres(); err != nil {
			return nil, err
		}
		port := b.postgres.port
		if away > 0 {
			if b.delay, err = startDelay(fmt.Sprintf("127.0.0.1:%d", port), away/2); err != nil {
				return nil, err
			}
			port = b.delay.port()
		}
		if err := os.Setenv("DATABASE_URL", b.postgres.url(port)); err != nil { // the server's
			return nil, err
		}
		lines += "\n\t\tstore postgres {env.DATABASE_URL}"
	default:
		return nil, fmt.Errorf("no store %q", store)
	}
	if b.servers, err = startOurs(binary, lines); err != nil {
		return nil, err
	}
	if err := b.halt(); err != nil {
		return nil, err
	}
	if err := b.seed(orgs); err != nil {
		return nil, err
	}
	if _, err := b.restart(); err != nil {
		return nil, err
	}
	return b, b.settle()
}

// settle waits until the orgs with an instance are served.
func (b *scaleBench) settle() error {
	end := time.Now().Add(3 * time.Minute)
	for i := 0; i < scaleHot; {
		err := b.switchTo(i)
		if err == nil {
			i++
			continue
		}
		if time.Now().After(end) {
			return err
		}
		time.Sleep(100 * time.Millisecond) // the server is a process of its own
	}
	return nil
}

func (b *scaleBench) stop() {
	if b.servers != nil {
		b.servers.stop()
	}
	if b.delay != nil {
		b.delay.stop()
	}
	if b.postgres != nil {
		b.postgres.stop()
	}
}

// halt ends the server and leaves its instance.
func (b *scaleBench) halt() error {
	if b.ours.ProcessState != nil {
		return nil
	}
	if err := b.ours.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_ = b.ours.Wait()
	return nil
}

// restart returns the time from the process's start until the server is ready.
func (b *scaleBench) restart() (time.Duration, error) {
	if err := b.halt(); err != nil {
		return 0, err
	}
	config, err := os.ReadFile(filepath.Join(b.dir, "ours/Caddyfile"))
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if b.ours, err = b.start("ours", string(config)); err != nil {
		return 0, err
	}
	for time.Since(began) < time.Minute {
		time.Sleep(5 * time.Millisecond) // the server is a process of its own
		code, _, err := b.do(b.client, "GET", b.url("")+"/readyz", "", nil)
		if err == nil && code == http.StatusOK {
			return time.Since(began), nil
		}
	}
	return 0, errors.New("the server does not come up")
}

// used is what the server and its database have computed.
func (b *scaleBench) used() time.Duration {
	sum := cpuTime(b.ours.Process.Pid)
	if b.postgres != nil {
		sum += b.postgres.cpu()
	}
	return sum
}

// cost calls an operation again and again, one at a time.
func (b *scaleBench) cost(call func(i int) error) (cost, error) {
	if err := call(b.calls); err != nil { // the first one is not like the others
		return cost{}, err
	}
	took := make([]time.Duration, b.calls)
	used := b.used()
	for i := range took {
		began := time.Now()
		if err := call(i); err != nil {
			return cost{}, err
		}
		took[i] = time.Since(began)
	}
	used = b.used() - used
	slices.Sort(took)
	return cost{used / time.Duration(b.calls), took[b.calls/2], took[b.calls*99/100]}, nil
}

// get asks for a page or list.
func (b *scaleBench) get(path string) func(int) error {
	return func(int) error {
		code, body, err := b.do(b.client, "GET", b.url("")+path, "", map[string]string{"Sec-Fetch-Site": "same-origin"})
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%s: %d %.300s", path, code, body)
		}
		return err
	}
}

// signInOf signs person i in, from a network of their own.
func (b *scaleBench) signInOf(i int) error {
	c := b.from(i * 250)
	defer c.CloseIdleConnections()
	h := b.own()
	h["Content-Type"] = "application/x-www-form-urlencoded"
	form := url.Values{"email": {fmt.Sprintf("user-%d@example.com", i)}, "password": {password}}
	code, body, err := b.do(c, "POST", b.url("")+"/sign-in", form.Encode(), h)
	if err == nil && code != http.StatusSeeOther {
		err = fmt.Errorf("sign-in: %d %.300s", code, body)
	}
	return err
}

// switchTo opens an org where the person has not been, with a session at the control plane.
func (b *scaleBench) switchTo(i int) error {
	jar, _ := cookiejar.New(nil) // never fails
	at, err := url.Parse(b.url(""))
	if err != nil {
		return err
	}
	for _, c := range b.client.Jar.Cookies(at) {
		jar.SetCookies(at, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
	}
	browser := b.newClient(jar)
	defer browser.CloseIdleConnections()
	slug := fmt.Sprintf("scale-%d", i%scaleHot)
	code, body, err := b.do(browser, "GET", b.url(slug)+"/", "", navigation)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("%s: %d %.300s", slug, code, body)
	}
	return err
}

// short is a duration in milliseconds.
func short(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }
