package pizzapi

import (
	"net/http"
	"testing"
)

// TestJudge: what manages accounts reaches PizzaPi by no spelling of its path; what nobody may is for
// people alone.
func TestJudge(t *testing.T) {
	f := newFixture(t)
	socket := http.Header{"Upgrade": {"websocket"}}
	for _, row := range []struct {
		method, path      string
		h                 http.Header
		person, nobodyGot int // statuses of the agent's own; 0: it passes
	}{
		{"GET", "/", nil, 0, 0},
		{"GET", "/api/sessions", nil, 0, 0},
		{"POST", "/api/auth/api-key/create", nil, 0, 401},
		{"GET", "/api/auth/api-key/list", nil, 0, 401},
		{"POST", "/api/auth/api-key/update", nil, 403, 401},
		{"GET", "/api/auth/api-key/list/", nil, 403, 401},
		{"POST", "/api/auth/api-key/verify", nil, 403, 401},
		{"POST", "/api/auth/sign-up/email", nil, 403, 401},
		{"POST", "/api/auth/sign-in/email", nil, 403, 401},
		{"POST", "/api/auth/sign-up/email/", nil, 403, 401},
		{"POST", "/api/auth//sign-up/email", nil, 403, 401},
		{"POST", "/api/authentic", nil, 403, 401},
		{"POST", "/API/Auth/sign-up/email", nil, 403, 401},
		{"POST", "/api/%61uth/sign-up/email", nil, 403, 401},
		{"POST", "/api/auth%2fsign-up/email", nil, 403, 401},
		{"POST", "/api/x/%2e%2e/auth/sign-up/email", nil, 400, 400},
		{"POST", "/api/%2E/auth/sign-up/email", nil, 400, 400},
		{"POST", "/api%5cauth/sign-up/email", nil, 400, 400},
		{"POST", "//evil.example/api/auth/sign-up/email", nil, 400, 400},
		{"POST", "/api/register", nil, 403, 403},
		{"POST", "/api/Register", nil, 403, 403},
		{"POST", "/api/register/", nil, 403, 403},
		{"POST", "/api/auth/list-sessions", nil, 403, 401},
		{"POST", "/api/auth/sign-out", nil, 307, 401},
		{"GET", "/api/auth/sign-out", nil, 403, 401},
		{"POST", "/api/setup-claim", nil, 0, 0},
		{"POST", "/api/setup-claim/1/approve", nil, 0, 401},
		{"POST", "/api/setup-claim/1/approve/", nil, 0, 401},
		{"POST", "/api/setup-claim/1/%61pprove", nil, 0, 401},
		{"POST", "/api/mobile-link/1/approve", nil, 0, 401},
		{"POST", "/api/mobile-link", nil, 0, 401},
		{"GET", "/socket.io/", socket, 0, 0},
		{"GET", "/socket.io/", nil, 0, 401},
		{"POST", "/Socket.io/", http.Header{"Upgrade": {"h2c"}}, 0, 401},
		{"GET", "/sw.js", nil, 200, 200},
		{"POST", "/sw.js", nil, 0, 0},
		{"GET", "/pizzeria-agent.js", nil, 200, 200},
	} {
		for person, want := range map[Person]int{ada: row.person, {}: row.nobodyGot} {
			w, r := f.judged(row.method, row.path, person, row.h)
			got := w.Code
			if r != nil {
				got = 0
			}
			if got != want {
				t.Errorf("%s %s of %q: %d, want %d", row.method, row.path, person.Subject, got, want)
			}
		}
	}
	if w, _ := f.judged("POST", "/api/auth/sign-out", ada, nil); w.Header().Get("Location") != "/api/.pizzeria/sign-out" {
		t.Errorf("%v", w.Header())
	}
}
