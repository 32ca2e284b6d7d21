package endtoend

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/servertest"
)

// secrets are what nobody but its holder may find again, by what each is.
type secrets map[string]string

// in names the secrets that a text holds, as they are or spelled another way.
func (c secrets) in(text string) (found []string) {
	for what, s := range c {
		for _, spelling := range []string{s, url.QueryEscape(s), hex.EncodeToString([]byte(s)), base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s))} {
			if strings.Contains(text, spelling) {
				found = append(found, what)
				break
			}
		}
	}
	return found
}

// TestSecretsStayAway: every kind of secret that there is, made and used, is afterwards in no log, not in the database or anything
// else on the disk, and on no page and in no answer, whoever asks.
func TestSecretsStayAway(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", "log\n\torg_gateway")
	s.write(strings.Replace(s.caddyfile("", 0), "\tcontrol_plane", "\tlog\n\tcontrol_plane", 1))
	s.must("reload", "--config", "Caddyfile", "--address", "unix/./data/admin.sock", "--force")
	ada := s.admin()
	id := s.org(ada, "acme")
	at := s.url("") + "/api/v1"
	c := secrets{"the password": password, "the setting": "a-canary-of-a-setting", "the client's secret at a provider": "a-canary-of-a-provider"}
	for what, request := range map[string]struct{ method, path, body, field string }{
		"a personal key":    {"POST", "/me/keys", `{"name":"k","scopes":["platform"]}`, "secret"},
		"an org's key":      {"POST", "/orgs/acme/keys", `{"name":"k","role":"admin","scopes":["org:read"]}`, "secret"},
		"a webhook's":       {"POST", "/orgs/acme/webhooks", `{"url":"https://hooks.example.com/"}`, "secret"},
		"an app's":          {"POST", "/clients", `{"name":"app","redirect_uris":["https://app.example.com/back"]}`, "secret"},
		"a claim":           {"POST", "/orgs/acme/runners/claims", `{"name":"x"}`, "secret"},
		"an invitation":     {"POST", "/orgs/acme/invites", `{"email":"open@example.com","role":"member"}`, "link"},
		"the API token":     {"POST", "/tokens", "", "access_token"},
		"a link of a reset": {"POST", "/users/ada@example.com/password-link", "", "link"},
	} {
		var v map[string]any
		status := http.StatusCreated
		if what == "the API token" || what == "a link of a reset" { // neither is kept anywhere to read
			status = http.StatusOK
		}
		ada.call(t, request.method, at+request.path, request.body, status, &v)
		secret, _ := v[request.field].(string)
		if i := strings.LastIndexByte(secret, '/'); strings.HasPrefix(secret, "https://") {
			if a := s.person().open(secret); a.status != 200 { // its page is logged
				t.Errorf("%s: %d", what, a.status)
			}
			secret = secret[i+1:]
		}
		if len(secret) < 20 {
			t.Fatalf("%s: %v", what, v)
		}
		c[what] = secret
	}
	ada.call(t, "PATCH", at+"/orgs/acme/settings", `{"secrets":{"APP_CANARY":"a-canary-of-a-setting"}}`, 200, nil)
	ada.call(t, "POST", at+"/connections", `{"name":"X","issuer":"https://127.0.0.1:1","client_id":"x","client_secret":"a-canary-of-a-provider"}`, 422, nil)
	r := s.enroll(ada, "acme", "build-1")
	c["a runner's key"] = r.Key
	token, err := s.token(r, 0)
	if err != nil {
		t.Fatal(err)
	}
	c["a runner's token"] = token
	s.bearer(token).fetch("GET", s.url("acme")+"/whoami", "")
	s.bearer(c["a personal key"]).call(t, "GET", at+"/orgs", "", 200, nil)
	eve := s.invite(ada, "acme", "eve@example.com", "member")
	if a := eve.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	c["a session's cookie"], c["an org session"] = eve.cookie(s.url(""), "__Host-pizzeria"), eve.cookie(s.url("acme"), orgCookie)
	page := eve.open(s.url("") + "/account/second-step").body
	totp := between(t, page, `id="secret" value="`, `"`)
	code := eve.is().AddAppFrom(page, "Phone")
	c["a secret of an authenticator app"] = totp
	recovery := strings.Fields(between(t, code.Body, "<pre>", "</pre>"))
	c["a recovery code"] = strings.ReplaceAll(recovery[0], "-", "")
	s.person().submit(s.url("")+"/sign-in", url.Values{"email": {"ada@example.com"}, "password": {"a-canary-of-a-wrong-password"}})
	c["a wrong password"] = "a-canary-of-a-wrong-password"

	// An app's code, tokens and refresh token.
	web := servertest.WebPage(t)
	a := ada.is().Register(web.URL+"/back", "")
	ctx := oidc.ClientContext(t.Context(), s.anonymous())
	provider, err := oidc.NewProvider(ctx, s.url(""))
	if err != nil {
		t.Fatal(err)
	}
	conf := oauth2.Config{ClientID: a.ID, ClientSecret: a.Secret, RedirectURL: web.URL + "/back", Endpoint: provider.Endpoint(), Scopes: []string{"openid", "offline_access"}}
	verifier := oauth2.GenerateVerifier()
	tokens, err := conf.Exchange(ctx, eve.open(conf.AuthCodeURL("x", oauth2.S256ChallengeOption(verifier))).url.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	c["an app's access token"], c["an app's refresh token"], c["another app's secret"], c["a PKCE verifier"] = tokens.AccessToken, tokens.RefreshToken, a.Secret, verifier

	// Pages and answers, for who sees most.
	skip := map[string]bool{"GET /api/v1/events": true, "GET /api/v1/orgs/{org}/events": true, "GET /orgs/{org}/live": true, "GET /platform/live": true, "GET /orgs/{org}/instance/log": true}
	fill := strings.NewReplacer("{org}", id, "{user}", string(r.Runner.EnrolledBy), "{webhook}", "x", "{$}", "", "{connection}", "x")
	own := secrets{} // what a page that is its holder's own may show: the new secret of a form
	for k, v := range c {
		own[k] = v
	}
	check := func(p *person, path string) {
		t.Helper()
		a := p.open(s.url("") + fill.Replace(path))
		for _, what := range own.in(a.body) {
			t.Errorf("%s shows %s", path, what)
		}
	}
	for _, rt := range console.Routes() {
		if rt.Method == "GET" && !skip["GET "+rt.Pattern] && !strings.Contains(rt.Pattern, "{token}") {
			check(ada, rt.Pattern)
		}
	}
	for _, rt := range api.Routes() {
		if rt.Method == "GET" && !skip["GET "+rt.Pattern] {
			check(ada, rt.Pattern)
		}
	}
	for _, args := range [][]string{{"audit", "export"}, {"key", "list", "acme"}, {"client", "list", "-o", "json"}, {"runner", "list", "acme", "-o", "json"}, {"webhook", "list", "--org", "acme", "-o", "json"}, {"settings", "show", "acme", "-o", "json"}} {
		if out, err := s.cli("", args...); err != nil || len(c.in(out)) > 0 {
			t.Errorf("%s prints %v (%v)", args, c.in(out), err)
		}
	}

	// What is on the disk, a backup among it, and in the log, access log and all.
	time.Sleep(2 * time.Second) // what is written a while later is written
	s.must("backup", "copy.db")
	s.stop()
	for _, what := range c.in(s.out.String()) {
		t.Errorf("the log holds %s", what)
	}
	if !strings.Contains(s.out.String(), `"http.log.access`) {
		t.Error("there is no access log to look at")
	}
	seen := 0
	if err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == "secret.key" {
			return err
		}
		b, err := os.ReadFile(path)
		seen++
		for _, what := range c.in(string(b)) {
			t.Errorf("%s holds %s", strings.TrimPrefix(path, s.dir), what)
		}
		return err
	}); err != nil || seen < 5 {
		t.Errorf("%d files, %v", seen, err)
	}
	// The search finds what is there.
	if b, _ := json.Marshal(map[string]string{"x": totp}); len(c.in(string(b))) != 1 {
		t.Error("the search is blind")
	}
}

// between returns what stands between two texts.
func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, from)
	found, _, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("no %s in %s", from, tail(text, 1000))
	}
	return found
}
