package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// creations returns the operations of the document that answer 201.
func creations(t *testing.T, s *controltest.Server) map[string]bool {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Headers map[string]any
			}
		}
	}
	s.Nobody().Want(t, 200, "GET", "/api/v1/openapi.json", "").Decode(t, &doc)
	out := map[string]bool{}
	for path, item := range doc.Paths {
		for method, op := range item {
			created, ok := op.Responses["201"]
			if !ok {
				continue
			}
			name := strings.ToUpper(method) + " " + strings.TrimPrefix(path, "/api/v1")
			out[name] = true
			if created.Headers["Location"] == nil {
				t.Errorf("%s: the document does not declare Location", name)
			}
		}
	}
	return out
}

// TestLocation: each answer 201 leads to what was created, for the same caller. The owner of another
// org is told there what is told of an ID that does not exist.
func TestLocation(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.SignIn(s.User("owner@example.com", false))
	acme := s.Org("acme", owner.User)
	stranger := s.User("stranger@example.com", false)
	s.Org("globex", stranger)
	own := s.Page(owner)
	root := s.Page(s.SignIn(s.User("root@example.com", true)))
	scopes := []registry.Scope{registry.ScopeMemberWrite, registry.ScopeWebhookWrite, registry.ScopeRunnerWrite}
	key := s.Bearer(s.Key(owner, registry.NewAPIKey{Scopes: scopes}))
	other := s.Page(s.SignIn(stranger))
	at := provider(t, s)
	_, claim, err := s.Identity.CreateRunnerClaim(t.Context(), s.As(owner.User), acme.ID, registry.NewRunnerClaim{Name: "build"})
	if err != nil {
		t.Fatal(err)
	}
	left, types := creations(t, s), declaredTypes(t, s)
	for _, c := range []struct {
		name, body string
		as         *controltest.Client
		reads      *controltest.Client // nil: the same
	}{
		{"POST /orgs", `{"slug":"made"}`, root, nil},
		{"POST /users", `{"email":"eve@example.com","name":"Eve","password":"correct horse battery"}`, root, nil},
		{"POST /me/keys", `{"name":"k","scopes":["org:read"]}`, own, nil},
		{"POST /orgs/{org}/keys", `{"name":"k","role":"member","scopes":["org:read"]}`, own, nil},
		{"POST /orgs/{org}/invites", `{"email":"bob@example.com","role":"member"}`, own, nil},
		{"POST /orgs/{org}/invites", `{"email":"kim@example.com","role":"member"}`, key, nil},
		{"POST /orgs/{org}/runners/claims", `{"name":"x"}`, key, nil},
		{"POST /runners", `{"claim":"` + claim.Reveal() + `"}`, s.Nobody(), own}, // the claim reads nothing
		{"POST /orgs/{org}/webhooks", `{"url":"https://example.com/","events":["member.added"]}`, key, nil},
		{"POST /webhooks", `{"url":"https://example.com/"}`, s.Operator(), nil},
		{"POST /orgs/{org}/connections", at, own, nil},
		{"POST /connections", at, root, nil},
		{"POST /orgs/{org}/domains", `{"domain":"Example.com"}`, own, nil},
		{"POST /orgs/{org}/support", `{"reason":"the build hangs","hours":4}`, root, nil},
		{"POST /plans", `{"name":"team"}`, root, nil},
		{"POST /clients", `{"name":"x","redirect_uris":["https://x.example/"]}`, root, nil},
	} {
		method, path, _ := strings.Cut(c.name, " ")
		path = "/api/v1" + strings.Replace(path, "{org}", "acme", 1)
		for _, with := range []*controltest.Client{c.as.With("Idempotency-Key", "1"+c.body), c.as.With("Idempotency-Key", "1"+c.body)} {
			if strings.HasPrefix(c.name, "POST /runners") && !left[c.name] {
				break // a claim works once
			}
			made := with.Want(t, 201, method, path, c.body)
			delete(left, c.name)
			types.check(t, api.Route{Method: method, Pattern: "/api/v1" + strings.TrimPrefix(c.name, method+" ")}, made)
			where := made.Header.Get("Location")
			reads := c.as
			if c.reads != nil {
				reads = c.reads
			}
			got := reads.Want(t, 200, "GET", where, "")
			if !shows(t, got.Body, made.Body) {
				t.Errorf("%s: %s shows %s, created was %s", c.name, where, got.Body, made.Body)
			}
			if strings.Contains(got.Body, `"secret"`) || strings.Contains(got.Body, `"link"`) {
				t.Errorf("%s: %s tells what is shown once: %s", c.name, where, got.Body)
			}
			if strings.Contains(where, "/orgs/") && strings.Count(where, "/") > 4 {
				hidden(t, other, where)
			}
		}
	}
	for name := range left {
		t.Errorf("%s has no row", name)
	}
	// In the operator's path, which is below another.
	if a := s.OperatorBelow("/pizzeria").Want(t, 201, "POST", "/api/v1/orgs", `{"slug":"below"}`); !strings.HasPrefix(a.Header.Get("Location"), "/pizzeria/api/v1/orgs/") {
		t.Errorf("over the admin socket: %v", a.Header)
	}
}

// hidden checks what the owner of globex is told at a place of acme, and below an org of one's own
// with an ID of acme's.
func hidden(t *testing.T, other *controltest.Client, where string) {
	t.Helper()
	if a := other.Do("GET", where, ""); a.Status != 404 || !strings.Contains(a.Body, "no such org") {
		t.Errorf("%s for another org's owner: %d %s", where, a.Status, a.Body)
	}
	parts := strings.SplitN(strings.TrimPrefix(where, "/api/v1/orgs/"), "/", 3)
	below := "/api/v1/orgs/globex/" + parts[1] + "/"
	a, b := other.Do("GET", below+parts[2], ""), other.Do("GET", below+unknown, "")
	if a.Status != 404 || a.Body != b.Body {
		t.Errorf("%s tells that there is one elsewhere: %d %s, an unknown one %s", below, a.Status, a.Body, b.Body)
	}
}

// shows reports whether what was created, or one of its members, is a part of what is read.
func shows(t *testing.T, read, created string) bool {
	t.Helper()
	var got, made map[string]any
	if err := errors.Join(json.Unmarshal([]byte(read), &got), json.Unmarshal([]byte(created), &made)); err != nil {
		t.Fatal(err)
	}
	part := func(of map[string]any) bool {
		for name, v := range of {
			if !reflect.DeepEqual(got[name], v) {
				return false
			}
		}
		return len(of) > 0
	}
	for _, v := range made {
		if inner, ok := v.(map[string]any); ok && part(inner) {
			return true
		}
	}
	return part(made)
}

// provider starts an OpenID provider that can be discovered, and returns a connection to it.
func provider(t *testing.T, s *controltest.Server) string {
	t.Helper()
	mux := http.NewServeMux()
	srv := httptest.NewTLSServer(mux)
	t.Cleanup(srv.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": srv.URL, "authorization_endpoint": srv.URL + "/auth", "token_endpoint": srv.URL + "/token", "jwks_uri": srv.URL + "/keys",
		})
	})
	s.Identity.Outside = identity.Outside{Operator: srv.Client(), Org: srv.Client()}
	return `{"name":"Corp","issuer":"` + srv.URL + `","client_id":"us","client_secret":"x"}`
}
