package pizzapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// A session is checked when it was not for this long, or when PizzaPi answers 401.
	checkAfter = time.Hour
	// settled is how long a session counts as checked after a check, whatever PizzaPi answers.
	settled = 10 * time.Second
)

// Person is somebody whom an assertion names.
type Person struct{ Subject, Name, Email string }

func (p Person) shown() string { return cmp.Or(p.Name, p.Email, p.Subject) }

// account is a person's session at PizzaPi.
type account struct {
	turn    chan struct{} // holds one token: its holder may use the rest
	cookie  string
	name    string
	checked time.Time
	ended   bool // everything was, and nothing began since
}

// errRefused is PizzaPi's answer to a password that is not the account's, or to an account that does
// not exist: it does not tell which.
var errRefused = errors.New("PizzaPi refuses the account")

func (a *App) account(sub string) *account {
	fresh := &account{turn: make(chan struct{}, 1)}
	if was, ok, _ := a.accounts.PeekOrAdd(sub, fresh); ok {
		a.accounts.Get(sub) // it was used
		return was
	}
	return fresh
}

// take waits for an account's turn.
func (x *account) take(ctx context.Context) error {
	select {
	case x.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x *account) release() { <-x.turn }

// session returns the cookie of a person's session, with their name as it is now. It signs them up
// and in as needed. With check, PizzaPi is asked whether the session lives.
func (a *App) session(ctx context.Context, p Person, check bool) (cookie string, told []byte, err error) {
	x := a.account(p.Subject)
	if err := x.take(ctx); err != nil {
		return "", nil, err
	}
	defer x.release()
	check = check || a.c.Now().Sub(x.checked) > checkAfter
	if x.cookie != "" && check {
		if told, err = a.check(ctx, p.Subject, x); err != nil {
			return "", nil, err
		}
	}
	if x.cookie == "" {
		if err := a.enter(ctx, p, x); err != nil {
			return "", nil, err
		}
		told = nil
	}
	if x.name != p.shown() {
		if err := a.rename(ctx, p, x); err != nil {
			return "", nil, err
		}
		told = nil
	}
	if check && told == nil {
		if told, err = a.check(ctx, p.Subject, x); err == nil && told == nil {
			err = errors.New("PizzaPi does not know the session that it just gave")
		}
	}
	return x.cookie, told, err
}

// check asks PizzaPi for the session, and forgets one that has ended. It returns what PizzaPi says.
func (a *App) check(ctx context.Context, sub string, x *account) ([]byte, error) {
	res, err := a.call(ctx, sub, x.cookie, http.MethodGet, "/api/auth/get-session", nil)
	if err != nil {
		return nil, err
	}
	switch {
	case res.status == http.StatusUnauthorized, res.status == http.StatusOK && string(res.body) == "null":
		x.cookie = ""
		return nil, nil
	case res.status != http.StatusOK:
		return nil, res.unexpected()
	}
	x.checked = a.c.Now()
	return res.body, nil
}

// enter signs a person in, and up if there is no account yet.
func (a *App) enter(ctx context.Context, p Person, x *account) error {
	err := a.signIn(ctx, p.Subject, x)
	if !errors.Is(err, errRefused) {
		return err
	}
	res, err := a.call(ctx, p.Subject, "", http.MethodPost, "/api/auth/sign-up/email", map[string]any{
		"email": email(p.Subject), "password": a.secrets.password(p.Subject), "name": p.shown(),
	})
	if err != nil {
		return err
	}
	if res.status != http.StatusOK || res.cookie == "" {
		return fmt.Errorf("sign up: %w", res.unexpected())
	}
	x.cookie, x.name, x.checked = res.cookie, p.shown(), a.c.Now()
	return nil
}

func (a *App) signIn(ctx context.Context, sub string, x *account) error {
	x.ended = false
	res, err := a.call(ctx, sub, "", http.MethodPost, "/api/auth/sign-in/email", map[string]any{
		"email": email(sub), "password": a.secrets.password(sub),
	})
	switch {
	case err != nil:
		return err
	case res.status == http.StatusUnauthorized:
		return errRefused
	case res.status != http.StatusOK || res.cookie == "":
		return fmt.Errorf("sign in: %w", res.unexpected())
	}
	var v struct{ User struct{ Name string } }
	if err := res.decode(&v); err != nil {
		return err
	}
	x.cookie, x.name, x.checked = res.cookie, v.User.Name, a.c.Now()
	return nil
}

func (a *App) rename(ctx context.Context, p Person, x *account) error {
	res, err := a.call(ctx, p.Subject, x.cookie, http.MethodPost, "/api/auth/update-user", map[string]any{"name": p.shown()})
	switch {
	case err != nil:
		return err
	case res.status == http.StatusUnauthorized: // the next request signs in
		x.cookie = ""
		return fmt.Errorf("set the name: %w", res.unexpected())
	case res.status != http.StatusOK:
		return fmt.Errorf("set the name: %w", res.unexpected())
	}
	x.name = p.shown()
	return nil
}

// doubt makes the next request of a person check their session.
func (a *App) doubt(sub string) {
	x, ok := a.accounts.Get(sub)
	if !ok {
		return
	}
	select {
	case x.turn <- struct{}{}:
		if a.c.Now().Sub(x.checked) > settled {
			x.checked = time.Time{}
		}
		x.release()
	default: // somebody checks it just now
	}
}

// email is a person's at PizzaPi. Names below .invalid never exist (RFC 2606), so no mail leaves.
func email(sub string) string { return sub + "@people.invalid" }
