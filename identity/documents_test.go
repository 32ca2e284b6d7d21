package identity

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// signInAt signs somebody in by a connection, from an address of its own.
func (f *fixture) signInAt(h *hostile, id registry.ConnectionID) (Login, error) {
	f.Helper()
	f.tries++
	from := Client{Address: fmt.Sprintf("2001:db8:%x::1", f.tries)} // limits are tested elsewhere
	a, err := f.s.BeginExternal(ctx, id, External{}, from)
	if err != nil {
		return Login{}, err
	}
	u, err := url.Parse(a.Redirect)
	if err != nil {
		f.Fatal(err)
	}
	h.nonce = u.Query().Get("nonce")
	l, _, err := f.s.FinishExternal(ctx, id, url.Values{"state": {u.Query().Get("state")}, "code": {"c"}}, a.Sealed, registry.Actor{}, from)
	return l, err
}

// oddKeys are keys that a provider may publish beside the one that signs.
var oddKeys = map[string]string{
	"a curve that Go lacks":      `{"kty":"EC","crv":"secp256k1","kid":"odd","x":"AAAA","y":"AAAA"}`,
	"a curve that nobody knows":  `{"kty":"EC","crv":"P-999","kid":"odd","x":"AAAA","y":"AAAA"}`,
	"a point on no curve":        `{"kty":"EC","crv":"P-256","kid":"odd","x":"AAAA","y":"AAAA"}`,
	"a kind that nobody knows":   `{"kty":"AKP","alg":"ML-DSA-44","kid":"odd","pub":"AAAA"}`,
	"Ed448":                      `{"kty":"OKP","crv":"Ed448","kid":"odd","x":"AAAA"}`,
	"no kind":                    `{"kid":"odd"}`,
	"a kind of another type":     `{"kty":5,"kid":"odd"}`,
	"RSA without a modulus":      `{"kty":"RSA","kid":"odd","e":"AQAB"}`,
	"RSA, not base64":            `{"kty":"RSA","kid":"odd","e":"AQAB","n":"!"}`,
	"an algorithm that is none":  `{"kty":"EC","crv":"P-256","alg":5,"kid":"odd"}`,
	"a text":                     `"key"`,
	"null":                       `null`,
	"a list":                     `[]`,
	"a broken certificate":       `{"kty":"RSA","kid":"odd","e":"AQAB","n":"AAAA","x5c":["!"]}`,
	"a key for encryption":       `{"kty":"EC","crv":"P-256","use":"enc","kid":"odd","x":"AAAA","y":"AAAA"}`,
	"a secret":                   `{"kty":"oct","kid":"k","k":"c2VjcmV0"}`,
	"a number where text may be": `{"kty":"RSA","kid":5,"e":"AQAB","n":"AAAA"}`,
}

// TestOddKeysAreIgnored: one key of a set that cannot be used stops no sign-in (RFC 7517, section 5).
func TestOddKeysAreIgnored(t *testing.T) {
	f, h := newFixture(t), newHostile(t)
	f.s.Outside.Operator = h.Client()
	c, err := f.s.CreateConnection(ctx, registry.AsOperator(), "", registry.ConnectionSpec{Name: "Corp", Issuer: h.URL, ClientID: "us", SignUp: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, odd := range oddKeys {
		for _, order := range []string{`{"keys":[%[1]s,%[2]s]}`, "\ufeff" + `{"keys":[%[2]s,%[1]s],"next":5}`} {
			h.keys = func(ours string) string { return fmt.Sprintf(order, odd, ours) }
			if _, err := f.signInAt(h, c.ID); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		h.keys = func(string) string { return `{"keys":[` + odd + `]}` }
		if _, err := f.signInAt(h, c.ID); registry.ErrorCode(err) != registry.CodeForbidden || !strings.Contains(err.Error(), "Corp publishes no key") {
			t.Errorf("%s alone: %v", name, err)
		}
	}
	h.keys = func(ours string) string { // twice, and once without its name
		return `{"keys":[` + ours + "," + ours + "," + strings.Replace(ours, `"kid"`, `"_"`, 1) + `]}`
	}
	if _, err := f.signInAt(h, c.ID); err != nil {
		t.Errorf("a key twice: %v", err)
	}
	for _, set := range []string{``, `{}`, `[]`, `{"keys":null}`, `{"keys":{}}`, `{"keys":[]}`, `<html>`} {
		h.keys = func(string) string { return set }
		if _, err := f.signInAt(h, c.ID); err == nil || !strings.Contains(err.Error(), "Corp publishes no key") {
			t.Errorf("%q: %v", set, err)
		}
	}
}

// TestKeysOfOtherUseVerifyNothing: a key that is for something else, or that everybody has, signs
// nobody in.
func TestKeysOfOtherUseVerifyNothing(t *testing.T) {
	f, h := newFixture(t), newHostile(t)
	f.s.Outside.Operator = h.Client()
	c, err := f.s.CreateConnection(ctx, registry.AsOperator(), "", registry.ConnectionSpec{Name: "Corp", Issuer: h.URL, ClientID: "us", SignUp: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	private, err := json.Marshal(h.key)
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func(ours string) string{
		"for encryption":      func(ours string) string { return `{"keys":[` + ours[:len(ours)-1] + `,"use":"enc"}]}` },
		"for wrapping":        func(ours string) string { return `{"keys":[` + ours[:len(ours)-1] + `,"key_ops":["wrapKey"]}]}` },
		"private":             func(string) string { return `{"keys":[` + string(private) + `]}` },
		"KEYS are not keys":   func(ours string) string { return `{"KEYS":[` + ours + `]}` },
		"a secret, for HS256": func(string) string { return `{"keys":[{"kty":"oct","kid":"k","k":"c2VjcmV0"}]}` },
	} {
		h.sign, h.keys = h.rs256, set
		if name == "a secret, for HS256" {
			h.sign = func(p []byte) string {
				return hs256("secret", p)
			}
		}
		if l, err := f.signInAt(h, c.ID); registry.ErrorCode(err) != registry.CodeForbidden || l.Token != "" ||
			name != "a secret, for HS256" && !strings.Contains(err.Error(), "publishes no key") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOddConfigurations: what a provider may leave out may also be odd; what it must say may not.
func TestOddConfigurations(t *testing.T) {
	f, h := newFixture(t), newHostile(t)
	f.s.Outside.Operator = h.Client()
	spec := registry.ConnectionSpec{Name: "Corp", Issuer: h.URL, ClientID: "us", SignUp: true}
	for name, meta := range map[string]map[string]any{
		"a text for a list":       {"id_token_signing_alg_values_supported": "RS256", "token_endpoint_auth_methods_supported": "client_secret_post"},
		"odd members of lists":    {"id_token_signing_alg_values_supported": []any{5, "RS256", nil}, "token_endpoint_auth_methods_supported": []any{nil, "client_secret_post"}},
		"numbers for lists":       {"id_token_signing_alg_values_supported": 5, "token_endpoint_auth_methods_supported": true},
		"algorithms nobody knows": {"id_token_signing_alg_values_supported": []string{"ML-DSA-44", "RS256"}},
		"no user info":            {"userinfo_endpoint": false},
		"null":                    {"userinfo_endpoint": nil, "id_token_signing_alg_values_supported": nil},
		"odd, and none of ours":   {"claims_supported": "sub", "scopes_supported": 5},
	} {
		h.meta = meta
		c, err := f.s.CreateConnection(ctx, registry.AsOperator(), "", spec, "secret")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := f.signInAt(h, c.ID); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if post := strings.Contains(fmt.Sprint(meta["token_endpoint_auth_methods_supported"]), "client_secret_post"); post != (h.form.Get("client_secret") != "") {
			t.Errorf("%s: the secret is sent as %v", name, h.form)
		}
		if err := f.store.DeleteConnection(ctx, registry.AsOperator(), "", c.ID); err != nil {
			t.Fatal(err)
		}
	}
	for says, meta := range map[string]map[string]any{
		"a slash at the end": {"issuer": h.URL + "/"},
		"for every tenant":   {"issuer": h.URL + "/{tenantid}/v2.0"},
		"another issuer":     {"issuer": "https://evil.example"},
		"cannot be read":     {"issuer": 5},
		"cannot be  read":    {"token_endpoint": []string{"x"}},
		"cannot be   read":   {"authorization_response_iss_parameter_supported": "true"},
	} {
		h.meta = meta
		if _, err := f.s.CreateConnection(ctx, registry.AsOperator(), "", spec, ""); registry.ErrorCode(err) != registry.CodeInvalid || !strings.Contains(err.Error(), strings.Join(strings.Fields(says), " ")) {
			t.Errorf("%v: %v", meta, err)
		}
	}
}

// FuzzUsableKeys: whatever a set holds, what is left is a set of keys that verify.
func FuzzUsableKeys(f *testing.F) {
	for _, odd := range oddKeys {
		f.Add([]byte(`{"keys":[` + odd + `]}`))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		b, err := usableKeys(document)
		if err != nil {
			return
		}
		var set struct{ Keys []json.RawMessage }
		if json.Unmarshal(b, &set) != nil || len(set.Keys) == 0 {
			t.Fatalf("%q: %q", document, b)
		}
		for _, raw := range set.Keys {
			if !verifies(raw) {
				t.Fatalf("%q is left", raw)
			}
		}
	})
}
