package cli

import (
	"context"
	"crypto/rand"
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
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/internal/intruder"
	"github.com/pizzaface/pizzeria/internal/isolation"
	"github.com/pizzaface/pizzeria/registry"
)

var verifyTable = table[isolation.Result]{
	{"OUTCOME", func(r isolation.Result) string { return string(r.Outcome) }},
	{"ROWS", func(r isolation.Result) string { return strings.Trim(fmt.Sprint(r.Rows), "[]") }},
	{"THREAT", func(r isolation.Result) string { return r.Threat }},
	{"REQUESTS", func(r isolation.Result) string { return fmt.Sprint(r.Tries) }},
	{"DETAIL", func(r isolation.Result) string { return r.Detail }},
}

// verify creates two orgs that attack each other, over the front door, and removes them.
func (c *client) verify() *cobra.Command {
	var connect, mirror, file string
	var instances bool
	cmd := &cobra.Command{
		Use: "verify-isolation", Short: "Creates two orgs that attack each other through the front door, removes them, and reports what held", Args: cobra.NoArgs,
		Long: `Creates two orgs that attack each other through the front door, removes them, and reports what held: a line for each row of the threat model that can be tried from outside.
Exits with 1 when a control is broken. Over the admin socket only. What instances are given can be looked at only where the app has a path that answers with its request's headers (--mirror).`,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		cmd.SetContext(ctx)
		t, remove, err := c.canaries(connect)
		defer func() {
			cmd.SetContext(context.WithoutCancel(ctx)) // also after an interrupt
			err = errors.Join(err, remove())
		}()
		if err != nil {
			return err
		}
		t.Mirror = mirror
		r := isolation.Report{Issuer: t.Issuer, At: time.Now().UTC().Truncate(time.Second)}
		if r.Results, err = isolation.Run(ctx, t); err != nil {
			return err
		}
		if instances {
			inside, err := c.intrude(t)
			if err != nil {
				return err
			}
			r.Results = append(r.Results, inside...)
		}
		var platform struct{ Isolation string }
		b, err := c.call("GET", "/platform", nil)
		if err == nil {
			err = json.Unmarshal(b, &platform)
		}
		if err != nil {
			return err
		}
		r.Isolation = platform.Isolation
		if b, err = json.MarshalIndent(r, "", "  "); err != nil {
			return err
		}
		if file != "" {
			if err := os.WriteFile(file, append(b, '\n'), 0o600); err != nil {
				return err
			}
		}
		if err := c.print(b, func(w io.Writer, _ []byte) error {
			list, err := json.Marshal(map[string]any{"items": r.Results})
			if err != nil {
				return err
			}
			return verifyTable.show(w, list)
		}); err != nil {
			return err
		}
		if c.output == "table" {
			fmt.Printf("\nInstances: %s\n", r.Isolation)
		}
		if n := r.Broken(); n > 0 {
			return fmt.Errorf("%d of %d controls are broken", n, len(r.Results))
		}
		return nil
	}
	cmd.Flags().StringVar(&connect, "connect", "", "host:port to connect to, instead of where the names lead")
	cmd.Flags().StringVar(&mirror, "mirror", "/whoami", "path of the app that answers with the headers that it got")
	cmd.Flags().BoolVar(&instances, "instances", false, "also try, from where one org's instance is, to reach the other's, the server and the machine")
	cmd.Flags().StringVar(&file, "report", "", "also write the report to this file, as JSON")
	return cmd
}

// intrude tries from within the instance of A.
func (c *client) intrude(t isolation.Target) ([]isolation.Result, error) {
	admin := c.socket(c.adminAddress(), "/pizzeria")
	b, err := admin.open(c.cmd.Context(), "POST", "/intrude?from="+t.A.ID+"&at="+t.B.ID, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.Close() }()
	var found struct{ Items []intruder.Finding }
	if err := json.NewDecoder(b).Decode(&found); err != nil {
		return nil, err
	}
	return isolation.Inside(found.Items), nil
}

// canaries makes the two orgs, each with a runner. remove is never nil.
func (c *client) canaries(connect string) (t isolation.Target, remove func() error, err error) {
	var made []registry.Org
	remove = func() error {
		var errs []error
		for _, o := range made {
			_, err := c.call("DELETE", orgPath(string(o.ID))+"?now=true&confirm="+url.QueryEscape(o.Slug), nil)
			errs = append(errs, err)
		}
		for _, o := range made { // their instances take a moment to stop
			end := time.Now().Add(time.Minute)
			for errors.Join(errs...) == nil {
				if _, err := c.call("GET", orgPath(string(o.ID)), nil); err != nil { // not found any more
					break
				}
				if time.Now().After(end) {
					errs = append(errs, fmt.Errorf("%s is deleted, and its instance does not stop: see `%s org show %s`", o.Slug, c.app.Name, o.ID))
				}
				time.Sleep(100 * time.Millisecond) // the server is elsewhere: ask again
			}
		}
		return errors.Join(errs...)
	}
	if c.server != "" || c.context != "" {
		return t, remove, errors.New("this needs the admin socket: run it where the server runs")
	}
	t.Dial = dialer(connect)
	if t.Roots, err = c.roots(); err != nil {
		return t, remove, err
	}
	name := "canary-" + strings.ToLower(rand.Text()[:8])
	for i, org := range []*isolation.Org{&t.A, &t.B} {
		b, err := c.call("POST", "/orgs", some("slug", fmt.Sprintf("%s-%c", name, 'a'+i), "name", "Canary"))
		if err != nil {
			return t, remove, err
		}
		var o registry.Org
		if err := json.Unmarshal(b, &o); err != nil {
			return t, remove, err
		}
		made = append(made, o)
		if err := c.canary(o, org, &t); err != nil {
			return t, remove, err
		}
	}
	return t, remove, nil
}

// dialer connects to where a name leads, or to one place for all.
func dialer(connect string) func(context.Context, string, string) (net.Conn, error) {
	var d net.Dialer
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		switch {
		case err != nil:
			return nil, err
		case connect != "":
			address = connect
		case host == "localhost" || strings.HasSuffix(host, ".localhost"): // this machine (RFC 6761)
			address = net.JoinHostPort("127.0.0.1", port)
		}
		return d.DialContext(ctx, network, address)
	}
}

// canary waits for an org and enrolls its runner.
func (c *client) canary(o registry.Org, org *isolation.Org, t *isolation.Target) error {
	for end := time.Now().Add(time.Minute); ; {
		b, err := c.call("GET", orgPath(string(o.ID)), nil)
		if err != nil {
			return err
		}
		var v registry.OrgView
		if err := json.Unmarshal(b, &v); err != nil {
			return err
		}
		if v.Status == registry.OrgActive {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not come up: %s", o.Slug, v.Instance.Detail)
		}
		select {
		case <-c.cmd.Context().Done():
			return c.cmd.Context().Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	claim, _, err := c.claim(string(o.ID), "canary", "", 1)
	if err != nil {
		return err
	}
	b, err := c.call("POST", "/runners", some("claim", claim))
	if err != nil {
		return err
	}
	var r struct {
		Runner        registry.Runner
		Key, URL      string
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	*org = isolation.Org{ID: string(o.ID), URL: r.URL, Key: r.Key}
	door := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: t.Dial, TLSClientConfig: &tls.Config{RootCAs: t.Roots, MinVersion: tls.VersionTLS12}}}
	defer door.CloseIdleConnections()
	if org.Token, _, err = c.tokenOf(door, r.TokenEndpoint, string(r.Runner.ID), r.Key); err != nil {
		return err
	}
	t.Issuer = strings.TrimSuffix(r.TokenEndpoint, "/token")
	t.Revoke = func(context.Context) error {
		_, err := c.call("DELETE", orgPath(string(o.ID))+"/runners/"+string(r.Runner.ID), nil)
		return err
	}
	return nil
}

// roots are the system's authorities, the server's own when it is one, and that of --ca-file.
func (c *client) roots() (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if body, err := c.socket(c.adminAddress(), "").open(c.cmd.Context(), "GET", "/pki/ca/local", nil); err == nil {
		defer func() { _ = body.Close() }()
		var ca struct {
			Root string `json:"root_certificate"`
		}
		if json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(&ca) == nil {
			pool.AppendCertsFromPEM([]byte(ca.Root))
		}
	}
	if file := env("PIZZERIA_CA_FILE", c.caFile); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("the CA file holds no certificate in PEM form")
		}
	}
	return pool, nil
}
