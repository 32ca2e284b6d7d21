package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// client speaks to one control plane.
type client struct {
	app                                             App
	admin, server, keyFile, caFile, context, output string
	cmd                                             *cobra.Command // that runs
	public                                          bool           // what is called needs no API key
	ifMatch                                         string         // what a change was made from; "" = any
}

// target is how a control plane is reached.
type target struct {
	app   App
	http  *http.Client
	base  string // URL of the API
	key   string
	match string // If-Match
	name  string // for people
	local bool   // it is Caddy's admin endpoint
}

func (c *client) target() (target, error) {
	if c.admin != "" {
		return c.socket(c.admin, "/pizzeria/api/v1"), nil
	}
	ctx, name := connection{Server: c.server, CAFile: c.caFile}, c.context
	if ctx.Server == "" && c.context == "" {
		ctx.Server = os.Getenv("PIZZERIA_SERVER")
	}
	if ctx.Server == "" {
		if os.Getenv("PIZZERIA_ADMIN") != "" && c.context == "" {
			return c.socket(os.Getenv("PIZZERIA_ADMIN"), "/pizzeria/api/v1"), nil
		}
		saved, err := readContexts()
		if err != nil {
			return target{}, err
		}
		if name == "" {
			name = saved.Current
		}
		if name == "" {
			return c.socket(defaultAdmin, "/pizzeria/api/v1"), nil
		}
		var ok bool
		if ctx, ok = saved.Contexts[name]; !ok {
			return target{}, fmt.Errorf("there is no context %q: see `context list`, or make it with `context set`", name)
		}
		if c.caFile != "" {
			ctx.CAFile = c.caFile
		}
	}
	t, err := c.remote(ctx)
	if err == nil && t.key == "" && ctx.RefreshToken != "" {
		t.key, err = c.signedIn(name, ctx, t)
	}
	return t, err
}

// server is the control plane's own address.
func (t target) server() string { return strings.TrimSuffix(t.base, "/api/v1") }

const defaultAdmin = "unix/./data/admin.sock"

// adminAddress is where the operator's endpoint is, for what the API alone does not do.
func (c *client) adminAddress() string {
	if c.admin != "" {
		return c.admin
	}
	return env("PIZZERIA_ADMIN", defaultAdmin)
}

// socket reaches the operator's endpoint on Caddy's admin address.
func (c *client) socket(address, path string) target {
	network, addr := "tcp", address
	if p, ok := strings.CutPrefix(address, "unix/"); ok {
		network, addr = "unix", p
	}
	host := "localhost"
	if network == "tcp" {
		host = addr
	}
	return target{app: c.app, name: address, local: true, base: "http://" + host + path, http: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}}}}
}

func (c *client) remote(ctx connection) (target, error) {
	u, err := url.Parse(ctx.Server)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return target{}, fmt.Errorf("--server %s: use the control plane's address, such as https://pizzeria.example.com", ctx.Server)
	}
	t := target{app: c.app, name: u.String(), base: "https://" + u.Host + "/api/v1", key: ctx.Key}
	if c.keyFile != "" {
		b, err := os.ReadFile(c.keyFile)
		if err != nil {
			return t, err
		}
		t.key = strings.TrimSpace(string(b))
	} else if k := os.Getenv("PIZZERIA_KEY"); k != "" && t.key == "" && ctx.RefreshToken == "" {
		t.key = k
	}
	if c.public {
		t.key = ""
	} else if t.key == "" && ctx.RefreshToken == "" {
		return t, fmt.Errorf("sign in with `%s login`; or create an API key in the console, and name it with --key-file, "+
			"$PIZZERIA_KEY or `%[1]s context set`", c.app.Name)
	}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	if file := ctx.CAFile; file != "" || os.Getenv("PIZZERIA_CA_FILE") != "" {
		pem, err := os.ReadFile(env("PIZZERIA_CA_FILE", file))
		if err != nil {
			return t, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return t, errors.New("the CA file holds no certificate in PEM form")
		}
		tr.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	if h := u.Hostname(); h == "localhost" || strings.HasSuffix(h, ".localhost") { // not every resolver knows what that is
		tr.DialContext = dialer("")
	}
	tr.ResponseHeaderTimeout = answerTimeout
	// A redirect would carry the key elsewhere.
	t.http = &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return t, nil
}

// open calls the API and returns the answer's body as it comes.
func (c *client) open(method, path string, in any) (io.ReadCloser, error) {
	t, err := c.target()
	if err != nil {
		return nil, err
	}
	t.match = c.ifMatch
	return t.open(c.cmd.Context(), method, path, in)
}

func (t target) open(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	if ctx == nil {
		ctx = context.Background()
	}
	req, err := http.NewRequestWithContext(ctx, method, t.base+path, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if t.match != "" {
		req.Header.Set("If-Match", t.match)
	}
	if t.key != "" {
		req.Header.Set("Authorization", "Bearer "+t.key)
	}
	res, err := t.http.Do(req)
	if err != nil {
		return nil, t.failed(err)
	}
	if res.StatusCode < 300 {
		return res.Body, nil
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return nil, t.refused(res, b)
}

// call is open for an answer that is read whole.
func (c *client) call(method, path string, in any) ([]byte, error) {
	body, err := c.open(method, path, in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return io.ReadAll(io.LimitReader(body, 64<<20))
}

// list reads a list to its end, or to limit items.
func (c *client) list(path string, q url.Values, limit int) ([]byte, error) {
	all := struct {
		Items []json.RawMessage `json:"items"`
	}{Items: []json.RawMessage{}}
	for {
		page := path
		if len(q) > 0 {
			page += "?" + q.Encode()
		}
		b, err := c.call("GET", page, nil)
		if err != nil {
			return nil, err
		}
		var got struct {
			Items []json.RawMessage `json:"items"`
			Next  string            `json:"next"`
		}
		if err := json.Unmarshal(b, &got); err != nil {
			return nil, err
		}
		all.Items = append(all.Items, got.Items...)
		if limit > 0 && len(all.Items) >= limit {
			all.Items = all.Items[:limit]
			break
		}
		if got.Next == "" {
			break
		}
		q.Set("cursor", got.Next)
	}
	return json.Marshal(all)
}
