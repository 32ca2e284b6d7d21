package endtoend

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pizzapiImage builds the Dockerfile of examples/pizzapi on an image as an operator has it: the
// stand-in, in PizzaPi's places, and Redis from this machine, since nothing can be pulled.
func (e *engine) pizzapiImage() {
	e.t.Helper()
	made, err := buildStandIn()
	if err != nil {
		lacking(e.t, "pizzapi", err.Error())
	}
	const collect = `
		mkdir -p root/app/packages/server/dist root/app/packages/ui root/app/data root/tmp root/bin root/usr/local/bin
		redis=$(command -v redis-server)
		cp -L --parents "$redis" /bin/sh $(ldd "$redis" "$1" /bin/sh | grep -o '/\S* (0x' | cut -d' ' -f1 | sort -u) root
		cp "$1" root/usr/local/bin/bun
		cp "$2/server.js" root/app/packages/server/dist/index.js
		cp -R "$2/ui" root/app/packages/ui/dist
		tar -C root -cf root.tar .
	`
	cmd := exec.Command("sh", "-euc", collect, "sh", made.bun, made.dir) //nolint:gosec // of this repository
	cmd.Dir = e.t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		e.t.Fatalf("%v %s", err, out)
	}
	e.docker("import", "--change", "EXPOSE 7492", "--change", "VOLUME /app/data", "--change", "WORKDIR /app",
		"--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin PIZZAPI_UI_DIR=/app/packages/ui/dist",
		"--change", `CMD ["bun","run","packages/server/dist/index.js"]`, filepath.Join(cmd.Dir, "root.tar"), "pizzapi-server")
	if out, err := e.command("../../examples/pizzapi", "docker", "build", "--build-arg", "PIZZAPI=pizzapi-server", "--tag", "pizzapi", "."); err != nil {
		e.t.Fatalf("%v: %s", err, out)
	}
}

// testPizzaPiCompose: `docker compose up` in examples/pizzapi gives each org a container with PizzaPi
// and its Redis. Members are signed in, runners get in with their keys, and both outlive the server's
// container.
func testPizzaPiCompose(t *testing.T, e *engine) {
	e.pizzapiImage()
	c := startComposed(t, e, "pizzapi", "")
	s := c.s
	ada := s.admin()
	s.composedOrg(c, ada, "acme")
	var me struct{ Name, Email string }
	a := ada.open(s.url("acme") + "/api/me")
	if err := json.Unmarshal([]byte(a.body), &me); err != nil || me.Name != "Ada Admin" || !strings.HasSuffix(me.Email, "@people.invalid") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	key := ada.pizzaKey("acme", "laptop")
	online := func() {
		t.Helper()
		if _, err := s.runner("acme", key, "build-1"); err != nil {
			t.Fatal(err)
		}
		s.eventually("the runner is online", func() bool {
			return ada.fetch("GET", s.url("acme")+"/api/runners", "").body == `[{"name":"build-1"}]`
		})
	}
	online()

	// Bun and Redis are beside the agent in one container, which has no network of its own.
	id := c.docker("ps", "--quiet", "--filter", "label=pizzeria.role=instance")
	top := c.docker("top", id, "-eo", "pid,args")
	for _, program := range []string{"/pizzeria/agent --profile pizzapi", "bun run packages/server", "redis-server 127.0.0.1:"} {
		if found := regexp.MustCompile(`(?m)^\d+ +`+regexp.QuoteMeta(program)).FindAllString(top, -1); len(found) != 1 {
			t.Errorf("%q is not there once: %s", program, top)
		}
	}
	if network := c.docker("inspect", "--format", "{{.HostConfig.NetworkMode}}", id); network != "none" {
		t.Errorf("its network is %s", network)
	}
	t.Log(c.docker("stats", "--no-stream", "--format", "{{.MemUsage}}", id))

	before := c.instances()
	c.compose("restart", "pizzeria")
	c.healthy()
	s.eventually("acme is served after a restart", func() bool { return ada.status(s.url("acme")+"/api/me") == 200 })
	online()
	if after := c.instances(); after != before {
		t.Errorf("after a restart: %s, not %s", after, before)
	}
	c.pizzeria("down")
}
