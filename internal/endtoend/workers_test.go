package endtoend

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Service workers as apps have them. Both take over the open page at once.
const (
	workerTakesOver = `
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", e => e.waitUntil(self.clients.claim()));
`
	// passingWorker sends every request on, as workers do that only notify or log.
	passingWorker = workerTakesOver + `
self.addEventListener("fetch", e => e.respondWith(fetch(e.request)));
`
	// shellWorker answers every page outside /api/ from its cache, as Workbox's navigateFallback does.
	shellWorker = `
self.addEventListener("install", e => e.waitUntil(caches.open("shell").then(c => c.add("/shell.html")).then(() => self.skipWaiting())));
self.addEventListener("activate", e => e.waitUntil(self.clients.claim()));
self.addEventListener("fetch", e => {
	if (e.request.mode == "navigate" && !new URL(e.request.url).pathname.startsWith("/api/")) {
		e.respondWith(caches.match("/shell.html"));
	}
});
`
)

// workerPage shows who is signed in, as the instance sees it.
const workerPage = `<!doctype html><html lang="en"><title>App</title><h1>App page</h1><p>Seen as %s</p></html>`

// workerShell asks for the same, and signs in as the reference says.
const workerShell = `<!doctype html><html lang="en"><title>App</title><h1>App shell</h1><p></p><script>
fetch("/api/me").then(async res => {
	if (res.status == 401) {
		const { sign_in } = await res.json();
		if (sign_in) location.href = sign_in + "?return=" + encodeURIComponent(location.pathname + location.search + location.hash);
		return;
	}
	document.querySelector("p").textContent = await res.text();
});
</script></html>`

// workerApp is an instance with service workers: this test's own binary.
func workerApp() {
	ctx, stop, l := asInstance()
	defer stop()
	mux := http.NewServeMux()
	for path, source := range map[string]string{"/passing.js": passingWorker, "/shell.js": shellWorker} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = io.WriteString(w, source)
		})
	}
	mux.HandleFunc("/shell.html", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, workerShell)
	})
	mux.HandleFunc("/api/me", func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprintf(w, "Seen as %s", seenAs(r)) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, workerPage, seenAs(r))
	})
	srv := &http.Server{Handler: mux} //nolint:gosec // a test's
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	_ = srv.Serve(l)
}

// seenAs is the name in a request's assertion.
func seenAs(r *http.Request) string {
	parts := strings.Split(r.Header.Get("Pizzeria-Assertion"), ".")
	if len(parts) != 3 {
		return "nobody"
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct{ Name string }
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return err.Error()
	}
	return c.Name
}

// workerApps makes the instances of an installation workerApps.
func workerApps(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return "provider process {\n\t\t\tcommand " + self + " workers\n\t\t}"
}

// register registers a service worker for the whole host, and waits until it controls the page.
func (b *tab) register(file string) {
	b.s.t.Helper()
	if got := b.script(`
		const controlled = navigator.serviceWorker.controller || new Promise(ok => navigator.serviceWorker.addEventListener("controllerchange", ok));
		await navigator.serviceWorker.register("` + file + `");
		await controlled;
		return "controlled"`); got != "controlled" {
		b.s.t.Fatalf("the worker does not control the page: %s", got)
	}
}

// forget removes the org session from the browser, as its end does. The sign-in session stays.
func (b *tab) forget(slug string) {
	b.s.t.Helper()
	if _, err := chromedp.Call(b.ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: orgCookie, URL: b.s.url(slug) + "/"}); err != nil {
		b.s.t.Fatal(err)
	}
}

// workers starts an installation with worker apps, and a browser that is signed in to acme and
// globex and has a worker at acme.
func workers(t *testing.T, options, file string) (*server, *tab) {
	t.Helper()
	s := startWith(t, workerApps(t)+"\n"+options, "org_gateway")
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	b := s.chromium()
	b.signIn("ada@example.com")
	for _, slug := range []string{"globex", "acme"} {
		b.visit(s.url(slug) + "/")
		b.shows("Seen as Ada Admin")
	}
	b.register(file)
	return s, b
}

// follow is a link on the page, clicked.
func (b *tab) follow(target, then string) {
	b.s.t.Helper()
	b.script(`const a = document.createElement("a"); a.id = "follow"; a.textContent = "Follow"; a.href = "` + target + `"; document.body.append(a)`)
	b.press("#follow", then)
}

// TestPassingWorker: an app whose service worker passes navigations on works as one without, and a
// frame of another org gets nothing by it.
func TestPassingWorker(t *testing.T) {
	t.Parallel()
	s, b := workers(t, "", "/passing.js")
	acme := s.url("acme")

	b.do(chromedp.Reload())
	b.shows("Seen as Ada Admin")
	b.forget("acme")
	b.do(chromedp.Reload())
	b.shows("Seen as Ada Admin")
	b.visit(s.url("globex") + "/")
	b.follow(acme+"/linked?x=1", "Seen as Ada Admin")
	if got := b.location(); got != acme+"/linked?x=1" {
		t.Errorf("a link led to %s", got)
	}
	b.visit(s.url("globex") + "/")
	b.forget("acme")
	b.follow(acme+"/linked", "Seen as Ada Admin")

	// The worker answers in frames too.
	b.visit(acme + "/")
	b.script(`const f = document.createElement("iframe"); f.src = "/inside"; document.body.append(f); await new Promise(ok => f.onload = ok)`)
	if got := b.script(`return document.querySelector("iframe").contentDocument.body.innerText`); !strings.Contains(got, "Ada Admin") {
		t.Errorf("a frame of its own: %s", got)
	}
	b.visit(s.url("globex") + "/")
	b.script(`const f = document.createElement("iframe"); f.src = "` + acme + `/framed"; document.body.append(f); await new Promise(ok => f.onload = ok)`)
	if got := b.frames(); !slices.Contains(got, "chrome-error://chromewebdata/") || len(got) != 2 {
		t.Errorf("framed by globex: %s", got)
	}
}

// frames lists the addresses of the pages that a tab shows.
func (b *tab) frames() (shown []string) {
	b.s.t.Helper()
	tree, err := chromedp.Call(b.ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		b.s.t.Fatal(err)
	}
	shown = append(shown, tree.FrameTree.Frame.URL)
	for _, f := range tree.FrameTree.ChildFrames {
		shown = append(shown, f.Frame.URL)
	}
	return shown
}

// TestShellWorker: an app whose service worker answers pages from a cache signs in by the address
// that a 401 names, with the gateway's own paths under one that the worker leaves alone.
func TestShellWorker(t *testing.T) {
	t.Parallel()
	s, b := workers(t, "prefix /api/.pizzeria", "/shell.js")
	b.visit(s.url("acme") + "/notes?x=1#part")
	b.shows("App shell")
	b.shows("Seen as Ada Admin")
	b.forget("acme")
	b.do(chromedp.Reload())
	b.shows("Seen as Ada Admin")
	if got := b.location(); got != s.url("acme")+"/notes?x=1#part" {
		t.Errorf("after the sign-in: %s", got)
	}

	// A session that does not arrive is no reason to go round for ever.
	b.shadow()
	b.do(chromedp.Reload())
	b.shows("Signing in did not work")
	b.unshadow()
	b.press(`a[href*="/sign-in"]`, "Seen as Ada Admin")
}

// shadow hides the org session behind a cookie of the same name, which only the app's own script can set.
func (b *tab) shadow() {
	b.s.t.Helper()
	b.script(`document.cookie = "` + orgCookie + `=x; Secure; Path=/; SameSite=Lax; Partitioned"`)
}

func (b *tab) unshadow() {
	b.s.t.Helper()
	b.script(`document.cookie = "` + orgCookie + `=; Max-Age=0; Secure; Path=/; SameSite=Lax; Partitioned"`)
}

// TestOneRound: a browser that comes back without a session is told so, with a worker and without,
// and is sent again when the person asks.
func TestOneRound(t *testing.T) {
	t.Parallel()
	s, b := workers(t, "", "/passing.js")
	for _, slug := range []string{"globex", "acme"} {
		b.visit(s.url(slug) + "/")
		b.shadow()
		b.do(chromedp.Reload())
		b.shows("Signing in did not work")
		b.do(chromedp.Reload()) // another round, and no more
		b.shows("Signing in did not work")
		b.unshadow()
		b.press(`a[href*="/sign-in"]`, "Seen as Ada Admin")
	}
}
