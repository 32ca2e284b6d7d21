package endtoend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

func (f *flows) invitation(t *testing.T) {
	link := f.invited(t, "ivy")
	for i := range f.nodes {
		if a := f.at(i, f.person()).open(link); a.status != http.StatusOK || !strings.Contains(a.body, "The acme org") {
			t.Errorf("node %d: %d %s", i, a.status, a.body)
		}
	}
	form := url.Values{"name": {"Ivy"}, "password": {password}}
	p := f.wanderer()
	if a := p.submit(link, form); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f.in(t, p.open(f.whoami()), "ivy")
	for i := range f.nodes {
		if a := f.at(i, f.person()).submit(link, form); a.status/100 != 4 {
			t.Errorf("node %d takes it again: %d", i, a.status)
		}
	}
}

func (f *flows) forgottenPassword(t *testing.T) {
	const fresh = "another good sentence"
	was := f.member(t, "fay")
	f.in(t, was.open(f.whoami()), "fay")
	p := f.wanderer()
	_, form := p.form(p.open(f.url("")+"/forgot"), "/forgot")
	form.Set("email", "fay@example.com")
	if a := p.submit(f.url("")+"/forgot", form); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	_, link := f.mailed(f.sink, "fay@example.com", "A new password")
	if a := p.open(link); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := p.submit(link, url.Values{"password": {fresh}}); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f.both(t, was, f.api+"/me", http.StatusUnauthorized)
	for i := range f.nodes {
		p := f.at(i, f.person())
		p.c.CheckRedirect = followed
		if a := f.signIn(p, p.open(f.url("")+"/sign-in"), "fay", password); a.url.Path != "/sign-in" {
			t.Errorf("node %d takes the old password: at %s", i, a.url)
		}
		f.in(t, f.signIn(p, p.open(f.whoami()), "fay", fresh), "fay")
	}
}

func (f *flows) device(t *testing.T) {
	dan, m := f.member(t, "dan"), f.machine()
	out, err := m.login("here", func(page string) {
		if a := dan.open(page); a.status != http.StatusOK || !strings.Contains(a.body, "Sign this device in?") {
			t.Errorf("%d %s", a.status, tail(a.body, 800))
		}
		if a := dan.submit(f.url("")+"/device", answerTo(page, "approve")); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	if err != nil || !strings.Contains(out, "signed in") {
		t.Fatalf("%v %s", err, out)
	}
	for range f.nodes {
		out, err := m.command("org", "list").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "acme") {
			t.Errorf("%v %s", err, out)
		}
	}
}

func (f *flows) form(t *testing.T) {
	p := f.member(t, "fred")
	_, form := p.form(p.open(f.url("")+"/account"), "/account/keys")
	form.Set("key_name", "Build")
	form.Set("days", "7")
	form.Set("scope", "org:read")
	target := f.url("") + "/account/keys"
	a := p.do("POST", target, strings.NewReader(form.Encode()), map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Origin": f.url("acme"), "Sec-Fetch-Site": "same-site",
	})
	if a.status != http.StatusForbidden {
		t.Errorf("a page of an org sends it: %d", a.status)
	}
	// Two clicks, one at each node.
	var wg sync.WaitGroup
	answers := make([]answer, len(f.nodes))
	for i := range f.nodes {
		there := f.at(i, p)
		there.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		wg.Go(func() { answers[i] = there.submit(target, form) })
	}
	wg.Wait()
	to := answers[0].header.Get("Location")
	if to == "" || answers[1].header.Get("Location") != to {
		t.Fatalf("%d %q, %d %q", answers[0].status, to, answers[1].status, answers[1].header.Get("Location"))
	}
	if a := p.open(f.url("") + to); !strings.Contains(a.body, "Your new key") {
		t.Errorf("the key is not shown: %d %s", a.status, tail(a.body, 1500))
	}
	if a := p.open(f.url("") + to); strings.Contains(a.body, "Your new key") {
		t.Error("the key is shown again")
	}
	var keys struct{ Items []struct{ Name string } }
	p.call(t, "GET", f.api+"/me/keys", "", http.StatusOK, &keys)
	if len(keys.Items) != 1 {
		t.Errorf("%+v", keys)
	}
}

func (f *flows) idempotencyKey(t *testing.T) {
	var ids []string
	for range 3 {
		var o struct{ ID string }
		f.ada.call(t, "POST", f.api+"/orgs", `{"slug":"once","name":"Once"}`, http.StatusCreated, &o,
			"Idempotency-Key", "the-order-of-once")
		ids = append(ids, o.ID)
	}
	if ids[0] == "" || ids[1] != ids[0] || ids[2] != ids[0] {
		t.Errorf("%q", ids)
	}
	f.ada.call(t, "POST", f.api+"/orgs", `{"slug":"once","name":"Once"}`, http.StatusConflict, nil,
		"Idempotency-Key", "another order")
}

func (f *flows) role(t *testing.T) {
	p := f.member(t, "rob")
	f.in(t, p.open(f.whoami()), "rob")
	before := p.cookie(f.url("acme"), orgCookie)
	f.both(t, p, f.whoami(), http.StatusOK)
	f.ada.call(t, "PATCH", f.api+"/orgs/acme/members/rob@example.com", `{"role":"admin"}`, http.StatusNoContent, nil)
	for i := range f.nodes {
		there := f.at(i, p)
		f.eventually(fmt.Sprintf("the role is changed at node %d", i), func() bool {
			return strings.Contains(there.fetch("GET", f.whoami(), "").body, `"admin"`)
		})
	}
	if after := p.cookie(f.url("acme"), orgCookie); after == before {
		t.Error("the session is not renewed")
	}
	f.both(t, p, f.whoami(), http.StatusOK)
}

func (f *flows) logsAndUsage(t *testing.T) {
	read := func(node int) string {
		return f.at(node, f.ada).fetch("GET", f.api+"/orgs/acme/instance/logs?lines=200", "").body
	}
	for i := range f.nodes {
		if lines := read(i); !strings.Contains(lines, "listening") {
			t.Errorf("node %d has the log %q", i, lines)
		}
	}
	count := func(node int) (sum int64) {
		var v struct{ Items []struct{ Requests int64 } }
		f.at(node, f.ada).fetch("GET", f.api+"/orgs/acme/usage?range=hour", "")
		f.at(node, f.ada).call(t, "GET", f.api+"/orgs/acme/usage?range=hour", "", http.StatusOK, &v)
		for _, p := range v.Items {
			sum += p.Requests
		}
		return sum
	}
	f.ada.open(f.whoami())
	before := count(0)
	const each = 20
	for i := range f.nodes {
		there := f.at(i, f.ada)
		for range each {
			if got := there.fetched(f.whoami()); got != http.StatusOK {
				t.Fatalf("node %d: %d", i, got)
			}
		}
	}
	f.eventually("both nodes count the requests of both", func() bool {
		here, there := count(0), count(1)
		return here == there && here >= before+int64(len(f.nodes)*each)
	})
}

func (f *flows) removed(t *testing.T) {
	p := f.member(t, "ron")
	f.in(t, p.open(f.whoami()), "ron")
	f.both(t, p, f.whoami(), http.StatusOK)
	for i := range f.nodes {
		ws, _, err := f.nodes[i].dialFrom("acme", p.cookie(f.url("acme"), orgCookie), f.url("acme"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ws.CloseNow() }()
		if err := servertest.Echo(ws); err != nil {
			t.Fatal(err)
		}
		defer f.eventually(fmt.Sprintf("the WebSocket at node %d ends", i), func() bool { return servertest.Echo(ws) != nil })
	}
	f.ada.call(t, "DELETE", f.api+"/orgs/acme/members/ron@example.com", "", http.StatusOK, nil)
	for i := range f.nodes {
		there := f.at(i, p)
		f.eventually(fmt.Sprintf("node %d refuses who was removed", i), func() bool {
			got := there.fetched(f.whoami())
			return got == http.StatusForbidden || got == http.StatusUnauthorized
		})
	}
}

// ready is a node's answer to the balancer.
func (f *flows) ready(node int) int { return f.at(node, f.person()).fetched(f.url("") + "/readyz") }

func (f *flows) storeAway(t *testing.T, w *wire) {
	w.cut(true)
	f.eventually("the node without its store is not ready", func() bool {
		return f.ready(1) == http.StatusServiceUnavailable
	})
	if got := f.ready(0); got != http.StatusOK {
		t.Errorf("the other one: %d", got)
	}
	if got := f.at(1, f.ada).fetched(f.whoami()); got != http.StatusOK {
		t.Errorf("somebody who is signed in: %d", got)
	}
	w.cut(false)
	f.eventually("the node is ready again", func() bool { return f.ready(1) == http.StatusOK })
}

func (f *flows) nodeEnds(t *testing.T) {
	rename := func(node int, name string) {
		t.Helper()
		f.at(node, f.ada).call(t, "PATCH", f.api+"/orgs/acme", `{"name":"`+name+`"}`, http.StatusOK, nil)
	}
	events := f.api + "/orgs/acme/events"
	stream := f.at(0, f.ada).is().Stream(t, events)
	stream.Until(t, "id: ") // where it begins
	rename(1, "Seen")
	last := strings.TrimPrefix(stream.Until(t, "id: "), "id: ")
	stream.Until(t, "data: ")

	s := f.nodes[0]
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	f.eventually("the node that ends is not ready", func() bool { return f.ready(0) == http.StatusServiceUnavailable })
	if got := f.ready(1); got != http.StatusOK {
		t.Errorf("the other one: %d", got)
	}
	stream.Ended(t)
	rename(1, "Missed")
	stream = f.at(1, f.ada).is().Stream(t, events, "Last-Event-ID", last)
	if begins := stream.Until(t, "id: "); begins != "id: "+last {
		t.Errorf("it resumes at %s, not at %s", begins, last)
	}
	var missed struct {
		Seq  int64
		Kind string
	}
	data := strings.TrimPrefix(stream.Until(t, "data: "), "data: ")
	if err := json.Unmarshal([]byte(data), &missed); err != nil || fmt.Sprint(missed.Seq) == last || missed.Kind != "org.updated" {
		t.Errorf("%v %s", err, data)
	}
	_ = s.cmd.Wait()
	s.run()
	if got := f.at(0, f.ada).fetched(f.whoami()); got != http.StatusOK {
		t.Errorf("the node that came back: %d", got)
	}
}
