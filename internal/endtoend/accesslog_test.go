package endtoend

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestAccessLog: it says who was served from which org and how it was decided, and holds no cookie, code or token.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", `log
	@open path /open/*
	route {
		org
		org_auth {
			except @open
		}
		reverse_proxy {
			dynamic org
			transport org
		}
	}`)
	ada := s.admin()
	id := s.org(ada, "acme")
	ada.open(s.url("acme") + "/whoami")
	session := ada.cookie(s.url("acme")+"/", orgCookie)
	s.person().fetch(http.MethodGet, s.url("acme")+"/open/x", "")
	s.person().fetch(http.MethodGet, s.url("acme")+"/notes", "")
	type line struct {
		Request  struct{ URI string }
		Pizzeria struct {
			Org, Slug, User, Role, Session, Decision string
			Generation                               int
		}
	}
	lines := func() map[string]line {
		found := map[string]line{}
		for _, text := range strings.Split(s.out.String(), "\n") {
			var l line
			if strings.Contains(text, `"http.log.access`) && json.Unmarshal([]byte(text), &l) == nil {
				found[l.Request.URI] = l
			}
		}
		return found
	}
	s.eventually("all is logged", func() bool {
		return lines()["/notes"].Pizzeria.Org != "" && lines()["/whoami"].Pizzeria.Decision == "passed"
	})
	got := lines()
	if p := got["/whoami"].Pizzeria; p.Org != id || p.Slug != "acme" || p.Role != "owner" || p.User == "" || len(p.Session) != 16 || p.Generation != 1 {
		t.Errorf("a member: %+v", p)
	}
	if p := got["/open/x"].Pizzeria; p.Decision != "passed_as_nobody" || p.User != "" || p.Session != "" {
		t.Errorf("an exception: %+v", p)
	}
	if p := got["/notes"].Pizzeria; p.Decision != "answered" {
		t.Errorf("nobody: %+v", p)
	}
	if out := s.out.String(); session == "" || strings.Contains(out, session) || strings.Contains(out, strings.Split(session, ".")[2]) {
		t.Error("the log holds a session")
	}
}
