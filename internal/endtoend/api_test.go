package endtoend

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// call asks the API as a page of the console would, and decodes the answer into out.
func (p *person) call(t *testing.T, method, url, body string, want int, out any, headers ...string) answer {
	t.Helper()
	h := map[string]string{"Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
	for i := 0; i+1 < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	a := p.do(method, url, strings.NewReader(body), h)
	if a.status != want {
		t.Fatalf("%s %s: %d, want %d: %s", method, url, a.status, want, a.body)
	}
	if out != nil {
		if err := json.Unmarshal([]byte(a.body), out); err != nil {
			t.Fatalf("%s %s: %v: %s", method, url, err, a.body)
		}
	}
	return a
}

func TestAPI(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	mia := s.invite(ada, "acme", "mia@example.com", "member")
	api := s.url("") + "/api/v1"

	t.Run("Problems", func(t *testing.T) {
		for _, c := range []struct{ method, path, body, field, detail string }{
			{"POST", "/orgs", `{}`, "slug", "required"},
			{"POST", "/orgs", `{"slug":"x","colour":"red"}`, "colour", "unexpected"},
			{"POST", "/orgs", `{"slug":"Bad_Slug"}`, "slug", "lower-case"},
			{"POST", "/orgs", `{"slug":"beta","owner":"nobody@example.com"}`, "owner", "has no account"},
			{"GET", "/orgs?limit=1000", ``, "limit", "limit"},
			{"GET", "/orgs?sort=colour", ``, "sort", "one of"},
			{"GET", "/orgs?colour=red", ``, "colour", "unknown"},
			{"GET", "/orgs?cursor=made-up", ``, "cursor", "begin again"},
			{"POST", "/orgs/acme/invites", `{"email":"x@example.com","role":"king"}`, "role", "one of"},
		} {
			var p struct {
				Type, Code, Title, Detail, Field string
				Status                           int
				RequestID                        string `json:"request_id"`
			}
			a := ada.call(t, c.method, api+c.path, c.body, 422, &p)
			if p.Field != c.field || !strings.Contains(p.Detail, c.detail) || p.Status != 422 || p.RequestID == "" || a.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s: %s", c.path, c.body, a.body)
			}
			if where := s.person().open(p.Type); p.Code != "invalid" || where.status != 200 || !strings.Contains(where.body, "Invalid input") {
				t.Errorf("the type %s of the code %s: %d %s", p.Type, p.Code, where.status, where.body)
			}
		}
		var away struct{ Type, Code string }
		s.person().call(t, "GET", s.url("nosuch")+"/", "", 404, &away, "Accept", "application/json") // by the gateway
		if where := s.person().open(away.Type); away.Code != "not_found" || where.status != 200 {
			t.Errorf("the gateway's type %+v: %d", away, where.status)
		}
		secret := ada.call(t, "POST", api+"/users", `{"email":"x@example.com","name":7,"password":"a secret that was typed"}`, 422, nil)
		if strings.Contains(secret.body, "secret that") {
			t.Errorf("a password is echoed: %s", secret.body)
		}
		broken := ada.call(t, "POST", api+"/users", `{"password":"a secret that was typed"`, 400, nil)
		if strings.Contains(broken.body, "secret that") {
			t.Errorf("a password is echoed: %s", broken.body)
		}
		ada.call(t, "POST", api+"/orgs", `slug=x`, 415, nil, "Content-Type", "application/x-www-form-urlencoded")
		ada.call(t, "POST", api+"/orgs", `{"slug":"`+strings.Repeat("x", 70000)+`"}`, 413, nil)
		ada.call(t, "GET", api+"/nosuch", ``, 404, nil)
		s.person().call(t, "GET", api+"/nosuch", ``, 401, nil)
	})

	t.Run("Pages", func(t *testing.T) {
		for i := range 5 {
			ada.call(t, "POST", api+"/orgs", fmt.Sprintf(`{"slug":"page-%d"}`, i), 201, nil)
		}
		var slugs []string
		for next := ""; ; {
			var v struct {
				Items []struct{ Slug string }
				Next  string
			}
			ada.call(t, "GET", api+"/orgs?limit=2&sort=-slug&search=page&cursor="+next, "", 200, &v)
			for _, o := range v.Items {
				slugs = append(slugs, o.Slug)
			}
			if next = v.Next; next == "" {
				break
			}
		}
		if got := strings.Join(slugs, " "); got != "page-4 page-3 page-2 page-1 page-0" {
			t.Errorf("%s", got)
		}
		var v struct{ Items []struct{ Slug string } }
		mia.call(t, "GET", api+"/orgs", "", 200, &v)
		if len(v.Items) != 1 || v.Items[0].Slug != "acme" {
			t.Errorf("mia sees %+v", v)
		}
	})

	t.Run("Idempotency", func(t *testing.T) {
		body := `{"email":"once@example.com","role":"member"}`
		first := ada.call(t, "POST", api+"/orgs/acme/invites", body, 201, nil, "Idempotency-Key", "k1")
		again := ada.call(t, "POST", api+"/orgs/acme/invites", body, 201, nil, "Idempotency-Key", "k1")
		kept := regexp.MustCompile(`"link":"[^"]+"`).ReplaceAllString(first.body, `"link":""`)
		var one, two any
		if json.Unmarshal([]byte(kept), &one) != nil || json.Unmarshal([]byte(again.body), &two) != nil || !reflect.DeepEqual(one, two) || kept == first.body || first.header.Get("Idempotent-Replayed") != "" || again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("first %s\nagain %s", first.body, again.body)
		}
		ada.call(t, "POST", api+"/orgs/acme/invites", `{"email":"other@example.com","role":"member"}`, 422, nil, "Idempotency-Key", "k1")
		mia.call(t, "POST", api+"/orgs/acme/invites", body, 403, nil, "Idempotency-Key", "k1") // another's key is another key
		ada.call(t, "POST", api+"/orgs", `{"slug":"once"}`, 201, nil, "Idempotency-Key", "k2")
		made := ada.call(t, "POST", api+"/orgs", `{"slug":"once"}`, 201, nil, "Idempotency-Key", "k2")
		if made.header.Get("ETag") != `"1"` {
			t.Errorf("a replay without its ETag: %v", made.header)
		}
		ada.call(t, "POST", api+"/orgs", `{"slug":"once"}`, 409, nil)
		ada.call(t, "POST", api+"/orgs", `{"slug":"twice"}`, 422, nil, "Idempotency-Key", strings.Repeat("k", 101))
		if b := s.adminGet("/pizzeria/api/v1/orgs/acme/invites"); strings.Count(b, "once@example.com") != 1 {
			t.Errorf("invited more than once: %s", b)
		}
	})

	t.Run("ETag", func(t *testing.T) {
		a := ada.call(t, "PATCH", api+"/orgs/acme", `{"name":"One"}`, 200, nil)
		tag := a.header.Get("ETag")
		ada.call(t, "PATCH", api+"/orgs/acme", `{"name":"Two"}`, 200, nil, "If-Match", tag)
		ada.call(t, "PATCH", api+"/orgs/acme", `{"name":"Three"}`, 412, nil, "If-Match", tag)
		ada.call(t, "PATCH", api+"/orgs/acme", `{"name":"Three"}`, 412, nil, "If-Match", "nonsense")
	})

	t.Run("Accounts", func(t *testing.T) {
		var me struct {
			User struct{ ID, Name string }
			Orgs []struct{ Slug, Role string }
		}
		mia.call(t, "PATCH", api+"/me", `{"name":"Mia M"}`, 200, &me)
		if me.User.Name != "Mia M" || len(me.Orgs) != 1 || me.Orgs[0].Role != "member" {
			t.Errorf("%+v", me)
		}
		ada.call(t, "GET", api+"/users/mia@example.com", "", 200, nil)
		ada.call(t, "PATCH", api+"/users/ada@example.com", `{"platform_admin":false}`, 409, nil)
		ada.call(t, "PATCH", api+"/orgs/acme/members/mia@example.com", `{"role":"admin"}`, 204, nil)
		ada.call(t, "PATCH", api+"/orgs/acme/members/mia@example.com", `{"role":"member"}`, 204, nil)
		ada.call(t, "DELETE", api+"/users/"+me.User.ID+"/sessions", "", 204, nil)
		mia.call(t, "GET", api+"/me", "", 401, nil)
	})

	t.Run("Document", func(t *testing.T) {
		a := s.person().call(t, "GET", api+"/openapi.json", "", 200, nil)
		if !strings.Contains(a.body, `"openapi":"3.1.0"`) || !strings.Contains(a.body, "/api/v1/orgs/{org}/keep") {
			t.Errorf("%.300s", a.body)
		}
	})

	t.Run("Logs", func(t *testing.T) {
		a := ada.call(t, "GET", api+"/orgs/acme/instance/logs?lines=5", "", 200, nil)
		if !strings.Contains(a.body, "notebook") && !strings.Contains(a.body, "listen") {
			t.Errorf("log: %q", a.body)
		}
	})
}

// lines reads a stream of the API line by line, until the test ends it.
func (p *person) lines(t *testing.T, url string, headers ...string) (next func() string, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := p.c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 {
		b, _ := io.ReadAll(res.Body)
		t.Fatalf("%s: %d %s", url, res.StatusCode, b)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for sc := bufio.NewScanner(res.Body); sc.Scan(); {
			select {
			case lines <- sc.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(cancel)
	return func() string {
		select {
		case l, ok := <-lines:
			if !ok {
				return "(end)"
			}
			return l
		case <-time.After(time.Minute):
			t.Fatal("nothing comes from " + url)
			return ""
		}
	}, func() { cancel(); _ = res.Body.Close() }
}

// until reads lines up to one with all of want in it, and returns it.
func until(t *testing.T, next func() string, want ...string) string {
	t.Helper()
	for {
		l := next()
		found := true
		for _, w := range want {
			found = found && strings.Contains(l, w)
		}
		if found {
			return l
		}
		if l == "(end)" {
			t.Fatalf("the stream ended without %q", want)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	mia := s.invite(ada, "acme", "mia@example.com", "member")
	api := s.url("") + "/api/v1"
	next, end := mia.lines(t, api+"/orgs/acme/events")
	ada.call(t, "PATCH", api+"/orgs/globex", `{"name":"Secret"}`, 200, nil)
	ada.call(t, "PATCH", api+"/orgs/acme", `{"name":"Seen"}`, 200, nil)
	until(t, next, "id: ") // where the stream begins
	id := strings.TrimPrefix(until(t, next, "id: "), "id: ")
	until(t, next, "event: org.updated")
	if data := until(t, next, "data: "); !strings.Contains(data, `"slug":"acme"`) {
		t.Errorf("another org's change: %s", data)
	}
	end()
	ada.call(t, "PATCH", api+"/orgs/acme", `{"name":"Missed"}`, 200, nil)
	next, _ = mia.lines(t, api+"/orgs/acme/events", "Last-Event-ID", id)
	if begins := until(t, next, "id: "); begins != "id: "+id {
		t.Errorf("it resumes at %s, not at %s", begins, id)
	}
	if again := until(t, next, "id: "); again == "id: "+id {
		t.Errorf("the event that was seen comes again: %s", again)
	}
	old, endOld := mia.lines(t, api+"/orgs/acme/events", "Last-Event-ID", "999999")
	until(t, old, "event: reset")
	endOld()
	mia.call(t, "GET", api+"/orgs/acme/events?after=x", "", 422, nil)

	// Who is removed sees no more; the stream ends, or stays silent, and never tells.
	ada.call(t, "DELETE", api+"/orgs/acme/members/mia@example.com", "", 200, nil)
	ada.call(t, "PATCH", api+"/orgs/acme", `{"name":"After"}`, 200, nil)
	for l := next(); l != "(end)"; l = next() {
		if strings.Contains(l, "member.removed") {
			t.Errorf("a removed member is told: %s", l)
		}
	}
	all, endAll := ada.lines(t, api+"/events?after=0")
	until(t, all, "event: user.created")
	until(t, all, "event: member.removed")
	endAll()

	// What an instance prints goes on as it prints.
	logs, endLogs := ada.lines(t, api+"/orgs/acme/instance/logs?lines=0&follow=true")
	ada.call(t, "POST", api+"/orgs/acme/instance/restart", "", 200, nil)
	if l := logs(); l == "(end)" {
		t.Error("the log ended")
	}
	endLogs()

	// Who may no longer read it reads no more, and the stream ends.
	olga := s.invite(ada, "acme", "olga@example.com", "admin")
	logs, _ = olga.lines(t, api+"/orgs/acme/instance/logs?lines=1&follow=true")
	page, _ := olga.lines(t, s.url("")+"/orgs/acme/instance/log")
	ada.call(t, "PATCH", api+"/orgs/acme/members/olga@example.com", `{"role":"member"}`, 204, nil)
	for _, next := range []func() string{logs, page} {
		until(t, func() string { // fails when nothing comes for long
			if next() == "(end)" {
				return "it ended"
			}
			return ""
		}, "it ended")
	}
}

// bearer is somebody with an API key or token, and no cookie.
func (s *server) bearer(key string) *person {
	p := s.person()
	inner := p.c.Transport
	p.c.Transport = withHeader{inner, key}
	return p
}

type withHeader struct {
	http.RoundTripper
	key string
}

// CloseIdleConnections implements what http.Client asks of its transport.
func (t withHeader) CloseIdleConnections() {
	(&http.Client{Transport: t.RoundTripper}).CloseIdleConnections()
}

func (t withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+t.key)
	return t.RoundTripper.RoundTrip(r)
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	eve := s.invite(ada, "globex", "eve@example.com", "owner")
	api := s.url("") + "/api/v1"
	type made struct {
		Key    struct{ ID string }
		Secret string
	}
	var own, org made
	ada.call(t, "POST", api+"/me/keys", `{"name":"laptop","scopes":["org:write","member:read"]}`, 201, &own)
	ada.call(t, "POST", api+"/orgs/acme/keys", `{"name":"backup","role":"member","scopes":["org:read"],"days":1}`, 201, &org)
	if !strings.HasPrefix(own.Secret, "pza_") || !strings.HasPrefix(org.Secret, "pzs_") {
		t.Fatalf("%s %s", own.Secret, org.Secret)
	}
	for _, list := range []string{"/me/keys", "/orgs/acme/keys"} {
		if a := ada.call(t, "GET", api+list, "", 200, nil); strings.Contains(a.body, own.Secret) || strings.Contains(a.body, org.Secret) {
			t.Errorf("%s shows a key again", list)
		}
	}
	mine, its := s.bearer(own.Secret), s.bearer(org.Secret)
	mine.call(t, "PATCH", api+"/orgs/acme", `{"name":"By key"}`, 200, nil)
	mine.call(t, "GET", api+"/orgs/acme/members", "", 200, nil)
	mine.call(t, "GET", api+"/orgs/acme/audit", "", 403, nil)
	mine.call(t, "POST", api+"/orgs", `{"slug":"newer"}`, 403, nil) // its holder is a platform admin, it is not
	its.call(t, "GET", api+"/orgs/acme", "", 200, nil)
	its.call(t, "GET", api+"/orgs/globex", "", 404, nil)
	its.call(t, "PATCH", api+"/orgs/acme", `{"name":"x"}`, 403, nil)
	for _, p := range []*person{mine, its} {
		p.call(t, "POST", api+"/me/keys", `{"name":"x","scopes":["org:read"]}`, 403, nil)
		p.call(t, "POST", api+"/orgs/acme/keys", `{"name":"x","role":"member","scopes":["org:read"]}`, 403, nil)
		p.call(t, "POST", api+"/tokens", "", 403, nil)
		p.call(t, "GET", api+"/me/sessions", "", 403, nil)
		if a := p.open(s.url("") + "/"); !strings.Contains(a.url.Path, "sign-in") {
			t.Errorf("the console takes a key: %s", a.url)
		}
		// A key is for the control plane alone: an org's gateway does not know it.
		if a := p.fetch("GET", s.url("acme")+"/whoami", ""); a.status != 401 || strings.Contains(a.body, "pz") {
			t.Errorf("acme with a key: %d %s", a.status, a.body)
		}
	}
	// A token is worth five minutes: it makes no key that is worth more.
	var token struct {
		AccessToken string `json:"access_token"`
	}
	ada.call(t, "POST", api+"/tokens", "", 200, &token)
	s.bearer(token.AccessToken).call(t, "POST", api+"/me/keys", `{"name":"x","scopes":["org:read"]}`, 403, nil)

	wrong := []byte(own.Secret)
	wrong[10] ^= 1
	for _, key := range []string{string(wrong), own.Secret + "x", "pza_", strings.Replace(own.Secret, "pza_", "pzs_", 1), own.Secret[:20]} {
		s.bearer(key).call(t, "GET", api+"/me", "", 401, nil)
	}
	eve.call(t, "DELETE", api+"/me/keys/"+own.Key.ID, "", 404, nil)
	eve.call(t, "DELETE", api+"/orgs/globex/keys/"+org.Key.ID, "", 404, nil)
	ada.call(t, "DELETE", api+"/me/keys/"+own.Key.ID, "", 204, nil)
	ada.call(t, "DELETE", api+"/orgs/acme/keys/"+org.Key.ID, "", 204, nil)
	mine.call(t, "GET", api+"/me", "", 401, nil)
	its.call(t, "GET", api+"/me", "", 401, nil)
	for what, text := range map[string]string{"log": s.out.String(), "audit": s.adminGet("/pizzeria/api/v1/audit")} {
		if strings.Contains(text, own.Secret) || strings.Contains(text, org.Secret) {
			t.Errorf("a key is in the %s", what)
		}
	}
}
