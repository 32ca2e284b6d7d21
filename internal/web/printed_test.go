package web

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// TestPrinted: who may read the log sees its end, cleaned, while the instance is not healthy; nobody else does.
func TestPrinted(t *testing.T) {
	text, failing := "first\n\x1b[31mpanic: no luck\x1b[0m\r\n", error(nil)
	logs := func(context.Context, registry.OrgID, int, bool) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), failing
	}
	person := registry.AsUser(registry.User{ID: "u"}, "s", "")
	view := func(role registry.Role, desired registry.Desired, state registry.InstanceState) registry.OrgView {
		return registry.OrgView{Role: role, Instance: registry.Instance{Desired: desired, State: state}}
	}
	const run, stop = registry.DesiredRunning, registry.DesiredStopped
	for name, c := range map[string]struct {
		v    registry.OrgView
		want string
	}{
		"an admin":          {view(registry.RoleAdmin, run, registry.InstanceFailed), "first\n [31mpanic: no luck [0m"},
		"a member":          {view(registry.RoleMember, run, registry.InstanceFailed), ""},
		"nobody":            {view("", run, registry.InstanceFailed), ""},
		"it is degraded":    {view(registry.RoleAdmin, run, registry.InstanceDegraded), "first\n [31mpanic: no luck [0m"},
		"it is healthy":     {view(registry.RoleAdmin, run, registry.InstanceRunning), ""},
		"it is to be still": {view(registry.RoleAdmin, stop, registry.InstanceFailed), ""},
	} {
		if got := Printed(t.Context(), logs, person, c.v); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	text = strings.Repeat("x", 100_000) + "end"
	if got := Printed(t.Context(), logs, person, view(registry.RoleAdmin, run, registry.InstanceFailed)); len(got) > printedBytes || !strings.HasSuffix(got, "end") {
		t.Errorf("%d bytes", len(got))
	}
	failing = errors.New("away")
	if got := Printed(t.Context(), logs, person, view(registry.RoleAdmin, run, registry.InstanceFailed)); got != "" {
		t.Errorf("%q", got)
	}
}
