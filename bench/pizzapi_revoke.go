package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	removalPatience = time.Minute
	removalAgain    = 10 * time.Millisecond // between requests with the key, and attempts of the runner
)

// member is somebody who is about to be removed from an org, and has a runner there. Another person
// of the org has one as well.
type member struct {
	slug, email   string
	key, otherKey string
	runner, other *websocket.Conn
}

// removal is how long something took from before a member was removed.
type removal struct {
	closed  time.Duration // the socket of their runner
	refused time.Duration // their key, with 401
	back    time.Duration // the other person's runner, registered
}

// removals removes a member of each busy org, one after another, while the runners of all are open.
func (b *pizzapiBench) removals() error {
	var members []member
	for i := range b.busy {
		m, err := b.member(slugOf(i))
		if err != nil {
			return err
		}
		members = append(members, m)
	}
	var closed, refused, back []time.Duration
	for _, m := range members {
		r, err := b.remove(m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.slug, err)
		}
		closed, refused, back = append(closed, r.closed), append(refused, r.refused), append(back, r.back)
	}
	if len(members) == 0 {
		return nil
	}
	for _, row := range []struct {
		what string
		took []time.Duration
	}{
		{"their runner's socket closed", closed}, {"their key refused", refused}, {"another's runner back", back},
	} {
		fmt.Printf("member removed, %s: p50 %s, p95 %s, the slowest %s (%d orgs)\n",
			row.what, part(row.took, 50), part(row.took, 95), part(row.took, 100), len(row.took))
	}
	return nil
}

// member invites somebody to an org, and connects their runner and one of the org's owner.
func (b *pizzapiBench) member(slug string) (member, error) {
	m := member{slug: slug, email: "leaver-" + slug + "@example.com"}
	code, text, err := b.do(b.client, "POST", b.url("")+"/api/v1/orgs/"+slug+"/invites",
		fmt.Sprintf(`{"email":%q,"role":"member"}`, m.email), b.own())
	var invite struct{ Link string }
	if err == nil {
		err = json.Unmarshal([]byte(text), &invite)
	}
	if err != nil || code != http.StatusCreated {
		return m, fmt.Errorf("invite to %s: %d %s %w", slug, code, text, err)
	}
	h := b.own()
	h["Content-Type"] = "application/x-www-form-urlencoded"
	theirs := b.newClient(nil)
	form := url.Values{"name": {"Leaver"}, "password": {password}}.Encode()
	if code, text, err := b.do(theirs, "POST", invite.Link, form, h); err != nil || code != http.StatusOK {
		return m, fmt.Errorf("accept at %s: %d %.300s %w", slug, code, text, err)
	}
	for _, one := range []struct {
		client *http.Client
		key    *string
		runner **websocket.Conn
	}{{theirs, &m.key, &m.runner}, {b.client, &m.otherKey, &m.other}} {
		if code, text, err := b.do(one.client, "GET", b.url(slug)+"/", "", navigation); err != nil || code != http.StatusOK {
			return m, fmt.Errorf("open %s: %d %.300s %w", slug, code, text, err)
		}
		if *one.key, err = b.key(one.client, slug); err != nil {
			return m, err
		}
		if *one.runner, err = b.runner(context.Background(), slug, *one.key); err != nil {
			return m, err
		}
	}
	return m, nil
}

// remove removes a member, and waits until all that follows has happened.
func (b *pizzapiBench) remove(m member) (r removal, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), removalPatience)
	defer cancel()
	defer func() { _ = m.runner.CloseNow() }()
	began := time.Now()
	var failed [3]error
	var wg sync.WaitGroup
	wg.Go(func() {
		answerPings(ctx, m.runner)
		r.closed, failed[0] = time.Since(began), ctx.Err()
	})
	wg.Go(func() {
		answerPings(ctx, m.other)
		_ = m.other.CloseNow()
		var ws *websocket.Conn
		for ws == nil && ctx.Err() == nil {
			if ws, failed[1] = b.runner(ctx, m.slug, m.otherKey); failed[1] != nil {
				time.Sleep(removalAgain)
			}
		}
		if r.back = time.Since(began); ws != nil {
			_ = ws.CloseNow()
		}
	})
	wg.Go(func() {
		c := b.newClient(nil)
		for code := 0; code != http.StatusUnauthorized; time.Sleep(removalAgain) {
			if code, _, failed[2] = b.do(c, "GET", b.url(m.slug)+"/api/me", "", map[string]string{"X-Api-Key": m.key}); failed[2] == nil {
				failed[2] = ctx.Err()
			}
			if failed[2] != nil {
				return
			}
			r.refused = time.Since(began)
		}
	})
	code, text, err := b.do(b.client, "DELETE", b.url("")+"/api/v1/orgs/"+m.slug+"/members/"+m.email, "", b.own())
	if err != nil || code != http.StatusOK {
		cancel()
		err = fmt.Errorf("remove %s: %d %s %w", m.email, code, text, err)
	}
	wg.Wait()
	return r, errors.Join(append(failed[:], err)...)
}
