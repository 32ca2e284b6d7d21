package pizzapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	callTime  = 30 * time.Second
	maxAnswer = 1 << 20
)

// answer is PizzaPi's to the agent's own request.
type answer struct {
	path   string
	status int
	cookie string // of the session that it sets
	body   []byte
}

func (r answer) unexpected() error {
	return fmt.Errorf("PizzaPi answers %s with %d", r.path, r.status)
}

func (r answer) decode(v any) error {
	if err := json.Unmarshal(r.body, v); err != nil {
		return fmt.Errorf("PizzaPi's answer to %s: %w", r.path, err)
	}
	return nil
}

// call asks PizzaPi in a person's name. The body is JSON.
func (a *App) call(ctx context.Context, sub, cookie, method, path string, body any) (answer, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://app"+path, content)
	if err != nil {
		return answer{}, err
	}
	req.Host = a.base.Host
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	req.Header.Set("Origin", a.origin())
	req.Header.Set("User-Agent", "Pizzeria")
	a.forwarded(req.Header, sub)
	if revokes(path) {
		req.Header.Set("X-Forwarded-For", a.secrets.address(random()))
	}
	res, err := a.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = fmt.Errorf("PizzaPi's answer to %s is longer than 1 MiB", path)
	}
	return answer{path, res.StatusCode, sessionCookie(res.Header), b}, err
}

// revokes reports whether a path is one that ends things. They are to end however many there are, and
// however many requests the person makes, so PizzaPi's limits must not count those together.
func revokes(path string) bool {
	return strings.HasPrefix(path, authPath+"/api-key/") || path == authPath+"/revoke-sessions"
}

// forwarded says who the client is: the person, by an address of their own.
func (a *App) forwarded(h http.Header, sub string) {
	h.Set("X-Forwarded-For", a.secrets.address(sub))
	h.Set("X-Forwarded-Proto", a.base.Scheme)
}

// sessionCookie returns the pair of the session that an answer sets.
func sessionCookie(h http.Header) string {
	for _, line := range h["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.HasSuffix(name, "better-auth.session_token") && value != "" {
			return name + "=" + value
		}
	}
	return ""
}
