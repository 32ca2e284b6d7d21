package api_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestIfMatch: a change with a precondition happens to the version that was seen, or not at all.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	owner := s.User("owner@example.com", false)
	s.Org("acme", owner)
	op := s.Operator()
	const org = "/api/v1/orgs/acme"
	for _, c := range []struct{ method, path, body string }{
		{"PATCH", "", `{"name":"One"}`}, {"POST", "/rename", `{"slug":"apex"}`},
		{"POST", "/suspend", `{"reason":"unpaid"}`}, {"POST", "/resume", ""},
		{"POST", "/instance/restart", ""}, {"DELETE", "?confirm=acme", ""}, {"POST", "/keep", ""},
	} {
		for _, tag := range []string{`"2"`, `"0"`, `"-1"`, `W/"1"`, "1", `"1", "2"`, `"x"`,
			"nonsense", `"99999999999999999999"`, `""`} {
			problem(t, c.method+c.path+" with "+tag,
				op.With("If-Match", tag).Do(c.method, org+c.path, c.body), 412)
		}
	}
	a := op.Want(t, 200, "GET", org, "")
	if a.Header.Get("ETag") != `"1"` {
		t.Fatalf("the org changed: %v", a.Header)
	}
	a = op.With("If-Match", `"1"`).Want(t, 200, "PATCH", org, `{"name":"Two"}`)
	tag := a.Header.Get("ETag")
	if tag == `"1"` || tag == "" {
		t.Fatalf("ETag %s", tag)
	}
	op.With("If-Match", "*").Want(t, 200, "PATCH", org, `{"name":"Three"}`)
	op.With("If-Match", tag).Want(t, 412, "PATCH", org, `{"name":"Four"}`)

	// Of many who saw the same version, one changes it.
	for round := range 5 {
		seen := op.With("If-Match", op.Want(t, 200, "GET", org, "").Header.Get("ETag"))
		var done atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				switch a := seen.Do("PATCH", org,
					fmt.Sprintf(`{"name":"Round %d by %d"}`, round, i)); a.Status {
				case 200:
					done.Add(1)
				case 412:
				default:
					t.Errorf("%d %s", a.Status, a.Body)
				}
			})
		}
		wg.Wait()
		if n := done.Load(); n != 1 {
			t.Errorf("%d changes of one version", n)
		}
	}
}
