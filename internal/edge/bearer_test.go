package edge

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/identity/jose"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

const issuer = "https://d.example"

// typed is a token with a type and an issuer, and no more.
func typed(typ, iss string) string {
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(`{"alg":"ES256","kid":"1","typ":"`+typ+`"}`)) + "." +
		enc.EncodeToString([]byte(`{"aud":"x","iss":"`+iss+`"}`)) + ".c2ln"
}

// TestOurBearerIsNotForwarded: however it is written, and whether or not it counted.
func TestOurBearerIsNotForwarded(t *testing.T) {
	f := newFixture(t)
	api, err := f.ids.APIToken(f.login.Session, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	_, _, st := f.ask()
	keys := []string{f.token, api, st.Assertion, typed("at+jwt", issuer), typed("JWT", issuer), typed("", issuer), token.PrefixPersonal + "x", token.PrefixService + "x", token.PrefixRunner + "x", token.PrefixClaim + "x", token.PrefixClient + "x"}
	for _, secret := range keys {
		b64 := base64.StdEncoding.EncodeToString([]byte("user:" + secret))
		for _, v := range []string{
			"Bearer " + secret, "bearer " + secret, "BEARER   " + secret + " \t", "Bearer\t" + secret, "Bearer \t " + secret, "Bearer\u00a0" + secret, "Bearer \u2000" + secret, "\u2000Bearer " + secret, "Bearer" + "=" + secret,
			"Bearer x, Bearer " + secret, "Bearer " + secret + ", Bearer x", "Bearer \"" + secret + "\"", "Bearer '" + secret + "'", "Bearer <" + secret + ">", "Token " + secret, "Token token=" + secret, secret, "Bearer: " + secret, "Bearer,," + secret, "Bearer;" + secret,
			"Bearer " + secret + "=", "Bearer " + secret + "/x", "Bearer x+" + secret, "Bearer " + secret + "\xff", "Bearer Bearer " + secret, "Bearer " + secret + strings.Repeat("x", jose.MaxToken),
			"Basic " + b64, "basic  " + b64, "Basic " + strings.TrimRight(b64, "="), "Basic " + base64.URLEncoding.EncodeToString([]byte(secret+":")), "Basic \t" + b64,
		} {
			for _, all := range [][]string{{v}, {"Bearer the-apps-own", v}} {
				h := http.Header{"Authorization": all}
				if stripBearer(h, issuer); len(h) != 0 {
					t.Errorf("the instance gets %.60q", h["Authorization"])
				}
			}
		}
	}
	// A signature that was cut off or replaced is still the rest of a token.
	h := http.Header{"Authorization": {"Bearer " + f.token[:len(f.token)-10] + "AAAA"}}
	if stripBearer(h, issuer); len(h) != 0 {
		t.Error("the instance gets most of a token")
	}
	// Keys are known by their checksum where what is before them is no separator.
	_, key, err := f.ids.CreateAPIKey(t.Context(), registry.AsSession(f.login.User, f.login.Session, ""), registry.NewAPIKey{Name: "CI", Scopes: []registry.Scope{registry.ScopeOrgRead}})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{key.Reveal(), f.token, api, st.Assertion} {
		for _, v := range []string{"Bearer%20" + secret, "Bearer_" + secret, "Bearer x." + secret, "Bearer\x00" + secret, "pza_" + secret} {
			h := http.Header{"Authorization": {v}}
			if stripBearer(h, issuer); len(h) != 0 {
				t.Errorf("the instance gets %.60q", h["Authorization"])
			}
		}
	}
	for _, v := range []string{"Bearer " + typed("at+jwt", "https://idp.example"), "Bearer " + typed("JWT", ""), "Bearer x." + typed("JWT", issuer+".example"), "Bearer the-apps-own", "Bearer a.b.c", "Basic dXNlcjpwYXNz", "Basic !", "Basic", "", "Digest username=\"x\"", "Bearer eyJ0eXAiOiJKV1QifQ.e30.x", "Bearer pizza_x", "Bearer xpza_x", "Bearer \u00fc"} {
		h := http.Header{"Authorization": {v}}
		if stripBearer(h, issuer); len(h) != 1 {
			t.Errorf("an app's own credentials are taken away: %q", v)
		}
	}
}
