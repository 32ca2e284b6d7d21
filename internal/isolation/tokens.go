package isolation

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
)

// hostileTokens shows B what no verifier may accept (RFC 8725).
func hostileTokens(a *attack) error {
	enc := base64.RawURLEncoding
	parts := strings.Split(a.B.Token, ".")
	if len(parts) != 3 {
		return errors.New("the session is no JWT")
	}
	payload, err := enc.DecodeString(parts[1])
	if err != nil {
		return err
	}
	mac := func(head, body string) string {
		m := hmac.New(sha256.New, []byte("pizzeria"))
		m.Write([]byte(head + "." + body))
		return enc.EncodeToString(m.Sum(nil))
	}
	head := func(json string) string { return enc.EncodeToString([]byte(json)) }
	none, hs := head(`{"alg":"none","typ":"pizzeria-session+jwt"}`), head(`{"alg":"HS256","typ":"pizzeria-session+jwt"}`)
	owner := enc.EncodeToString([]byte(strings.Replace(string(payload), `"role":"runner"`, `"role":"owner"`, 1)))
	retyped, err := enc.DecodeString(parts[0])
	if err != nil {
		return err
	}
	for name, token := range map[string]string{
		"none":                  none + "." + parts[1] + ".",
		"HS256":                 hs + "." + parts[1] + "." + mac(hs, parts[1]),
		"another role":          parts[0] + "." + owner + "." + parts[2],
		"another header":        head(strings.Replace(string(retyped), "session", "assertion", 1)) + "." + parts[1] + "." + parts[2],
		"jku":                   head(`{"alg":"ES256","typ":"pizzeria-session+jwt","jku":"https://evil.example/jwks"}`) + "." + parts[1] + "." + parts[2],
		"no signature":          parts[0] + "." + parts[1] + ".",
		"padding":               a.B.Token + "=",
		"huge":                  parts[0] + "." + parts[1] + strings.Repeat("A", 9000) + "." + parts[2],
		"a line break in it":    parts[0] + "." + parts[1] + ".%0a" + parts[2],
		"a fourth part":         a.B.Token + ".x",
		"an unknown kid":        head(`{"alg":"ES256","kid":"../../etc/passwd","typ":"pizzeria-session+jwt"}`) + "." + parts[1] + "." + parts[2],
		"another org's payload": parts[0] + "." + strings.Split(a.A.Token, ".")[1] + "." + parts[2],
	} {
		for _, lines := range [][]string{bearer(token), cookie(token)} {
			r, err := a.get(a.b, a.path(), lines...)
			if err := wantRefused(name, r, err); err != nil {
				return err
			}
		}
	}
	return nil
}
