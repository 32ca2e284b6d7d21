package endtoend

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// signIn signs a browser in at the console.
func (b *tab) signIn(email string) {
	b.s.t.Helper()
	b.visit(b.s.url("") + "/sign-in")
	b.fill(map[string]string{"email": email, "password": password})
	b.press("form.card button", "My orgs")
}

// weigh judges how a page was loaded: no other origin, under 100 KB the first
// time, and nothing that moves under the cursor.
func (b *tab) weigh(name string) {
	b.s.t.Helper()
	got := b.measure()
	// A busy machine may paint a page before all of it has arrived, which moves things
	// once. What a page itself moves, it moves each time.
	for range 2 {
		if !strings.Contains(got, "shift") {
			break
		}
		b.do(chromedp.Reload())
		got = b.measure()
	}
	if got != "" {
		b.s.t.Errorf("%s: %s", name, got)
	}
}

func (b *tab) measure() string {
	b.s.t.Helper()
	return b.script(`
		const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
		const foreign = all.filter(e => new URL(e.name).origin != location.origin).map(e => e.name);
		const bytes = all.reduce((n, e) => n + e.transferSize, 0);
		const shift = await new Promise(ok => {
			let n = 0;
			new PerformanceObserver(l => { for (const e of l.getEntries()) n += e.value; }).observe({ type: "layout-shift", buffered: true });
			setTimeout(() => ok(n), 200);
		});
		return [foreign.join(" "), bytes < 100000 ? "" : bytes + " bytes", shift < 0.01 ? "" : "shift " + shift].filter(x => x).join(", ")`)
}

// TestBrowserConsole walks every page of the console as a platform admin, an
// org's admin and a member, in both themes and at every width.
func TestBrowserConsole(t *testing.T) {
	t.Parallel()
	s := startWith(t, `settings {
			MODEL_KEY secret "Model API key" {
				group "Model providers"
				help "From your provider's console"
				required
			}
			MODEL_URL url "Model URL" {
				group "Model providers"
			}
			ALERTS_TO email "Alerts to" {
				group Notifications
			}
			SIZE choice "Size" {
				options small large
				default small
			}
			allow APP_*
		}`, "org_gateway")
	admin := s.admin()
	for _, slug := range []string{"acme", "globex", "initech"} {
		s.org(admin, slug)
	}
	s.invite(admin, "acme", "mia@example.com", "member")
	s.invite(admin, "acme", "olga@example.com", "admin")
	admin.fetch("POST", s.url("")+"/api/v1/orgs/initech/suspend", `{"reason":"Unpaid"}`)
	for range 20 {
		admin.open(s.url("acme") + "/")
	}
	console := s.url("")
	ada := s.chromium()
	ada.visit(console + "/sign-in")
	ada.weigh("the first visit")
	ada.signIn("ada@example.com")
	ada.shot("home-platform-admin")

	t.Run("Platform", func(t *testing.T) {
		s.eventually("the requests are counted", func() bool {
			return strings.Contains(admin.open(console+"/platform/orgs").body, "requests</title>")
		})
		for path, shows := range map[string]string{
			"/platform": "active orgs", "/platform?range=week": "Last week", "/platform/orgs": "Requests, last hour", "/platform/orgs?status=suspended&sort=-name": "initech",
			"/platform/users": "mia@example.com", "/platform/instances": "Running", "/platform/audit": "org.created", "/platform/settings": "Model API key", "/platform/audit?search=mia": "member.added",
		} {
			ada.visit(console + path)
			ada.shows(shows)
			if !strings.Contains(path, "?") {
				ada.weigh(path)
				ada.shot("platform" + strings.ReplaceAll(strings.TrimPrefix(path, "/platform"), "/", "-"))
			}
		}
		ada.visit(console + "/platform/orgs?search=nothing-like-it")
		ada.shows("No org matches")
		ada.shot("platform-orgs-none")
		ada.visit(console + "/platform/users?search=mia")
		ada.press(`main table a[href^="/platform/users/"]`, "mia@example.com")
		ada.shot("platform-user")
		ada.press(`form[action$="/verify"] button`, "Make platform admin") // or the account may be another's
		ada.press(`form[action$="/admin"] button`, "Take platform admin away")
		ada.press(`form[action$="/admin"] button`, "Make platform admin")
		ada.press(`main form[action$="/sign-out"] button`, "Nowhere")
		ada.press(`main a[href$="/disable"]`, "Reason")
		ada.shot("platform-user-disable")
		ada.fill(map[string]string{"reason": "On leave"})
		ada.press(`form.card button`, "On leave")
		ada.press(`main form[action$="/enable"] button`, "Disable account")
		ada.press(`main a[href$="/delete"]`, "cannot be undone")
		ada.shot("platform-user-delete")
		ada.fill(map[string]string{"confirm": "mia"})
		ada.press(`form.card button`, "to confirm")
		ada.visit(console + "/account/delete")
		ada.shows("Delete your account")
		ada.visit(console + "/platform/users?search=ada")
		ada.press(`main table a[href^="/platform/users/"]`, "ada@example.com")
		ada.press(`form[action$="/admin"] button`, "needs a platform admin")
		ada.shot("platform-user-refused")
	})

	t.Run("Org", func(t *testing.T) {
		ada.visit(console + "/orgs/acme")
		ada.shows("Requests a second")
		ada.weigh("org")
		ada.shot("org-usage")
		ada.visit(console + "/orgs/acme/instance")
		ada.shows("Running")
		ada.shot("org-instance")
		ada.visit(console + "/orgs/acme/members")
		ada.fill(map[string]string{"email": "one@example.com, two@example.com"})
		ada.press(`form.card button`, "two@example.com")
		ada.shows("Give each link to its person")
		ada.shot("org-members-invited-two")
		ada.fill(map[string]string{"email": "three@example.com nonsense"})
		ada.press(`form.card button`, "is not an e-mail address")
		if strings.Contains(ada.text(), "three@example.com\n") {
			t.Error("some were invited though one address is wrong")
		}
		ada.visit(console + "/orgs/acme/keys")
		ada.fill(map[string]string{"key-name": "Backup"})
		ada.press(`form.card button`, "name at least one scope")
		ada.shot("org-keys-error")
		ada.do(chromedp.Click(`input[value="org:read"]`))
		ada.press(`form.card button`, "It is shown only now")
		if v := get(ada, chromedp.Value("#secret")); !strings.HasPrefix(v, "pzs_") {
			t.Errorf("the key is %q", v)
		}
		ada.shot("org-keys")
		ada.press(`form[action$="/revoke"] button`, "New key")
		if strings.Contains(ada.text(), "Backup") {
			t.Error("the key is still there")
		}
		ada.visit(console + "/orgs/acme/audit?action=api_key.revoked")
		ada.shows("Backup")
	})

	t.Run("Runners", func(t *testing.T) {
		ada.visit(console + "/orgs/acme/runners")
		ada.shows("No machine works for")
		ada.shot("org-runners-none")
		ada.fill(map[string]string{"runner-name": "build-1"})
		ada.press(`form.card > button`, "It works once")
		command := get(ada, chromedp.Value("#secret"))
		ada.shot("org-runners-claim")
		_, claim, _ := strings.Cut(command, "--claim ")
		if a := s.person().fetch("POST", console+"/api/v1/runners", `{"claim":"`+claim+`"}`); a.status != 201 {
			t.Errorf("%q enrolls with %d %s", command, a.status, a.body)
		}
		ada.visit(console + "/orgs/acme/runners")
		ada.shows("Never seen")
		ada.weigh("runners")
		ada.shot("org-runners")
		ada.press(`form[action$="/disconnect"] button`, "It may come back")
		ada.visit(console + "/orgs/acme/members?search=ada")
		ada.press(`main a[href$="/remove"]`, "Enrolled by you")
		ada.shot("org-remove-member")
		ada.visit(console + "/orgs/acme/runners")
		ada.press(`form[action$="/revoke"] button`, "It gets in nowhere")
		ada.visit(console + "/orgs/acme/audit?search=build-1")
		ada.shows("Runner enrolled")
	})

	t.Run("Settings", func(t *testing.T) {
		ada.visit(console + "/orgs/acme/settings")
		ada.shows("Model providers")
		ada.shot("org-settings")
		ada.fill(map[string]string{"set-MODEL_KEY": "sk-canary", "set-MODEL_URL": "not a url"})
		ada.press(`form[action$="/settings"] button`, "write a URL")
		ada.fill(map[string]string{"set-MODEL_KEY": "sk-canary", "set-MODEL_URL": "https://models.example.com", "new-name": "APP_COLOUR", "new-value": "red"})
		ada.press(`form[action$="/settings"] button`, "Saved.")
		ada.shows("APP_COLOUR")
		if html := get(ada, chromedp.OuterHTML("html")); strings.Contains(html, "sk-canary") || !strings.Contains(html, "https://models.example.com") {
			t.Error("the page shows the secret, or not the value")
		}
		ada.shot("org-settings-set")
		ada.fill(map[string]string{"slug": "apex"})
		ada.press(`form[action$="/rename"] button`, "Saved.")
		ada.visit(console + "/orgs/apex")
		ada.shows("apex.")
		ada.visit(console + "/orgs/apex/settings")
		ada.fill(map[string]string{"slug": "globex"})
		ada.press(`form[action$="/rename"] button`, "is taken")
		ada.fill(map[string]string{"slug": "acme"})
		ada.press(`form[action$="/rename"] button`, "Saved.")
	})

	t.Run("Webhooks", func(t *testing.T) {
		for _, path := range []string{"/orgs/acme/webhooks", "/platform/webhooks"} {
			ada.visit(console + path)
			ada.fill(map[string]string{"url": "http://example.com/hook"})
			ada.press(`form.card > button`, "use https")
			ada.fill(map[string]string{"url": "https://127.0.0.1/hook"})
			ada.press(`form.card > button`, "private address")
			ada.fill(map[string]string{"url": "https://hooks.invalid/x"})
			ada.do(chromedp.Click(`input[value="member.added"]`))
			ada.press(`form.card > button`, "It is shown only now")
			if v := get(ada, chromedp.Value("#secret")); !strings.HasPrefix(v, "whsec_") {
				t.Errorf("the secret is %q", v)
			}
			ada.press(`form[action$="/test"] button`, "webhook.test")
			s.eventually("it fails", func() bool {
				ada.visit(console + path)
				return strings.Contains(ada.text(), "its name is not found")
			})
			ada.shot("webhooks" + strings.ReplaceAll(path[:9], "/", "-"))
			ada.press(`form[action$="/replay"] button`, "webhook.test")
			ada.press(`form[action$="/active"] button`, "Off")
			ada.press(`form[action$="/delete"] button`, "New webhook")
		}
	})

	t.Run("Account", func(t *testing.T) {
		ada.visit(console + "/account")
		ada.fill(map[string]string{"name": "Ada Lovelace"})
		ada.press(`form[action="/account/name"] button`, "Your name is changed")
		ada.shows("Ada Lovelace")
		ada.fill(map[string]string{"key-name": "Laptop"})
		ada.do(chromedp.Click(`input[value="org:read"]`))
		ada.press(`form[action="/account/keys"] button`, "It is shown only now")
		ada.shot("account-keys")
		secret := get(ada, chromedp.Value("#secret"))
		keys := func() int {
			return strings.Count(get(ada, chromedp.Evaluate[string](`document.body.innerHTML`)), "/revoke")
		}
		one := keys()
		hidden := func(after string) {
			ada.shows("Where you are signed in")
			page := get(ada, chromedp.Evaluate[string](`document.body.innerHTML`))
			if strings.Contains(page, secret) {
				t.Errorf("after %s the key is shown again", after)
			}
		}
		ada.do(chromedp.Reload())
		hidden("a reload")
		// A second key, so that Back leads to a page that showed its secret and was not loaded again.
		ada.fill(map[string]string{"key-name": "Tablet"})
		ada.do(chromedp.Click(`input[value="org:read"]`))
		ada.press(`form[action="/account/keys"] button`, "It is shown only now")
		secret, one = get(ada, chromedp.Value("#secret")), one+1
		created := ada.location()
		ada.visit(console + "/")
		ada.leap("back", created)
		hidden("Back")
		ada.leap("forward", console+"/")
		ada.leap("back", created)
		hidden("Back, Forward and Back")
		ada.visit(console + "/account")
		if n := keys(); n != one {
			t.Errorf("%d keys, not %d", n, one)
		}
		ada.press(`form[action^="/account/keys/"] button`, "The key is revoked")
		ada.press(`form[action^="/account/keys/"] button`, "The key is revoked")
		ada.press(`form[action="/account/sessions/end"] button`, "You are signed out there")
		if a := admin.open(console + "/"); a.url.Path != "/sign-in" {
			t.Errorf("the other session is still at %s", a.url)
		}
	})

	t.Run("Theme", func(t *testing.T) {
		for _, theme := range []string{"dark", "light", "auto"} {
			ada.do(chromedp.Click("#account summary"))
			ada.press(`button[value="`+theme+`"]`, "Account")
			if got := ada.script(`return document.documentElement.dataset.theme || "auto"`); got != theme {
				t.Errorf("the theme is %s, not %s", got, theme)
			}
		}
	})

	t.Run("Keyboard", func(t *testing.T) {
		ada.visit(console + "/orgs/globex/members")
		ada.visit(console + "/")
		ada.do(chromedp.KeyEvent("k", chromedp.KeyModifiers(2))) // Ctrl
		ada.do(chromedp.WaitVisible("#switcher input"))
		if got := ada.script(`return document.querySelector("#switcher li a").dataset.slug`); got != "globex" {
			t.Errorf("the most recent org is %s", got)
		}
		ada.shot("switcher")
		ada.script(`window.left = true`)
		ada.do(chromedp.KeyEvent("glob"), chromedp.KeyEvent(kb.Enter))
		ada.shows("Invite people") // where its visitor was last
		// From the top of the page to its form and back by Tab alone; every stop can be seen.
		ada.visit(console + "/orgs/new")
		for range 40 {
			ada.do(chromedp.KeyEvent(kb.Tab))
			if got := ada.script(`const a = document.activeElement, s = getComputedStyle(a), r = a.getBoundingClientRect();
				return a == document.body || s.outlineStyle != "none" && r.width > 0 && r.right > 0 ? a.id : "unseen " + a.outerHTML`); strings.HasPrefix(got, "unseen") {
				t.Errorf("the focus is %s", got)
			} else if got == "name" {
				break
			}
		}
		ada.do(chromedp.KeyEvent("Umbrella"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("umbrella"), chromedp.KeyEvent(kb.Enter))
		ada.shows("Umbrella")
		ada.do(chromedp.WaitVisible("#open"))
	})

	t.Run("OthersSeeLess", func(t *testing.T) {
		olga := ada.other()
		olga.signIn("olga@example.com")
		olga.shot("home-org-admin")
		if strings.Contains(olga.text(), "Platform") {
			t.Error("an org's admin sees the platform's rail")
		}
		for _, tab := range []string{"", "/members", "/instance", "/runners", "/settings", "/keys", "/webhooks", "/audit"} {
			olga.visit(console + "/orgs/acme" + tab)
			olga.shows("olga")
			olga.weigh(tab)
		}
		mia := ada.other()
		mia.signIn("mia@example.com")
		mia.visit(console + "/orgs/acme")
		mia.shows("Overview")
		mia.shot("org-of-a-member")
		for _, hidden := range []string{"Settings", "Keys", "Audit", "Restart", "Suspend", "Delete"} {
			if strings.Contains(mia.text(), hidden) {
				t.Errorf("a member is shown %s", hidden)
			}
		}
		mia.visit(console + "/orgs/acme/settings")
		mia.shows("ask an admin")
		mia.visit(console + "/platform")
		mia.shows("only platform admins")
		olga.quiet()
		mia.quiet()
	})

	t.Run("Healing", func(t *testing.T) {
		ada.visit(console + "/orgs/globex")
		ada.shows("Active")
		s.stop()
		ada.shows("Connection lost")
		s.run()
		s.eventually("the page heals", func() bool { return !strings.Contains(ada.text(), "Connection lost") })
		ada.mu.Lock()
		ada.bad = nil // it complains of the connection, as it should
		ada.mu.Unlock()
	})
	ada.visit(console + "/platform")
	ada.quiet()
}
