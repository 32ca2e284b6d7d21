package identity

import (
	"context"
	"net/url"
	"strings"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/registry"
)

// Decision is the answer to an authorization request: Redirect, SignIn, Denied or Refuse.
type Decision struct {
	Redirect string         // 303 to the client, with a code or an error
	SignIn   string         // sign in first, then this request, which is the same query for a session that is new enough
	For      registry.OrgID // with SignIn: who is signed in lacks what this org asks for beyond that
	Denied   string         // this request, which is an org's: who is signed in may not enter the org
	Refuse   string         // an error for the person, not for the client: it may not be the client's
}

// The error codes of RFC 6749, section 4.1.2.1, and OpenID Connect Core, section 3.1.2.6.
const (
	errAccessDenied   = "access_denied"
	errInvalidRequest = "invalid_request"
	errUnsupported    = "unsupported_response_type"
	errInvalidScope   = "invalid_scope"
	errNoRequest      = "request_not_supported"
	errLoginRequired  = "login_required"
)

// Authorize judges an authorization request (RFC 6749 with PKCE S256 only, RFC
// 9207 `iss` in every answer). session is nil when nobody is signed in. It
// stores nothing but the code.
func (s *Service) Authorize(ctx context.Context, q url.Values, session *registry.Session) (Decision, error) {
	for name, v := range q {
		if len(v) != 1 {
			return Decision{Refuse: "the parameter " + name + " is repeated"}, nil
		}
	}
	c, err := s.clientOf(ctx, q.Get("client_id"))
	if registry.ErrorCode(err) == registry.CodeNotFound {
		return Decision{Refuse: "the client is unknown"}, nil
	}
	if err != nil {
		return Decision{}, err
	}
	redirect := q.Get("redirect_uri")
	if !c.mayGoTo(redirect, s.site()) {
		return Decision{Refuse: "the redirect address is not the client's"}, nil
	}
	answer := func(key, value string) (Decision, error) {
		p := url.Values{key: {value}, "iss": {s.site().Issuer}}
		if st := q.Get("state"); st != "" {
			p.Set("state", st)
		}
		between := "?"
		if strings.Contains(redirect, "?") {
			between = "&"
		}
		return Decision{Redirect: redirect + between + p.Encode()}, nil
	}
	if code := malformed(q, c.app != nil); code != "" {
		return answer("error", code)
	}
	silent := q.Get("prompt") == "none"
	asked := s.askedAt(q)
	after, err := authAfter(q, asked)
	if err != nil {
		return answer("error", errInvalidRequest)
	}
	stale := session == nil || session.AuthTime.UnixMicro() < after
	if hint := q.Get("id_token_hint"); hint != "" && !stale {
		h, err := s.VerifyHint(hint)
		stale = err != nil || h.Subject != session.UserID
	}
	if stale && silent {
		return answer("error", errLoginRequired)
	}
	if stale {
		return Decision{SignIn: s.signInFor(q, asked)}, nil
	}
	code := token.NewSecret()
	n := registry.NewCode{
		Hash: code.Hash(), ClientID: c.id, OrgID: c.org, UserID: session.UserID, SessionID: session.ID,
		RedirectURI: redirect, Challenge: q.Get("code_challenge"), Nonce: q.Get("nonce"), ExpiresAt: s.now().Add(CodeLife),
	}
	if c.app != nil {
		n.Grant, n.Scope = registry.GrantID(registry.NewID()), grantedScope(q.Get("scope"))
	}
	if c.app == nil || c.org != "" {
		switch code, more, err := s.mayEnter(ctx, session, c.org); {
		case err != nil:
			return Decision{}, err
		case code == errLoginRequired && !silent:
			return Decision{SignIn: s.signInFor(q, asked), For: more}, nil
		case code == errAccessDenied && !silent && c.app == nil:
			// Told here, where the org's app cannot read who is signed in.
			return Decision{Denied: s.signInFor(q, asked)}, nil
		case code != "":
			return answer("error", code)
		}
	}
	if err := s.store.InsertCode(ctx, registry.AsSystem("authorize"), n); err != nil {
		return Decision{}, err
	}
	return answer("code", code.Reveal())
}

// malformed judges the parameters of a request whose client and address are known. app is false of an org's gateway, which always sends state and nonce.
func malformed(q url.Values, app bool) (code string) {
	switch {
	case q.Has("request") || q.Has("request_uri"):
		return errNoRequest
	case q.Get("response_type") != "code":
		return errUnsupported
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query",
		q.Get("code_challenge_method") != "S256", len(q.Get("code_challenge")) != 43, len(q.Get("nonce")) > 200,
		!app && (q.Get("state") == "" || q.Get("nonce") == ""),
		registry.HasWord(q.Get("prompt"), "none") && q.Get("prompt") != "none":
		return errInvalidRequest
	case !registry.HasWord(q.Get("scope"), registry.OpenIDScope):
		return errInvalidScope
	}
	return ""
}

// mayEnter says why the person of a session gets no code for an org, "" when they do; more is the org when it asks for more than a session.
func (s *Service) mayEnter(ctx context.Context, session *registry.Session, org registry.OrgID) (code string, more registry.OrgID, err error) {
	if org == "" {
		return errAccessDenied, "", nil
	}
	_, err = s.grant(ctx, "authorize", session.ID, org)
	switch registry.ErrorCode(err) {
	case "":
		return "", "", err
	case registry.CodeForbidden:
		return errAccessDenied, "", nil
	case registry.CodeReauthenticationNeeded:
		return errLoginRequired, org, nil
	}
	return errLoginRequired, "", nil
}

// Entry says whether a session lets its person into an org now: nil, CodeReauthenticationNeeded with what it lacks,
// or CodeForbidden. Errors: also CodeNotFound (the session ended).
func (s *Service) Entry(ctx context.Context, id registry.SessionID, org registry.OrgID) error {
	_, err := s.grant(ctx, "authorize", id, org)
	return err
}

// grantedScope is what a registered app gets of what it asks for: the scopes that exist, in the order of the request.
func grantedScope(asked string) string {
	var out []string
	for _, w := range ascii.Words(asked) {
		switch w {
		case registry.OpenIDScope, registry.ProfileScope, registry.EmailScope, registry.OfflineScope:
			if !registry.HasWord(strings.Join(out, " "), w) {
				out = append(out, w)
			}
		}
	}
	return strings.Join(out, " ")
}
