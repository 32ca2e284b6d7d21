package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/jose"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

var b64 = base64.RawURLEncoding

// forge signs any header and payload with a ring's own key: what is refused then is refused for its content.
func forge(t testing.TB, r *token.Ring, header, payload string) string {
	t.Helper()
	k := r.Stored()[0]
	header = strings.ReplaceAll(header, "KID", k.ID)
	in := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
	return in + "." + b64.EncodeToString(raw(t, signer(t, r, 0), in))
}

// signer is a ring's key of a number, which its tests have from the sealed ones.
func signer(t testing.TB, r *token.Ring, n int) crypto.Signer {
	t.Helper()
	k := r.Stored()[n]
	b, err := (&MasterKey{raw: [32]byte{1}}).Sealer("keys/"+k.Purpose).Open(nil, nil, k.Private, []byte(k.ID))
	if err != nil {
		t.Fatal(err)
	}
	private, err := jose.ParsePrivateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	return private.Signer
}

// raw signs with any key, whatever the header says.
func raw(t testing.TB, key crypto.Signer, in string) []byte {
	t.Helper()
	if private, ok := key.(ed25519.PrivateKey); ok {
		return ed25519.Sign(private, []byte(in))
	}
	sum := sha256.Sum256([]byte(in))
	a, b, err := ecdsa.Sign(rand.Reader, key.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 64)
	a.FillBytes(sig[:32])
	b.FillBytes(sig[32:])
	return sig
}

const goodHeader = `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt"}`

func (f *fixture) claims(org registry.OrgID, change func(map[string]any)) string {
	f.Helper()
	now := f.clock.now().Unix()
	m := map[string]any{
		"iss": "https://d.example", "aud": token.SessionAudience(org), "sid": "s", "sub": "u", "org_id": org, "org_gen": 1, "role": "member",
		"email": "a@example.com", "name": "A", "auth_time": now, "iat": now, "exp": now + 600,
	}
	if change != nil {
		change(m)
	}
	b, err := json.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	return string(b)
}

// TestHostileTokens is a set of vectors from the RFCs (7515 to 7519, 7797, 8037, 8725) and from advisories: none is accepted, with keys of either algorithm.
func TestHostileTokens(t *testing.T) {
	for _, alg := range token.Algorithms() {
		t.Run(alg, func(t *testing.T) { hostileTokens(t, alg) })
	}
}

func hostileTokens(t *testing.T, alg string) {
	f := newFixture(t)
	site := f.s.Site()
	site.Algorithm = alg
	f.site = site
	if err := f.s.RotateKeys(ctx, registry.AsOperator(), Rotation{Emergency: true}); err != nil {
		t.Fatal(err)
	}
	goodHeader := strings.Replace(goodHeader, "ES256", alg, 1)
	forge := func(t testing.TB, r *token.Ring, header, payload string) string {
		return forge(t, r, strings.ReplaceAll(header, `"ES256"`, strconv.Quote(alg)), payload)
	}
	org, other := registry.OrgID(registry.NewID()), registry.OrgID(registry.NewID())
	ring := f.s.Session
	good := forge(t, ring, goodHeader, f.claims(org, nil))
	if _, err := f.s.VerifySession(good, org, 0); err != nil {
		t.Fatalf("the good token is refused: %v", err)
	}
	parts := strings.Split(good, ".")
	refuse := func(name, tok string) {
		t.Helper()
		if _, err := f.s.VerifySession(tok, org, 0); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}

	for name, header := range map[string]string{
		"no algorithm":        `{"alg":"none","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"another algorithm":   `{"alg":"ES384","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"case of algorithm":   `{"alg":"es256","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"case of the other":   `{"alg":"eddsa","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"case of none":        `{"alg":"nOnE","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"RSA":                 `{"alg":"RS256","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"RSA with PSS":        `{"alg":"PS256","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"Ed25519 by name":     `{"alg":"Ed25519","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"algorithm as a list": `{"alg":["ES256"],"kid":"KID","typ":"pizzeria-session+jwt"}`,
		"null algorithm":      `{"alg":null,"kid":"KID","typ":"pizzeria-session+jwt"}`,
		"kid as a number":     `{"alg":"ES256","kid":1,"typ":"pizzeria-session+jwt"}`,
		"kid with a null":     `{"alg":"ES256","kid":"KID\u0000","typ":"pizzeria-session+jwt"}`,
		"kid as SQL":          `{"alg":"ES256","kid":"KID' OR '1'='1","typ":"pizzeria-session+jwt"}`,
		"media type in full":  `{"alg":"ES256","kid":"KID","typ":"application/pizzeria-session+jwt"}`,
		"two typs":            `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","typ":"JWT"}`,
		"x5c":                 `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","x5c":["MIIB"]}`,
		"x5t":                 `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","x5t":"x"}`,
		"cty":                 `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","cty":"JWT"}`,
		"empty crit":          `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","crit":[]}`,
		"crit of a known":     `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","crit":["alg"]}`,
		"encryption":          `{"alg":"ES256","enc":"A128GCM","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"PBES2":               `{"alg":"PBES2-HS256+A128KW","p2c":1000000000,"p2s":"x","enc":"A128GCM","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"dir":                 `{"alg":"dir","enc":"A128GCM","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"claims in it":        `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","role":"owner"}`,
		"escaped name":        `{"alg":"ES256","\u0061lg":"none","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"deep header":         `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
		"no JSON text":        "{\"alg\":\"ES256\",\"kid\":\"KID\",\"typ\":\"pizzeria-session+jwt\"}\xff",
		"no kid":              `{"alg":"ES256","typ":"pizzeria-session+jwt"}`,
		"unknown kid":         `{"alg":"ES256","kid":"x","typ":"pizzeria-session+jwt"}`,
		"kid as a path":       `{"alg":"ES256","kid":"../../KID","typ":"pizzeria-session+jwt"}`,
		"no typ":              `{"alg":"ES256","kid":"KID"}`,
		"assertion's typ":     `{"alg":"ES256","kid":"KID","typ":"pizzeria-assertion+jwt"}`,
		"API's typ":           `{"alg":"ES256","kid":"KID","typ":"at+jwt"}`,
		"typ in capitals":     `{"alg":"ES256","kid":"KID","typ":"PIZZERIA-SESSION+JWT"}`,
		"jku":                 `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","jku":"https://evil.example/"}`,
		"x5u":                 `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","x5u":"https://evil.example/"}`,
		"jwk":                 `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","jwk":{}}`,
		"crit":                `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","crit":["x"],"x":1}`,
		"b64 false":           `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","b64":false,"crit":["b64"]}`,
		"compressed":          `{"alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt","zip":"DEF"}`,
		"repeated header":     `{"alg":"none","alg":"ES256","kid":"KID","typ":"pizzeria-session+jwt"}`,
		"header after header": goodHeader + `{}`,
		"no object":           `["ES256"]`,
		"empty header":        ``,
	} {
		refuse(name, forge(t, ring, header, f.claims(org, nil)))
	}
	for name, change := range map[string]func(map[string]any){
		"another org's audience": func(m map[string]any) { m["aud"] = token.SessionAudience(other) },
		"assertion's audience":   func(m map[string]any) { m["aud"] = token.AssertionAudience(org) },
		"audiences":              func(m map[string]any) { m["aud"] = []string{token.SessionAudience(org), "x"} },
		"another org's ID":       func(m map[string]any) { m["org_id"] = other },
		"another issuer":         func(m map[string]any) { m["iss"] = "https://evil.example" },
		"expired":                func(m map[string]any) { m["exp"] = f.clock.now().Unix() },
		"from tomorrow": func(m map[string]any) {
			m["iat"] = f.clock.now().Add(time.Hour).Unix()
			m["exp"] = f.clock.now().Add(2 * time.Hour).Unix()
		},
		"no end":                      func(m map[string]any) { delete(m, "exp") },
		"end before start":            func(m map[string]any) { m["exp"] = m["iat"] },
		"no session":                  func(m map[string]any) { m["sid"] = "" },
		"no subject":                  func(m map[string]any) { delete(m, "sub") },
		"unknown role":                func(m map[string]any) { m["role"] = "root" },
		"number as text":              func(m map[string]any) { m["exp"] = "99999999999" },
		"end as a float":              func(m map[string]any) { m["exp"] = 99999999999.5 },
		"end beyond int64":            func(m map[string]any) { m["exp"] = json.RawMessage("1e400") },
		"end at 2^63":                 func(m map[string]any) { m["exp"] = json.RawMessage("9223372036854775808") },
		"null end":                    func(m map[string]any) { m["exp"] = nil },
		"null subject":                func(m map[string]any) { m["sub"] = nil },
		"subject as list":             func(m map[string]any) { m["sub"] = []string{"u"} },
		"no start":                    func(m map[string]any) { delete(m, "iat"); m["exp"] = f.clock.now().Unix() },
		"no start, and an end":        func(m map[string]any) { delete(m, "iat") },
		"null start":                  func(m map[string]any) { m["iat"] = nil },
		"start before 1970":           func(m map[string]any) { m["iat"] = -1e13 },
		"not before tomorrow":         func(m map[string]any) { m["nbf"] = f.clock.now().Add(24 * time.Hour).Unix() },
		"not before the year 30000":   func(m map[string]any) { m["nbf"] = int64(884541340800) },
		"not before beyond int64":     func(m map[string]any) { m["nbf"] = json.RawMessage("1e400") },
		"not before as text":          func(m map[string]any) { m["nbf"] = "0" },
		"no audience":                 func(m map[string]any) { delete(m, "aud") },
		"no issuer":                   func(m map[string]any) { delete(m, "iss") },
		"issuer with a slash":         func(m map[string]any) { m["iss"] = "https://d.example/" },
		"role as a runner's superior": func(m map[string]any) { m["role"] = "Owner" },
	} {
		refuse(name, forge(t, ring, goodHeader, f.claims(org, change)))
	}
	claims := f.claims(org, nil)
	refuse("repeated claim", forge(t, ring, goodHeader, `{"role":"owner",`+claims[1:]))
	refuse("claim in capitals", forge(t, ring, goodHeader, claims[:len(claims)-1]+`,"ROLE":"owner"}`))
	// One name that encoding/json takes for another decides nothing.
	for name, spelling := range map[string]string{"a long s": "\u017fub", "a capital": "Sub", "an escaped one": `\u017fub`} {
		refuse("sub with "+name, forge(t, ring, goodHeader, strings.Replace(claims, `"sub":`, `"`+spelling+`":`, 1)))
	}
	refuse("typ in capitals", forge(t, ring, strings.Replace(goodHeader, `"typ"`, `"TYP"`, 1), claims))
	refuse("deep claims", forge(t, ring, goodHeader, claims[:len(claims)-1]+`,"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`}`))
	refuse("claims after claims", forge(t, ring, goodHeader, claims+claims))
	refuse("nested repeated claim", forge(t, ring, goodHeader, claims[:len(claims)-1]+`,"x":{"a":1,"a":2}}`))
	refuse("repeated claim in a list", forge(t, ring, goodHeader, claims[:len(claims)-1]+`,"x":[{"a":1,"A":2}]}`))
	refuse("invalid UTF-8", forge(t, ring, goodHeader, strings.Replace(claims, `"name":"A"`, "\"name\":\"\xff\"", 1)))
	refuse("a byte order mark", forge(t, ring, goodHeader, "\xef\xbb\xbf"+claims))
	refuse("a comment", forge(t, ring, goodHeader, claims[:len(claims)-1]+`/**/}`))
	refuse("JSON serialization", `{"protected":"`+parts[0]+`","payload":"`+parts[1]+`","signature":"`+parts[2]+`"}`)
	refuse("a JWE of five parts", b64.EncodeToString([]byte(`{"alg":"dir","enc":"A128GCM"}`))+"..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA")
	refuse("detached", parts[0]+".."+parts[2])
	refuse("signature of another payload", parts[0]+"."+b64.EncodeToString([]byte(strings.Replace(claims, `"role":"member"`, `"role":"owner"`, 1)))+"."+parts[2])
	refuse("a byte more of signature", parts[0]+"."+parts[1]+"."+b64.EncodeToString(append(raw(t, signer(t, ring, len(ring.Stored())-1), parts[0]+"."+parts[1]), 0)))
	refuse("standard base64", strings.NewReplacer("-", "+", "_", "/").Replace(good)+"+")
	refuse("Bearer", "Bearer "+good)
	refuse("another ring's key", forge(t, f.s.Assertions, goodHeader, claims))
	refuse("no signature", parts[0]+"."+parts[1]+".")
	refuse("zero signature", parts[0]+"."+parts[1]+"."+b64.EncodeToString(make([]byte, 64)))
	if alg == "ES256" {
		refuse("DER signature", parts[0]+"."+parts[1]+"."+b64.EncodeToString(der(t, ring, parts[0]+"."+parts[1])))
	}
	// A header that names the other algorithm, signed as it says, by the key that it names or one of its kind.
	for _, name := range token.Algorithms() {
		if name == alg {
			continue
		}
		stranger, err := jose.Generate("x", name)
		if err != nil {
			t.Fatal(err)
		}
		in := b64.EncodeToString([]byte(strings.NewReplacer("KID", ring.Stored()[0].ID, alg, name).Replace(goodHeader))) + "." + parts[1]
		refuse("the other algorithm", in+"."+b64.EncodeToString(raw(t, stranger.Signer, in)))
		refuse("the other algorithm in name", in+"."+parts[2])
	}
	refuse("padding", good+"==")
	refuse("a newline", good+"\n")
	refuse("a space", " "+good)
	refuse("other spelling of the last bits", respell(good))
	refuse("five parts", good+".x.y")
	refuse("two parts", parts[0]+"."+parts[1])
	refuse("huge", forge(t, ring, goodHeader, f.claims(org, func(m map[string]any) { m["name"] = strings.Repeat("x", jose.MaxToken) })))
	refuse("empty", "")

	// The public key as a shared secret.
	head := b64.EncodeToString([]byte(strings.Replace(strings.ReplaceAll(goodHeader, "KID", ring.Stored()[0].ID), alg, "HS256", 1)))
	mac := hmac.New(sha256.New, ring.Stored()[0].Public)
	mac.Write([]byte(head + "." + parts[1]))
	refuse("HS256 under the public key", head+"."+parts[1]+"."+b64.EncodeToString(mac.Sum(nil)))
}

// Each kind of token is accepted as its own kind alone, also where two kinds share a ring.
func TestTokenKinds(t *testing.T) {
	f := newFixture(t)
	acme := f.org("acme", f.user("ada@example.com"))
	ada := f.signIn("ada@example.com")
	tok, err := f.redeem(f.flow(acme), f.code(f.flow(acme), ada), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.s.VerifySession(tok.AccessToken, acme.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	assertion, err := f.s.Assertion(c, &registry.Route{OrgID: acme.ID, Slug: "acme", Generation: 1})
	if err != nil {
		t.Fatal(err)
	}
	api, err := f.s.APITokenFor(ctx, registry.AsUser(ada.User, ada.Session.ID, ""), ada.Session)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := f.s.VerifyAPI(api); err != nil || c.Orgs[acme.ID] != registry.RoleOwner {
		t.Fatalf("%+v %v", c, err)
	}
	app := f.into(f.app(registry.NewClient{}), ada)
	for name, tok := range map[string]string{"session": tok.AccessToken, "assertion": assertion, "API": api, "ID": tok.IDToken, "app's access": app.AccessToken, "app's ID": app.IDToken, "app's refresh": app.RefreshToken, "cookie": ada.Token.Reveal()} {
		if _, err := f.s.UserInfo(ctx, tok); (err == nil) != (name == "app's access") {
			t.Errorf("%s at user info: %v", name, err)
		}
		if _, err := f.s.VerifyHint(tok); (err == nil) != (name == "ID" || name == "app's ID") {
			t.Errorf("%s as a hint: %v", name, err)
		}
		if _, _, err := f.s.AuthenticateAPI(ctx, tok, ""); (err == nil) != (name == "API") {
			t.Errorf("%s at the API: %v", name, err)
		}
		if _, _, err := f.s.AuthenticateKey(ctx, tok, ""); err == nil {
			t.Errorf("%s as a key", name)
		}
		if _, _, err := f.s.Authenticate(ctx, tok); (err == nil) != (name == "cookie") {
			t.Errorf("%s as a cookie: %v", name, err)
		}
		form := url.Values{"grant_type": {grantExchange}, "subject_token": {tok}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "audience": {"urn:pizzeria:org:" + string(acme.ID)}}
		if _, err := f.s.Redeem(ctx, Credentials{ID: string(registry.CLIClient)}, form, ""); err == nil { // the command line's own alone
			t.Errorf("%s is exchanged", name)
		}
		if v, err := f.s.Renew(ctx, token.SessionClaims{}, time.Time{}); err == nil {
			t.Errorf("nothing is renewed: %s", v)
		}
		if name != "session" && token.IsSessionToken(tok) {
			t.Errorf("%s passes for a session at a gateway", name)
		}
		if _, err := f.s.VerifySession(tok, acme.ID, 0); (err == nil) != (name == "session") {
			t.Errorf("%s as a session: %v", name, err)
		}
		if _, err := f.s.VerifyAPI(tok); (err == nil) != (name == "API") {
			t.Errorf("%s as an API token: %v", name, err)
		}
		if name != "API" && strings.Contains(tok, ".") && strings.Contains(decoded(tok), `"orgs"`) {
			t.Errorf("%s carries memberships", name)
		}
	}
	// Same ring, same audience, only the typ differs.
	var raw token.APIClaims
	if err := f.s.Token.Verify(api, token.TypAPI, &raw); err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(raw)
	if _, err := f.s.VerifyAPI(forge(t, f.s.Token, `{"alg":"ES256","kid":"KID","typ":"JWT"}`, string(b))); err == nil {
		t.Error("typ is not checked")
	}
	// Expired tokens: only with grace, and only for so long.
	f.clock.add(token.SessionTokenLife)
	if _, err := f.s.VerifySession(tok.AccessToken, acme.ID, 0); err == nil {
		t.Error("an expired session is accepted")
	}
	if _, err := f.s.VerifySession(tok.AccessToken, acme.ID, time.Hour); err != nil {
		t.Error("grace is not given")
	}
	f.clock.add(time.Hour)
	if _, err := f.s.VerifySession(tok.AccessToken, acme.ID, time.Hour); err == nil {
		t.Error("grace has no end")
	}
}

func decoded(token string) string {
	b, _ := b64.DecodeString(strings.Split(token, ".")[1])
	return string(b)
}

func der(t *testing.T, r *token.Ring, in string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(in))
	b, err := signer(t, r, 0).Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// respell changes the unused bits of the last character: lax decoders read the same bytes.
func respell(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[i^1])
}

func FuzzToken(f *testing.F) {
	fx := newFixture(&testing.T{})
	org := registry.OrgID(registry.NewID())
	good := forge(f, fx.s.Session, goodHeader, fx.claims(org, nil))
	f.Add(good)
	f.Add(respell(good))
	f.Add(fmt.Sprintf("%s.%s.", b64.EncodeToString([]byte(`{"alg":"none"}`)), b64.EncodeToString([]byte(`{}`))))
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := fx.s.VerifySession(token, org, time.Hour); err == nil && token != good {
			t.Errorf("accepted %q", token)
		}
		jose.Type(token)
	})
}
