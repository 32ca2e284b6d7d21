package api_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// keysOf are the public keys at an address, and their algorithms.
func keysOf(t *testing.T, s *controltest.Server) (keys []crypto.PublicKey, algs []string) {
	t.Helper()
	var set jose.JSONWebKeySet
	s.Nobody().Want(t, 200, "GET", "/.well-known/jwks.json", "").Decode(t, &set)
	for _, k := range set.Keys {
		keys, algs = append(keys, k.Key), append(algs, k.Algorithm)
		if !k.IsPublic() || k.Use != "sig" || k.KeyID == "" {
			t.Errorf("%v", k)
		}
	}
	return keys, algs
}

// TestRS256: an app that knows RS256 alone gets ID tokens in it, and all others what they got. The
// key is made when the first such app is, and replaced as the others are.
func TestRS256(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	root := s.User("root@example.com", true)
	login := s.SignIn(root)
	page := s.Page(login)
	var meta struct {
		Algs []string `json:"id_token_signing_alg_values_supported"`
	}
	s.Nobody().Want(t, 200, "GET", "/.well-known/openid-configuration", "").Decode(t, &meta)
	if !slices.Equal(meta.Algs, []string{"ES256", "RS256"}) {
		t.Errorf("%v", meta.Algs)
	}
	if _, algs := keysOf(t, s); !slices.Equal(algs, []string{"ES256"}) {
		t.Errorf("there is a key that nobody wants: %v", algs)
	}
	type app struct{ id, secret string }
	register := func(alg string) (a app) {
		t.Helper()
		var v struct {
			Client registry.Client
			Secret string
		}
		page.Want(t, 201, "POST", "/api/v1/clients",
			`{"name":"App","redirect_uris":["https://app.example.com/callback"]`+alg+`}`).Decode(t, &v)
		return app{string(v.Client.ID), v.Secret}
	}
	page.Want(t, 422, "POST", "/api/v1/clients", `{"name":"x","redirect_uris":["https://x.example/"],"id_token_signed_response_alg":"HS256"}`)
	n := registry.NewClient{Name: "x", RedirectURIs: []string{"https://x.example/"}, IDTokenAlg: "none"}
	if _, _, err := s.Identity.CreateClient(t.Context(), registry.AsOperator(), n); registry.ErrorCode(err) != registry.CodeInvalid {
		t.Error(err)
	}
	plain := register("")
	if _, algs := keysOf(t, s); !slices.Equal(algs, []string{"ES256"}) {
		t.Errorf("%v", algs)
	}
	old := register(`,"id_token_signed_response_alg":"RS256"`)
	if _, algs := keysOf(t, s); !slices.Equal(algs, []string{"ES256", "RS256"}) {
		t.Errorf("%v", algs)
	}

	type tokens struct {
		Access  string `json:"access_token"`
		ID      string `json:"id_token"`
		Refresh string `json:"refresh_token"`
	}
	ask := func(a app, form url.Values) (v tokens) {
		t.Helper()
		c := s.Nobody().With("Content-Type", "application/x-www-form-urlencoded", "Authorization",
			"Basic "+base64.StdEncoding.EncodeToString([]byte(a.id+":"+a.secret)))
		c.Want(t, 200, "POST", "/token", form.Encode()).Decode(t, &v)
		return v
	}
	into := func(a app) tokens {
		t.Helper()
		verifier := strings.Repeat("v", 43)
		sum := sha256.Sum256([]byte(verifier))
		q := url.Values{
			"client_id": {a.id}, "redirect_uri": {"https://app.example.com/callback"}, "response_type": {"code"}, "nonce": {"n"},
			"scope": {"openid offline_access"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		}
		l, err := url.Parse(page.Want(t, 303, "GET", "/authorize?"+q.Encode(), "").Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return ask(a, url.Values{"grant_type": {"authorization_code"}, "code": {l.Query().Get("code")},
			"redirect_uri": {"https://app.example.com/callback"}, "code_verifier": {verifier}})
	}
	// As a client does that knows RS256 alone, which is go-oidc's default.
	verify := func(a app, tok, access string) error {
		keys, _ := keysOf(t, s)
		v := oidc.NewVerifier(controltest.Issuer, &oidc.StaticKeySet{PublicKeys: keys}, &oidc.Config{ClientID: a.id, Now: s.Clock.Now})
		id, err := v.Verify(t.Context(), tok)
		if err == nil {
			err = id.VerifyAccessToken(access)
		}
		return err
	}
	v := into(old)
	if err := verify(old, v.ID, v.Access); err != nil {
		t.Error(err)
	}
	if err := verify(plain, into(plain).ID, ""); err == nil {
		t.Error("the default has changed")
	}
	again := ask(old, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {v.Refresh}})
	if err := verify(old, again.ID, again.Access); err != nil {
		t.Errorf("refreshed: %v", err)
	}
	// It is a hint, and nothing else.
	hint := "/end-session?" + url.Values{"id_token_hint": {v.ID}}.Encode()
	s.Bearer(v.ID).Want(t, 401, "GET", "/api/v1/me", "")
	s.Bearer(v.ID).Want(t, 401, "GET", "/userinfo", "")
	var head struct{ Alg, Typ, Kid string }
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(v.Access, ".")[0])
	if err != nil || json.Unmarshal(b, &head) != nil || head.Alg != "ES256" || head.Typ != token.TypAPI {
		t.Errorf("the access token: %s", b)
	}
	s.Nobody().Want(t, 303, "GET", hint, "")

	// Rotation: the old one verifies on, the new one is published first.
	page.Want(t, 204, "POST", "/api/v1/signing-keys/rotate", `{"ring":"token"}`)
	if _, algs := keysOf(t, s); !slices.Equal(algs, []string{"ES256", "ES256", "RS256", "RS256"}) {
		t.Errorf("%v", algs)
	}
	if err := verify(old, v.ID, v.Access); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	var list struct {
		Items []struct{ Ring string }
	}
	page.Want(t, 200, "GET", "/api/v1/signing-keys", "").Decode(t, &list)
	rings := map[string]int{}
	for _, k := range list.Items {
		rings[k.Ring]++
	}
	if rings["token_rs256"] != 2 || rings["token"] != 2 || rings["session"] != 1 {
		t.Errorf("%v", rings)
	}
	s.Clock.Advance(identity.PublishAhead + time.Minute)
	page = s.Page(s.SignIn(root))
	w := into(old)
	if err := verify(old, w.ID, w.Access); err != nil || kid(w.ID) == kid(v.ID) {
		t.Errorf("the next key signs: %v", err)
	}
	page.Want(t, 204, "POST", "/api/v1/signing-keys/rotate", `{"emergency":true}`)
	page.Want(t, 422, "GET", "/end-session?"+url.Values{"id_token_hint": {w.ID}}.Encode(), "")
	if err := verify(old, w.ID, w.Access); err == nil {
		t.Error("an ID token outlives an emergency")
	}
	w = into(old)
	if err := verify(old, w.ID, w.Access); err != nil {
		t.Error(err)
	}
}

func kid(token string) string {
	var head struct{ Kid string }
	b, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	_ = json.Unmarshal(b, &head)
	return head.Kid
}
