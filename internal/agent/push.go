//go:build linux || darwin

package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/identity/assertion"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	pushTime   = 10 * time.Second // for one push
	pushAnswer = 4 << 10          // bytes of an answer that are read
	maxBackoff = 5 * time.Minute  // between pushes that fail
	maxWait    = 30 * time.Minute // that a Retry-After is obeyed

	urlVariable   = "PIZZERIA_HEARTBEAT_URL"
	tokenVariable = "PIZZERIA_INSTANCE_TOKEN" //nolint:gosec // a name
	caVariable    = "PIZZERIA_CA_FILE"
)

// pusher sends heartbeats to the host side that cannot ask for them.
type pusher struct {
	url        string
	token      string
	generation int64 // that the token is for
	client     *http.Client
	every      time.Duration
	beat       func(context.Context) provision.Heartbeat
	say        func(string)
	now        func() time.Time

	failures int
	said     string // of the last failure
}

// checkPush checks where to push.
func (c *Config) checkPush() error {
	if c.PushURL == "" && c.PushToken == "" {
		return nil
	}
	if c.PushURL == "" || c.PushToken == "" {
		return fmt.Errorf("%s and %s belong together", urlVariable, tokenVariable)
	}
	if _, err := pushGeneration(c); err != nil {
		return fmt.Errorf("%s: %w", urlVariable, err)
	}
	return nil
}

// newPusher returns nil where nothing is pushed. The Config is complete.
func newPusher(c *Config) (*pusher, error) {
	if c.PushURL == "" {
		return nil, nil //nolint:nilnil // nothing is pushed
	}
	generation, err := pushGeneration(c)
	if err != nil {
		return nil, err
	}
	client, err := pushClient(c.PushCA)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", caVariable, err)
	}
	return &pusher{
		url: c.PushURL, token: c.PushToken, generation: generation, client: client,
		every: registry.HeartbeatEvery, now: c.Now,
	}, nil
}

// pushGeneration is the generation that the address is of. An instance that accepts assertions for
// every generation pushes its heartbeats for the one that its token is for.
func pushGeneration(c *Config) (int64, error) {
	u, err := url.Parse(c.PushURL)
	if err != nil {
		return 0, errors.New("it is no URL")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return 0, errors.New("the token is sent over https alone")
	}
	path, isOne := strings.CutSuffix(u.Path, "/heartbeat")
	path, last, _ := cutLast(path)
	_, org, ofOrg := cutLast(path)
	n, err := strconv.ParseInt(last, 10, 64)
	if !isOne || !ofOrg || err != nil {
		return 0, errors.New("it is not the address of an instance's heartbeats")
	}
	if org != string(c.OrgID) || c.Generation != assertion.AnyGeneration && c.Generation != n {
		return 0, errors.New("it is another instance's")
	}
	return n, nil
}

// cutLast splits a path before its last element.
func cutLast(path string) (before, last string, found bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// pushClient trusts the system's certificates and those in a file, if there is one. It follows no
// redirect: another server would get the token.
func pushClient(ca string) (*http.Client, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if ca != "" {
		switch pem, err := os.ReadFile(ca); {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return nil, err
		case !pool.AppendCertsFromPEM(pem):
			return nil, fmt.Errorf("%s holds no certificate", ca)
		}
	}
	return &http.Client{
		Timeout: pushTime,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2: true, MaxIdleConns: 1, IdleConnTimeout: keepAlive,
			MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// run pushes until ctx is done.
func (p *pusher) run(ctx context.Context) {
	defer p.client.CloseIdleConnections()
	for wait := jitter(p.every / 10); ; { //nolint:mnd // soon after the start, and not all at once
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		asked, err := p.push(ctx)
		if ctx.Err() != nil {
			return
		}
		p.tell(err)
		wait = p.wait(asked)
	}
}

// push sends one heartbeat. asked is how long the server wants to be left alone.
func (p *pusher) push(ctx context.Context) (asked time.Duration, err error) {
	h := p.beat(ctx)
	h.Generation = p.generation
	body, err := json.Marshal(h)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := p.client.Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, pushAnswer))
	_ = res.Body.Close()
	switch {
	case res.StatusCode/100 == 2: //nolint:mnd // success
		return 0, nil
	case res.StatusCode == http.StatusUnauthorized:
		return 0, errors.New("the token is not that of the present instance: give it what " +
			"`pizzeria instance environment` prints, and start it again")
	}
	return retryAfter(res.Header.Get("Retry-After"), p.now()), errors.New("the answer is " + res.Status)
}

// tell logs what is new: a failure of another kind than the last, and its end.
func (p *pusher) tell(err error) {
	if err == nil {
		if p.failures > 0 {
			p.say("push heartbeat: it is taken again")
		}
		p.failures, p.said = 0, ""
		return
	}
	p.failures++
	if said := err.Error(); said != p.said {
		p.said = said
		p.say("push heartbeat: " + said)
	}
}

// wait is how long to wait for the next push: longer after each failure in a row, and never shorter
// than the server asks for.
func (p *pusher) wait(asked time.Duration) time.Duration {
	wait := p.every
	for range p.failures - 1 {
		if wait *= 2; wait >= maxBackoff {
			wait = maxBackoff
			break
		}
	}
	return jitter(max(wait, asked))
}

// jitter is d, up to a tenth longer, so that instances do not push all at once.
func jitter(d time.Duration) time.Duration {
	return d + rand.N(d/10+1) //nolint:gosec,mnd // no secret
}

// retryAfter reads the header (RFC 9110, section 10.2.3); 0 without one that can be read.
func retryAfter(header string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(header, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxWait)
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxWait)
}
