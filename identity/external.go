package identity

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	purposeExternal   = "external"
	purposeConnection = "connection"
	providerSkew      = 5 * time.Minute // by which a provider's clock may differ, as go-oidc has it
)

// external is a sign-in at a provider that somebody began. The browser keeps it sealed.
type external struct {
	Connection             registry.ConnectionID
	State, Nonce, Verifier string
	Back                   string             // where to go after it
	Again                  bool               // a new sign-in was asked for
	Account                registry.UserID    // to be linked; "" = to sign in
	In                     registry.SessionID // with Account: that it was begun in
	Began                  time.Time
}

// External says what a sign-in at a provider is for.
type External struct {
	Back  string         // where to go after it: a path here
	Again bool           // the provider is to ask for a new sign-in
	Link  registry.Actor // that is signed in and whose account is to be linked; nobody = to sign in
	Hint  string         // an e-mail address, for the provider's form
}

// Attempt is a sign-in at a provider that has begun. A browser can be on several at once.
type Attempt struct {
	Redirect string // where to send the browser
	ID       string // of those that the browser is on; see AttemptOf
	Sealed   string // what the browser keeps meanwhile
}

const attemptID = 12 // characters of the state: 72 bits

// AttemptOf is the ID of the attempt that a provider answers with a state, "" for none.
func AttemptOf(state string) string {
	if len(state) != base64.RawURLEncoding.EncodedLen(token.SecretBytes) {
		return ""
	}
	for _, c := range []byte(state) {
		if !ascii.IsAlphanumeric(c) && c != '-' && c != '_' {
			return ""
		}
	}
	return state[:attemptID]
}

// BeginExternal begins a sign-in by a connection. The caller has to know that the person wants it: a page from elsewhere that could
// begin one would sign people in as somebody of its own. Errors: CodeNotFound, CodeTooManyRequests, CodeOverloaded (the provider
// is away).
func (s *Service) BeginExternal(
	ctx context.Context, id registry.ConnectionID, e External, at Client,
) (Attempt, error) {
	if _, err := s.try(ctx, s.limits.external, "", at); err != nil {
		return Attempt{}, err
	}
	c, p, err := s.provider(ctx, id)
	if err != nil {
		return Attempt{}, err
	}
	x := external{
		Connection: id, State: token.NewSecret().Reveal(), Nonce: token.NewSecret().Reveal(), Verifier: oauth2.GenerateVerifier(),
		Back: e.Back, Again: e.Again, Account: e.Link.User, In: e.Link.Session, Began: s.now(),
	}
	b, err := json.Marshal(x)
	if err != nil {
		return Attempt{}, err
	}
	config, err := s.clientAt(c, p)
	if err != nil {
		return Attempt{}, err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(x.Nonce), oauth2.S256ChallengeOption(x.Verifier)}
	if e.Again {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	if e.Hint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", e.Hint))
	}
	return Attempt{
		Redirect: config.AuthCodeURL(x.State, options...), ID: AttemptOf(x.State),
		Sealed: base64.RawURLEncoding.EncodeToString(s.Seal(purposeExternal, "", b)),
	}, nil
}

// clientAt is what we are at a provider. Every connection has an address of its own to come back to,
// so that no provider's answer is taken for another's (RFC 9700, section 4.4).
func (s *Service) clientAt(c registry.Connection, p *provider) (*oauth2.Config, error) {
	config := &oauth2.Config{ClientID: c.ClientID, Endpoint: p.Endpoint(), RedirectURL: s.ConnectionCallback(c.ID), Scopes: append([]string{oidc.ScopeOpenID}, c.Scopes...)}
	config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if c.Sealed == nil || slices.Contains(p.meta.AuthMethods, "client_secret_post") && !slices.Contains(p.meta.AuthMethods, "client_secret_basic") {
		config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	if c.Sealed != nil {
		secret, err := s.Open(purposeConnection, string(c.ID), c.Sealed)
		if err != nil {
			return nil, err
		}
		config.ClientSecret = string(secret)
	}
	return config, nil
}

// ConnectionCallback is where a connection's provider sends the browser back to.
func (s *Service) ConnectionCallback(id registry.ConnectionID) string {
	return s.site().Issuer + "/sign-in/with/" + string(id) + "/callback"
}

// FinishExternal takes a provider's answer and signs its person in, or links them to the account that is signed in.
// Where somebody else is signed in it asks first: see Login.Other.
// An account with a second step is asked for it, too: what an org's provider says stands for the password alone.
// back is where the sign-in leads, after an error too; "" when that is not known.
// Errors: CodeGone (begin again), CodeForbidden, CodeNotFound, CodeConflict, CodeTooManyRequests, CodeOverloaded.
func (s *Service) FinishExternal(ctx context.Context, id registry.ConnectionID, q url.Values, sealed string, a registry.Actor, at Client) (l Login, back string, err error) {
	defer func() { s.note("connection", at, l, err) }()
	x, err := s.openExternal(sealed, id)
	defer func() {
		if err != nil && x.Account != "" { // it is not where it was to lead: nothing is linked
			back = ""
		}
	}()
	if err != nil {
		return l, x.Back, err
	}
	if x.Account != "" && (x.Account != a.User || x.In != a.Session) {
		return l, x.Back, registry.Errorf(registry.CodeGone, "", "You began this in another session. Try again.")
	}
	// One attempt answered with many codes would have us ask the provider for each.
	settle, err := s.try(ctx, s.limits.external, "", at)
	if err != nil {
		return l, x.Back, err
	}
	defer func() { settle(&err) }()
	c, p, err := s.provider(ctx, id)
	if err != nil {
		return l, x.Back, err
	}
	code, err := x.code(q, c, p.meta.ISS)
	if err != nil {
		return l, x.Back, err
	}
	claims, err := s.claimsOf(ctx, c, p, x, code)
	if err != nil {
		return l, x.Back, err
	}
	said := claims.signIn(c)
	said.Address, said.Account = at.Address, x.Account
	u, linked, err := s.store.SignInExternal(ctx, registry.AsSystem("sign-in"), said)
	if err != nil {
		s.log.Info("an external sign-in is refused", "connection", c.ID, "subject", said.Subject, "error", err)
		return l, x.Back, err
	}
	if said.Undelivered != "" {
		s.log.Warn("a provider did not deliver roles", "connection", c.ID, "org", c.OrgID, "issuer", c.Issuer,
			"user", u.ID, "claim", c.RolesClaim, "reason", said.Undelivered)
	}
	if linked {
		s.notify(ctx, u.Email, Letter{Kind: LetterLinked, Name: u.Name, Org: c.Name})
	}
	if x.Account != "" {
		return l, x.Back, nil
	}
	since := claims.since(x, s.now())
	if a.User != "" && a.User != u.ID {
		l, err = s.askOther(u, c.ID, a.Session, since)
		return l, x.Back, err
	}
	l, err = s.loginBy(ctx, u, at, c.ID, since)
	return l, x.Back, err
}

// loginBy signs somebody in by a connection, or asks for the second step.
func (s *Service) loginBy(
	ctx context.Context, u registry.User, at Client, by registry.ConnectionID, since time.Time,
) (Login, error) {
	if second, err := s.needsSecond(ctx, u, "", by); err != nil || second != "" {
		return Login{Second: second}, err
	}
	return s.loginAt(ctx, u, at, "", by, since)
}

func (s *Service) openExternal(sealed string, id registry.ConnectionID) (x external, err error) {
	late := registry.Errorf(registry.CodeGone, "", "This sign-in took too long, or began in another browser. Try again.")
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || sealed == "" {
		return x, late
	}
	if b, err = s.Open(purposeExternal, "", b); err != nil || json.Unmarshal(b, &x) != nil || s.now().After(x.Began.Add(AttemptLife)) || x.Connection != id {
		return x, late
	}
	return x, nil
}

// code judges what came back with the browser (RFC 6749, section 4.1.2; RFC 9207).
func (x external) code(q url.Values, c registry.Connection, promisesISS bool) (string, error) {
	for _, v := range q {
		if len(v) > 1 {
			return "", registry.Errorf(registry.CodeForbidden, "", "the answer of %s is malformed", c.Name)
		}
	}
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(x.State)) != 1 {
		return "", registry.Errorf(registry.CodeGone, "", "This sign-in began in another browser. Try again.")
	}
	if iss := q.Get("iss"); iss != c.Issuer && (iss != "" || promisesISS) {
		return "", registry.Errorf(registry.CodeForbidden, "", "the answer is not one of %s", c.Name)
	}
	if q.Has("error") || q.Get("code") == "" {
		return "", registry.Errorf(registry.CodeForbidden, "", "%s did not sign you in", c.Name)
	}
	return q.Get("code"), nil
}
