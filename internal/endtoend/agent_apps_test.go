package endtoend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// nodeApp is an app as its author wrote it, who has not heard of Pizzeria.
const nodeApp = `
const http = require("http");
const server = http.createServer((req, res) => {
  if (req.url === "/healthz") return res.end("ok");
  res.setHeader("Content-Type", "application/json");
  res.end(JSON.stringify({ url: req.url, host: req.headers.host, headers: req.headers }));
});
server.listen(process.env.PORT, () => console.log("up with " + process.env.APP_TOKEN));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
`

// TestNodeApp: a stock Node app that listens at PORT is an instance, unchanged.
func TestNodeApp(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		lacking(t, "node", "there is no node")
	}
	script := filepath.Join(t.TempDir(), "server.js")
	if err := os.WriteFile(script, []byte("#!"+node+nodeApp), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	s := startWith(t, "provider process {\n\t\t\tcommand "+script+"\n\t\t\tprofile bearer\n\t\t}", "org_gateway")
	ada := s.admin()
	id := s.org(ada, "acme")
	s.org(ada, "globex")
	for _, slug := range []string{"acme", "globex"} {
		a := ada.do(http.MethodGet, s.url(slug)+"/a?b=%2F", nil, nil)
		var seen struct {
			URL, Host string
			Headers   map[string]any
		}
		if err := json.Unmarshal([]byte(a.body), &seen); err != nil || seen.URL != "/a?b=%2F" || seen.Host != s.host(slug) {
			t.Fatalf("%s: %d %s", slug, a.status, a.body)
		}
		if v, _ := seen.Headers["authorization"].(string); !strings.HasPrefix(v, "Bearer ") || seen.Headers["pizzeria-assertion"] != nil {
			t.Errorf("%s: %v", slug, seen.Headers)
		}
	}
	// A secret that the app prints is in no log, and what it prints is readable.
	ada.call(t, "PATCH", s.url("")+"/api/v1/orgs/acme/settings", `{"secrets":{"APP_TOKEN":"hunter22hunter22"}}`, 200, nil)
	if out, err := s.cli("", "instance", "restart", "acme"); err != nil {
		t.Fatal(out)
	}
	s.eventually("the app has started again", func() bool {
		out, err := s.cli("", "instance", "logs", "acme")
		return err == nil && strings.Contains(out, "up with [redacted]\n") && !strings.Contains(out, "hunter22")
	})
	b, err := os.ReadFile(filepath.Join(s.dir, "data/orgs", id, "logs/instance.log"))
	if err != nil || !strings.Contains(string(b), `"msg":"up with [redacted]"}`) || strings.Contains(string(b), "hunter22") {
		t.Errorf("%v %s", err, b)
	}
}

// TestTrustedHeaders: Radicale, a calendar server that knows reverse proxies, serves each member
// their own calendars, and believes the agent alone.
func TestTrustedHeaders(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3" // Debian's, which has its package python3-radicale
	if err := exec.Command(python, "-c", "import radicale").Run(); err != nil {
		lacking(t, "radicale", "there is no Radicale: install the Debian package python3-radicale")
	}
	script := filepath.Join(t.TempDir(), "radicale")
	body := `#!/bin/sh
exec ` + python + ` -m radicale --config "" --server-hosts "$HOST:$PORT" --auth-type http_x_remote_user \
	--rights-type owner_only --storage-filesystem-folder "$PIZZERIA_DATA_DIR"
`
	if err := os.WriteFile(script, []byte(body), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	s := startWith(t, "health_path /.web/\n\t\tprovider process {\n\t\t\tcommand "+script+"\n\t\t\tprofile trusted-headers\n\t\t}", "org_gateway")
	ada := s.admin()
	s.org(ada, "acme")
	mia := s.invite(ada, "acme", "mia@example.com", "member")
	sub := func(p *person) string {
		t.Helper()
		var me struct{ User struct{ ID string } }
		p.call(t, "GET", s.url("")+"/api/v1/me", "", 200, &me)
		return me.User.ID
	}
	for _, p := range []*person{ada, mia} {
		p.open(s.url("acme") + "/.web/") // signs in
	}
	calendar := s.url("acme") + "/" + sub(ada) + "/calendar/"
	spoofed := map[string]string{
		"Origin": s.url("acme"), "Sec-Fetch-Site": "same-origin", "X-Remote-User": sub(ada), "X_Remote_User": sub(ada), "X-Forwarded-User": sub(ada),
	}
	for _, row := range []struct {
		who    *person
		method string
		status int
	}{
		{ada, "MKCALENDAR", 201}, {ada, "PROPFIND", 207}, {mia, "PROPFIND", 403}, {mia, "DELETE", 403}, {ada, "DELETE", 200},
	} {
		if a := row.who.do(row.method, calendar, nil, spoofed); a.status != row.status {
			t.Errorf("%s: %d %s", row.method, a.status, a.body)
		}
	}
	if a := mia.do("MKCALENDAR", s.url("acme")+fmt.Sprintf("/%s/own/", sub(mia)), nil, spoofed); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestSampleBehindAgent: the sample instance works behind its agent as it does alone: it listens
// where PIZZERIA_LISTEN says, and its own checks pass. A restart closes WebSockets in order.
func TestSampleBehindAgent(t *testing.T) {
	t.Parallel()
	s := startWith(t, "provider process {\n\t\t\tprofile assertion\n\t\t\trequired\n\t\t}", "org_gateway")
	ada := s.admin()
	s.org(ada, "acme")
	if a := ada.do(http.MethodGet, s.url("acme")+"/whoami", nil, nil); a.status != 200 || !strings.Contains(a.body, `"role":"owner"`) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := ada.fetch(http.MethodPost, s.url("acme")+"/size", strings.Repeat("x", 3<<20)); !strings.Contains(a.body, "3145728") {
		t.Errorf("%d %s", a.status, a.body)
	}
	ws, err := s.dialOrg(ada, "acme", s.url("acme"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	if err := echoes(ws); err != nil {
		t.Fatal(err)
	}
	if out, err := s.cli("", "instance", "restart", "acme"); err != nil {
		t.Fatal(out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, _, err := ws.Read(ctx); websocket.CloseStatus(err) < 1000 {
		t.Errorf("it is closed with %v", err)
	}
	s.active("acme")
	if status := ada.status(s.url("acme") + "/whoami"); status != 200 {
		t.Error(status)
	}
}
