package console_test

import (
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
)

// TestImageIsShown: to platform admins, where there is one. Who else must not see it: api.TestPlaces.
func TestImageIsShown(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	s.Org("acme", s.User("owner@example.com", false))
	root := s.Page(s.SignIn(s.User("root@example.com", true)))
	shown := func() string { return root.Do("GET", "/orgs/acme/instance", "").Body }
	if body := shown(); strings.Contains(body, "<dt>Image</dt>") {
		t.Errorf("without one: %s", body)
	}
	s.Image = "registry.example/<app>@sha256:0123"
	if body := shown(); !strings.Contains(body, ">registry.example/&lt;app&gt;@sha256:0123</dd>") {
		t.Error(body)
	}
}
