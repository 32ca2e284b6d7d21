package endtoend

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	browsers "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"
)

// A member uses PizzaPi in a browser without an account of their own there, and without a credential
// of it. The end of their session is no dead end.
func testPizzaPiBrowser(t *testing.T, s pizzapis) {
	ada := s.ada
	ada.open(s.url("acme") + "/")
	key := ada.pizzaKey("acme", "laptop")

	b := s.chromium()
	b.signIn("ada@example.com")
	b.visit(s.url("acme") + "/")
	b.shows("Signed in as Ada Admin")
	b.shows("Connected")
	if _, err := s.runner("acme", key, "build-1"); err != nil {
		t.Fatal(err)
	}
	b.shows("Runner build-1") // over Redis and her socket

	// Another org: the same person, and nothing of the first.
	b.visit(s.url("globex") + "/")
	b.shows("Signed in as Ada Admin")
	b.shows("Connected")
	if strings.Contains(b.text(), "build-1") {
		t.Errorf("globex shows %s", b.text())
	}
	b.visit(s.url("acme") + "/#/sessions/1")
	b.shows("Runner build-1")
	if got := b.foreignCookies(); len(got) > 0 {
		t.Errorf("the browser holds %v", got)
	}

	// The worker is the agent's: it answers no page, and what PizzaPi's would have kept is not there.
	const workers = `const r = await navigator.serviceWorker.ready; return r.active.scriptURL + " " + await caches.keys()`
	if got := b.script(workers); got != s.url("acme")+"/sw.js " {
		t.Errorf("the worker: %s", got)
	}

	deliver := b.pushes(s.url("acme"))
	s.eventually("the worker shows a notification", func() bool {
		const shown = `const r = await navigator.serviceWorker.ready; return (await r.getNotifications()).map(n => n.title + ": " + n.body)`
		deliver(`{"title":"build-1","body":"It has a question.","sessionId":"7"}`) // the next replaces it
		return b.script(shown) == "build-1: It has a question."
	})

	// The session ends while the page is open, and between two pages.
	b.forget("acme")
	b.script(`window.left = true; fetch("/api/runners")`)
	s.eventually("the page led through the sign-in", func() bool {
		there, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`!window.left && document.readyState == "complete"`))
		return err == nil && there
	})
	b.shows("Signed in as Ada Admin")
	if got := b.location(); got != s.url("acme")+"/#/sessions/1" {
		t.Errorf("it came back to %s", got)
	}
	b.forget("acme")
	b.do(chromedp.Reload())
	b.shows("Signed in as Ada Admin")

	b.press("#sign-out", "Sign in")
	if got := b.location(); !strings.HasPrefix(got, s.url("")+"/sign-in") {
		t.Errorf("signing out led to %s", got)
	}
	b.visit(s.url("globex") + "/")
	b.shows("Sign in")
	if strings.Contains(b.text(), "Sign in to PizzaPi") {
		t.Error("PizzaPi's own form is shown")
	}
}

// pushes returns what delivers a message to the worker of an origin, as a push service does. Chromium
// drops one whose worker takes long to start.
func (b *tab) pushes(origin string) (deliver func(data string)) {
	b.s.t.Helper()
	_, err := chromedp.CallBrowser(b.ctx, browsers.SetPermission, browsers.SetPermissionParams{
		Permission: &browsers.PermissionDescriptor{Name: "notifications"}, Setting: browsers.PermissionSettingGranted,
		Origin: origin, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
	})
	if err != nil {
		b.s.t.Fatal(err)
	}
	// Chromium names all registrations once it is asked to watch them.
	updated := get(b, chromedp.WaitEvent(serviceworker.WorkerRegistrationUpdated, func(e serviceworker.EventWorkerRegistrationUpdated) bool {
		return slices.ContainsFunc(e.Registrations, func(r *serviceworker.Registration) bool { return r.ScopeURL == origin+"/" })
	}, chromedp.Action[cdp.Empty](func(ctx context.Context, t *chromedp.Target) (cdp.Empty, error) {
		return cdp.Call(ctx, t, serviceworker.Enable, cdp.Empty{})
	})))
	return func(data string) {
		b.s.t.Helper()
		for _, r := range updated.Registrations {
			if r.ScopeURL != origin+"/" {
				continue
			}
			if _, err := chromedp.Call(b.ctx, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{
				Origin: origin, RegistrationID: r.RegistrationID, Data: data,
			}); err != nil {
				b.s.t.Fatal(err)
			}
		}
	}
}

// foreignCookies are the names of cookies that are not the gateway's.
func (b *tab) foreignCookies() (names []string) {
	b.s.t.Helper()
	got, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{})
	if err != nil {
		b.s.t.Fatal(err)
	}
	for _, c := range got.Cookies {
		if !strings.HasPrefix(c.Name, "__Host-pizzeria") {
			names = append(names, c.Name)
		}
	}
	if len(got.Cookies) == 0 {
		b.s.t.Error("the browser holds no cookies at all")
	}
	return names
}

// id is a person's.
func (p *person) id() string {
	p.s.t.Helper()
	var me struct{ User struct{ ID string } }
	p.call(p.s.t, "GET", p.s.url("")+"/api/v1/me", "", 200, &me)
	return me.User.ID
}

// role gives a member another role.
func (s *server) role(by *person, slug string, of *person, role string) {
	s.t.Helper()
	by.call(s.t, "PATCH", s.url("")+"/api/v1/orgs/"+slug+"/members/"+of.id(), `{"role":"`+role+`"}`, 204, nil)
}

// seen is what PizzaPi got with a person's last request.
func (p *person) seen(slug string) (url string, h map[string]string) {
	p.s.t.Helper()
	a := p.do(http.MethodGet, p.s.url(slug)+"/api/test/seen", nil, nil)
	var v struct {
		URL     string
		Headers map[string]string
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		p.s.t.Fatalf("%d %s", a.status, a.body)
	}
	return v.URL, v.Headers
}

// What PizzaPi trusts comes from the agent alone, and differs between people.
func testPizzaPiHeaders(t *testing.T, s pizzapis) {
	networks := map[string]bool{}
	for _, p := range []*person{s.ada, s.mia} {
		p.open(s.url("acme") + "/")
		p.do(http.MethodPost, s.url("acme")+"/api/none", strings.NewReader("{}"), map[string]string{
			"Cookie":          "own=1; __Secure-better-auth.session_token=forged.x; BETTER-AUTH.session_data=y; other=2",
			"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http, gopher", "X-Api-Key": "not hers",
			"X-Pizzapi-Client-Ip": "203.0.113.9", "Origin": s.url("acme"), "Sec-Fetch-Site": "same-origin",
		})
		_, h := p.seen("acme")
		cookies := strings.Split(h["cookie"], "; ")
		if len(cookies) != 3 || !slices.Contains(cookies, "own=1") || !slices.Contains(cookies, "other=2") ||
			!strings.HasPrefix(cookies[0], "__Secure-better-auth.session_token=") || strings.Contains(h["cookie"], "forged") {
			t.Errorf("cookies: %q", cookies)
		}
		if h["x-forwarded-proto"] != "https" || h["origin"] != s.url("acme") || h["host"] != s.host("acme") {
			t.Errorf("%v", h)
		}
		for _, name := range []string{"x-api-key", "pizzeria-assertion", "authorization"} {
			if v, there := h[name]; there {
				t.Errorf("%s: %q arrived", name, v)
			}
		}
		address := strings.Split(h["x-forwarded-for"], ":")
		if len(address) < 5 || !strings.HasPrefix(address[0], "fd") {
			t.Fatalf("address %q", h["x-forwarded-for"])
		}
		networks[strings.Join(address[:4], ":")] = true
	}
	if len(networks) != 2 {
		t.Errorf("two people have the networks %v", networks)
	}
}
