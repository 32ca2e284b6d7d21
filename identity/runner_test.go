package identity

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

func TestRunnerTokens(t *testing.T) {
	f := newFixture(t)
	u := f.user("ada@example.com")
	o := f.org("acme", u)
	as := registry.AsSession(u, f.signIn("ada@example.com").Session, "")
	_, claim, err := f.s.CreateRunnerClaim(ctx, as, o.ID, registry.NewRunnerClaim{Name: "build-1", Life: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"", "pzc_", claim.Reveal() + "x", strings.Replace(claim.Reveal(), "pzc_", "pzr_", 1), token.NewAPIKey(token.PrefixClaim).Reveal()} {
		if _, _, err := f.s.EnrollRunner(ctx, c, "x", ""); registry.ErrorCode(err) != registry.CodeInvalid && registry.ErrorCode(err) != registry.CodeGone {
			t.Errorf("%q: %v", c, err)
		}
	}
	r, key, err := f.s.EnrollRunner(ctx, claim.Reveal(), "", "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	grant := url.Values{"grant_type": {"client_credentials"}}
	ask := func(key string, form url.Values) (Tokens, error) {
		return f.s.Redeem(ctx, Credentials{string(r.ID), key, true}, form, "192.0.2.9")
	}
	tokens, err := ask(key.Reveal(), grant)
	if err != nil || tokens.IDToken != "" || tokens.ExpiresIn != 600 {
		t.Fatalf("%+v %v", tokens, err)
	}
	c, err := f.s.VerifySession(tokens.AccessToken, o.ID, 0)
	if err != nil || c.Role != registry.RoleRunner || c.Name != "build-1" || c.Email != "" || string(c.Subject) != string(r.ID) || c.SessionID != r.ID.Session() {
		t.Fatalf("%+v %v", c, err)
	}
	if _, err := f.s.VerifySession(tokens.AccessToken, f.org("globex", u).ID, 0); err == nil {
		t.Error("another org takes it")
	}
	if _, err := f.s.VerifyAPI(tokens.AccessToken); err == nil {
		t.Error("the API takes it")
	}
	again, err := f.s.Renew(ctx, c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.s.VerifySession(again, o.ID, 0); err != nil || n.Role != registry.RoleRunner {
		t.Errorf("renewed: %+v %v", n, err)
	}
	for name, c := range map[string]struct {
		key  string
		form url.Values
		want TokenError
	}{
		"another key":   {token.NewAPIKey(token.PrefixRunner).Reveal(), grant, InvalidClient},
		"its claim":     {claim.Reveal(), grant, InvalidClient},
		"no key":        {"", grant, InvalidClient},
		"another grant": {key.Reveal(), url.Values{"grant_type": {"authorization_code"}}, UnsupportedGrant},
		"twice":         {key.Reveal(), url.Values{"grant_type": {"client_credentials", "client_credentials"}}, InvalidRequest},
	} {
		if _, err := ask(c.key, c.form); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// It is seen, once that is stored.
	if err := f.s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	p, err := f.store.Runners(ctx, as, o.ID, registry.RunnerList{})
	if err != nil || len(p.Items) != 1 || p.Items[0].Address != "192.0.2.9" || !p.Items[0].LastSeenAt.Equal(f.clock.now()) {
		t.Errorf("%+v %v", p, err)
	}
	// A token never outlives the key, and a closed org gives none.
	f.clock.add(24*time.Hour - time.Minute)
	if tokens, err = ask(key.Reveal(), grant); err != nil || tokens.ExpiresIn != 60 {
		t.Errorf("%+v %v", tokens, err)
	}
	if err := f.store.SuspendOrg(ctx, registry.AsOperator(), o.ID, 0, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(key.Reveal(), grant); !errors.Is(err, UnauthorizedClient) {
		t.Errorf("a suspended org: %v", err)
	}
	if _, err := f.s.Renew(ctx, c, time.Time{}); registry.ErrorCode(err) != registry.CodeForbidden {
		t.Errorf("a suspended org's token is renewed: %v", err)
	}
	f.clock.add(time.Minute)
	if _, err := ask(key.Reveal(), grant); !errors.Is(err, InvalidClient) {
		t.Errorf("an ended key: %v", err)
	}
}
