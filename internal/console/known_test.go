package console

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// TestDeviceCookieInPages: who signs in by the page gets the cookie, keeps it at sign-out, and
// signs in with it while strangers keep everybody else out. "Sign out everywhere" renews it.
func TestDeviceCookieInPages(t *testing.T) {
	master, err := identity.CreateMasterKey(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), sqlitetest.File(t), master, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	site, err := token.NewSite("d.example", "", "")
	if err != nil {
		t.Fatal(err)
	}
	ids := identity.New(store, master, func() token.Site { return site }, slog.New(slog.DiscardHandler), time.Now)
	if err := ids.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	const email, password = "ada@example.com", "correct horse battery"
	if _, err := ids.CreateUser(t.Context(), registry.AsOperator(), registry.NewUser{Email: email, Name: "Ada"}, password); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	c := &Console{Store: store, Identity: ids, Log: slog.New(slog.DiscardHandler), Now: time.Now, Operator: func() Operator { return Operator{} }, Isolation: func(string) string { return "" }}
	if err := c.Register(mux); err != nil {
		t.Fatal(err)
	}
	jar := map[string]string{}
	post := func(path, address string, form url.Values) int {
		r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
		r.RemoteAddr = address + ":1"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", site.Issuer)
		for k, v := range jar {
			r.AddCookie(&http.Cookie{Name: k, Value: v})
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		for _, k := range w.Result().Cookies() {
			if jar[k.Name] = k.Value; k.MaxAge < 0 {
				delete(jar, k.Name)
			}
		}
		return w.Code
	}
	signIn := func(address string) int {
		return post("/sign-in", address, url.Values{"email": {email}, "password": {password}})
	}
	if got := signIn("192.0.2.1"); got != 303 || jar[web.Cookie] == "" || jar[web.DeviceCookie] == "" {
		t.Fatalf("%d %v", got, jar)
	}
	first := jar[web.DeviceCookie]
	if got := post("/account/sessions/end", "192.0.2.1", nil); got != 303 || jar[web.DeviceCookie] == first {
		t.Errorf("sign out everywhere: %d, or the cookie is the old one", got)
	}
	if got := post("/sign-out", "192.0.2.1", nil); got != 303 || jar[web.Cookie] != "" || jar[web.DeviceCookie] == "" {
		t.Fatalf("%d %v", got, jar)
	}
	known := jar
	jar = map[string]string{}
	for range 45 { // from the same network
		post("/sign-in", "192.0.2.1", url.Values{"email": {"x"}, "password": {"x"}})
		_, _ = ids.SignIn(t.Context(), email, "wrong wrong wrong", identity.Client{Address: "192.0.2.1"})
	}
	if got := signIn("192.0.2.1"); got != 429 {
		t.Errorf("a new browser: %d, want 429", got)
	}
	jar = map[string]string{web.DeviceCookie: first}
	if got := signIn("192.0.2.1"); got != 429 {
		t.Errorf("with the cookie of before: %d, want 429", got)
	}
	jar = known
	if got := signIn("192.0.2.1"); got != 303 || jar[web.Cookie] == "" {
		t.Errorf("the known browser: %d", got)
	}
}
