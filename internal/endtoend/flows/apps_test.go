package flows

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestApps: a web app signs people in with go-oidc and x/oauth2 alone, and out again.
func TestApps(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	s.Org(ada, "acme")
	eve := s.Invite(ada, "acme", "eve@example.com", "admin").Elsewhere()
	web := servertest.WebPage(t)
	a := ada.Register(web.URL+"/back", `,"org":"acme"`)
	ctx := oidc.ClientContext(t.Context(), anonymous(s))
	provider, err := oidc.NewProvider(ctx, s.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	for name, style := range map[string]oauth2.AuthStyle{"basic": oauth2.AuthStyleInHeader, "post": oauth2.AuthStyleInParams} {
		conf := oauth2.Config{ClientID: a.ID, ClientSecret: a.Secret, RedirectURL: web.URL + "/back", Endpoint: provider.Endpoint(), Scopes: []string{"openid", "profile", "email", "offline_access"}}
		conf.Endpoint.AuthStyle = style
		verifier := oauth2.GenerateVerifier()
		back := eve.Open(conf.AuthCodeURL("the state", oauth2.S256ChallengeOption(verifier), oidc.Nonce("the nonce"))).URL
		if back.Query().Get("state") != "the state" || back.Query().Get("iss") != s.URL("") || !strings.HasPrefix(back.String(), web.URL+"/back?") {
			t.Fatalf("%s: %s", name, back)
		}
		token, err := conf.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(name, err)
		}
		raw, _ := token.Extra("id_token").(string)
		id, err := provider.Verifier(&oidc.Config{ClientID: a.ID}).Verify(ctx, raw)
		if err != nil || id.Nonce != "the nonce" || id.VerifyAccessToken(token.AccessToken) != nil {
			t.Fatalf("%s: %+v %v", name, id, err)
		}
		u, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			Name, Role string
			Slug       string `json:"org_slug"`
		}
		if err := u.Claims(&claims); err != nil || u.Subject != id.Subject || u.Email != "eve@example.com" || u.EmailVerified || claims.Name != "eve" || claims.Role != "admin" || claims.Slug != "acme" {
			t.Errorf("%s: %+v %+v %v", name, u, claims, err)
		}
		next, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
		if err != nil || next.RefreshToken == token.RefreshToken {
			t.Errorf("%s: %v", name, err)
		}
		// Nothing of it opens the API, or the org.
		for _, token := range []string{token.AccessToken, raw, next.AccessToken} {
			s.Bearer(token).Call(t, "GET", s.URL("")+"/api/v1/me", "", 401, nil)
			if r := s.Bearer(token).Fetch("GET", s.URL("acme")+"/whoami", ""); r.Status != 401 {
				t.Errorf("acme answers %d to an app's token", r.Status)
			}
		}
		// The app signs out whom it signed in, without a question.
		if at := eve.Open(s.URL("") + "/end-session?" + url.Values{"id_token_hint": {raw}, "post_logout_redirect_uri": {web.URL + "/back"}, "state": {"bye"}}.Encode()); at.URL.String() != web.URL+"/back?state=bye" {
			t.Errorf("%s: signed out to %s", name, at.URL)
		}
		if at := eve.Open(s.URL("acme") + "/"); at.URL.Path != "/sign-in" {
			t.Errorf("%s: after the sign-out eve is at %s", name, at.URL)
		}
		if _, err := conf.TokenSource(ctx, next).Token(); err != nil { // valid still, by its time
			t.Error(err)
		}
		if _, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: next.RefreshToken}).Token(); err == nil {
			t.Errorf("%s: the app goes on after the sign-out", name)
		}
		if at := eve.Submit(s.URL("")+"/sign-in", url.Values{"email": {"eve@example.com"}, "password": {servertest.Password}, "return": {"/"}}); at.Status != 200 {
			t.Fatalf("%d %s", at.Status, at.Body)
		}
	}
	// Another's sign-out asks first, and a stranger gets no code.
	if at := ada.Open(s.URL("") + "/end-session"); at.Status != 200 || !strings.Contains(at.Body, "Sign out?") {
		t.Errorf("%d %s", at.Status, at.Body)
	}
	conf := oauth2.Config{ClientID: a.ID, RedirectURL: web.URL + "/back", Endpoint: provider.Endpoint(), Scopes: []string{"openid"}}
	if at := s.Invite(ada, "acme", "gone@example.com", "member"); true {
		s.Must("DELETE", "/orgs/acme/members/gone@example.com", "")
		if back := at.Elsewhere().Open(conf.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))).URL; back.Query().Get("error") != "access_denied" || back.Query().Has("code") {
			t.Errorf("a stranger: %s", back)
		}
	}
	// What programs ask has one shape.
	for name, c := range map[string]struct {
		path, contentType, body string
		basic                   bool
		want                    int
	}{
		"both ways":      {"/token", "application/x-www-form-urlencoded", "grant_type=refresh_token&client_secret=" + a.Secret, true, 400},
		"another ID":     {"/token", "application/x-www-form-urlencoded", "grant_type=refresh_token&client_id=x", true, 400},
		"query":          {"/token?x=1", "application/x-www-form-urlencoded", "grant_type=refresh_token", true, 400},
		"JSON":           {"/token", "application/json", "{}", true, 400},
		"assertion":      {"/introspect", "application/x-www-form-urlencoded", "token=x&client_assertion=x", true, 400},
		"two tokens":     {"/revoke", "application/x-www-form-urlencoded", "token=x&token=y", true, 400},
		"nobody":         {"/introspect", "application/x-www-form-urlencoded", "token=x", false, 401},
		"no such token":  {"/revoke", "application/x-www-form-urlencoded", "token=x", true, 200},
		"not for an app": {"/device_authorization", "application/x-www-form-urlencoded", "", true, 400},
	} {
		req, err := http.NewRequest("POST", s.URL("")+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", c.contentType)
		if c.basic {
			req.SetBasicAuth(a.ID, a.Secret)
		}
		res, err := anonymous(s).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != c.want || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", name, res.StatusCode, res.Header)
		}
	}
}

// TestZitadelsClient: another library's relying party works as its users write it.
func TestZitadelsClient(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	var client rp.RelyingParty
	var got *zitadel.UserInfo
	mux := http.NewServeMux()
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	a := ada.Register(web.URL+"/back", "")
	key := []byte("0123456789abcdef0123456789abcdef")
	client, err := rp.NewRelyingPartyOIDC(t.Context(), s.URL(""), a.ID, a.Secret, web.URL+"/back", []string{"openid", "email", "profile", "offline_access"},
		rp.WithHTTPClient(anonymous(s)), rp.WithPKCE(httphelper.NewCookieHandler(key, key, httphelper.WithUnsecure())))
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/in", rp.AuthURLHandler(func() string { return "the state" }, client))
	mux.Handle("/back", rp.CodeExchangeHandler(rp.UserinfoCallback(func(w http.ResponseWriter, r *http.Request, tokens *zitadel.Tokens[*zitadel.IDTokenClaims], _ string, _ rp.RelyingParty, info *zitadel.UserInfo) {
		got = info
		next, err := rp.RefreshTokens[*zitadel.IDTokenClaims](r.Context(), client, tokens.RefreshToken, "", "")
		if err == nil {
			err = rp.RevokeToken(r.Context(), client, next.RefreshToken, "refresh_token")
		}
		if err == nil {
			_, err = rp.Userinfo[*zitadel.UserInfo](r.Context(), next.AccessToken, "Bearer", info.Subject, client)
			if err == nil {
				t.Error("what was revoked is good still")
			}
			err = nil
		}
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, "welcome")
	}), client))
	if at := ada.Elsewhere().Open(web.URL + "/in"); at.Status != 200 || at.Body != "welcome" || got == nil || got.Email != "ada@example.com" || got.Name != "Ada Admin" {
		t.Errorf("%d %s %+v", at.Status, at.Body, got)
	}
}
