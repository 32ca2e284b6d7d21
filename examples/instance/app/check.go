package app

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"
)

// claims are what the app uses of an assertion.
type claims struct {
	Subject, OrgID, OrgSlug, Role, Email, Name string
}

// checker verifies assertions against the key set in a file that the host keeps fresh.
type checker struct {
	orgID, issuer, file string
	generation          int64

	mu      sync.Mutex
	keys    jwk.Set
	modTime time.Time
}

// keySet reads the file again when it has changed. Should that fail, the last
// keys go on.
func (c *checker) keySet() (jwk.Set, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.read()
	if c.keys == nil {
		return nil, err
	}
	return c.keys, nil
}

func (c *checker) read() error {
	info, err := os.Stat(c.file)
	if err != nil || c.keys != nil && info.ModTime().Equal(c.modTime) {
		return err
	}
	b, err := os.ReadFile(c.file)
	if err != nil {
		return err
	}
	set, err := jwk.Parse(b)
	if err != nil {
		return err
	}
	c.keys, c.modTime = set, info.ModTime()
	return nil
}

// verify accepts assertions for this org and this generation of its instance only.
func (c *checker) verify(token string, now time.Time) (claims, error) {
	keys, err := c.keySet()
	if err != nil {
		return claims{}, err
	}
	m, err := jws.ParseString(token)
	if err != nil || len(m.Signatures()) != 1 {
		return claims{}, errors.New("malformed")
	}
	if h := m.Signatures()[0].ProtectedHeaders(); h.Type() != "pizzeria-assertion+jwt" || h.Algorithm() != jwa.ES256 && h.Algorithm() != jwa.EdDSA {
		return claims{}, errors.New("not an assertion")
	}
	t, err := jwt.ParseString(token, jwt.WithKeySet(keys), jwt.WithValidate(true), jwt.WithClock(jwt.ClockFunc(func() time.Time { return now })),
		jwt.WithAudience("urn:pizzeria:org:"+c.orgID), jwt.WithIssuer(c.issuer), jwt.WithAcceptableSkew(10*time.Second),
		jwt.WithRequiredClaim("exp"), jwt.WithRequiredClaim("iat"))
	if err != nil {
		return claims{}, errors.New("not for this org, or expired")
	}
	if t.Expiration().Sub(t.IssuedAt()) > 2*time.Minute {
		return claims{}, errors.New("too long-lived")
	}
	text := func(name string) string {
		v, _ := t.Get(name)
		s, _ := v.(string)
		return s
	}
	if v, _ := t.Get("org_gen"); text("org_id") != c.orgID || fmt.Sprint(v) != fmt.Sprint(c.generation) {
		return claims{}, errors.New("for another instance")
	}
	return claims{Subject: t.Subject(), OrgID: c.orgID, OrgSlug: text("org_slug"), Role: text("role"), Email: text("email"), Name: text("name")}, nil
}
