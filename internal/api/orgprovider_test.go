package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestOrgProvider: an org is given a provider that is configured, and is not led away from its data
// by mistake, whether by naming a provider or by going back to the plan's.
func TestOrgProvider(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	op := s.Operator()
	o := s.Org("acme", s.User("owner@example.com", false))
	system := registry.AsSystem("test")
	runs := func(provider string) {
		t.Helper()
		w, err := s.Store.WorkOn(t.Context(), system, o.ID)
		if err != nil {
			t.Fatal(err)
		}
		l, err := s.Store.Acquire(t.Context(), system, o.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Store.Report(t.Context(), system, l, w.Instance.Generation, provider,
			registry.Report{State: registry.InstanceRunning})
		if err == nil {
			err = s.Store.Release(t.Context(), system, l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const path = "/api/v1/orgs/acme/provider"
	set := func(status int, body string) controltest.Answer {
		t.Helper()
		return op.Want(t, status, "PUT", path, body)
	}
	set(422, `{"provider":"docker"}`)
	set(200, `{"provider":"elsewhere"}`) // it has no data yet
	runs("elsewhere")
	a := set(409, `{"provider":"large"}`)
	if !strings.Contains(a.Body, "data_elsewhere") || !strings.Contains(a.Body, `\"elsewhere\"`) {
		t.Errorf("%s", a.Body)
	}
	set(409, `{"provider":""}`) // the default
	a = set(200, `{"provider":"large","without_data":true}`)
	if !strings.Contains(a.Body, `"provider":"large"`) {
		t.Errorf("%s", a.Body)
	}
	runs("large")
	set(200, `{"provider":""}`)
	runs("process")
	op.Want(t, 201, "POST", "/api/v1/plans", `{"name":"team","provider":"elsewhere"}`)
	op.Want(t, 422, "POST", "/api/v1/plans", `{"name":"odd","provider":"docker"}`)
	op.Want(t, 200, "PUT", "/api/v1/orgs/acme/plan", `{"plan":"team"}`)
	set(200, `{"provider":"large"}`)
	set(409, `{"provider":""}`) // the plan's
	set(200, `{"provider":"large"}`)
	op.With("If-Match", `"1"`).Want(t, 412, "PUT", path, `{"provider":"process"}`)
}
