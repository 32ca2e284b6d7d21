package endtoend

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/pizzaface/pizzeria/registry"
)

// enrolled is a runner with what it was given.
type enrolled struct {
	Runner registry.Runner
	Key    string
	Token  string `json:"token_endpoint"`
	URL    string
}

func (s *server) enroll(by *person, slug, name string) (r enrolled) {
	s.t.Helper()
	var claim struct{ Secret string }
	by.call(s.t, "POST", s.url("")+"/api/v1/orgs/"+slug+"/runners/claims", `{"name":"`+name+`"}`, 201, &claim)
	s.person().call(s.t, "POST", s.url("")+"/api/v1/runners", `{"claim":"`+claim.Secret+`"}`, 201, &r)
	s.person().call(s.t, "POST", s.url("")+"/api/v1/runners", `{"claim":"`+claim.Secret+`"}`, 410, nil) // once
	return r
}

// token asks as any OAuth client does.
func (s *server) token(r enrolled, style oauth2.AuthStyle) (string, error) {
	s.t.Helper()
	conf := clientcredentials.Config{ClientID: string(r.Runner.ID), ClientSecret: r.Key, TokenURL: r.Token, AuthStyle: style}
	c := s.anonymous()
	defer c.CloseIdleConnections() // the server bounds them by address
	t, err := conf.Token(context.WithValue(context.Background(), oauth2.HTTPClient, c))
	if err != nil {
		return "", err
	}
	return t.AccessToken, nil
}

// dialWith opens an org's echo with a bearer token.
func (s *server) dialWith(slug, token string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tr := s.transport()
	tr.ForceAttemptHTTP2 = false
	ws, _, err := websocket.Dial(ctx, s.url(slug)+"/echo", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}, HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	return ws, err
}

// ending is the code with which the other side closes a WebSocket; 0 when it does not, or says nothing.
func ending(ws *websocket.Conn) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _, err := ws.Read(ctx)
	return max(0, int(websocket.CloseStatus(err)))
}

func TestRunners(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", `@people path /whoami/people
	route {
		org
		org_auth @people {
			role member
		}
		org_auth {
			except /echo2
		}
		uri strip_suffix /people
		reverse_proxy {
			dynamic org
			transport org
		}
	}`)
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	mia := s.invite(ada, "acme", "mia@example.com", "member")
	bob := s.invite(ada, "globex", "bob@example.com", "owner")
	api := s.url("") + "/api/v1"

	r := s.enroll(mia, "acme", "build-1")
	if !strings.HasPrefix(r.Key, "pzr_") || r.URL != s.url("acme") {
		t.Fatalf("%+v", r)
	}
	token, err := s.token(r, oauth2.AuthStyleInHeader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.token(r, oauth2.AuthStyleInParams); err == nil {
		t.Error("the key is taken from a body") // one method of client authentication
	}
	wrong := r
	wrong.Key = s.enroll(mia, "acme", "other").Key
	if _, err := s.token(wrong, oauth2.AuthStyleInHeader); err == nil {
		t.Error("another runner's key is taken")
	}

	// The token is good at its org, with a role of its own, and nowhere else.
	runner := s.bearer(token)
	if a := runner.fetch("GET", s.url("acme")+"/whoami", ""); a.status != 200 || !strings.Contains(a.body, `runner`) || !strings.Contains(a.body, "build-1") || strings.Contains(a.body, token) {
		t.Errorf("acme: %d %s", a.status, a.body)
	}
	for _, target := range []string{s.url("acme") + "/whoami/people", s.url("globex") + "/whoami", api + "/me", api + "/orgs/acme", api + "/orgs/acme/runners"} {
		if a := runner.fetch("GET", target, ""); a.status != 401 && a.status != 403 {
			t.Errorf("%s: %d %s", target, a.status, a.body)
		}
	}
	if a := runner.fetch("POST", s.url("acme")+"/.pizzeria/sign-out", ""); a.status != 403 {
		t.Errorf("a runner signs out: %d %s", a.status, a.body)
	}
	for _, secret := range []string{r.Key, "pzc_" + r.Key[4:]} { // nothing but the token endpoint knows them, and no instance sees them
		for _, target := range []string{s.url("acme") + "/whoami", s.url("acme") + "/echo2", api + "/me"} {
			if a := s.bearer(secret).fetch("GET", target, ""); a.status != 401 && a.status != 404 || strings.Contains(a.body, secret) {
				t.Errorf("%s with the key: %d %s", target, a.status, a.body)
			}
		}
	}

	// Who may: mine, or as an admin; not another org's. A key within its scopes, and its own end.
	var personal struct{ Secret string }
	mia.call(t, "POST", api+"/me/keys", `{"name":"x","scopes":["runner:write","org:read"]}`, 201, &personal)
	key := s.bearer(personal.Secret)
	key.call(t, "POST", api+"/orgs/acme/runners/claims", `{"days":200}`, 422, nil)
	key.call(t, "POST", api+"/orgs/acme/runners/claims", `{"name":"spare"}`, 201, nil)
	key.call(t, "GET", api+"/orgs/acme/runners", "", 200, nil)
	bob.call(t, "GET", api+"/orgs/acme/runners", "", 404, nil)
	bob.call(t, "POST", api+"/orgs/acme/runners/claims", `{}`, 404, nil)
	bob.call(t, "DELETE", api+"/orgs/globex/runners/"+string(r.Runner.ID), "", 404, nil)
	s.person().call(t, "POST", api+"/runners", `{"claim":"pzc_nonsense","name":"x"}`, 422, nil)
	s.person().call(t, "POST", api+"/runners", `{"claim":"`+"pzc_"+r.Key[4:]+`","name":"x"}`, 422, nil) // the checksum is another's

	// Disconnected it may come back; revoked it is out at once, and what is open closes.
	ws, err := s.dialWith("acme", token)
	if err != nil {
		t.Fatal(err)
	}
	s.eventually("one connection is counted", func() bool {
		return strings.Contains(mia.fetch("GET", api+"/orgs/acme/runners?search=build-1", "").body, `"connections":1`)
	})
	mia.call(t, "POST", api+"/orgs/acme/runners/"+string(r.Runner.ID)+"/disconnect", "", 204, nil)
	if code := ending(ws); code != 1012 {
		t.Errorf("a disconnected runner's WebSocket ends with %d", code)
	}
	if ws, err = s.dialWith("acme", token); err != nil {
		t.Fatalf("it may come back: %v", err)
	}
	key.call(t, "DELETE", api+"/orgs/acme/runners/"+string(r.Runner.ID), "", 204, nil)
	if code := ending(ws); code != 4401 {
		t.Errorf("a revoked runner's WebSocket ends with %d", code)
	}
	s.eventually("a revoked runner is refused", func() bool { return runner.fetched(s.url("acme")+"/whoami") == 401 })
	if _, err := s.token(r, oauth2.AuthStyleInHeader); err == nil {
		t.Error("a revoked runner gets a token")
	}

	// Removing a person names what they enrolled, and can end it.
	left := s.enroll(mia, "acme", "left behind")
	leftToken, err := s.token(left, oauth2.AuthStyleInHeader)
	if err != nil {
		t.Fatal(err)
	}
	page := ada.open(s.url("") + "/orgs/acme/members/" + string(left.Runner.EnrolledBy) + "/remove")
	if page.status != 200 || !strings.Contains(page.body, "left behind") {
		t.Errorf("the page does not name what she enrolled: %d %s", page.status, tail(page.body, 1500))
	}
	ada.submit(s.url("")+"/orgs/acme/members/"+string(left.Runner.EnrolledBy)+"/remove", url.Values{"runners": {"revoke"}})
	s.eventually("her runners are refused", func() bool { return s.bearer(leftToken).fetched(s.url("acme")+"/whoami") == 401 })
	for what, text := range map[string]string{"log": s.out.String(), "audit": s.adminGet("/pizzeria/api/v1/audit")} {
		if strings.Contains(text, r.Key) || strings.Contains(text, token) {
			t.Errorf("a runner's secret is in the %s", what)
		}
	}
}
