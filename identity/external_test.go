package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/pizzaface/pizzeria/registry"
)

// hostile is a provider that answers as it is told to.
type hostile struct {
	*httptest.Server
	t        *testing.T
	key      jose.JSONWebKey
	change   func(map[string]any) // of the ID token
	sign     func(payload []byte) string
	userinfo map[string]any
	nonce    string
	asked    int // for its configuration
	meta     map[string]any
	keys     func(ours string) string // the JWK Set, made from our key
	form     url.Values               // that it got last at the token endpoint
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	raw, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{t: t, key: jose.JSONWebKey{Key: raw, KeyID: "k", Algorithm: "RS256"}}
	mux := http.NewServeMux()
	write := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		h.asked++
		meta := map[string]any{
			"issuer": h.URL, "authorization_endpoint": h.URL + "/auth", "token_endpoint": h.URL + "/token", "jwks_uri": h.URL + "/keys", "userinfo_endpoint": h.URL + "/userinfo",
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		}
		maps.Copy(meta, h.meta)
		write(w, meta)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		public := h.key.Public()
		if h.keys == nil {
			write(w, map[string]any{"keys": []any{public}})
			return
		}
		text, _ := json.Marshal(public)
		_, _ = io.WriteString(w, h.keys(string(text)))
	})
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, _ *http.Request) { write(w, h.userinfo) })
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		h.form = r.Form
		claims := map[string]any{"iss": h.URL, "aud": "us", "sub": "s1", "nonce": h.nonce, "iat": 1767268800, "exp": 1767269400, "email": "eve@corp.example", "email_verified": true}
		if h.change != nil {
			h.change(claims)
		}
		payload, _ := json.Marshal(claims)
		write(w, map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": h.sign(payload)})
	})
	h.sign = h.rs256
	h.Server = httptest.NewTLSServer(mux)
	t.Cleanup(h.Close)
	return h
}

func (h *hostile) rs256(payload []byte) string {
	return sign(h.t, jose.RS256, h.key.Key, payload)
}

// sign makes a token with the key ID k.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, payload []byte) string {
	t.Helper()
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := by.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := o.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// hs256 makes a token with a shared secret, of any length.
func hs256(secret string, payload []byte) string {
	in := b64.EncodeToString([]byte(`{"alg":"HS256","kid":"k"}`)) + "." + b64.EncodeToString(payload)
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(in))
	return in + "." + b64.EncodeToString(m.Sum(nil))
}

// TestExternalAnswers: whatever a provider answers that does not hold signs nobody in.
func TestExternalAnswers(t *testing.T) {
	f := newFixture(t)
	h := newHostile(t)
	f.s.Outside.Operator, f.s.Outside.Org = h.Client(), h.Client()
	spec := registry.ConnectionSpec{Name: "Corp", Issuer: h.URL, ClientID: "us", SignUp: true}
	c, err := f.s.CreateConnection(ctx, registry.AsOperator(), "", spec, "secret")
	if err != nil {
		t.Fatal(err)
	}
	// Nobody makes us ask an address who may not connect it, and nobody without end.
	root, err := f.s.CreateUser(ctx, registry.AsOperator(), registry.NewUser{Email: "root@example.com", Name: "Root", PlatformAdmin: true}, "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	somebody := f.user("somebody@example.com")
	asked := h.asked
	for name, a := range map[string]registry.Actor{
		"a key": registry.AsKey(registry.APIKey{ID: "k", Kind: registry.APIKeyPersonal, Scopes: []registry.Scope{registry.ScopePlatform}}, root, ""), "somebody": registry.AsUser(somebody, "x", ""),
	} {
		if _, err := f.s.CreateConnection(ctx, a, "", spec, ""); err == nil || h.asked != asked {
			t.Fatalf("%s: %v, asked %d times", name, err, h.asked-asked)
		}
	}
	busy, bad, known := 0, spec, len(f.s.providers.known)
	bad.Issuer += "/nowhere"
	for range 15 {
		if _, err := f.s.CreateConnection(ctx, registry.AsSession(root, registry.Session{ID: "x", AuthTime: f.clock.now()}, "192.0.2.9"), "", bad, ""); registry.ErrorCode(err) == registry.CodeTooManyRequests {
			busy++
		}
	}
	if busy != 5 || len(f.s.providers.known) != known {
		t.Errorf("%d of 15 were refused, want 5; %d providers are remembered", busy, len(f.s.providers.known)-known)
	}

	tries := 0
	try := func(e External, answer url.Values) (Login, error) {
		t.Helper()
		tries++
		from := Client{Address: fmt.Sprintf("2001:db8:%x::1", tries)} // limits are tested elsewhere
		began, err := f.s.BeginExternal(ctx, c.ID, e, from)
		if err != nil {
			t.Fatal(err)
		}
		to := began.Redirect
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Get("code_challenge_method") != "S256" || q.Get("redirect_uri") != "https://d.example/sign-in/with/"+string(c.ID)+"/callback" || q.Get("scope") != "openid profile email" {
			t.Fatal(to)
		}
		if again := q.Get("prompt") == "login"; again != e.Again {
			t.Error(to)
		}
		h.nonce = q.Get("nonce")
		back := url.Values{"state": {q.Get("state")}, "code": {"c"}}
		maps.Copy(back, answer)
		l, _, err := f.s.FinishExternal(ctx, c.ID, back, began.Sealed, registry.Actor{}, from)
		return l, err
	}
	l, err := try(External{}, nil)
	if err != nil || l.User.Email != "eve@corp.example" || l.Session.ConnectionID != c.ID || l.Session.Methods != "" {
		t.Fatalf("%+v %v", l, err)
	}
	if h.form.Get("code_verifier") == "" || h.form.Get("client_secret") != "" {
		t.Errorf("%v", h.form)
	}

	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(alg jose.SignatureAlgorithm, key any) func([]byte) string {
		return func(p []byte) string { return sign(t, alg, key, p) }
	}
	shared := func(secret string) func([]byte) string { return func(p []byte) string { return hs256(secret, p) } }
	text, err := json.Marshal(h.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, sign := range map[string]func([]byte) string{
		"another key": signed(jose.RS256, other), "a key of another kind": signed(jose.ES256, ec), "the public key as a secret": shared(string(text)), "the client's secret": shared("secret"),
		"no signature": func(p []byte) string {
			return b64.EncodeToString([]byte(`{"alg":"none"}`)) + "." + b64.EncodeToString(p) + "."
		},
		"nothing":   func([]byte) string { return "" },
		"a cut one": func(p []byte) string { s := h.rs256(p); return s[:len(s)-4] },
	} {
		h.sign = sign
		if l, err := try(External{}, nil); registry.ErrorCode(err) != registry.CodeForbidden || l.Token != "" {
			t.Errorf("%s: %+v %v", name, l, err)
		}
	}
	h.sign = h.rs256
	now := f.clock.now().Unix()
	for name, change := range map[string]func(map[string]any){
		"nonce": func(c map[string]any) { c["nonce"] = "x" }, "no nonce": func(c map[string]any) { delete(c, "nonce") }, "iss": func(c map[string]any) { c["iss"] = "https://evil.example" },
		"aud": func(c map[string]any) { c["aud"] = "them" }, "exp": func(c map[string]any) { c["exp"] = now - 1 }, "no sub": func(c map[string]any) { delete(c, "sub") },
		"long sub": func(c map[string]any) { c["sub"] = strings.Repeat("x", 256) }, "azp": func(c map[string]any) { c["azp"] = "them" },
		"two aud": func(c map[string]any) { c["aud"] = []string{"us", "them"} }, "at_hash": func(c map[string]any) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" },
		"not yet": func(c map[string]any) { c["nbf"] = now + 3600 }, "no iat": func(c map[string]any) { delete(c, "iat") },
		"iat of tomorrow": func(c map[string]any) { c["iat"] = now + 86400 }, "iat beyond int64": func(c map[string]any) { c["iat"] = 1e300 },
		"iat as text": func(c map[string]any) { c["iat"] = "1767268800" }, "null iat": func(c map[string]any) { c["iat"] = nil }, "iat 0": func(c map[string]any) { c["iat"] = 0 },
		// go-oidc reads names without case: these would be its subject and its nonce.
		"a long s": func(c map[string]any) { c["\u017fub"] = "victim" }, "a capital": func(c map[string]any) { c["Sub"] = "victim" },
		"nothing but a long s": func(c map[string]any) { delete(c, "sub"); c["\u017fub"] = "victim" },
		"capital nonce":        func(c map[string]any) { delete(c, "nonce"); c["NONCE"] = h.nonce },
		"lookalike address":    func(c map[string]any) { c["Email_Verified"] = true },
	} {
		h.change = change
		if _, err := try(External{}, nil); registry.ErrorCode(err) != registry.CodeForbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Somebody new, whose address is verified in no way that counts.
	for name, change := range map[string]func(map[string]any){
		"text": func(c map[string]any) { c["email_verified"] = "true" }, "number": func(c map[string]any) { c["email_verified"] = 1 }, "absent": func(c map[string]any) { delete(c, "email_verified") },
		"false": func(c map[string]any) { c["email_verified"] = false }, "a list": func(c map[string]any) { c["email"] = []string{"new@corp.example"} },
		"two statements": func(c map[string]any) { delete(c, "email_verified") }, "user info of another": func(c map[string]any) { delete(c, "email") },
	} {
		h.change = func(c map[string]any) { c["sub"], c["email"] = "new", "new@corp.example"; change(c) }
		h.userinfo = map[string]any{"sub": "new", "email_verified": true}
		if name == "user info of another" {
			h.userinfo = map[string]any{"sub": "s1", "email": "new@corp.example", "email_verified": true}
		}
		if _, err := try(External{}, nil); registry.ErrorCode(err) != registry.CodeForbidden {
			t.Errorf("email_verified as %s: %v", name, err)
		}
	}
	h.change = func(c map[string]any) { c["sub"] = "new"; delete(c, "email"); delete(c, "email_verified") }
	h.userinfo = map[string]any{"sub": "new", "email": "New@corp.example", "email_verified": true}
	if l, err := try(External{}, nil); err != nil || l.User.Email != "new@corp.example" {
		t.Errorf("user info: %+v %v", l, err)
	}
	h.change = nil

	// An org's provider may be trusted with addresses of which it says nothing; what it says counts.
	owner := f.user("owner@example.com")
	acme, asOwner := f.org("acme", owner), f.as(owner)
	for _, err := range []error{
		second(f.store.AddDomain(ctx, asOwner, acme.ID, "corp.example", "t")), second(f.store.VerifyDomain(ctx, registry.AsOperator(), acme.ID, "corp.example", "")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	everybody, trusted := c, spec
	trusted.SignUp, trusted.TrustEmail, trusted.DefaultRole = false, true, registry.RoleMember
	if c, err = f.s.CreateConnection(ctx, asOwner, acme.ID, trusted, "secret"); err != nil {
		t.Fatal(err)
	}
	for i, said := range []any{false, "true", nil, true} {
		h.change = func(m map[string]any) {
			m["sub"], m["email"], m["email_verified"] = "entra", "entra@corp.example", said
			if said == nil {
				delete(m, "email_verified")
			}
		}
		if _, err := try(External{}, nil); (err == nil) != (i >= 2) {
			t.Errorf("email_verified %v of a trusted provider: %v", said, err)
		}
	}
	c, h.change = everybody, nil

	for name, answer := range map[string]url.Values{
		"an error": {"error": {"access_denied"}}, "no code": {"code": {""}}, "two codes": {"code": {"a", "b"}}, "another's iss": {"iss": {"https://evil.example"}},
	} {
		if _, err := try(External{}, answer); registry.ErrorCode(err) != registry.CodeForbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := try(External{}, url.Values{"iss": {h.URL}}); err != nil {
		t.Error(err)
	}
	if _, err := try(External{}, url.Values{"state": {"x"}}); registry.ErrorCode(err) != registry.CodeGone {
		t.Error(err)
	}

	// A new sign-in is one, as far as the provider says when it was.
	h.change = func(c map[string]any) { c["auth_time"] = now - 3600 }
	if _, err := try(External{}, nil); err != nil {
		t.Error(err)
	}
	if _, err := try(External{Again: true}, nil); registry.ErrorCode(err) != registry.CodeForbidden {
		t.Errorf("an old sign-in for a new one: %v", err)
	}
	h.change = func(c map[string]any) { c["auth_time"] = now }
	if _, err := try(External{Again: true}, nil); err != nil {
		t.Error(err)
	}
	h.change = nil
	// A provider that lets somebody through without a question makes no session that is new, and
	// no number that it says is a time that it cannot be.
	for name, c := range map[string]struct {
		claim any
		fresh bool // the session
		again bool // a new sign-in is believed
	}{
		"unknown": {nil, false, false}, "long ago": {now - 3600, false, false}, "just now": {now - 10, true, true}, "in the future": {now + 3600, true, true},
		"as text": {"now", false, false}, "digits as text": {strconv.FormatInt(now, 10), false, false}, "true": {true, false, false}, "a list": {[]int64{now}, false, false}, "null": {json.RawMessage("null"), false, false},
		"before all": {-1e13, false, false}, "beyond int64": {1e300, true, true}, "below int64": {-1e300, false, false}, "zero": {0, false, false}, "nearly": {float64(now) - 0.5, true, true},
		"in the year 10000": {int64(253402300800), true, true}, "in the year 300000": {9.4e12, true, true}, "at 2^63": {json.RawMessage("9223372036854775808"), true, true}, "just below zero": {-1e-300, false, false},
	} {
		h.change = func(m map[string]any) {
			if c.claim != nil {
				m["auth_time"] = c.claim
			}
		}
		l, err := try(External{}, nil)
		if err != nil {
			t.Fatal(name, err)
		}
		if fresh := registry.MayNow(l.Session.AuthTime, f.clock.now()) == nil; fresh != c.fresh {
			t.Errorf("%s: new is %v", name, fresh)
		}
		at, list := l.Session.AuthTime, []registry.Session(nil)
		if at.After(f.clock.now()) || at.Before(f.clock.now().Add(-registry.SessionAbsolute)) {
			t.Errorf("%s: signed in at %v", name, at)
		}
		if list, err = f.store.Sessions(ctx, registry.AsSession(l.User, l.Session, ""), l.User.ID); err == nil {
			_, err = json.Marshal(list)
		}
		if err != nil {
			t.Errorf("%s: the list of sessions: %v", name, err)
		}
		if _, err := try(External{Again: true}, nil); (err == nil) != c.again || err != nil && registry.ErrorCode(err) != registry.CodeForbidden {
			t.Errorf("%s: a new sign-in: %v", name, err)
		}
	}
	// What is no number to anybody, or is said twice.
	h.sign = func(p []byte) string {
		return h.rs256([]byte(strings.TrimSuffix(string(p), "}") + `,"auth_time":1e400}`))
	}
	h.change = nil
	if _, err := try(External{}, nil); registry.ErrorCode(err) != registry.CodeForbidden {
		t.Errorf("1e400: %v", err)
	}
	h.sign = func(p []byte) string {
		return h.rs256([]byte(strings.TrimSuffix(string(p), "}") + `,"auth_time":1,"auth_time":2}`))
	}
	if _, err := try(External{}, nil); registry.ErrorCode(err) != registry.CodeForbidden {
		t.Errorf("a repeated claim: %v", err)
	}
	h.sign = h.rs256

	// An attempt ends, and is its connection's and its account's.
	began, err := f.s.BeginExternal(ctx, c.ID, External{Link: registry.AsSession(l.User, l.Session, "")}, Client{})
	if err != nil {
		t.Fatal(err)
	}
	sealed := began.Sealed
	u, _ := url.Parse(began.Redirect)
	back := url.Values{"state": {u.Query().Get("state")}, "code": {"c"}}
	h.nonce = u.Query().Get("nonce")
	two, err := f.s.CreateConnection(ctx, registry.AsOperator(), "", spec, "secret")
	if err != nil {
		t.Fatal(err)
	}
	finish := func(id registry.ConnectionID, sealed string, a registry.Actor) error {
		_, _, err := f.s.FinishExternal(ctx, id, back, sealed, a, Client{})
		return err
	}
	self := registry.AsSession(l.User, l.Session, "")
	stranger := registry.AsUser(f.user("stranger@example.com"), "x", "")
	for name, err := range map[string]error{
		"another connection": finish(two.ID, sealed, self), "somebody else": finish(c.ID, sealed, stranger), "another session of theirs": finish(c.ID, sealed, registry.AsUser(l.User, "other", "")), "nobody": finish(c.ID, sealed, registry.Actor{}), "nothing": finish(c.ID, "", self),
	} {
		if registry.ErrorCode(err) != registry.CodeGone {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := finish(c.ID, sealed, self); err != nil {
		t.Error(err)
	}
	f.clock.add(AttemptLife + time.Second)
	if err := finish(c.ID, sealed, self); registry.ErrorCode(err) != registry.CodeGone {
		t.Error(err)
	}

	// Who promises iss has to send it; a discovery for another issuer is none.
	f.clock.add(2 * providerLife)
	h.meta = map[string]any{"authorization_response_iss_parameter_supported": true}
	if _, err := try(External{}, nil); registry.ErrorCode(err) != registry.CodeForbidden {
		t.Errorf("without the iss that was promised: %v", err)
	}
	// What stands at an address is not told to who names it.
	leak := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/json") {
			_, _ = w.Write([]byte(`{"password":"a canary"}`))
			return
		}
		http.Error(w, "a canary", http.StatusForbidden)
	}))
	t.Cleanup(leak.Close)
	f.s.Outside.Operator = leak.Client()
	for path, says := range map[string]string{"": "403 Forbidden", "/json": "another issuer"} {
		s := spec
		s.Issuer = leak.URL + path
		if _, err := f.s.CreateConnection(ctx, registry.AsOperator(), "", s, ""); registry.ErrorCode(err) != registry.CodeInvalid || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", path, err)
		}
	}
	f.s.Outside.Operator = h.Client()
	h.meta = map[string]any{"issuer": "https://evil.example"}
	f.clock.add(2 * providerLife)
	if _, err := f.s.BeginExternal(ctx, c.ID, External{}, Client{}); registry.ErrorCode(err) != registry.CodeOverloaded {
		t.Error(err)
	}
	if _, err := f.s.CreateConnection(ctx, registry.AsOperator(), "", spec, ""); registry.ErrorCode(err) != registry.CodeInvalid {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }
