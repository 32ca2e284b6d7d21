package api_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

const form = "application/x-www-form-urlencoded"

// oauthError is the error of an answer of the token side (RFC 6749, section 5.2), which must have
// no cache keep it.
func oauthError(t *testing.T, a controltest.Answer) string {
	t.Helper()
	var e struct{ Error string }
	a.Decode(t, &e)
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" ||
		a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", a.Header)
	}
	return e.Error
}

// TestTokenSide: each endpoint that programs ask takes a form, and one way of saying who asks.
func TestTokenSide(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	n := registry.NewClient{Name: "App", RedirectURIs: []string{"https://app.example.com/callback"}}
	app, secret, err := s.Identity.CreateClient(t.Context(), registry.AsOperator(), n)
	if err != nil {
		t.Fatal(err)
	}
	id, key := string(app.ID), secret.Reveal()
	last := map[bool]string{true: "y", false: "x"}[strings.HasSuffix(key, "x")]
	c := s.Nobody().With("Content-Type", form)
	basic := func(id, key string) *controltest.Client {
		return c.With("Authorization",
			"Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+key)))
	}
	good := basic(id, key)
	body := url.Values{"client_id": {id}, "client_secret": {key}, "token": {"x"},
		"grant_type": {"refresh_token"}, "refresh_token": {"x"}}.Encode()
	for _, path := range []string{"/token", "/introspect", "/revoke", "/device_authorization"} {
		for what, x := range map[string]struct {
			c            *controltest.Client
			query, body  string
			status       int
			oauth        string
			authenticate bool
		}{
			"JSON": {s.Nobody(), "", `{"client_id":"` + id + `"}`, 400,
				"invalid_request", false},
			"no type": {s.Nobody().With("Content-Type", "x/y; q"), "", body,
				400, "invalid_request", false},
			"a query": {c, "?client_id=" + id, body, 400, "invalid_request",
				false},
			"half a form": {c, "", "client_id=%zz", 400, "invalid_request", false},
			"too much": {c, "", body + "&x=" + strings.Repeat("x", 40<<10), 400,
				"invalid_request", false},
			"an assertion": {c, "", body + "&client_assertion=x", 400,
				"invalid_request", false},
			"two tokens": {c, "", body + "&token=y", 400, "invalid_request",
				false},
			"two clients": {c, "", body + "&client_id=" + id, 400,
				"invalid_request", false},
			"both ways": {good, "", body, 400, "invalid_request", false},
			"another client in the form": {good, "", "client_id=x&token=x", 400, "invalid_request",
				false},
			"nobody": {c, "", "token=x", 401, "invalid_client", true},
			"a bearer": {c.With("Authorization", "Bearer "+key), "", "token=x",
				401, "invalid_client", true},
			"another secret": {basic(id, key[:len(key)-1]+last), "", "token=x", 401,
				"invalid_client", true},
			"no secret": {basic(id, ""), "", "token=x", 401, "invalid_client",
				true},
			"another ID": {basic(unknown, key), "", "token=x", 401,
				"invalid_client", true},
			"an ID that is not unescaped": {basic("%zz", key), "", "token=x", 401, "invalid_client",
				true},
		} {
			if path == "/device_authorization" && x.authenticate && what != "nobody" &&
				what != "a bearer" {
				continue // of the command line's public client alone
			}
			a := x.c.Want(t, x.status, "POST", path+x.query, x.body)
			if got := oauthError(t, a); got != x.oauth ||
				x.authenticate != (a.Header.Get("WWW-Authenticate") != "") {
				t.Errorf("%s with %s: %s %v", path, what, got, a.Header)
			}
			if strings.Contains(a.Body, key) {
				t.Errorf("%s with %s echoes the secret", path, what)
			}
		}
	}
	// Both ways are good, and an ID and secret are form-encoded in the header (RFC 6749, section
	// 2.3.1).
	for what, x := range map[string]controltest.Answer{
		"basic": good.Do("POST", "/introspect", "token=x"),
		"basic, escaped": basic(strings.ReplaceAll(id, "-", "%2D"), key).Do("POST", "/introspect",
			"token=x"),
		"the same ID twice": good.Do("POST", "/introspect", "token=x&client_id="+id),
	} {
		if x.Status != 200 || strings.TrimSpace(x.Body) != `{"active":false}` {
			t.Errorf("%s: %d %s", what, x.Status, x.Body)
		}
	}
	good.Want(t, 200, "POST", "/revoke", "token=nonsense") // RFC 7009, section 2.2
	if got := oauthError(t, good.Want(t, 400, "POST", "/token",
		"grant_type=password")); got != "unsupported_grant_type" {
		t.Error(got)
	}
	for _, path := range []string{"/token", "/introspect", "/revoke", "/device_authorization"} {
		if a := c.Do("GET", path, ""); a.Status == 200 && strings.Contains(a.Body, "token") {
			t.Errorf("GET %s: %d %s", path, a.Status, a.Body)
		}
	}
}

// TestUserInfoRefuses: nothing but an app's access token, in the header.
func TestUserInfoRefuses(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	l := s.SignIn(s.User("ada@example.com", false))
	token, err := s.Identity.APITokenFor(t.Context(), registry.AsSession(l.User, l.Session, ""),
		l.Session)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]*controltest.Client{
		"nobody": s.Nobody(), "a session": s.Page(l), "an API token": s.Bearer(token),
		"nonsense": s.Bearer("x"), "basic": s.Nobody().With("Authorization", "Basic "+token),
	} {
		for _, method := range []string{"GET", "POST"} {
			a := c.Want(t, 401, method, "/userinfo", "")
			if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer ") ||
				strings.Contains(a.Body, "ada@") {
				t.Errorf("%s: %v %s", what, a.Header, a.Body)
			}
		}
	}
}

// TestAuthorizeRefuses: what names no client of ours and its exact address is answered here, and
// leads nowhere.
func TestAuthorizeRefuses(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	n := registry.NewClient{Name: "App", RedirectURIs: []string{"https://app.example.com/callback"}}
	app, _, err := s.Identity.CreateClient(t.Context(), registry.AsOperator(), n)
	if err != nil {
		t.Fatal(err)
	}
	good := func() url.Values {
		return url.Values{
			"client_id": {string(app.ID)}, "redirect_uri": n.RedirectURIs,
			"response_type": {"code"}, "scope": {"openid"}, "state": {"s"},
			"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"},
		}
	}
	for what, change := range map[string]func(url.Values){
		"no client":        func(q url.Values) { q.Del("client_id") },
		"another client":   func(q url.Values) { q.Set("client_id", unknown) },
		"two clients":      func(q url.Values) { q.Add("client_id", "x") },
		"no address":       func(q url.Values) { q.Del("redirect_uri") },
		"another address":  func(q url.Values) { q.Set("redirect_uri", "https://evil.example/") },
		"a longer address": func(q url.Values) { q.Set("redirect_uri", n.RedirectURIs[0]+"/x") },
		"a query more":     func(q url.Values) { q.Set("redirect_uri", n.RedirectURIs[0]+"?x=1") },
		"two addresses":    func(q url.Values) { q.Add("redirect_uri", n.RedirectURIs[0]) },
	} {
		q := good()
		change(q)
		a := s.Nobody().Do("GET", "/authorize?"+q.Encode(), "")
		if a.Status != 400 || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d to %s", what, a.Status, a.Header.Get("Location"))
		}
	}
	s.Nobody().Want(t, 400, "GET", "/authorize?client_id=%zz", "")
	a := s.Nobody().Want(t, 303, "GET", "/authorize?"+good().Encode(), "")
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || to.Path != "/sign-in" || to.Host != "" ||
		!strings.HasPrefix(to.Query().Get("return"), "/authorize?") {
		t.Errorf("sign-in is at %s", a.Header.Get("Location"))
	}
	// What is wrong beyond that is told to the client, at its own address.
	for _, change := range []func(url.Values){
		func(q url.Values) { q.Set("response_type", "token") },
		func(q url.Values) { q.Del("code_challenge") },
		func(q url.Values) { q.Set("code_challenge_method", "plain") },
		func(q url.Values) { q.Set("prompt", "none") },
	} {
		q := good()
		change(q)
		a := s.Nobody().Want(t, 303, "GET", "/authorize?"+q.Encode(), "")
		to, err := url.Parse(a.Header.Get("Location"))
		if err != nil || to.Host != "app.example.com" || to.Query().Get("error") == "" ||
			to.Query().Get("state") != "s" || to.Query().Get("iss") != controltest.Issuer {
			t.Errorf("%v: %s", q, a.Header.Get("Location"))
		}
	}
}

// TestDiscovery: what the documents name is there.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	var d map[string]any
	s.Nobody().Want(t, 200, "GET", "/.well-known/openid-configuration", "").Decode(t, &d)
	if d["issuer"] != controltest.Issuer {
		t.Errorf("issuer %v", d["issuer"])
	}
	for name, v := range d {
		address, _ := v.(string)
		path, ours := strings.CutPrefix(address, controltest.Issuer+"/")
		if !ours {
			continue
		}
		for _, method := range []string{"GET", "POST"} {
			if a := s.Nobody().With("Content-Type", form).Do(method, "/"+path,
				""); a.Status != 404 && a.Status != 405 {
				ours = false
			}
		}
		if ours {
			t.Errorf("%s names %s, where nothing is", name, address)
		}
	}
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/jwks/session.json",
		"/.well-known/jwks/assertion.json"} {
		a := s.Nobody().Want(t, 200, "GET", path, "")
		var set struct{ Keys []map[string]any }
		a.Decode(t, &set)
		if len(set.Keys) == 0 || a.Header.Get("Content-Type") != "application/jwk-set+json" {
			t.Errorf("%s: %s", path, a.Body)
		}
		for _, k := range set.Keys {
			if k["d"] != nil || k["kid"] == "" {
				t.Errorf("%s: %v", path, k)
			}
		}
	}
}

// TestRequestsAsForms: a client's page may send a request as a form. It comes back as a navigation,
// and whoever is signed in does not matter before.
func TestRequestsAsForms(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	root := s.User("root@example.com", true)
	n := registry.NewClient{Name: "App", RedirectURIs: []string{"https://app.example.com/callback"}}
	app, _, err := s.Identity.CreateClient(t.Context(), registry.AsOperator(), n)
	if err != nil {
		t.Fatal(err)
	}
	q := url.Values{
		"client_id": {string(app.ID)}, "redirect_uri": {"https://app.example.com/callback"}, "response_type": {"code"},
		"scope": {"openid"}, "state": {"a&b=c d%"}, "code_challenge": {strings.Repeat("x", 43)}, "code_challenge_method": {"S256"},
	}
	page := s.Page(s.SignIn(root))
	for name, c := range map[string]*controltest.Client{
		"nobody": s.Nobody(), "somebody": page, "a bad cookie": s.Nobody().With("Cookie", "__Host-pizzeria=x; __Host-pizzeria=y"),
		"another site": page.With("Sec-Fetch-Site", "", "Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.com"),
	} {
		for _, path := range []string{"/authorize", "/end-session"} {
			a := c.With("Content-Type", form).Want(t, 303, "POST", path, q.Encode())
			if l := a.Header.Get("Location"); l != path+"?"+q.Encode() || len(a.Header["Set-Cookie"]) != 0 ||
				a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s at %s: %v", name, path, a.Header)
			}
		}
	}
	a := page.Want(t, 303, "GET", "/authorize?"+q.Encode(), "")
	if l, err := url.Parse(a.Header.Get("Location")); err != nil || l.Query().Get("code") == "" || l.Query().Get("state") != "a&b=c d%" {
		t.Errorf("the same as a navigation: %v", a.Header)
	}
	// What is repeated stays so, to be refused.
	a = page.With("Content-Type", form).Want(t, 303, "POST", "/authorize", q.Encode()+"&state=x")
	page.Want(t, 400, "GET", a.Header.Get("Location"), "")
	for name, c := range map[string]struct{ media, target, body string }{
		"JSON": {"application/json", "/authorize", "{}"}, "no type": {"x/y; z", "/authorize", q.Encode()},
		"a query besides": {form, "/authorize?prompt=none", q.Encode()}, "half a form": {form, "/authorize", "a=%zz"},
		"too much": {form, "/authorize", "x=" + strings.Repeat("x", 9<<10)}, "a file": {"multipart/form-data; boundary=x", "/authorize", "--x--"},
	} {
		if a := page.With("Content-Type", c.media).Do("POST", c.target, c.body); a.Status != 400 || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d %v", name, a.Status, a.Header)
		}
	}
}
