package identity

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"

	"github.com/pizzaface/pizzeria/registry"
)

// Outside is how the world outside is reached. Its clients follow no redirects and bound what they read.
type Outside struct {
	Operator *http.Client // what the operator named
	Org      *http.Client // what somebody of an org named: never what is private
	TXT      func(ctx context.Context, name string) ([]string, error)
}

func (s *Service) outsideFor(org registry.OrgID) *http.Client {
	if org == "" {
		return s.Outside.Operator
	}
	return s.Outside.Org
}

// provider is what a provider says of itself (OpenID Connect Discovery).
type provider struct {
	*oidc.Provider
	meta struct {
		ISS         bool     `json:"authorization_response_iss_parameter_supported"`
		AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
		UserInfo    string   `json:"userinfo_endpoint"`
	}
	issuer string // that was asked
	err    error
	at     time.Time
}

// providers remembers what providers say of themselves, and which are away.
type providers struct {
	mu     sync.Mutex
	known  map[registry.ConnectionID]*provider
	flight singleflight.Group
}

const (
	providerLife  = time.Hour
	providerPause = 5 * time.Second // before one that is away is asked again
)

func newProviders() *providers {
	return &providers{known: map[registry.ConnectionID]*provider{}}
}

func (p *providers) forget(id registry.ConnectionID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, id)
}

func errProviderAway(c registry.Connection) error {
	return registry.Errorf(registry.CodeOverloaded, "", "%s does not answer right now: try again shortly, or sign in another way", c.Name)
}

var status = regexp.MustCompile(`^[1-5]\d\d [A-Za-z -]{1,40}`)

// reason says why a provider cannot be used, without what it answered: whoever names an address must not read by us what stands there.
func reason(err error) string {
	var unreached *url.Error
	var mismatch *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &mismatch) && strings.TrimSuffix(mismatch.Discovered, "/") == strings.TrimSuffix(mismatch.Provided, "/"):
		return "it calls itself the same, but for a slash at the end: write it as its configuration does"
	case errors.As(err, &mismatch) && strings.Contains(mismatch.Discovered, "{tenantid}"):
		return "it is for every tenant: write the issuer of your own, with its ID in place of common or organizations"
	case errors.As(err, new(*net.DNSError)):
		return "its name is not found"
	case errors.As(err, &unreached): // the innermost of it, which names no address that a name stands for inside
		err = unreached.Err
		for inner := err; inner != nil; inner = errors.Unwrap(inner) {
			err = inner
		}
		return err.Error()
	case strings.Contains(err.Error(), "issuer URL provided to client"), strings.Contains(err.Error(), "did not match the issuer"):
		return "it calls itself another issuer: copy that of its configuration"
	}
	if s := status.FindString(err.Error()); s != "" {
		return "it answers " + s
	}
	return "its configuration cannot be read"
}

// provider returns a connection with its provider. Errors: CodeNotFound, CodeOverloaded (the provider is away).
func (s *Service) provider(ctx context.Context, id registry.ConnectionID) (registry.Connection, *provider, error) {
	c, err := s.store.Connection(ctx, registry.AsSystem("sign-in"), id)
	if err != nil {
		return c, nil, err
	}
	s.providers.mu.Lock()
	p, ok := s.providers.known[id]
	s.providers.mu.Unlock()
	if !ok || p.issuer != c.Issuer || s.now().After(p.at.Add(map[bool]time.Duration{true: providerLife, false: providerPause}[p.err == nil])) {
		p = s.discover(ctx, c)
	}
	if p.err != nil {
		return c, nil, errProviderAway(c)
	}
	return c, p, nil
}

// discover asks a provider for what it says of itself; for all who want to know at once, once.
func (s *Service) discover(ctx context.Context, c registry.Connection) *provider {
	v, _, _ := s.providers.flight.Do(string(c.ID)+" "+c.Issuer, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(oidc.ClientContext(ctx, through(s.outsideFor(c.OrgID), usableConfiguration))), 10*time.Second)
		defer cancel()
		p := &provider{issuer: c.Issuer, at: s.now()}
		if p.Provider, p.err = oidc.NewProvider(ctx, c.Issuer); p.err == nil {
			p.err = p.Claims(&p.meta)
		}
		if p.err != nil {
			s.log.Warn("a provider is away", "connection", c.ID, "issuer", c.Issuer, "error", reason(p.err))
		}
		s.providers.mu.Lock()
		defer s.providers.mu.Unlock()
		for id, old := range s.providers.known { // of connections that nobody uses any more
			if s.now().Sub(old.at) > 2*providerLife {
				delete(s.providers.known, id)
			}
		}
		s.providers.known[c.ID] = p
		return p, nil
	})
	return v.(*provider)
}
