package endtoend

import (
	"net/url"
	"sync"
	"testing"
)

// installation is one installation for all tests that change nothing in it but notes
// of the sample instance: two orgs, acme and globex, both owned by Ada.
var installation struct {
	once sync.Once
	s    *server
	ok   bool
}

// shared returns the common installation, and Ada, newly signed in.
func shared(t *testing.T) (*server, *person) {
	t.Helper()
	installation.once.Do(func() {
		s := newServer(t, "", "org_gateway")
		installation.s = s
		s.run()
		ada := s.admin()
		s.org(ada, "acme")
		s.org(ada, "globex")
		installation.ok = true
	})
	if !installation.ok {
		t.Fatal("the common installation did not start")
	}
	s := *installation.s
	s.t = t
	ada := s.person()
	a := ada.submit(s.url("")+"/sign-in", url.Values{"email": {"ada@example.com"}, "password": {password}})
	if a.status != 200 {
		t.Fatalf("sign-in: %d %s", a.status, a.body)
	}
	return &s, ada
}

// endCommon stops the common installation, and returns the data races that it reported.
func endCommon() (races string) {
	if installation.s == nil || installation.s.cmd == nil {
		return ""
	}
	return installation.s.end()
}
