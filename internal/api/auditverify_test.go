package api_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestVerify: what the check says, with heads that hold and with heads that do not, for platform
// admins alone.
func TestVerify(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	s.Org("acme", owner)
	op := s.Operator()
	head, err := s.Store.AuditHead(t.Context(), registry.AsOperator())
	if err != nil {
		t.Fatal(err)
	}
	const target = "/api/v1/audit/verify"
	var r struct {
		Whole bool
		registry.AuditReport
	}
	op.Want(t, 200, "GET", target, "").Decode(t, &r)
	if !r.Whole || r.Head != head || r.First != 1 || r.Compared != 0 {
		t.Errorf("%+v", r)
	}
	s.Org("globex", owner)
	op.Want(t, 200, "GET", target+"?head="+url.QueryEscape(head.String()), "").Decode(t, &r)
	if r.Compared != 1 || r.Head == head {
		t.Errorf("%+v", r)
	}
	late := registry.AuditHead{Seq: r.Head.Seq + 1, Hash: head.Hash}
	p := problem(
		t,
		"a later head",
		op.Do("GET", target+"?head="+head.String()+"&head="+late.String(), ""),
		409,
	)
	if !strings.Contains(p.Detail, "entries are missing") {
		t.Error(p.Detail)
	}
	other := registry.AuditHead{Seq: 1, Hash: head.Hash}
	p = problem(t, "another hash", op.Do("GET", target+"?head="+other.String(), ""), 409)
	if !strings.Contains(p.Detail, "rewritten") {
		t.Error(p.Detail)
	}
	for _, bad := range []string{"x", "0:" + head.Hash, head.String() + "0", strings.Repeat("1", 1000)} {
		problem(t, bad, op.Do("GET", target+"?head="+bad, ""), 422)
	}
	many := strings.Repeat("head="+head.String()+"&", 101)
	problem(t, "too many", op.Do("GET", target+"?"+many, ""), 422)
	s.Page(s.SignIn(owner)).Want(t, 403, "GET", target+"?head="+head.String(), "")
}

// TestErasedInAPI: lists and exports say which fields were erased, and only exports carry what it
// takes to check the chain.
func TestErasedInAPI(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	acme := s.Org("acme", s.User("owner@example.com", false))
	gone := s.Member(acme.ID, "gone@example.com", registry.RoleMember)
	if _, err := s.Store.EraseAudit(t.Context(), registry.AsSystem("test"), gone.ID); err != nil {
		t.Fatal(err)
	}
	op := s.Operator()
	added := op.Want(t, 200, "GET", "/api/v1/orgs/acme/audit?action=member.added", "").Body
	if strings.Contains(added, "gone@") || strings.Contains(added, `"salts"`) ||
		!strings.Contains(added, `"erased":{`) {
		t.Error(added)
	}
	page := op.Want(t, 200, "GET", "/api/v1/audit/export", "").Body
	chain := new(registry.AuditChain)
	for line := range strings.Lines(page) {
		var e registry.AuditEntry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if err := chain.Next(e); err != nil {
			t.Fatal(err)
		}
	}
	if chain.Erased == 0 || chain.Unchecked != 0 || strings.Contains(page, "gone@") {
		t.Errorf("%+v", chain)
	}
}

// TestAuditTimes: lists and exports of an org and of all take a time range, in pages with a cursor
// that belongs to such a list.
func TestAuditTimes(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	s.Org("acme", owner)
	page, op := s.Page(s.SignIn(owner)), s.Operator()
	stamp := func() string { return s.Clock.Now().UTC().Format(time.RFC3339) }
	var times []string
	for range 4 {
		s.Clock.Advance(time.Minute)
		times = append(times, stamp())
		page.Want(t, 200, "PATCH", "/api/v1/orgs/acme", `{"name":"at `+stamp()+`"}`)
	}
	between := "since=" + times[1] + "&until=" + times[3]
	for where, c := range map[string]*controltest.Client{"/api/v1/orgs/acme/audit": page, "/api/v1/audit": op} {
		var got []string
		next := ""
		for range 3 {
			var p registry.Page[struct{ Detail string }]
			c.Want(t, 200, "GET", where+"?limit=1&"+between+"&cursor="+next, "").Decode(t, &p)
			for _, e := range p.Items {
				got = append(got, e.Detail[len(e.Detail)-len(times[0]):])
			}
			if next = p.Next; next == "" {
				break
			}
		}
		if want := times[2] + " " + times[1]; strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", where, got, want)
		}
		export := c.Want(t, 200, "GET", where+"/export?"+between+"&actor=owner@example.com", "").Body
		if strings.Count(export, "\n") != 2 || !strings.Contains(export, "at "+times[1]) || !strings.Contains(export, "at "+times[2]) {
			t.Errorf("%s exports %s", where, export)
		}
		for _, path := range []string{where, where + "/export"} {
			if p := problem(t, path, c.Do("GET", path+"?since="+times[1]+"&until="+times[0], ""), 422); p.Field != "since" {
				t.Errorf("%s: %+v", path, p)
			}
			problem(t, path, c.Do("GET", path+"?since=yesterday", ""), 422)
		}
	}
}
