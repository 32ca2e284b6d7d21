package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/identity"
)

// TestAttemptsStaySmall: whatever attempts a browser keeps, their cookies fit into a request's
// header, and the newest attempt is whole.
func TestAttemptsStaySmall(t *testing.T) {
	jar := map[string]string{}
	var order []string
	request := func() *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, name := range order {
			if value, has := jar[name]; has {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
		}
		return r
	}
	for i, size := range []int{100, 15000, 200, 15000, 18000, 100, 100, 100, 100, 100, 100, 100, 100, 100, 15000} {
		a := identity.Attempt{ID: strings.Repeat(string(rune('a'+i)), 12), Sealed: strings.Repeat("x", size)}
		w := httptest.NewRecorder()
		keepAttempt(w, request(), a)
		for _, c := range w.Result().Cookies() {
			if c.MaxAge < 0 {
				delete(jar, c.Name)
				continue
			}
			jar[c.Name], order = c.Value, append(order, c.Name)
		}
		ids, sizes := attemptsOf(request())
		total := 0
		for _, n := range sizes {
			total += n
		}
		if len(ids) > maxAttempts || total > maxAttemptBytes+1000 || attemptOf(request(), a.ID) != a.Sealed {
			t.Errorf("after %d of %d bytes: %d attempts of %d bytes", i, size, len(ids), total)
		}
	}
	if ids, _ := attemptsOf(request()); len(ids) < 2 {
		t.Errorf("only %d attempts are left", len(ids))
	}
}
