package edge

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// TestErrorsAreForWhoAsks: a browser that navigates gets a page, by any method; a program gets
// problem details; HEAD gets the headers of the answer alone.
func TestErrorsAreForWhoAsks(t *testing.T) {
	f := newFixture(t)
	page := []string{"Accept", "text/html,*/*;q=0.8", "Sec-Fetch-Mode", "navigate"}
	for _, c := range []struct {
		name    string
		headers []string
		page    bool
	}{
		{"a browser", page, true},
		{"an old browser", []string{"Accept", "text/html,*/*;q=0.8"}, true},
		{"a script", []string{"Accept", "text/html", "Sec-Fetch-Mode", "cors"}, false},
		{"a program", []string{"Accept", "*/*"}, false},
		{"nothing said", nil, false},
		{"a WebSocket", append([]string{"Upgrade", "websocket"}, page...), false},
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"} {
			for _, status := range []int{400, 401, 403, 405, 413, 429, 502, 503} {
				r := httptest.NewRequest(method, "/save", nil)
				for i := 0; i < len(c.headers); i += 2 {
					r.Header.Set(c.headers[i], c.headers[i+1])
				}
				w := httptest.NewRecorder()
				f.g.fail(w, r, f.state(), Problem{Code: wire.OrgStarting, Status: status, Title: "What happened", RetryAfter: 7, Refresh: true})
				want := "application/problem+json"
				if c.page {
					want = "text/html; charset=utf-8"
				}
				body := w.Body.String()
				if w.Code != status || w.Header().Get("Content-Type") != want || (body == "") != (method == "HEAD") {
					t.Errorf("%s, %s, %d: %d %s %q", c.name, method, status, w.Code, w.Header().Get("Content-Type"), body)
				}
				if c.page && strings.Contains(body, "http-equiv") != (method == "GET") {
					t.Errorf("%s, %s: the page loads itself again, or does not: %s", c.name, method, body)
				}
				if c.page || body == "" {
					continue
				}
				var p struct{ Type, Code string }
				if err := json.Unmarshal([]byte(body), &p); err != nil || p.Code != "org_starting" || p.Type != "https://d.example/problems/org_starting" {
					t.Errorf("%s, %s: %s", c.name, method, body)
				}
			}
		}
	}
}

// TestFormAfterTheSession: a form that is sent without a session is answered with a page that says
// so, and leads to a sign-in and back. It is never answered with a redirect, which would drop it.
func TestFormAfterTheSession(t *testing.T) {
	f := newFixture(t)
	for referer, back := range map[string]string{
		"https://acme.d.example/forms/7?x=1":  "?return=%2Fforms%2F7%3Fx%3D1",
		"https://other.d.example/forms/7?x=1": "?return=%2F",
		"":                                    "?return=%2F",
	} {
		r := httptest.NewRequest(http.MethodPost, "/save", strings.NewReader("text=long"))
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if referer != "" {
			r.Header.Set("Referer", referer)
		}
		w := httptest.NewRecorder()
		if f.g.Authenticate(w, r, f.state(), registry.RoleMember, false) {
			t.Fatal("nobody was let in")
		}
		if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" ||
			!strings.Contains(w.Body.String(), `<a href="/.pizzeria/sign-in`+back+`">Sign in</a>`) ||
			!strings.Contains(w.Body.String(), "You are signed out") {
			t.Errorf("from %q: %d %s", referer, w.Code, w.Body)
		}
	}
}

func (f *fixture) state() *State {
	return &State{
		Route:     &registry.Route{OrgID: f.org.ID, Slug: f.org.Slug, Name: f.org.Name, Status: registry.RouteServing},
		RequestID: func() string { return "r1" },
	}
}
