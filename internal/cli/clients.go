package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var clientTable = table[registry.Client]{
	{"NAME", func(c registry.Client) string { return c.Name }},
	{"FOR", func(c registry.Client) string {
		if c.OrgID != "" {
			return "members of " + string(c.OrgID)
		}
		return "everybody"
	}},
	{"PUBLIC", func(c registry.Client) string { return map[bool]string{true: "yes", false: "no"}[c.Public] }},
	{"COMES BACK TO", func(c registry.Client) string { return strings.Join(c.RedirectURIs, " ") }},
	{"ID", func(c registry.Client) string { return string(c.ID) }},
}

// clients is `pizzeria client`.
func (c *client) clients() *cobra.Command {
	k := &cobra.Command{Use: "client", Short: "Manages the apps that people sign in to with their account (OpenID Connect)"}
	var in struct {
		Name      string   `json:"name"`
		Redirects []string `json:"redirect_uris"`
		Logouts   []string `json:"post_logout_redirect_uris,omitempty"`
		Org       string   `json:"org,omitempty"`
		Public    bool     `json:"public,omitempty"`
		Alg       string   `json:"id_token_signed_response_alg,omitempty"`
	}
	made := func(w io.Writer, b []byte) error {
		var v struct {
			Client registry.Client
			Secret string
		}
		if err := json.Unmarshal(b, &v); err != nil {
			return err
		}
		fmt.Fprintf(w, "client_id=%s\n", v.Client.ID)
		if v.Secret != "" {
			fmt.Fprintf(w, "client_secret=%s\n", v.Secret)
		}
		return nil
	}
	create := c.on("create <name>", "Registers an app, and prints its ID and, this once, its secret", cobra.ExactArgs(1), nil)
	create.RunE = func(cmd *cobra.Command, args []string) error {
		if len(in.Redirects) == 0 {
			return c.app.wrongUse(cmd, errors.New("--redirect-uri is missing"))
		}
		in.Name = args[0]
		return c.show("POST", "/clients", in, made)
	}
	create.Example = "  pizzeria client create Grafana --redirect-uri https://grafana.example.com/login/generic_oauth --org acme"
	create.Flags().StringSliceVar(&in.Redirects, "redirect-uri", nil, "where people come back to after they signed in; may be repeated")
	create.Flags().StringSliceVar(&in.Logouts, "logout-uri", nil, "where the app may send the browser after a sign-out; may be repeated")
	create.Flags().StringVar(&in.Org, "org", "", "the org whose members alone may sign in (default: everybody with an account)")
	create.Flags().StringVar(&in.Alg, "id-token-alg", "", "RS256, for an app that knows no other signature of ID tokens (default: the installation's)")
	create.Flags().BoolVar(&in.Public, "public", false, "it runs in browsers or on people's machines, and can keep no secret")
	list := c.on("list", "Lists the apps", cobra.NoArgs, func([]string) error { return c.showList("/clients", clientTable) })
	secret := c.on("secret <client ID>", "Gives an app another secret, and prints it; the old one ends at once", cobra.ExactArgs(1), func(args []string) error {
		return c.show("POST", "/clients/"+url.PathEscape(args[0])+"/secret", nil, made)
	})
	update := c.clientUpdate()
	remove := c.on("delete <client ID>", "Deletes an app, and ends what it was given", cobra.ExactArgs(1), func(args []string) error {
		return c.show("DELETE", "/clients/"+url.PathEscape(args[0]), nil, nil)
	})
	k.AddCommand(create, named(list), update, secret, remove)
	return k
}

// clientUpdate is `pizzeria client update`.
func (c *client) clientUpdate() *cobra.Command {
	var name string
	var redirects, logouts []string
	update := c.on("update <client ID>", "Changes an app's name and addresses", cobra.ExactArgs(1), nil)
	update.RunE = func(cmd *cobra.Command, args []string) error {
		in := map[string]any{}
		for flag, field := range map[string]struct {
			name  string
			value any
		}{
			"name": {"name", name}, "redirect-uri": {"redirect_uris", redirects},
			"logout-uri": {"post_logout_redirect_uris", append([]string{}, logouts...)},
		} {
			if cmd.Flags().Changed(flag) {
				in[field.name] = field.value
			}
		}
		if len(in) == 0 {
			return c.app.wrongUse(cmd, errors.New("say what to change: --name, --redirect-uri or --logout-uri"))
		}
		return c.show("PATCH", "/clients/"+url.PathEscape(args[0]), in, clientTable.show)
	}
	update.Flags().StringVar(&name, "name", "", "what it is called")
	update.Flags().StringSliceVar(&redirects, "redirect-uri", nil, "where people come back to, in place of all before; may be repeated")
	update.Flags().StringSliceVar(&logouts, "logout-uri", nil, `where the app may send the browser after a sign-out, in place of all before; "" for none`)
	return update
}
