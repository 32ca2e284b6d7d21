package identity

import (
	"crypto/elliptic"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// otherSpelling is an ES256 token with the other signature that holds for it: s and n-s are the same to a
// verifier.
func otherSpelling(t *testing.T, token string) string {
	t.Helper()
	i := strings.LastIndexByte(token, '.') + 1
	sig, err := b64.DecodeString(token[i:])
	if err != nil || len(sig) != 64 {
		t.Fatalf("%d bytes, %v", len(sig), err)
	}
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
	return token[:i] + b64.EncodeToString(sig)
}

// TestOtherSpelling: of every kind of token, one that is spelled differently ends with the other.
func TestOtherSpelling(t *testing.T) {
	f := newFixture(t)
	acme := f.org("acme", f.user("ada@example.com"))
	ada := f.signIn("ada@example.com")
	tok, err := f.redeem(f.flow(acme), f.code(f.flow(acme), ada), nil)
	if err != nil {
		t.Fatal(err)
	}
	actor := registry.AsSession(ada.User, ada.Session, "")
	api, err := f.s.APITokenFor(ctx, actor, ada.Session)
	if err != nil {
		t.Fatal(err)
	}
	a := f.app(registry.NewClient{})
	app := f.into(a, ada)
	exchange := func(tok string) error {
		_, err := f.s.Redeem(ctx, Credentials{ID: string(registry.CLIClient)}, url.Values{
			"grant_type": {grantExchange}, "subject_token": {tok}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
			"audience": {token.ClientID(acme.ID)},
		}, "")
		return err
	}
	type use func(tok string) error
	session := func(tok string) error {
		c, err := f.s.VerifySession(tok, acme.ID, 0)
		if err == nil {
			_, err = f.s.Renew(ctx, c, time.Time{})
		}
		return err
	}
	uses := map[string]struct {
		token string
		use   use
	}{
		"session":  {tok.AccessToken, session},
		"API":      {api, func(tok string) error { _, _, err := f.s.AuthenticateAPI(ctx, tok, ""); return err }},
		"access":   {app.AccessToken, func(tok string) error { _, err := f.s.UserInfo(ctx, tok); return err }},
		"hint":     {tok.IDToken, func(tok string) error { _, err := f.s.VerifyHint(tok); return err }},
		"exchange": {api, exchange},
	}
	for name, u := range uses {
		other := otherSpelling(t, u.token)
		if other == u.token {
			t.Fatal("it is the same")
		}
		one, two := u.use(u.token), u.use(other)
		if (one == nil) != (two == nil) || one != nil && name != "exchange" {
			t.Errorf("%s: %v, and in its other spelling %v", name, one, two)
		}
	}
	// Revoked in one spelling, it is revoked in both.
	if err := f.s.Revoke(ctx, a.as(), otherSpelling(t, app.AccessToken)); err != nil {
		t.Fatal(err)
	}
	for _, tok := range []string{app.AccessToken, otherSpelling(t, app.AccessToken)} {
		if _, err := f.s.UserInfo(ctx, tok); err == nil {
			t.Error("an access token outlives its grant")
		}
	}
	if err := f.s.SignOut(ctx, ada.Session.ID); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"session", "API", "access", "exchange"} {
		u := uses[name]
		for _, tok := range []string{u.token, otherSpelling(t, u.token)} {
			if u.use(tok) == nil {
				t.Errorf("%s outlives the sign-out", name)
			}
		}
	}
}
