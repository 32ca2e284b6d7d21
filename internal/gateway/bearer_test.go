package gateway

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/identity"
)

// TestOurBearerIsNotForwarded: however it is written, and whether or not it counted.
func TestOurBearerIsNotForwarded(t *testing.T) {
	f := newFixture(t)
	keys := []string{f.token, identity.PrefixPersonal + "x", identity.PrefixService + "x", identity.PrefixRunner + "x", identity.PrefixClaim + "x", identity.PrefixClient + "x"}
	for _, secret := range keys {
		b64 := base64.StdEncoding.EncodeToString([]byte("user:" + secret))
		for _, v := range []string{
			"Bearer " + secret, "bearer " + secret, "BEARER   " + secret + " \t", "Bearer\t" + secret, "Bearer \t " + secret, "Bearer\u00a0" + secret, "Bearer \u2000" + secret, "\u2000Bearer " + secret, "Bearer" + "=" + secret,
			"Bearer x, Bearer " + secret, "Bearer " + secret + ", Bearer x", "Bearer \"" + secret + "\"", "Bearer '" + secret + "'", "Bearer <" + secret + ">", "Token " + secret, "Token token=" + secret, secret, "Bearer: " + secret, "Bearer,," + secret, "Bearer;" + secret,
			"Bearer " + secret + "=", "Bearer " + secret + "/x", "Bearer x+" + secret, "Bearer " + secret + "\xff", "Bearer Bearer " + secret, "Bearer " + secret + strings.Repeat("x", identity.MaxToken),
			"Basic " + b64, "basic  " + b64, "Basic " + strings.TrimRight(b64, "="), "Basic " + base64.URLEncoding.EncodeToString([]byte(secret+":")), "Basic \t" + b64,
		} {
			for _, all := range [][]string{{v}, {"Bearer the-apps-own", v}} {
				h := http.Header{"Authorization": all}
				if stripBearer(h); len(h) != 0 {
					t.Errorf("the instance gets %.60q", h["Authorization"])
				}
			}
		}
	}
	// A signature that was cut off or replaced is still the rest of a token.
	h := http.Header{"Authorization": {"Bearer " + f.token[:len(f.token)-10] + "AAAA"}}
	if stripBearer(h); len(h) != 0 {
		t.Error("the instance gets most of a token")
	}
	for _, v := range []string{"Bearer the-apps-own", "Bearer a.b.c", "Basic dXNlcjpwYXNz", "Basic !", "Basic", "", "Digest username=\"x\"", "Bearer eyJ0eXAiOiJKV1QifQ.e30.x", "Bearer pizza_x", "Bearer xpza_x", "Bearer \u00fc"} {
		h := http.Header{"Authorization": {v}}
		if stripBearer(h); len(h) != 1 {
			t.Errorf("an app's own credentials are taken away: %q", v)
		}
	}
}
