package endtoend

import (
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestBrowserTour is the README's tour, in a real Chromium.
func TestBrowserTour(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.chromium()
	console := s.url("")

	s.eventually("the set-up link is printed", func() bool { return setupLink.MatchString(s.out.String()) })
	ada.visit(setupLink.FindString(s.out.String()))
	ada.shows("Set up Pizzeria")
	ada.shot("setup")
	ada.fill(map[string]string{"name": "Ada Admin", "email": "ada@example.com", "password": "password123"})
	ada.press("form.card button", "common")
	ada.shot("setup-error")
	ada.fill(map[string]string{"password": password})
	ada.press("form.card button", "Create your first org")
	ada.shot("new-org-first")

	ada.fill(map[string]string{"name": "Acme Inc", "slug": "www"})
	ada.press("form.card button", "reserved")
	ada.shot("new-org-error")
	ada.fill(map[string]string{"slug": "acme"})
	ada.press("form.card button", "Acme Inc")
	ada.do(chromedp.WaitVisible("#open")) // the live page, without loading it again
	ada.shot("org")

	ada.press("#open", "Ada Admin")
	if got := ada.location(); got != s.url("acme")+"/" {
		t.Fatalf("the org's page is at %s", got)
	}
	ada.fill(map[string]string{"text": "Buy basil"})
	ada.press("form button", "Buy basil")
	ada.shot("instance")
	if got := ada.script(`
		const ws = new WebSocket("wss://" + location.host + "/echo");
		return await new Promise((ok, no) => { ws.onopen = () => ws.send("hello"); ws.onmessage = e => ok(e.data); ws.onerror = () => no("refused") })`); got != "hello" {
		t.Errorf("WebSocket: %s", got)
	}
	if got := ada.script(`const es = new EventSource("/ticks"); return await new Promise((ok, no) => { es.onmessage = e => { es.close(); ok("tick") }; es.onerror = () => no("refused") })`); got != "tick" {
		t.Errorf("server-sent events: %s", got)
	}
	if got := ada.script(`return document.cookie + Object.keys(localStorage).length`); got != "0" {
		t.Errorf("a script of the instance reads %q", got)
	}

	// The second org, and back: no other sign-in.
	ada.visit(console + "/orgs/new")
	ada.fill(map[string]string{"name": "Globex", "slug": "globex"})
	ada.shot("new-org")
	ada.press("form.card button", "Globex")
	ada.do(chromedp.WaitVisible("#open"))
	ada.press("#open", "Ada Admin")
	if strings.Contains(ada.text(), "Buy basil") {
		t.Fatal("globex shows acme's note")
	}
	ada.visit(s.url("acme") + "/")
	ada.shows("Buy basil")
	ada.visit(console + "/")
	ada.shows("globex.")
	ada.shot("orgs")
	ada.keepsWords("orgs")

	// A second person, by a link.
	ada.visit(console + "/orgs/acme/members")
	ada.fill(map[string]string{"email": "mia@example.com"})
	ada.press(`form.card button`, "shown only now")
	ada.shot("members-invited")
	ada.keepsWords("members-invited")
	link := get(ada, chromedp.Value("#invite-link-0"))
	mia := ada.other()
	mia.visit(link)
	mia.shows("Join Acme Inc")
	mia.shot("invite")
	mia.fill(map[string]string{"name": "Mia Member", "password": password})
	mia.press("form.card button", "Acme Inc")
	mia.shot("orgs-of-a-member")
	mia.visit(s.url("acme") + "/")
	mia.shows("Mia Member")
	mia.visit(s.url("globex") + "/")
	mia.shows("not a member")
	mia.shot("gateway-no-member")
	ada.visit(console + "/orgs/acme/members")
	ada.shows("Mia Member")
	ada.shot("members")
	ada.keepsWords("members")
	ada.visit(console + "/orgs/acme/audit")
	ada.shows("org.created")
	ada.shot("audit")
	ada.visit(console + "/account")
	ada.shot("account")

	// Suspended, and back; every open stream ends.
	ada.visit(console + "/orgs/acme")
	ada.do(chromedp.Click(".act summary"))
	ada.fill(map[string]string{"reason": "Unpaid since May"})
	ada.shot("org-suspend")
	ada.press("details.act button", "Suspended")
	ada.shot("org-suspended")
	mia.visit(s.url("acme") + "/")
	mia.shows("suspended")
	mia.shot("gateway-suspended")
	ada.press(`form[action$="/resume"] button`, "Restart")
	ada.do(chromedp.WaitVisible("#open"))
	mia.visit(s.url("acme") + "/")
	mia.shows("Buy basil")

	// Gone, and an address that never was.
	ada.visit(console + "/orgs/globex/delete")
	ada.shot("delete")
	ada.fill(map[string]string{"confirm": "acme"})
	ada.press("form.card button", "to delete it")
	ada.fill(map[string]string{"confirm": "globex"})
	ada.press("form.card button", "can be kept until")
	ada.shot("org-deleting")
	ada.visit(s.url("globex") + "/")
	ada.shows("An owner can restore it")
	ada.shot("gateway-gone")
	ada.visit(s.url("nosuch") + "/")
	ada.shows("No org has")
	ada.shot("gateway-unknown")

	// Signed out here is signed out everywhere.
	ada.visit(console + "/")
	ada.do(chromedp.Click("#account summary"))
	ada.shot("menu")
	ada.press(`form[action="/sign-out"] button`, "You are signed out")
	ada.shot("signed-out")
	ada.visit(s.url("acme") + "/notes?x=1")
	ada.shows("Sign in to Acme Inc")
	ada.shot("sign-in-to-org")
	ada.fill(map[string]string{"email": "ada@example.com", "password": "wrong password"})
	ada.press("form.card button", "wrong")
	ada.shot("sign-in-wrong")
	ada.fill(map[string]string{"password": password})
	ada.press("form.card button", "Buy basil")
	if got := ada.location(); got != s.url("acme")+"/notes?x=1" {
		t.Errorf("after sign-in: %s", got)
	}
	ada.visit(console + "/nothing/here")
	ada.shows("no page")
	ada.shot("not-found")
	ada.quiet()
	mia.quiet()
}

// TestBrowserAttacks lets a page of org globex attack org acme, in the browser
// of somebody who is signed in to both.
func TestBrowserAttacks(t *testing.T) {
	t.Parallel()
	s, _ := shared(t)
	b := s.chromium()
	b.visit(s.url("acme") + "/")
	b.fill(map[string]string{"email": "ada@example.com", "password": password})
	b.press("form.card button", "Ada Admin")
	b.visit(s.url("globex") + "/")
	b.shows("Ada Admin")
	// The attacker's page is one without a policy of its own.
	if _, err := chromedp.Call(b.ctx, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	b.visit(s.url("globex") + "/whoami")
	acme, console := s.url("acme"), s.url("")

	for name, js := range map[string]string{
		"fetch":         `await fetch("` + acme + `/notes", {method: "POST", mode: "no-cors", credentials: "include", headers: {"Content-Type": "application/x-www-form-urlencoded"}, body: "text=hacked"}); return "sent"`,
		"beacon":        `return navigator.sendBeacon("` + acme + `/notes", new URLSearchParams({text: "hacked"})) ? "sent" : "no"`,
		"console fetch": `await fetch("` + console + `/orgs/acme/suspend", {method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams({reason: "hacked"})}); return "sent"`,
		"API fetch":     `await fetch("` + console + `/api/v1/orgs/acme/suspend", {method: "POST", mode: "no-cors", credentials: "include", body: "{}"}); return "sent"`,
		"framed form": `const f = document.createElement("iframe"); f.name = "f"; document.body.append(f);
			const form = document.createElement("form"); form.method = "post"; form.action = "` + acme + `/notes"; form.target = "f";
			const i = document.createElement("input"); i.name = "text"; i.value = "hacked"; form.append(i); document.body.append(form);
			await new Promise(ok => { f.onload = ok; form.submit() }); return "sent"`,
	} {
		if got := b.script(js); got != "sent" {
			t.Errorf("%s could not be tried: %s", name, got)
		}
	}
	for name, js := range map[string]string{
		"reads acme's notes":           `return await (await fetch("` + acme + `/notes", {credentials: "include"})).text()`,
		"reads acme's session":         `return await (await fetch("` + acme + `/.pizzeria/session", {credentials: "include"})).text()`,
		"reads the API":                `return await (await fetch("` + console + `/api/v1/me", {credentials: "include"})).text()`,
		"makes an API token":           `return await (await fetch("` + console + `/api/v1/tokens", {method: "POST", credentials: "include"})).text()`,
		"opens a WebSocket of acme":    `const ws = new WebSocket("` + strings.Replace(acme, "https", "wss", 1) + `/echo"); return await new Promise((ok, no) => { ws.onopen = () => ok("open"); ws.onerror = () => no("refused") })`,
		"opens acme's event stream":    `const es = new EventSource("` + acme + `/ticks", {withCredentials: true}); return await new Promise((ok, no) => { es.onmessage = () => ok("open"); es.onerror = () => { es.close(); no("refused") } })`,
		"reads a frame of acme":        `const f = document.createElement("iframe"); f.src = "` + acme + `/"; document.body.append(f); await new Promise(ok => f.onload = ok); return f.contentDocument.body.innerText`,
		"reads a frame of the console": `const f = document.createElement("iframe"); f.src = "` + console + `/"; document.body.append(f); await new Promise(ok => f.onload = ok); return f.contentDocument.body.innerText`,
	} {
		if got := b.script(js); !strings.HasPrefix(got, "failed: ") {
			t.Errorf("a page of globex %s: %.200s", name, got)
		}
	}
	// Tossed cookies: the prefix keeps them out, names that only look like it are not ours, and a bomb of others keeps nobody out.
	b.script(`for (const n of ["` + orgCookie + `", "__Host-pizzeria", "__Secure-x"]) for (const before of ["", "\u2000", "\u00a0", "\u3000", "\ufeff", "="]) document.cookie = before + n + "=evil; domain=` + domain + `; path=/; secure";
		for (let i = 0; i < 40; i++) document.cookie = "bomb" + i + "=" + "x".repeat(3500) + "; domain=` + domain + `; path=/; secure";
		while (!document.cookie.includes("bomb39=")) await new Promise(ok => setTimeout(ok, 10)); // they are set in another process
		return ""`)
	b.visit(acme + "/whoami")
	b.shows(`"org_slug":"acme"`)
	if text := b.text(); regexp.MustCompile(`(?i)pizzeria[^;"]*=evil`).MatchString(text) { // others are the app's own affair
		t.Errorf("a tossed cookie arrived: %.300s", text)
	}
	b.visit(acme + "/")
	b.shows("Ada Admin")
	if strings.Contains(b.text(), "hacked") {
		t.Error("a page of globex wrote to acme")
	}
	b.visit(console + "/orgs/acme")
	b.shows("Active")
}
