package assertion

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/pizzaface/pizzeria/identity/jose"
)

const (
	// Header is the request header that carries the assertion.
	Header = "Pizzeria-Assertion"

	typ     = "pizzeria-assertion+jwt"
	maxLife = 2 * time.Minute
	skew    = 10 * time.Second // between the clocks of gateway and instance
)

// ErrInvalid says that an assertion is missing or not acceptable. The wrapped text says why, without
// any part of the assertion.
var ErrInvalid = errors.New("the assertion is not valid")

// ErrNoKeys says that no public key is known yet, so nothing can be verified. Try again later.
var ErrNoKeys = errors.New("no keys to verify assertions with")

// Claims say who makes a request.
type Claims struct {
	Subject    string // the user's ID: stable, and the same in every org
	OrgID      string // never changes
	OrgSlug    string // the org's DNS label now; an org can be renamed
	Generation int64  // of the instance that the assertion is for
	Role       string // "owner", "admin", "member" or "runner"
	Email      string // may change, and may be empty
	Name       string // may change, and may be empty
	Version    int64  // how often the membership changed: the higher of two is newer
	IssuedAt   time.Time
	Expires    time.Time
}

// AnyGeneration accepts assertions for every generation of an org's instance: for one that the
// control plane does not start, and that does not hear of the next generation.
const AnyGeneration int64 = -1

// Config says which assertions a Verifier accepts.
type Config struct {
	OrgID      string // PIZZERIA_ORG_ID
	Generation int64  // PIZZERIA_ORG_GENERATION, or AnyGeneration
	Issuer     string // PIZZERIA_ISSUER
	Keys       Keys   // [File] or [URL]

	Now func() time.Time // default: time.Now
}

// Verifier verifies assertions for one org's instance. It is safe for concurrent use.
type Verifier struct{ c Config }

// New returns a Verifier. It reads no keys before the first assertion.
func New(c Config) (*Verifier, error) {
	if c.OrgID == "" || c.Issuer == "" || c.Keys == nil {
		return nil, errors.New("assertion: OrgID, Issuer and Keys are required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Verifier{c}, nil
}

// Verify checks an assertion: its signature, and that it is fresh and for this org and this
// generation of its instance. Errors: ErrInvalid, ErrNoKeys.
func (v *Verifier) Verify(ctx context.Context, token string) (Claims, error) {
	var c struct {
		Issuer   string `json:"iss"`
		Audience string `json:"aud"`
		Subject  string `json:"sub"`
		OrgID    string `json:"org_id"`
		OrgSlug  string `json:"org_slug"`
		OrgGen   int64  `json:"org_gen"`
		Role     string `json:"role"`
		Email    string `json:"email"`
		Name     string `json:"name"`
		Version  int64  `json:"ver"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}
	var away error
	err := jose.Verify(token, typ, func(kid string) (k jose.PublicKey, ok bool) {
		k, ok, away = v.c.Keys.find(ctx, kid, v.c.Now())
		return k, ok
	}, &c)
	switch now := v.c.Now(); {
	case away != nil:
		return Claims{}, errors.Join(ErrNoKeys, away)
	case err != nil:
		return Claims{}, invalid("it is malformed, or signed by an unknown key")
	case c.Issuer != v.c.Issuer || c.OrgID != v.c.OrgID || c.Audience != "urn:pizzeria:org:"+v.c.OrgID:
		return Claims{}, invalid("it is for another org")
	case v.c.Generation != AnyGeneration && c.OrgGen != v.c.Generation:
		return Claims{}, invalid("it is for another generation of this instance")
	case c.Subject == "" || c.Role == "":
		return Claims{}, invalid("it names no user or no role")
	case c.IssuedAt <= 0 || c.Expires <= c.IssuedAt || c.Expires-c.IssuedAt > int64(maxLife/time.Second):
		return Claims{}, invalid("its lifetime is not between 0 and 2 minutes")
	case c.IssuedAt > now.Add(skew).Unix():
		return Claims{}, invalid("it is from the future: compare the clocks")
	case c.Expires <= now.Add(-skew).Unix():
		return Claims{}, invalid("it is expired")
	}
	return Claims{
		Subject: c.Subject, OrgID: c.OrgID, OrgSlug: c.OrgSlug, Generation: c.OrgGen, Role: c.Role,
		Email: c.Email, Name: c.Name, Version: c.Version,
		IssuedAt: time.Unix(c.IssuedAt, 0), Expires: time.Unix(c.Expires, 0),
	}, nil
}

// Request verifies the assertion of a request. Exactly one must be there. Errors: as Verify's.
func (v *Verifier) Request(r *http.Request) (Claims, error) {
	tokens := r.Header.Values(Header)
	if len(tokens) != 1 {
		return Claims{}, invalid("there must be exactly one: reach this app through its gateway")
	}
	return v.Verify(r.Context(), tokens[0])
}

type invalidError string

func invalid(why string) error            { return invalidError(why) }
func (e invalidError) Error() string      { return ErrInvalid.Error() + ": " + string(e) }
func (invalidError) Is(target error) bool { return target == ErrInvalid }
