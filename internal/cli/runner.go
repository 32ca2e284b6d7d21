package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var runnerTable = table[registry.Runner]{
	{"NAME", func(r registry.Runner) string { return r.Name }},
	{"ENROLLED BY", func(r registry.Runner) string { return r.EnrolledByName }},
	{"APP", func(r registry.Runner) string { return string(r.App) }},
	{"OPEN", func(r registry.Runner) string { return fmt.Sprint(r.Connections) }},
	{"LAST SEEN", func(r registry.Runner) string { return when(r.LastSeenAt) }},
	{"ENDS", func(r registry.Runner) string { return when(r.ExpiresAt) }},
	{"ID", func(r registry.Runner) string { return string(r.ID) }},
}

func (c *client) runner() *cobra.Command {
	r := &cobra.Command{Use: "runner", Short: "Manages the machines that work for an org"}
	var enrolledBy string
	list := c.on("list <org>", "Lists an org's runners", cobra.ExactArgs(1), func(args []string) error {
		b, err := c.list(orgPath(args[0])+"/runners", values("enrolled_by", enrolledBy), 0)
		if err != nil {
			return err
		}
		return c.printList(b, runnerTable)
	})
	list.Flags().StringVar(&enrolledBy, "enrolled-by", "", "only what this person enrolled: an ID or e-mail address")
	disconnect := c.on("disconnect <org> <runner ID>", "Closes what a runner has open; it may come back", cobra.ExactArgs(2), func(args []string) error {
		return c.show("POST", runnerPath(args)+"/disconnect", nil, nil)
	})
	revoke := c.on("revoke <org> <runner ID>", "Ends a runner: its key, its tokens, what it has open", cobra.ExactArgs(2), func(args []string) error {
		return c.show("DELETE", runnerPath(args), nil, nil)
	})
	r.AddCommand(named(list), c.runnerClaim(), c.runnerEnroll(), c.runnerToken(), disconnect, revoke)
	return r
}

func runnerPath(args []string) string {
	return orgPath(args[0]) + "/runners/" + url.PathEscape(args[1])
}

// claim makes a claim and returns its secret, with the answer that it came in.
func (c *client) claim(org, name, app string, days int) (secret string, answer []byte, err error) {
	in := some("name", name, "app", app)
	in["days"] = days
	if answer, err = c.call("POST", orgPath(org)+"/runners/claims", in); err != nil {
		return "", nil, err
	}
	var v struct{ Secret string }
	err = json.Unmarshal(answer, &v)
	return v.Secret, answer, err
}

func (c *client) runnerClaim() *cobra.Command {
	var name, app string
	var days int
	cmd := c.on("claim <org>", "Prints a claim: it enrolls one runner, within 15 minutes", cobra.ExactArgs(1), func(args []string) error {
		_, b, err := c.claim(args[0], name, app, days)
		if err != nil {
			return err
		}
		return c.print(b, func(w io.Writer, b []byte) error {
			var v struct{ Secret string }
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			_, err := fmt.Fprintln(w, v.Secret)
			return err
		})
	})
	cmd.Flags().StringVar(&name, "name", "", "the runner's name (default: what the machine says)")
	cmd.Flags().StringVar(&app, "app", "", appUsage)
	cmd.Flags().IntVar(&days, "days", keyDays, "how many days the runner's key lives")
	return cmd
}

const appUsage = "the app whose own runner it is: pizzapi (default: none)"

func (c *client) runnerEnroll() *cobra.Command {
	var org, claim, name, app string
	var days int
	cmd := c.on("enroll", "Enrolls this machine as a runner, and prints its ID and key, this once", cobra.NoArgs, nil)
	cmd.Example = "  pizzeria runner enroll --server https://pizzeria.example.com --claim pzc_...\n  pizzeria runner enroll --org acme\n  pizzeria runner enroll --org acme --app pizzapi"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if (claim == "") == (org == "") {
			return c.app.wrongUse(cmd, errors.New("give --claim, from the console or `runner claim`; or --org, where you may make one"))
		}
		c.public = claim != ""
		if claim == "" {
			var err error
			if claim, _, err = c.claim(org, name, app, days); err != nil {
				return err
			}
		} else if cmd.Flags().Changed("days") || app != "" {
			return c.app.wrongUse(cmd, errors.New("the claim says how long the key lives, and for which app: --days and --app go with --org"))
		}
		if name == "" {
			name, _ = os.Hostname()
		}
		return c.show("POST", "/runners", some("claim", claim, "name", name), func(w io.Writer, b []byte) error {
			var v struct {
				Runner        registry.Runner
				Key, URL      string
				TokenEndpoint string `json:"token_endpoint"`
				Environment   map[string]string
			}
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			if len(v.Environment) > 0 {
				return printVariables(w, v.Environment)
			}
			_, err := fmt.Fprintf(w, "PIZZERIA_RUNNER_ID=%s\nPIZZERIA_RUNNER_KEY=%s\nPIZZERIA_TOKEN_ENDPOINT=%s\nPIZZERIA_URL=%s\n", v.Runner.ID, v.Key, v.TokenEndpoint, v.URL)
			return err
		})
	}
	cmd.Flags().StringVar(&claim, "claim", "", "the claim (pzc_)")
	cmd.Flags().StringVar(&org, "org", "", "the org, to make a claim for it first")
	cmd.Flags().StringVar(&app, "app", "", appUsage)
	cmd.Flags().StringVar(&name, "name", "", "the runner's name (default: the machine's)")
	cmd.Flags().IntVar(&days, "days", keyDays, "with --org: how many days the runner's key lives")
	return cmd
}

func printVariables(w io.Writer, env map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if _, err := fmt.Fprintf(w, "%s=%s\n", name, env[name]); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) runnerToken() *cobra.Command {
	return c.on("token", "Prints a token of ten minutes for the org's address, from $PIZZERIA_RUNNER_ID and $PIZZERIA_RUNNER_KEY", cobra.NoArgs, func([]string) error {
		id, key, endpoint := os.Getenv("PIZZERIA_RUNNER_ID"), os.Getenv("PIZZERIA_RUNNER_KEY"), os.Getenv("PIZZERIA_TOKEN_ENDPOINT")
		if id == "" || key == "" || endpoint == "" {
			return errors.New("$PIZZERIA_RUNNER_ID, $PIZZERIA_RUNNER_KEY and $PIZZERIA_TOKEN_ENDPOINT are needed: they are what `runner enroll` prints")
		}
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "https" || u.Host == "" {
			return errors.New("$PIZZERIA_TOKEN_ENDPOINT is no https URL: use what `runner enroll` printed")
		}
		c.public = true
		t, err := c.remote(connection{Server: "https://" + u.Host, CAFile: c.caFile})
		if err != nil {
			return err
		}
		token, b, err := c.tokenOf(t.http, endpoint, id, key)
		if err != nil {
			return err
		}
		return c.print(b, func(w io.Writer, _ []byte) error {
			_, err := fmt.Fprintln(w, token)
			return err
		})
	})
}

// tokenOf asks the token endpoint in a runner's name, and returns the answer with the token in it.
func (c *client) tokenOf(h *http.Client, endpoint, id, key string) (token string, answer []byte, err error) {
	req, err := http.NewRequestWithContext(c.cmd.Context(), http.MethodPost, endpoint, strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return "", nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(id, key)
	res, err := h.Do(req)
	if err != nil {
		return "", nil, target{name: endpoint}.failed(err)
	}
	defer func() { _ = res.Body.Close() }()
	if answer, err = io.ReadAll(io.LimitReader(res.Body, 1<<20)); err != nil {
		return "", nil, err
	}
	if res.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("%s refuses this runner (%s): its key is wrong, was revoked or has ended, or the org is closed", req.URL.Host, res.Status)
	}
	var v struct {
		AccessToken string `json:"access_token"`
	}
	err = json.Unmarshal(answer, &v)
	return v.AccessToken, answer, err
}
