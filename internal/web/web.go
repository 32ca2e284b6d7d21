// Package web is what the control plane's API and console share: who is asking,
// whether the request may act in their name, and how an error becomes an answer.
package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/guard"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// Cookie is the cookie of the sign-in session, on the control plane's host alone.
const Cookie = "__Host-pizzeria"

// DeviceCookie is the cookie of a browser that has signed in before. It lets nobody in.
const DeviceCookie = "__Host-pizzeria-device"

// Caller is who asks. The zero Session means that there is no sign-in session behind the Actor.
type Caller struct {
	Actor   registry.Actor
	User    registry.User
	Session registry.Session
	Client  identity.Client
}

// MayNow refuses a person who signed in too long ago, and has to do it again. Error: CodeReauthenticationNeeded.
func (c Caller) MayNow(now time.Time) error {
	if !c.Actor.InPerson() {
		return nil
	}
	return registry.MayNow(c.Actor.Since(), now)
}

type (
	operatorKey struct{}
	baseKey     struct{}
)

// WithOperator marks a request as come over the local admin socket, where the control plane is
// below a path.
func WithOperator(ctx context.Context, base string) context.Context {
	return context.WithValue(context.WithValue(ctx, operatorKey{}, true), baseKey{}, base)
}

// Base is the path that the control plane is below for the caller, "" for all but the operator.
func Base(ctx context.Context) string {
	base, _ := ctx.Value(baseKey{}).(string)
	return base
}

// ClientOf is where a request comes from.
func ClientOf(r *http.Request) identity.Client {
	ip := wire.ClientIP(r.Context())
	if ip == "" {
		ip, _, _ = net.SplitHostPort(r.RemoteAddr)
	}
	device, _ := wire.OneCookie(r, DeviceCookie)
	return identity.Client{Address: ip, UserAgent: r.UserAgent(), Device: device}
}

// Who returns the caller: the operator, the bearer of an API token or key, or the
// owner of the session cookie. Nobody has the zero Actor. An error means that
// it cannot be told.
func Who(ids *identity.Service, r *http.Request) (Caller, error) {
	return who(ids, r, ids.Authenticate)
}

// StillWho is Who for a stream that looks again: that nobody closes a page does not keep its session.
func StillWho(ids *identity.Service, r *http.Request) (Caller, error) {
	c, err := who(ids, r, ids.StillSignedIn)
	c.Actor = c.Actor.Watching()
	return c, err
}

func who(
	ids *identity.Service, r *http.Request,
	session func(ctx context.Context, tok string) (registry.Session, registry.User, error),
) (Caller, error) {
	c := Caller{Client: ClientOf(r)}
	if op, _ := r.Context().Value(operatorKey{}).(bool); op {
		c.Actor = registry.AsOperator()
		return c, nil
	}
	if len(r.Header["Authorization"]) > 0 {
		tok, ok := wire.Bearer(r)
		if !ok {
			return c, nil
		}
		if token.IsAPIKey(tok) {
			var err error
			c.Actor, c.User, err = ids.AuthenticateKey(r.Context(), tok, c.Client.Address)
			if errors.Is(err, token.ErrToken) || registry.ErrorCode(err) == registry.CodeNotFound {
				return Caller{Client: c.Client}, nil
			}
			if err == nil {
				guard.SignedIn(r.Context())
			}
			return c, err
		}
		a, u, err := ids.AuthenticateAPI(r.Context(), tok, c.Client.Address)
		if errors.Is(err, token.ErrToken) || registry.ErrorCode(err) == registry.CodeNotFound {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		guard.SignedIn(r.Context())
		c.User, c.Actor = u, a
		return c, nil
	}
	tok, ok := wire.OneCookie(r, Cookie)
	if !ok {
		return c, nil
	}
	s, u, err := session(r.Context(), tok)
	if registry.ErrorCode(err) == registry.CodeNotFound {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	guard.SignedIn(r.Context())
	c.Session, c.User, c.Actor = s, u, registry.AsSession(u, s, c.Client.Address)
	return c, nil
}

// SignedIn gives the browser its sign-in session, and makes it one that has signed in before.
func SignedIn(w http.ResponseWriter, l identity.Login) {
	SetSession(w, l.Token, l.Session.ExpiresAt.Sub(l.Session.CreatedAt))
	SetDevice(w, l.Device)
}

// SetDevice makes the browser one that has signed in before; with "" it stays what it was.
func SetDevice(w http.ResponseWriter, device token.Secret) {
	if device != "" {
		http.SetCookie(w, &http.Cookie{Name: DeviceCookie, Value: device.Reveal(), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(identity.DeviceLife.Seconds())})
	}
}

// SetSession gives the browser its sign-in session for as long as that lives; "" takes it away.
func SetSession(w http.ResponseWriter, tok token.Secret, life time.Duration) {
	c := &http.Cookie{Name: Cookie, Value: tok.Reveal(), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())}
	if tok == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// SameOrigin reports whether an unsafe request was made by the control plane's
// own pages. Orgs are same-site, so SameSite cookies do not tell; a request that
// says neither Sec-Fetch-Site nor Origin is refused.
func SameOrigin(r *http.Request, issuer string) bool {
	o := r.Header.Values("Origin")
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin" && (len(o) == 0 || len(o) == 1 && o[0] == issuer)
	}
	return len(o) == 1 && o[0] == issuer
}
