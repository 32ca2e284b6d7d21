package pizzapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

const (
	atOnce    = 8    // people who are revoked at the same time
	maxRounds = 1000 // of deleting keys: more are made meanwhile
)

// Revoke deletes the API keys of people and ends their sessions, and deletes the keys of runners.
// It makes no account, and may be repeated.
func (a *App) Revoke(ctx context.Context, people, runners []string) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	places := make(chan struct{}, atOnce)
	each := func(id string, do func(context.Context, string) error) {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			if err := do(ctx, id); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("%s: %w", id, err))
			}
		})
	}
	for _, sub := range people {
		each(sub, a.revokePerson)
	}
	for _, id := range runners {
		each(id, a.revokeRunner)
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (a *App) revokePerson(ctx context.Context, sub string) error {
	x := a.account(sub)
	if err := x.take(ctx); err != nil {
		return err
	}
	defer x.release()
	if x.ended {
		return nil
	}
	err := a.as(ctx, sub, x, func(cookie string) (answer, error) { return a.endAll(ctx, sub, cookie) })
	if err != nil {
		return err
	}
	x.cookie = ""
	if err := a.runners.forgetOf(sub); err != nil {
		return err
	}
	x.ended = true // who is told again of many gets further each time
	return nil
}

// as does something with a person's session, once more with a new one if PizzaPi answers 401. It
// does nothing if there is no account.
func (a *App) as(ctx context.Context, sub string, x *account, do func(cookie string) (answer, error)) error {
	for range 2 {
		if x.cookie == "" {
			if err := a.signIn(ctx, sub, x); errors.Is(err, errRefused) {
				return nil
			} else if err != nil {
				return err
			}
		}
		res, err := do(x.cookie)
		if err != nil {
			return err
		}
		if res.status != http.StatusUnauthorized {
			if res.status != http.StatusOK {
				return res.unexpected()
			}
			return nil
		}
		x.cookie = ""
	}
	return errors.New("PizzaPi refuses the session that it just gave")
}

// endAll deletes a person's keys, then ends their sessions, this one included. It returns the first
// answer that is not 200, or the last one.
func (a *App) endAll(ctx context.Context, sub, cookie string) (answer, error) {
	for range maxRounds {
		keys, res, err := a.keys(ctx, sub, cookie)
		if err != nil || res.status != http.StatusOK {
			return res, err
		}
		if len(keys) == 0 {
			return a.call(ctx, sub, cookie, http.MethodPost, authPath+"/revoke-sessions", map[string]any{})
		}
		for _, k := range keys {
			if res, err := a.deleteKey(ctx, sub, cookie, k); err != nil || res.status != http.StatusOK {
				return res, err
			}
		}
	}
	return answer{}, errors.New("new keys are made all the time")
}

// keys returns the IDs of a person's API keys, as far as PizzaPi lists them at once, if it answers 200.
func (a *App) keys(ctx context.Context, sub, cookie string) (ids []string, res answer, err error) {
	res, err = a.call(ctx, sub, cookie, http.MethodGet, authPath+"/api-key/list", nil)
	if err != nil || res.status != http.StatusOK {
		return nil, res, err
	}
	var keys []struct{ ID string }
	err = res.decode(&keys)
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return ids, res, err
}

// deleteKey deletes an API key. One that is not there counts as deleted.
func (a *App) deleteKey(ctx context.Context, sub, cookie, id string) (answer, error) {
	res, err := a.call(ctx, sub, cookie, http.MethodPost, authPath+"/api-key/delete", map[string]any{"keyId": id})
	if res.status == http.StatusNotFound {
		res.status = http.StatusOK
	}
	return res, err
}
