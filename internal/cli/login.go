package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/registry"
)

// oauth is the command line as an OAuth client of a control plane, and a context in which it asks through h.
func oauth(ctx context.Context, server string, h *http.Client) (*oauth2.Config, context.Context) {
	host, err := os.Hostname()
	if err != nil {
		host = "a machine"
	}
	named := *h
	named.Transport = agent{"pizzeria on " + host, h.Transport}
	return &oauth2.Config{ClientID: string(registry.CLIClient), Endpoint: oauth2.Endpoint{
		TokenURL: server + "/token", DeviceAuthURL: server + "/device_authorization", AuthStyle: oauth2.AuthStyleInParams,
	}}, context.WithValue(ctx, oauth2.HTTPClient, &named)
}

// agent says in each request who asks.
type agent struct {
	name string
	next http.RoundTripper
}

func (a agent) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", a.name)
	return a.next.RoundTrip(r)
}

// keep puts a token into a connection.
func (v *connection) keep(t *oauth2.Token) {
	v.Token, v.TokenEnds, v.RefreshToken = t.AccessToken, t.Expiry, t.RefreshToken
}

// signedIn returns the token of a context that somebody signed in to, renewed when it is about to end.
func (c *client) signedIn(name string, v connection, t target) (string, error) {
	if time.Until(v.TokenEnds) > 30*time.Second {
		return v.Token, nil
	}
	conf, ctx := oauth(c.cmd.Context(), strings.TrimSuffix(v.Server, "/"), t.http)
	token, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: v.RefreshToken}).Token()
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
		return "", fmt.Errorf("you are signed out of %s: sign in again with `%s login`", v.Server, c.app.Name)
	}
	if err != nil {
		return "", t.failedOAuth(err)
	}
	s, err := readContexts()
	if err != nil {
		return "", err
	}
	v.keep(token)
	s.Contexts[name] = v
	return token.AccessToken, s.write()
}

func (c *client) login() *cobra.Command {
	var name string
	cmd := c.on("login", "Signs you in to a control plane through your browser", cobra.NoArgs, nil)
	cmd.Long = "Signs you in to a control plane (--server) through a browser, here or on another machine, and makes it a context that is used from now on. " +
		"Sign out with `logout`, or in the console, where this machine is listed."
	cmd.Example = "  " + c.app.Name + " login --server https://pizzeria.example.com"
	cmd.Flags().StringVar(&name, "name", "", "name of the context (default: the server's host)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := readContexts()
		if err != nil {
			return err
		}
		v := s.Contexts[c.context]
		server := c.server
		if server == "" && c.context == "" {
			server = os.Getenv("PIZZERIA_SERVER")
		}
		if server != "" {
			v = connection{Server: strings.TrimSuffix(server, "/")}
		}
		if v.Server == "" {
			return c.app.wrongUse(cmd, errors.New("--server is missing"))
		}
		if c.caFile != "" {
			v.CAFile = c.caFile
		}
		c.public = true
		t, err := c.remote(v)
		if err != nil {
			return err
		}
		conf, ctx := oauth(cmd.Context(), t.server(), t.http)
		d, err := conf.DeviceAuth(ctx)
		if err != nil {
			return t.failedOAuth(err)
		}
		fmt.Fprintf(os.Stderr, "Open this page in a browser, and check that it shows the code %s:\n\n  %s\n\n",
			registry.Printable(d.UserCode), registry.Printable(d.VerificationURIComplete))
		token, err := conf.DeviceAccessToken(ctx, d)
		if err != nil {
			return t.failedOAuth(err)
		}
		if name == "" {
			name = c.context
		}
		if name == "" {
			u, err := url.Parse(v.Server)
			if err != nil {
				return err
			}
			name = u.Hostname()
		}
		v.Key = ""
		v.keep(token)
		s.Contexts[name], s.Current = v, name
		if err := s.write(); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "You are signed in. The context %s is in use.\n", registry.Printable(name))
		return nil
	}
	return cmd
}

// failedOAuth is failed for an error of x/oauth2.
func (t target) failedOAuth(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return t.failed(err)
	}
	switch refused.ErrorCode {
	case "access_denied":
		return errors.New("it was refused in the browser")
	case "expired_token":
		return errors.New("nobody answered in time: run it again")
	case "":
		return t.refused(refused.Response, refused.Body)
	}
	return fmt.Errorf("%s refuses: %s %s", t.name, registry.Printable(refused.ErrorCode), registry.Printable(refused.ErrorDescription))
}

// signedInContext is the context in use, if somebody signed in to it.
func (c *client) signedInContext() (s savedContexts, name string, v connection, err error) {
	if s, err = readContexts(); err != nil {
		return s, "", v, err
	}
	name = c.context
	if name == "" {
		name = s.Current
	}
	v = s.Contexts[name]
	if v.RefreshToken == "" {
		err = fmt.Errorf("you are not signed in here: sign in with `%s login`", c.app.Name)
	}
	return s, name, v, err
}

func (c *client) logout() *cobra.Command {
	return c.on("logout", "Signs you out of a control plane that you signed in to", cobra.NoArgs, func([]string) error {
		s, name, v, err := c.signedInContext()
		if err != nil {
			return err
		}
		c.public = true
		t, err := c.remote(v)
		if err != nil {
			return err
		}
		_, h := oauth(c.cmd.Context(), t.server(), t.http)
		if _, err := t.postForm(h, "/revoke", url.Values{"client_id": {string(registry.CLIClient)}, "token": {v.RefreshToken}}); err != nil {
			return err
		}
		v.keep(&oauth2.Token{})
		s.Contexts[name] = v
		fmt.Fprintf(os.Stderr, "You are signed out of %s.\n", registry.Printable(v.Server))
		return s.write()
	})
}

func (c *client) orgToken() *cobra.Command {
	cmd := c.on("token <org>", "Prints a token for an org's address, that ends within 5 minutes", cobra.ExactArgs(1), func(args []string) error {
		_, name, v, err := c.signedInContext()
		if err != nil {
			return err
		}
		b, err := c.call("GET", orgPath(args[0]), nil)
		if err != nil {
			return err
		}
		var o registry.OrgView
		if err := json.Unmarshal(b, &o); err != nil {
			return err
		}
		t, err := c.remote(v)
		if err != nil {
			return err
		}
		key, err := c.signedIn(name, v, t)
		if err != nil {
			return err
		}
		_, ctx := oauth(c.cmd.Context(), t.server(), t.http)
		answer, err := t.postForm(ctx, "/token", url.Values{
			"client_id": {string(registry.CLIClient)}, "grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"},
			"subject_token": {key}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "audience": {"urn:pizzeria:org:" + string(o.ID)},
		})
		if err != nil {
			return err
		}
		return c.print(answer, func(w io.Writer, b []byte) error {
			var v struct {
				Token string `json:"access_token"`
			}
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			_, err := fmt.Fprintln(w, v.Token)
			return err
		})
	})
	cmd.Example = `  curl -H "Authorization: Bearer $(` + c.app.Name + ` token acme)" https://acme.pizzeria.example.com/`
	return cmd
}

// postForm asks an OAuth endpoint that is not part of x/oauth2.
func (t target) postForm(ctx context.Context, path string, form url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.server()+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := ctx.Value(oauth2.HTTPClient).(*http.Client).Do(req)
	if err != nil {
		return nil, t.failed(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		var e struct{ Error string }
		_ = json.Unmarshal(b, &e)
		if e.Error == "invalid_target" {
			return nil, errors.New("you are no member of this org")
		}
		return nil, t.refused(res, b)
	}
	return b, nil
}
