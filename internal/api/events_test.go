package api_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/servertest"
	"github.com/pizzaface/pizzeria/registry"
)

// event reads the next event of a stream.
func event(t *testing.T, l *servertest.Lines) (id, kind, data string) {
	t.Helper()
	for _, f := range []struct {
		name string
		to   *string
	}{{"id: ", &id}, {"event: ", &kind}, {"data: ", &data}} {
		line, ok := l.Next(f.name)
		if !ok {
			t.Fatalf("the stream ended before %q", f.name)
		}
		*f.to = line
	}
	return id, kind, data
}

// TestResume: somebody whose connection breaks again and again sees each change once, in order.
func TestResume(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	owner := s.User("owner@example.com", false)
	s.Org("acme", owner)
	s.Org("globex", s.User("other@example.com", false))
	page, op := s.Page(s.SignIn(owner)), s.Operator()
	stream := page.Stream(t, "/api/v1/orgs/acme/events")
	op.Want(t, 200, "PATCH", "/api/v1/orgs/acme", `{"name":"0"}`)
	last, kind, _ := event(t, stream)
	if kind != string(registry.OrgUpdated) {
		t.Fatalf("kind %s", kind)
	}
	for round := 1; round <= 5; round++ {
		stream.End()
		for range 3 { // while nobody listens, here and elsewhere
			op.Want(t, 200, "PATCH", "/api/v1/orgs/acme", `{"name":"`+strconv.Itoa(round)+`"}`)
			op.Want(t, 200, "PATCH", "/api/v1/orgs/globex", `{"name":"Secret"}`)
		}
		if round%2 == 0 {
			stream = page.Stream(t, "/api/v1/orgs/acme/events?after="+last)
		} else {
			stream = page.With("Last-Event-ID", last).Stream(t, "/api/v1/orgs/acme/events?after=1")
		}
		for n := range 5 {
			if n >= 3 { // while somebody listens, one right after the other
				op.Want(t, 200, "PATCH", "/api/v1/orgs/acme", `{"name":"Live"}`)
			}
			id, _, data := event(t, stream)
			was, _ := strconv.Atoi(last)
			is, err := strconv.Atoi(id)
			if err != nil || is <= was || !strings.Contains(data, `"slug":"acme"`) {
				t.Fatalf("after %s comes %s: %s", last, id, data)
			}
			last = id
		}
	}
	stream.End()
	list, err := s.Store.Events(t.Context(), registry.AsOperator(), "", 0, 200)
	if err != nil {
		t.Fatal(err)
	}
	missed := 0
	for _, e := range list {
		if n, _ := strconv.Atoi(last); e.Slug == "acme" && e.Seq > int64(n) {
			missed++
		}
	}
	if missed != 0 {
		t.Errorf("%d changes of acme were never sent", missed)
	}
}

// TestResumeFromNowhere: an ID that is not one is refused; one that there is not, or no longer,
// means to read anew.
func TestResumeFromNowhere(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Org("acme", s.User("owner@example.com", false))
	op := s.Operator()
	for _, id := range []string{"x", "-1", "1.5", "0x10", "99999999999999999999", " ", "1 OR 1=1"} {
		p := problem(t, "Last-Event-ID "+id,
			op.With("Last-Event-ID", id).Do("GET", "/api/v1/events", ""), 422)
		if p.Field != "Last-Event-ID" {
			t.Errorf("%q: field %s", id, p.Field)
		}
	}
	_, head, err := s.Store.EventBounds(t.Context(), registry.AsOperator(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/api/v1/events?after=999999",
		"/api/v1/orgs/acme/events?after=999999"} {
		stream := op.Stream(t, target)
		if id, kind, data := event(t, stream); kind != "reset" || id != strconv.FormatInt(head,
			10) || data != "{}" {
			t.Errorf("%s: %s %s %s", target, id, kind, data)
		}
		stream.End()
	}
	// From the beginning everything comes, and no reset.
	stream := op.Stream(t, "/api/v1/events?after=0")
	if id, kind, _ := event(t, stream); id != "1" || kind == "reset" {
		t.Errorf("begins with %s %s", id, kind)
	}
}

// TestStreamsEnd: with the server, and with what lets their reader in.
func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	l := s.SignIn(owner)
	admin := s.SignIn(s.Member(acme.ID, "admin@example.com", registry.RoleAdmin))
	key := s.Key(l, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopeOrgRead}})
	kept := s.Page(l).Stream(t, "/api/v1/orgs/acme/events")
	keyed := s.Bearer(key).Stream(t, "/api/v1/orgs/acme/events")
	removed := s.Page(admin).Stream(t, "/api/v1/orgs/acme/events")
	if err := s.Identity.SignOut(t.Context(), admin.Session.ID); err != nil {
		t.Fatal(err)
	}
	if line, ok := removed.Next("data: "); ok {
		t.Errorf("somebody who signed out is told %s", line)
	}
	keys, err := s.Store.APIKeys(t.Context(), registry.AsSession(l.User, l.Session, ""), "")
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v %v", keys, err)
	}
	if err := s.Store.RevokeAPIKey(t.Context(), registry.AsSession(l.User, l.Session, ""), "",
		keys[0].ID); err != nil {
		t.Fatal(err)
	}
	if line, ok := keyed.Next("data: "); ok && !strings.Contains(line, "key.revoked") {
		t.Errorf("a key that was revoked is told %s", line)
	}
	s.Operator().Want(t, 200, "PATCH", "/api/v1/orgs/acme", `{"name":"Seen"}`)
	if line, ok := kept.Next("event: org."); !ok || line != "updated" {
		t.Errorf("%q %v", line, ok)
	}
	close(s.Ended)
	if line, ok := kept.Next("event: "); ok {
		t.Errorf("after the server's end comes %s", line)
	}
}

// TestExport: JSON lines of every entry, oldest first, over the bound of a page and from any place
// on.
func TestExport(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	const changes = 1100 // more than one page of an export
	name := func(i int) string { return "Acme " + strconv.Itoa(i) }
	for i := range changes {
		if err := s.Store.UpdateOrg(t.Context(), registry.AsOperator(), acme.ID, 0,
			name(i)); err != nil {
			t.Fatal(err)
		}
	}
	target := "/api/v1/orgs/acme/audit/export"
	a := s.Page(s.SignIn(owner)).Want(t, 200, "GET", target, "")
	lines := strings.Split(strings.TrimSuffix(a.Body, "\n"), "\n")
	if len(lines) < changes || !strings.HasPrefix(a.Header.Get("Content-Type"),
		"application/jsonl") {
		t.Fatalf("%d lines of %s", len(lines), a.Header.Get("Content-Type"))
	}
	seq := func(line string) int64 {
		var e registry.AuditEntry
		servertest.Answer{Body: line}.Decode(t, &e)
		if e.At.IsZero() || e.Action == "" {
			t.Fatalf("not an entry: %s", line)
		}
		return e.Seq
	}
	for i := range lines[1:] {
		if seq(lines[i]) >= seq(lines[i+1]) {
			t.Fatalf("line %d is not before the next: %s", i, lines[i])
		}
	}
	rest := s.Operator().Want(t, 200, "GET",
		target+"?after="+strconv.FormatInt(seq(lines[len(lines)-3]), 10), "")
	if rest.Body != strings.Join(lines[len(lines)-2:], "\n")+"\n" {
		t.Errorf("the rest is %s", rest.Body)
	}
	problem(t, "a negative place", s.Operator().Do("GET", target+"?after=-1", ""), 422)
}
