package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// TestProblems: every code has a status; what is not for people to read is not told.
func TestProblems(t *testing.T) {
	for code, want := range map[registry.Code]int{
		registry.CodeInvalid: 422, registry.CodeUnauthenticated: 401, registry.CodeReauthenticationNeeded: 401,
		registry.CodeForbidden: 403, registry.CodeNotFound: 404,
		registry.CodeConflict: 409, registry.CodeVersionConflict: 412, registry.CodeGone: 410, registry.CodeTooManyRequests: 429,
		registry.CodeOverloaded: 503, "another": 503,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r = r.WithContext(wire.WithRequest(r.Context(), "request-1", ""))
		wire.WriteProblem(w, r, controltest.Issuer, fmt.Errorf("wrapped: %w",
			registry.Errorf(code, "name", "choose another")))
		body, retry := w.Body.String(), w.Header().Get("Retry-After") != ""
		if w.Code != want || !strings.Contains(body,
			`"detail":"choose another","field":"name","request_id":"request-1"`) {
			t.Errorf("%s: %d %s", code, w.Code, body)
		}
		if retry != (want == 429 || want == 503) ||
			(w.Header().Get("WWW-Authenticate") != "") != (want == 401) {
			t.Errorf("%s: %v", code, w.Header())
		}
	}
	p := wire.ProblemOf(t.Context(), errors.New("SQL logic error at /var/lib"))
	if p.Status != 503 || strings.Contains(p.Detail, "SQL") || p.Field != "" {
		t.Errorf("%+v", p)
	}
}

// TestWho: one way of saying who asks, and the operator's mark comes from no header.
func TestWho(t *testing.T) {
	s := controltest.New(t)
	l := s.SignIn(s.User("ada@example.com", false))
	key := s.Key(l, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopeOrgRead}})
	token, err := s.Identity.APITokenFor(t.Context(), registry.AsSession(l.User, l.Session, ""),
		l.Session)
	if err != nil {
		t.Fatal(err)
	}
	cookie := web.Cookie + "=" + l.Token.Reveal()
	for name, c := range map[string]struct {
		headers []string
		kind    registry.ActorKind
		session bool
	}{
		"nobody":         {nil, "", false},
		"a cookie":       {[]string{"Cookie", cookie}, "user", true},
		"a cookie twice": {[]string{"Cookie", cookie + "; " + cookie}, "", false},
		"an unknown session": {[]string{"Cookie", web.Cookie + "=" + strings.Repeat("x", 43)},
			"", false},
		"a token": {[]string{"Authorization", "Bearer " + token}, "user", false},
		"a key":   {[]string{"Authorization", "bearer " + key}, "user", false},
		"a bad bearer beside": {[]string{"Authorization", "Bearer x", "Cookie", cookie}, "",
			false},
		"basic beside": {[]string{"Authorization", "Basic x", "Cookie", cookie}, "",
			false},
		"a header": {[]string{"X-Operator", "true", "X-Forwarded-For", "127.0.0.1"},
			"", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		for i := 0; i+1 < len(c.headers); i += 2 {
			r.Header.Add(c.headers[i], c.headers[i+1])
		}
		who, err := web.Who(s.Identity, r)
		if err != nil || who.Actor.Kind() != c.kind || (who.Session.ID != "") != c.session {
			t.Errorf("%s: %s %v %v", name, who.Actor.Kind(), who.Session.ID, err)
		}
		if who.Client.Address != "192.0.2.1" { // of httptest: the connection's
			t.Errorf("%s comes from %s", name, who.Client.Address)
		}
	}
	r := httptest.NewRequest("GET", "/", nil).WithContext(web.WithOperator(t.Context(), ""))
	if who, err := web.Who(s.Identity, r); err != nil || who.Actor.Kind() != "operator" {
		t.Errorf("%v %v", who.Actor, err)
	}
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	r = httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", cookie)
	if who, err := web.Who(s.Identity, r); err == nil || who.Actor.Valid() {
		t.Errorf("without a store somebody is %v", who.Actor)
	}
}

// TestMayNow: keys have no sign-in that could be too old; people have.
func TestMayNow(t *testing.T) {
	now := time.Unix(1e9, 0)
	for since, want := range map[time.Time]registry.Code{
		now: "", now.Add(-registry.FreshFor): "",
		now.Add(-registry.FreshFor - 1): registry.CodeReauthenticationNeeded,
	} {
		a := registry.AsSession(registry.User{}, registry.Session{AuthTime: since}, "")
		if err := (web.Caller{Actor: a}).MayNow(now); registry.ErrorCode(err) != want {
			t.Errorf("%s: %v", since, err)
		}
	}
	key := registry.AsKey(registry.APIKey{ID: "k"}, registry.User{}, "")
	for _, a := range []registry.Actor{{}, key, registry.AsOperator()} {
		if err := (web.Caller{Actor: a}).MayNow(now); err != nil {
			t.Errorf("%v: %v", a, err)
		}
	}
}

// TestSetSession: the cookie is of this host alone, and out of reach for scripts.
func TestSetSession(t *testing.T) {
	for secret, age := range map[token.Secret]int{"s": 3600, "": -1} {
		w := httptest.NewRecorder()
		web.SetSession(w, secret, time.Hour)
		c := w.Result().Cookies()[0]
		if c.Name != "__Host-pizzeria" || c.Domain != "" || c.Path != "/" || !c.Secure ||
			!c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge != age ||
			c.Value != secret.Reveal() {
			t.Errorf("%q: %v", secret.Reveal(), c)
		}
	}
}

// pipe is a source that gives what a test writes, until its context ends.
func pipe(ctx context.Context) (*io.PipeReader, *io.PipeWriter) {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { _ = r.CloseWithError(context.Canceled) })
	return r, w
}

// TestPour: a stream ends with its source, the server, or what lets its reader in; and every part
// comes at once.
func TestPour(t *testing.T) {
	for what, end := range map[string]func(w *io.PipeWriter, ended chan struct{}, refuse func()){
		"the source":     func(w *io.PipeWriter, _ chan struct{}, _ func()) { _ = w.Close() },
		"the server":     func(_ *io.PipeWriter, ended chan struct{}, _ func()) { close(ended) },
		"the permission": func(_ *io.PipeWriter, _ chan struct{}, refuse func()) { refuse() },
	} {
		ended, changed, may := make(chan struct{}), make(chan struct{}), make(chan bool, 1)
		sources := make(chan *io.PipeWriter, 1)
		may <- true
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			from, to := pipe(ctx)
			sources <- to
			err := web.Pour(ctx, cancel, w, from, web.Guard{
				Ended: ended, Changed: func() <-chan struct{} { return changed },
				May: func() bool { ok := <-may; may <- ok; return ok },
			})
			if err != nil || ctx.Err() == nil {
				t.Errorf("%s: %v, the source's context is alive", what, err)
			}
		}))
		res, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		to, part := <-sources, make([]byte, 6)
		if _, err := io.WriteString(to, "a line"); err != nil {
			t.Fatal(err)
		}
		// though nothing ended
		if _, err := io.ReadFull(res.Body, part); err != nil || string(part) != "a line" {
			t.Errorf("%s: %q %v", what, part, err)
		}
		end(to, ended, func() { <-may; may <- false; close(changed) })
		if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
			t.Errorf("%s: %q %v", what, rest, err)
		}
		_ = res.Body.Close()
		srv.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	broken := io.NopCloser(io.MultiReader(strings.NewReader("x"), errReader{}))
	guard := web.Guard{Ended: make(chan struct{}), Changed: func() <-chan struct{} { return nil },
		May: func() bool { return true }}
	if err := web.Pour(ctx, cancel, httptest.NewRecorder(), broken, guard); !errors.Is(err,
		io.ErrUnexpectedEOF) {
		t.Errorf("a source that breaks: %v", err)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
