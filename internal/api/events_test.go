package api_test

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// event reads the next event of a stream, after the IDs that stand alone.
func event(t *testing.T, l *controltest.Lines) (id, kind, data string) {
	t.Helper()
	for {
		line, ok := l.Next("")
		if !ok {
			t.Fatal("the stream ended before an event")
		}
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			return id, kind, value
		}
	}
}

// TestResume: somebody whose connection breaks again and again sees each change once, in order.
func TestResume(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	number := func(id string) int64 {
		t.Helper()
		n, ok := s.Identity.ShowNumber(identity.NumberEvent, acme.ID, id)
		if !ok {
			t.Fatalf("%s is not an ID of acme", id)
		}
		return n
	}
	s.Org("globex", s.User("other@example.com", false))
	page, op := s.Page(s.SignIn(owner)), s.Operator()
	stream := page.Stream(t, "/api/v1/orgs/acme/events")
	op.Want(t, 200, "PATCH", "/api/v1/orgs/acme", `{"name":"0"}`)
	last, kind, _ := event(t, stream)
	if kind != string(registry.ChangeOrgUpdated) {
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
			stream = page.With("Last-Event-ID", last).Stream(t, "/api/v1/orgs/acme/events?after=0")
		}
		for n := range 5 {
			if n >= 3 { // while somebody listens, one right after the other
				op.Want(t, 200, "PATCH", "/api/v1/orgs/acme", `{"name":"Live"}`)
			}
			id, _, data := event(t, stream)
			if number(last) >= number(id) || !strings.Contains(data, `"slug":"acme"`) {
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
		if e.Slug == "acme" && e.Seq > number(last) {
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
	s := controltest.New(t)
	acme := s.Org("acme", s.User("owner@example.com", false))
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
	hidden := func(org registry.OrgID, n int64) string { return s.Identity.HideNumber(identity.NumberEvent, org, n) }
	for _, c := range [][2]string{
		{"/api/v1/events?after=999999", strconv.FormatInt(head, 10)},
		{"/api/v1/orgs/acme/events?after=999999", hidden(acme.ID, head)},
		{"/api/v1/orgs/acme/events?after=" + strconv.FormatInt(head, 10), hidden(acme.ID, head)},
		{"/api/v1/orgs/acme/events?after=" + hidden(acme.ID, 999999), hidden(acme.ID, head)},
		{"/api/v1/orgs/acme/events?after=" + hidden("globex", head), hidden(acme.ID, head)},
	} {
		stream := op.Stream(t, c[0])
		if id, kind, data := event(t, stream); kind != "reset" || id != c[1] || data != "{}" {
			t.Errorf("%s: %s %s %s", c[0], id, kind, data)
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
	s := controltest.New(t)
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
	s := controltest.New(t)
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
	id := func(line string) string {
		var e api.OrgAuditEntry
		controltest.Answer{Body: line}.Decode(t, &e)
		if e.At.IsZero() || e.Action == "" {
			t.Fatalf("not an entry: %s", line)
		}
		return e.ID
	}
	seq := func(line string) int64 {
		n, ok := s.Identity.ShowNumber(identity.NumberAudit, acme.ID, id(line))
		if !ok {
			t.Fatalf("no ID: %s", line)
		}
		return n
	}
	for i := range lines[1:] {
		if seq(lines[i]) >= seq(lines[i+1]) {
			t.Fatalf("line %d is not before the next: %s", i, lines[i])
		}
	}
	rest := s.Operator().Want(t, 200, "GET",
		target+"?after="+id(lines[len(lines)-3]), "")
	if rest.Body != strings.Join(lines[len(lines)-2:], "\n")+"\n" {
		t.Errorf("the rest is %s", rest.Body)
	}
	for _, bad := range []string{"-1", "1", s.Identity.HideNumber(identity.NumberEvent, acme.ID, 1)} {
		problem(t, "a place that is none", s.Operator().Do("GET", target+"?after="+bad, ""), 422)
	}
	problem(t, "a negative place", s.Operator().Do("GET", "/api/v1/audit/export?after=-1", ""), 422)
}

// TestOrgsSeeNoPlatformNumbers: nothing that an org's people see counts what others do: no number of
// a change or an entry, no hash of the chain from which one is found, no cursor that holds one.
func TestOrgsSeeNoPlatformNumbers(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	s.Org("acme", owner)
	page, op := s.Page(s.SignIn(owner)), s.Operator()
	stream := page.Stream(t, "/api/v1/orgs/acme/events")
	for range 5 {
		op.Want(t, 200, "PATCH", "/api/v1/orgs/acme", `{"name":"Seen"}`)
	}
	list := page.Want(t, 200, "GET", "/api/v1/orgs/acme/audit?limit=2", "")
	export := page.Want(t, 200, "GET", "/api/v1/orgs/acme/audit/export", "")
	id, _, data := event(t, stream)
	for what, text := range map[string]string{"the list": list.Body, "the export": export.Body, "an event": data} {
		if strings.Contains(text, `"seq"`) || strings.Contains(text, `"hash"`) {
			t.Errorf("%s: %s", what, text)
		}
	}
	if _, err := strconv.Atoi(id); err == nil {
		t.Errorf("an event has the number %s", id)
	}
	var p registry.Page[api.OrgAuditEntry]
	list.Decode(t, &p)
	if b, err := base64.RawURLEncoding.DecodeString(p.Next); err != nil || bytes.Contains(b, []byte("seq")) {
		t.Errorf("the cursor reads %q %v", b, err)
	}
	seen := map[string]bool{}
	for n, next := 0, ""; ; n++ { // and it leads through the whole log
		page.Want(t, 200, "GET", "/api/v1/orgs/acme/audit?limit=2&cursor="+next, "").Decode(t, &p)
		for _, e := range p.Items {
			if seen[e.ID] || e.ID == "" {
				t.Errorf("%s comes twice", e.ID)
			}
			seen[e.ID] = true
		}
		if next = p.Next; next == "" || n > 20 {
			break
		}
		p.Next = ""
	}
	if lines := strings.Count(export.Body, "\n"); len(seen) != lines {
		t.Errorf("the list has %d entries, the export %d", len(seen), lines)
	}
	// A cursor of the platform's own list is none here.
	all := op.Want(t, 200, "GET", "/api/v1/audit?limit=2", "")
	all.Decode(t, &p)
	problem(t, "another list's cursor", page.Do("GET", "/api/v1/orgs/acme/audit?cursor="+p.Next, ""), 422)
	// The operator's log has what is needed to follow the chain.
	if !strings.Contains(all.Body, `"seq"`) || !strings.Contains(all.Body, `"hash"`) {
		t.Errorf("the whole log: %s", all.Body)
	}
	// Nor is a webhook of the org told a number.
	hook := page.Want(t, 201, "POST", "/api/v1/orgs/acme/webhooks", `{"url":"https://1.1.1.1/"}`)
	var made struct{ Webhook struct{ ID string } }
	hook.Decode(t, &made)
	op.Want(t, 200, "PATCH", "/api/v1/orgs/acme", `{"name":"Told"}`)
	if err := s.Store.SpreadChanges(t.Context(), registry.AsSystem("test")); err != nil {
		t.Fatal(err)
	}
	told := page.Want(t, 200, "GET", "/api/v1/orgs/acme/webhooks/"+made.Webhook.ID+"/deliveries", "")
	if !strings.Contains(told.Body, "org.updated") || strings.Contains(told.Body, "seq") {
		t.Errorf("a webhook is told %s", told.Body)
	}
}
