package api_test

import (
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
)

// TestInstanceEnvironmentIsAudited: each time somebody is told the token of an instance, the audit
// log of its org says so, without the token.
func TestInstanceEnvironmentIsAudited(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	s.Org("acme", s.User("owner@example.com", false))
	op := s.Operator()
	for range 2 {
		a := op.Want(t, 200, "GET", "/api/v1/orgs/acme/instance/environment", "")
		if !strings.Contains(a.Body, `"PIZZERIA_INSTANCE_TOKEN":"pzi_x"`) ||
			a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %v", a.Body, a.Header)
		}
	}
	log := op.Want(t, 200, "GET", "/api/v1/orgs/acme/audit", "").Body
	if n := strings.Count(log, `"instance.token_shown"`); n != 2 || strings.Contains(log, "pzi_x") {
		t.Errorf("%d entries: %s", n, log)
	}
}
