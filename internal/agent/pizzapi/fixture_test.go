package pizzapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// betterAuth answers as PizzaPi's better-auth does, from memory. The real one is in the end-to-end
// tests; this one can be made to fail.
type betterAuth struct {
	mu       sync.Mutex
	accounts map[string]*theirs
	sessions map[string]string // e-mail addresses by token
	made     int
	calls    []string
	from     []string       // the address of each call
	fail     map[string]int // statuses, by path
	health   string
	seen     *http.Request
}

type theirs struct {
	password, name string
	keys           []string
}

func (b *betterAuth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, strings.TrimPrefix(r.URL.Path, "/api/auth"))
	b.from = append(b.from, r.Header.Get("X-Forwarded-For"))
	if status := b.fail[r.URL.Path]; status != 0 {
		w.WriteHeader(status)
		return
	}
	var in struct{ Email, Password, Name, KeyID string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	token := ""
	if c, err := r.Cookie("__Secure-better-auth.session_token"); err == nil {
		token = c.Value
	}
	email := b.sessions[token]
	a := b.accounts[email]
	switch path := strings.TrimPrefix(r.URL.Path, "/api/auth"); {
	case path == "/health":
		_, _ = io.WriteString(w, b.health)
	case path == "/sign-in/email" && (b.accounts[in.Email] == nil || b.accounts[in.Email].password != in.Password):
		w.WriteHeader(http.StatusUnauthorized)
	case path == "/sign-up/email" && b.accounts[in.Email] != nil:
		w.WriteHeader(http.StatusUnprocessableEntity)
	case path == "/sign-up/email", path == "/sign-in/email":
		if path == "/sign-up/email" {
			b.accounts[in.Email] = &theirs{password: in.Password, name: in.Name}
		}
		b.made++
		token := fmt.Sprint("token", b.made)
		b.sessions[token] = in.Email
		http.SetCookie(w, &http.Cookie{Name: "__Secure-better-auth.session_token", Value: token, Path: "/", Secure: true, HttpOnly: true})
		_ = json.NewEncoder(w).Encode(map[string]any{"user": map[string]any{"name": b.accounts[in.Email].name}})
	case path == "/get-session" && a == nil:
		_, _ = io.WriteString(w, "null")
	case path == "/get-session":
		_ = json.NewEncoder(w).Encode(map[string]any{
			"session": map[string]any{"token": token, "number": json.Number("12345678901234567890")},
			"user":    map[string]any{"name": a.name, "email": email},
		})
	case !strings.HasPrefix(r.URL.Path, "/api/auth/"):
		b.seen = r.Clone(r.Context())
		_, _ = io.WriteString(w, "app")
	case a == nil:
		w.WriteHeader(http.StatusUnauthorized)
	case path == "/update-user":
		a.name = in.Name
	case path == "/api-key/create":
		a.keys = append(a.keys, fmt.Sprint(in.Name, len(a.keys)))
		_ = json.NewEncoder(w).Encode(map[string]any{"id": a.keys[len(a.keys)-1], "key": "secret of " + in.Name})
	case path == "/api-key/list":
		list := []map[string]any{}
		for _, k := range a.keys {
			list = append(list, map[string]any{"id": k})
		}
		_ = json.NewEncoder(w).Encode(list)
	case path == "/api-key/delete" && !slices.Contains(a.keys, in.KeyID):
		w.WriteHeader(http.StatusNotFound)
	case path == "/api-key/delete":
		a.keys = slices.DeleteFunc(a.keys, func(k string) bool { return k == in.KeyID })
	case path == "/revoke-sessions":
		for t, e := range b.sessions {
			if e == email {
				delete(b.sessions, t)
			}
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// count is how often a path below /api/auth was asked for.
func (b *betterAuth) count(path string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		if c == path {
			n++
		}
	}
	return n
}

type fixture struct {
	*testing.T
	b     *betterAuth
	app   *App
	dir   string
	ahead time.Duration
	said  []string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, dir: t.TempDir(), b: &betterAuth{
		accounts: map[string]*theirs{}, sessions: map[string]string{}, fail: map[string]int{}, health: `{"status":"ok"}`,
	}}
	srv := httptest.NewServer(f.b)
	t.Cleanup(srv.Close)
	f.app = f.open()
	f.app.Use(to{srv.Listener.Addr().String()})
	return f
}

// to leads requests to an address.
type to struct{ address string }

func (t to) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Host = t.address
	return http.DefaultTransport.RoundTrip(r)
}

func (f *fixture) open() *App {
	f.Helper()
	a, err := New(Config{
		Env: map[string]string{
			"PIZZERIA_PUBLIC_URL": "https://acme.example:8443", "PIZZERIA_PREFIX": "/api/.pizzeria", "PIZZERIA_DATA_DIR": f.dir,
		},
		RedisPort: "6379", Now: func() time.Time { return time.Now().Add(f.ahead) },
		Say: func(s string) { f.said = append(f.said, s) },
	})
	if err != nil {
		f.Fatal(err)
	}
	return a
}

var ada = Person{Subject: "ada-id", Name: "Ada", Email: "ada@example.com"}

// judged is what became of a request: the agent's own answer, or the request to PizzaPi.
func (f *fixture) judged(method, target string, p Person, h http.Header) (*httptest.ResponseRecorder, *http.Request) {
	f.Helper()
	r, err := http.NewRequestWithContext(f.Context(), method, "https://acme.example:8443/", nil)
	if err == nil {
		r.URL, err = r.URL.Parse("https://acme.example:8443" + target)
	}
	if err != nil {
		f.Fatal(err)
	}
	for name, v := range h {
		r.Header[name] = v
	}
	w := httptest.NewRecorder()
	passed := f.app.Judge(w, r, p, func(no Refusal) { w.WriteHeader(no.Status) })
	if passed != nil {
		f.app.Rewrite(passed)
	}
	return w, passed
}
