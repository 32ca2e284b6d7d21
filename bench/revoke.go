package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// revocations is how long a revocation takes, from before it is asked for.
type revocations struct {
	N       int           `json:"n"`
	Closed  time.Duration `json:"p99_closed_ns"`  // until an open WebSocket is
	Refused time.Duration `json:"p99_refused_ns"` // until the token is
}

// revoke enrolls runners at acme, and revokes each while a WebSocket of its is open.
func (s *servers) revoke(n int) (out revocations, err error) {
	api := s.url("") + "/api/v1"
	call := func(method, target, body string, want int, into any) error {
		code, text, err := s.do(s.client, method, target, body, s.own())
		if err != nil || code != want {
			return fmt.Errorf("%s %s: %d %s %w", method, target, code, text, err)
		}
		if into == nil {
			return nil
		}
		return json.Unmarshal([]byte(text), into)
	}
	var closed, refused []time.Duration
	for i := range n {
		var claim struct{ Secret string }
		if err := call("POST", api+"/orgs/acme/runners/claims", fmt.Sprintf(`{"name":"runner-%d"}`, i), http.StatusCreated, &claim); err != nil {
			return out, err
		}
		var r struct {
			Key    string
			Runner struct{ ID string }
		}
		if err := call("POST", api+"/runners", `{"claim":"`+claim.Secret+`"}`, http.StatusCreated, &r); err != nil {
			return out, err
		}
		token, err := s.runnerToken(r.Runner.ID, r.Key)
		if err != nil {
			return out, err
		}
		bearer := map[string]string{"Authorization": "Bearer " + token}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		c := s.newClient(nil)
		c.Transport.(*http.Transport).ForceAttemptHTTP2 = false
		c.Timeout = 0
		ws, res, err := websocket.Dial(ctx, s.url("acme")+"/echo", &websocket.DialOptions{HTTPClient: c, HTTPHeader: http.Header{"Authorization": {bearer["Authorization"]}}})
		if err != nil {
			cancel()
			if res != nil && res.Body != nil {
				_ = res.Body.Close()
			}
			return out, err
		}
		end := make(chan time.Time, 1)
		go func() {
			_, _, _ = ws.Read(ctx)
			end <- time.Now()
		}()
		began := time.Now()
		if err := call("DELETE", api+"/orgs/acme/runners/"+r.Runner.ID, "", http.StatusNoContent, nil); err != nil {
			cancel()
			return out, err
		}
		for {
			code, text, err := s.do(s.client, "GET", s.url("acme")+"/", "", bearer)
			if err == nil && code == http.StatusUnauthorized {
				break
			}
			if err != nil || code != http.StatusOK {
				cancel()
				return out, fmt.Errorf("%d %s %w", code, text, err)
			}
		}
		refused = append(refused, time.Since(began))
		closed = append(closed, (<-end).Sub(began))
		cancel()
		_ = ws.CloseNow()
	}
	p99 := func(d []time.Duration) time.Duration {
		slices.Sort(d)
		return d[len(d)*99/100]
	}
	return revocations{N: n, Closed: p99(closed), Refused: p99(refused)}, nil
}

// runnerToken asks for a runner's token.
func (s *servers) runnerToken(id, key string) (string, error) {
	req, err := http.NewRequest("POST", s.url("")+"/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(id, key)
	res, err := s.newClient(nil).Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	var v struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil || v.Token == "" {
		return "", fmt.Errorf("token: %d %w", res.StatusCode, err)
	}
	return v.Token, nil
}
