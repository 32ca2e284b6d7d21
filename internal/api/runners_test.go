package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestEnrollmentIsUndone: a runner that the app gives no key is revoked, also when the machine that
// asked for it waits no more.
func TestEnrollmentIsUndone(t *testing.T) {
	s := controltest.New(t)
	ada := s.User("ada@example.com", false)
	acme := s.Org("acme", ada)
	_, claim, err := s.Identity.CreateRunnerClaim(t.Context(), s.As(ada), acme.ID,
		registry.NewRunnerClaim{Name: "r", App: registry.RunnerPizzaPi})
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	s.EnrollAtApp = func(ctx context.Context, r registry.Runner) (map[string]string, error) {
		if _, err := s.Store.Runner(ctx, registry.AsOperator(), r.OrgID, r.ID); err != nil {
			t.Error(err)
		}
		leave()
		return nil, ctx.Err()
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, controltest.Issuer+"/api/v1/runners",
		strings.NewReader(`{"claim":"`+claim.Reveal()+`"}`))
	r.Header.Set("Content-Type", "application/json")
	s.Handler.ServeHTTP(w, r)
	if ctx.Err() == nil {
		t.Fatalf("the app was not asked: %d %s", w.Code, w.Body)
	}
	list, err := s.Store.Runners(t.Context(), registry.AsOperator(), acme.ID, registry.RunnerList{})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("%+v %v", list.Items, err)
	}
}
