package endtoend

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

func (s *server) enroll(by *person, slug, name string) servertest.Enrolled {
	s.t.Helper()
	return by.is().Enroll(s.person().is(), slug, name)
}

func (s *server) token(r servertest.Enrolled, style oauth2.AuthStyle) (string, error) {
	return r.AccessToken(s.anonymous(), style)
}

// dialWith opens an org's echo with a bearer token.
func (s *server) dialWith(slug, token string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tr := s.transport()
	tr.ForceAttemptHTTP2 = false
	ws, _, err := websocket.Dial(ctx, s.url(slug)+"/echo", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}, HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	return ws, err
}

// TestRunnersAtRoutes: a route for people alone refuses a runner, and one that asks for nobody sees
// none of its secrets.
func TestRunnersAtRoutes(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", `@people path /whoami/people
	route {
		org
		org_auth @people {
			role member
		}
		org_auth {
			except /echo2
		}
		uri strip_suffix /people
		reverse_proxy {
			dynamic org
			transport org
		}
	}`)
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	r := s.enroll(ada, "acme", "build-1")
	token, err := s.token(r, oauth2.AuthStyleInHeader)
	if err != nil {
		t.Fatal(err)
	}
	people := s.url("acme") + "/whoami/people"
	if a := s.bearer(token).fetch("GET", s.url("acme")+"/whoami", ""); a.status != 200 {
		t.Errorf("a runner: %d %s", a.status, a.body)
	}
	if a := s.bearer(token).fetch("GET", people, ""); a.status != 401 && a.status != 403 {
		t.Errorf("a runner among people: %d %s", a.status, a.body)
	}
	if a := ada.fetch("GET", people, ""); a.status != 200 {
		t.Errorf("a person: %d %s", a.status, a.body)
	}
	for _, secret := range []string{r.Key, "pzc_" + r.Key[4:]} {
		a := s.bearer(secret).fetch("GET", s.url("acme")+"/echo2", "")
		if a.status != 401 && a.status != 404 || strings.Contains(a.body, secret) {
			t.Errorf("with the key: %d %s", a.status, a.body)
		}
	}
}
