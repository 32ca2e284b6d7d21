package endtoend

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// must runs the CLI as the operator.
func (s *server) must(args ...string) string {
	s.t.Helper()
	out, err := s.cli("", args...)
	if err != nil {
		s.t.Fatalf("pizzeria %s: %v %s", strings.Join(args, " "), err, out)
	}
	return out
}

// TestJavaScriptClients: openid-client, oauth4webapi, jose and better-auth, as their users write them.
func TestJavaScriptClients(t *testing.T) {
	t.Parallel()
	modules := os.Getenv("PIZZERIA_NODE_MODULES")
	if _, err := exec.LookPath("node"); err != nil || modules == "" {
		lacking(t, "node", "there is no node, or PIZZERIA_NODE_MODULES does not say where openid-client, oauth4webapi, jose and better-auth are")
	}
	s := start(t)
	ada := s.admin().elsewhere()
	web := servertest.WebPage(t)
	for _, script := range []string{"openid-client", "oauth4webapi", "better-auth"} {
		t.Run(script, func(t *testing.T) {
			back := web.URL + "/back"
			if script == "better-auth" {
				back = web.URL + "/api/auth/callback/pizzeria"
			}
			a := ada.is().Register(back, "")
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/node")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "node", script+".mjs")
			cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
			cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+filepath.Join(s.dir, "data/caddy/pki/authorities/local/root.crt"),
				"ISSUER="+s.url(""), "CLIENT_ID="+a.ID, "CLIENT_SECRET="+a.Secret, "BACK="+back, "BASE="+web.URL, "BETTER_AUTH_SECRET=0123456789abcdef0123456789abcdef", "BETTER_AUTH_TELEMETRY=0")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stderr strings.Builder
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			last := ""
			for lines.Scan() {
				// A line that is an address is where it sends the browser; it hears where the browser came back.
				if last = lines.Text(); strings.HasPrefix(last, s.url("")) {
					if _, err := io.WriteString(in, ada.open(last).url.String()+"\n"); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			var got struct{ Email, Name string }
			if err := json.Unmarshal([]byte(last), &got); err != nil || got.Email != "ada@example.com" || got.Name != "Ada Admin" {
				t.Errorf("%s %v", last, err)
			}
		})
	}
}

// TestLogin: the command line gets in through a browser, and out again.
func TestLogin(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	eve := s.invite(ada, "acme", "eve@example.com", "member")
	m := s.machine()
	login := func(answer string) (string, error) {
		t.Helper()
		return m.login("here", func(at string) {
			if a := s.person().open(at); a.url.Path != "/sign-in" {
				t.Errorf("nobody is at %s", a.url)
			}
			a := eve.open(at)
			if a.status != 200 || !strings.Contains(a.body, "pizzeria on ") || !strings.Contains(a.body, "Only sign in what you started") {
				t.Errorf("%d %s", a.status, tail(a.body, 800))
			}
			form := answerTo(at, answer)
			if a := eve.do("POST", s.url("")+"/device", strings.NewReader(form.Encode()), map[string]string{"Origin": s.url("acme"), "Sec-Fetch-Site": "same-site", "Content-Type": "application/x-www-form-urlencoded"}); a.status != 403 {
				t.Errorf("an org's page answered for eve: %d", a.status)
			}
			if a := eve.submit(s.url("")+"/device", form); a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
			if a := eve.submit(s.url("")+"/device", form); a.status != 410 {
				t.Errorf("answered twice: %d", a.status)
			}
		})
	}
	if out, err := login("deny"); err == nil || !strings.Contains(out, "refused") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := login("approve"); err != nil || !strings.Contains(out, "signed in") {
		t.Fatalf("%v %s", err, out)
	}
	run := func(want string, args ...string) string {
		t.Helper()
		out, err := m.command(args...).CombinedOutput()
		if (err == nil) != (want != "") || !strings.Contains(string(out), want) {
			t.Errorf("pizzeria %s: %v %s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("eve@example.com", "me")
	run("acme", "org", "list")
	token := run("ey", "token", "acme")
	if a := s.bearer(token).fetch("GET", s.url("acme")+"/whoami", ""); a.status != 200 || !strings.Contains(a.body, "eve@example.com") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.bearer(token).fetch("GET", s.url("globex")+"/whoami", ""); a.status != 401 {
		t.Errorf("globex takes acme's token: %d", a.status)
	}
	s.bearer(token).call(t, "GET", s.url("")+"/api/v1/me", "", 401, nil)
	// It is no cookie, which would be renewed.
	if a := s.person().do("GET", s.url("acme")+"/whoami", nil, map[string]string{"Cookie": "__Host-pizzeria-org=" + token, "Sec-Fetch-Site": "same-origin", "Accept": "application/json"}); a.status != 401 {
		t.Errorf("as a cookie: %d %s", a.status, a.body)
	}
	if out := run("", "token", "globex"); !strings.Contains(out, "no such org") {
		t.Error(out)
	}
	// It ends with its session, which is listed.
	var sessions struct {
		Items []struct {
			ID    string
			Agent string `json:"user_agent"`
		}
	}
	eve.call(t, "GET", s.url("")+"/api/v1/me/sessions", "", 200, &sessions)
	if len(sessions.Items) != 2 || !strings.HasPrefix(sessions.Items[0].Agent+sessions.Items[1].Agent, "pizzeria on ") && !strings.Contains(sessions.Items[1].Agent, "pizzeria on ") {
		t.Errorf("%+v", sessions)
	}
	run("signed out", "logout")
	if out := run("", "me"); !strings.Contains(out, "pizzeria login") {
		t.Error(out)
	}
	s.eventually("the token ends with the session", func() bool {
		return s.bearer(token).fetched(s.url("acme")+"/whoami") == 401
	})
	eve.call(t, "GET", s.url("")+"/api/v1/me/sessions", "", 200, &sessions)
	if len(sessions.Items) != 1 {
		t.Errorf("%+v", sessions)
	}
}

// TestAppsInBrowser: an app is registered in the console, people come back to it from the sign-in
// page past the page's own policy, and a device is signed in.
func TestAppsInBrowser(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.admin()
	web := servertest.WebPage(t)
	b := s.chromium()
	b.visit(s.url("") + "/platform/apps")
	b.fill(map[string]string{"email": "ada@example.com", "password": password})
	b.press("form.card button", "No app is registered yet")
	b.shot("apps-empty")
	b.fill(map[string]string{"name": "Evil", "redirect_uris": "http://evil.example/back"})
	b.press("form.card button", "http is for localhost alone")
	b.fill(map[string]string{"name": "Grafana", "redirect_uris": web.URL + "/back"})
	b.press("form.card button", "The secret is shown only now")
	b.shot("apps")
	id := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).FindString(b.text())
	if id == "" || !strings.Contains(b.script(`return document.documentElement.outerHTML`), "pzo_") {
		t.Fatal(b.text())
	}
	conf := oauth2.Config{ClientID: id, RedirectURL: web.URL + "/back", Endpoint: oauth2.Endpoint{AuthURL: s.url("") + "/authorize"}, Scopes: []string{"openid"}}
	address := conf.AuthCodeURL("st", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))
	b.visit(address)
	b.shows("the app at /back")

	// Somebody who is not signed in gets there from the form, which leads to another origin.
	n := b.other()
	n.visit(address)
	n.shows("Sign in to Grafana")
	n.shot("sign-in-app")
	n.fill(map[string]string{"email": "ada@example.com", "password": password})
	n.press("form.card button", "the app at /back")
	n.visit(address + "&prompt=login") // again, although there is a session
	n.shows("Sign in to Grafana")
	n.fill(map[string]string{"email": "ada@example.com", "password": password})
	n.press("form.card button", "the app at /back")

	cmd := exec.CommandContext(t.Context(), cli, "login", "--server", s.url(""))
	cmd.Env = append(os.Environ(), "PIZZERIA_CONFIG="+filepath.Join(t.TempDir(), "contexts.yaml"), "PIZZERIA_CA_FILE="+filepath.Join(s.dir, "data/caddy/pki/authorities/local/root.crt"))
	out := new(lockedBuffer)
	cmd.Stderr = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`user_code=(\S+)`)
	s.eventually("a code is shown", func() bool { return code.MatchString(out.String()) })
	b.visit(s.url("") + "/device")
	b.shot("device-code")
	b.fill(map[string]string{"user_code": "BCDF-GHJK"})
	b.press("form.card button", "no device waits with this code")
	b.fill(map[string]string{"user_code": strings.ToLower(code.FindStringSubmatch(out.String())[1])})
	b.press("form.card button", "Sign this device in?")
	b.shot("device")
	b.press(`button[value=approve]`, "The device is signed in")
	b.shot("device-done")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v %s", err, out.String())
	}
	b.visit(s.url("") + "/account")
	b.shows("pizzeria on ")
	b.visit(s.url("") + "/end-session?client_id=" + id)
	b.shows("Sign out?")
	b.shot("sign-out")
	b.press("form.card button", "You are signed out")
	for _, tab := range []*tab{b, n} {
		tab.mu.Lock()
		for _, said := range tab.bad {
			if !strings.Contains(said, "status of 422") && !strings.Contains(said, "status of 410") { // what was typed wrongly above
				t.Errorf("the browser complains: %s", said)
			}
		}
		tab.mu.Unlock()
	}
}
