package heartbeat

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

const issuer = "https://d.example"

// door is a server where instances push.
type door struct {
	*world
	*httptest.Server
	push  *Push
	clock atomic.Int64 // seconds
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{world: newWorld(t)}
	d.push = &Push{
		Store: d.store, Tokens: NewTokens(new(identity.MasterKey)), Record: d.recorder(),
		Counted: d.count, Issuer: func() string { return issuer },
		Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.Unix(d.clock.Load(), 0) },
	}
	mux := http.NewServeMux()
	mux.Handle(Pattern, d.push)
	d.Server = httptest.NewServer(mux)
	t.Cleanup(d.Close)
	return d
}

// pass lets an instance push again.
func (d *door) pass() { d.clock.Add(int64(pushEvery / time.Second)) }

type answer struct {
	status int
	body   string
	header http.Header
}

func (d *door) send(ref provision.Ref, bearer, body string, change ...func(*http.Request)) answer {
	d.Helper()
	req, err := http.NewRequestWithContext(d.Context(), http.MethodPost, URL(d.URL, ref),
		strings.NewReader(body))
	d.ok(err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Content-Type", "application/json")
	for _, f := range change {
		f(req)
	}
	res, err := d.Client().Do(req)
	d.ok(err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	d.ok(err)
	return answer{res.StatusCode, string(b), res.Header}
}

func (d *door) token(ref provision.Ref) string { return d.push.Tokens.Of(issuer, ref).Reveal() }

func (d *door) shows(ref provision.Ref, memory int64) {
	d.Helper()
	d.ok(d.push.Record.write(d.Context()))
	got := int64(0)
	if h := d.shown(ref.OrgID); h != nil {
		got = h.Memory
	}
	if got != memory {
		d.Errorf("memory %d, want %d", got, memory)
	}
}

func beat(ref provision.Ref, memory int64) string {
	b, _ := json.Marshal(registry.Heartbeat{
		OrgID: ref.OrgID, Generation: ref.Generation, Health: "ok", Memory: memory,
	})
	return string(b)
}

// TestForgedHeartbeats: only the instance that runs now is heard, and nobody else learns why not.
func TestForgedHeartbeats(t *testing.T) {
	d := newDoor(t)
	ref, other := d.org("acme"), d.org("globex")
	gone := provision.Ref{OrgID: "01890000-0000-7000-8000-000000000000", Generation: 1}
	next := provision.Ref{OrgID: ref.OrgID, Generation: 2}
	if a := d.send(ref, d.token(ref), beat(ref, 5)); a.status != http.StatusNoContent || a.body != "" {
		t.Fatalf("%+v", a)
	}
	d.shows(ref, 5)
	another := NewTokens(&identity.MasterKey{})
	another.key[0] ^= 1
	own := d.token(ref)
	attacks := map[string]struct {
		ref    provision.Ref
		bearer string
		change func(*http.Request)
	}{
		"no token":                      {ref, "", func(r *http.Request) { r.Header.Del("Authorization") }},
		"an empty token":                {ref, "", nil},
		"two tokens":                    {ref, own, func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+own) }},
		"another scheme":                {ref, "", func(r *http.Request) { r.Header.Set("Authorization", "Basic "+own) }},
		"the token of another org":      {ref, d.token(other), nil},
		"a token for another org":       {other, own, nil},
		"of a generation to come":       {next, d.token(next), nil},
		"for a generation to come":      {next, own, nil},
		"with the secret key of others": {ref, another.Of(issuer, ref).Reveal(), nil},
		"of another installation":       {ref, d.push.Tokens.Of("https://e.example", ref).Reveal(), nil},
		"an org that is not there":      {gone, d.token(gone), nil},
		"a made-up token":               {ref, token.NewAPIKey(token.PrefixInstance).Reveal(), nil},
		"a key of the API":              {ref, token.NewAPIKey(token.PrefixService).Reveal(), nil},
		"another prefix":                {ref, token.PrefixService + own[4:], nil},
		"another case":                  {ref, strings.ToUpper(own), nil},
		"too short":                     {ref, own[:len(own)-1], nil},
	}
	refused := func(name string, a answer, want string) string {
		t.Helper()
		if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" ||
			want != "" && a.body != want {
			t.Errorf("%s: %+v", name, a)
		}
		return a.body
	}
	uniform := ""
	for name, c := range attacks {
		d.pass()
		change := c.change
		if change == nil {
			change = func(*http.Request) {}
		}
		uniform = refused(name, d.send(c.ref, c.bearer, beat(c.ref, 666), change), uniform)
		d.pass()
		uniform = refused(name+", with no heartbeat", d.send(c.ref, c.bearer, "x", change), uniform)
	}
	d.shows(ref, 5)
	d.shows(other, 0)

	operator := registry.AsOperator()
	d.ok(d.store.RestartInstance(t.Context(), operator, ref.OrgID, 0))
	d.pass()
	refused("the one that was replaced", d.send(ref, own, beat(ref, 666)), uniform)
	d.runs(next)
	d.pass()
	refused("the replaced one, as the next", d.send(next, own, beat(next, 666)), uniform)
	if a := d.send(next, d.token(next), beat(next, 6)); a.status != http.StatusNoContent {
		t.Errorf("the next generation: %+v", a)
	}
	d.shows(next, 6)
	d.ok(d.store.SuspendOrg(t.Context(), operator, ref.OrgID, 0, ""))
	d.pass()
	refused("one that is to stop", d.send(next, d.token(next), beat(next, 666)), uniform)
	if n := d.counts["push ok"]; n != 2 {
		t.Errorf("%d counted", n)
	}
}

// TestBadHeartbeats: also an instance says only what a heartbeat may, and not all the time.
func TestBadHeartbeats(t *testing.T) {
	d := newDoor(t)
	ref, other := d.org("acme"), d.org("globex")
	head := strings.TrimSuffix(beat(ref, 666), "}")
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"no JSON":            {"x", 400},
		"nothing":            {"", 400},
		"a list":             {"[" + beat(ref, 666) + "]", 400},
		"null":               {"null", 400},
		"something after it": {beat(ref, 666) + "{}", 400},
		"a name twice":       {head + `,"memory_bytes":1}`, 400},
		"capitals":           {head + `,"Org_ID":"x"}`, 400},
		"an unknown name":    {head + `,"address":"unix//x"}`, 400},
		"another type":       {head + `,"busy":"yes"}`, 400},
		"a number too large": {head + `,"cpu_seconds":1e999}`, 400},
		"another org":        {beat(other, 666), 422},
		"another generation": {beat(provision.Ref{OrgID: ref.OrgID, Generation: 2}, 666), 422},
		"too much":           {head + `,"version":"` + strings.Repeat("x", registry.HeartbeatMax) + `"}`, 413},
	} {
		d.pass()
		if a := d.send(ref, d.token(ref), c.body); a.status != c.status {
			t.Errorf("%s: %+v, want %d", name, a, c.status)
		}
	}
	d.pass()
	form := func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }
	if a := d.send(ref, d.token(ref), beat(ref, 666), form); a.status != 415 {
		t.Errorf("as text: %+v", a)
	}
	d.shows(ref, 0)

	d.pass()
	for i, want := range []int{204, 429, 429} {
		if a := d.send(ref, d.token(ref), beat(ref, int64(i))); a.status != want ||
			(want == 429) != (a.header.Get("Retry-After") != "") {
			t.Errorf("push %d: %+v, want %d", i, a, want)
		}
	}
	if a := d.send(other, d.token(other), beat(other, 1)); a.status != 204 {
		t.Errorf("another instance waits for it: %+v", a)
	}
	d.clock.Add(-3600) // a clock that is set back keeps nobody out
	if a := d.send(ref, d.token(ref), beat(ref, 8)); a.status != 204 {
		t.Errorf("%+v", a)
	}
	if n := len(d.push.pace.last); n > 2 {
		t.Errorf("it remembers %d", n)
	}
	d.ok(d.store.Close())
	d.pass()
	if a := d.send(ref, d.token(ref), beat(ref, 9)); a.status != 503 {
		t.Errorf("without the store: %+v", a)
	}
}

// TestTokensAreKeys: secret scanners, logs and gateways know them as they know all others.
func TestTokensAreKeys(t *testing.T) {
	ref := provision.Ref{OrgID: "o", Generation: 1}
	tokens := NewTokens(new(identity.MasterKey))
	a := tokens.Of(issuer, ref)
	if s := a.Reveal(); !token.WholeKey(s, token.PrefixInstance) || !token.HoldsKey("x "+s) ||
		!token.IsKey(s) || token.IsAPIKey(s) {
		t.Errorf("%s", s)
	}
	// Two parts never read as one.
	b := tokens.Of(issuer, provision.Ref{OrgID: "o\n1", Generation: 1})
	if c := tokens.Of(issuer+"\no", provision.Ref{OrgID: "1", Generation: 1}); b == c {
		t.Error("the parts of a token are not told apart")
	}
}
