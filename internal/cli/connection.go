package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var connectionTable = table[registry.Connection]{
	{"NAME", func(k registry.Connection) string { return k.Name }},
	{"ISSUER", func(k registry.Connection) string { return k.Issuer }},
	{"REQUIRED", func(k registry.Connection) string { return map[bool]string{true: "yes", false: "no"}[k.Required] }},
	{"NEW PEOPLE", func(k registry.Connection) string {
		switch {
		case !k.SignUp:
			return "by invitation"
		case k.OrgID == "":
			return "get an account"
		case k.DefaultRole == "":
			return "by their roles"
		}
		return string(k.DefaultRole)
	}},
	{"ID", func(k registry.Connection) string { return string(k.ID) }},
}

// connection is `pizzeria connection`.
func (c *client) connection() *cobra.Command {
	k := &cobra.Command{Use: "connection", Short: "Manages the OpenID providers by which people of an org, or without --org everybody, sign in"}
	var org string
	k.PersistentFlags().StringVar(&org, "org", "", "the org, by slug or ID (default: for everybody)")
	path := func(parts ...string) string {
		p := "/connections"
		if org != "" {
			p = orgPath(org) + p
		}
		for _, part := range parts {
			p += "/" + url.PathEscape(part)
		}
		return p
	}
	list := &cobra.Command{Use: "list", Short: "Lists connections", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return c.showList(path(), connectionTable)
	}}
	remove := &cobra.Command{Use: "delete <connection ID>", Short: "Deletes a connection; who signed in by it is signed out", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("DELETE", path(args[0]), nil, nil)
	}}
	k.AddCommand(c.connectionCreate(path), named(list), c.connectionUpdate(path), remove)
	return k
}

// connectionFlags are what may be said of a connection.
type connectionFlags struct {
	name, issuer, clientID, claim, role string
	scopes, roleOf                      []string
	signUp, required, trust, secret     bool
}

func (f *connectionFlags) on(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.scopes, "scope", nil, "what is asked for beside openid (default: profile and email)")
	cmd.Flags().BoolVar(&f.signUp, "sign-up", false, "of one for everybody: who has no account gets one")
	cmd.Flags().BoolVar(&f.required, "required", false, "of an org's: its people, owners aside, come in by it alone")
	cmd.Flags().BoolVar(&f.trust, "trust-email", false, "of an org's: addresses count as verified of which the provider does not say whether they are, as Entra ID does not")
	cmd.Flags().StringVar(&f.claim, "roles-claim", "", "of an org's: the claim that --role-of judges, such as groups")
	cmd.Flags().StringArrayVar(&f.roleOf, "role-of", nil, "of an org's: what a value of the claim means, such as developers=member; may be repeated")
	cmd.Flags().StringVar(&f.role, "default-role", "", "of an org's: of whom no value fits; none refuses them (default: member)")
	cmd.Flags().BoolVar(&f.secret, "secret", false, "read our client secret at the provider from standard input")
}

// into puts what was said into a request.
func (f *connectionFlags) into(cmd *cobra.Command, in map[string]any) error {
	for flag, set := range map[string]func(){
		"scope": func() { in["scopes"] = f.scopes }, "sign-up": func() { in["sign_up"] = f.signUp }, "required": func() { in["required"] = f.required }, "trust-email": func() { in["trust_email"] = f.trust },
		"roles-claim": func() { in["roles_claim"] = f.claim }, "default-role": func() { in["default_role"] = strings.TrimPrefix(f.role, "none") },
		"name": func() { in["name"] = f.name },
	} {
		if cmd.Flags().Changed(flag) {
			set()
		}
	}
	if cmd.Flags().Changed("role-of") {
		roles := []registry.RoleMapping{}
		for _, m := range f.roleOf {
			i := strings.LastIndexByte(m, '=')
			if i < 0 {
				return fmt.Errorf("--role-of %q: write a value, an equals sign and a role", m)
			}
			roles = append(roles, registry.RoleMapping{Value: m[:i], Role: registry.Role(m[i+1:])})
		}
		in["roles"] = roles
	}
	if f.secret {
		secret, err := readPassword()
		if err != nil {
			return err
		}
		in["client_secret"] = secret
	}
	return nil
}

func connectionMade(w io.Writer, b []byte) error {
	var v struct {
		ID          registry.ConnectionID `json:"id"`
		RedirectURI string                `json:"redirect_uri"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "id=%s\nredirect_uri=%s\n", v.ID, v.RedirectURI)
	return err
}

func (c *client) connectionCreate(path func(...string) string) *cobra.Command {
	var f connectionFlags
	cmd := &cobra.Command{Use: "create <name>", Short: "Connects an OpenID provider, and prints the address that it has to send people back to", Args: cobra.ExactArgs(1)}
	cmd.Example = "  pizzeria connection create Okta --org acme --issuer https://login.example.com --client-id pizzeria --secret < secret.txt"
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.issuer == "" || f.clientID == "" {
			return c.app.wrongUse(cmd, errors.New("--issuer or --client-id is missing"))
		}
		in := map[string]any{"name": args[0], "issuer": f.issuer, "client_id": f.clientID}
		if err := f.into(cmd, in); err != nil {
			return err
		}
		return c.show("POST", path(), in, connectionMade)
	}
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "the provider's issuer")
	cmd.Flags().StringVar(&f.clientID, "client-id", "", "our client ID at the provider")
	f.on(cmd)
	return cmd
}

func (c *client) connectionUpdate(path func(...string) string) *cobra.Command {
	var f connectionFlags
	cmd := &cobra.Command{Use: "update <connection ID>", Short: "Changes what is said of a connection", Args: cobra.ExactArgs(1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		b, err := c.call("GET", path(), nil)
		if err != nil {
			return err
		}
		var page registry.Page[map[string]any]
		if err := json.Unmarshal(b, &page); err != nil {
			return err
		}
		i := slices.IndexFunc(page.Items, func(k map[string]any) bool { return k["id"] == args[0] })
		if i < 0 {
			return errors.New("there is no such connection")
		}
		in := map[string]any{"default_role": ""}
		for _, name := range []string{"name", "issuer", "client_id", "scopes", "sign_up", "required", "trust_email", "roles_claim", "roles", "default_role"} {
			if v, ok := page.Items[i][name]; ok {
				in[name] = v
			}
		}
		if err := f.into(cmd, in); err != nil {
			return err
		}
		c.ifMatch, _ = page.Items[i]["etag"].(string)
		return c.show("PUT", path(args[0]), in, connectionTable.show)
	}
	cmd.Flags().StringVar(&f.name, "name", "", "another name")
	f.on(cmd)
	return cmd
}

var domainTable = table[registry.Domain]{
	{"DOMAIN", func(d registry.Domain) string { return d.Domain }},
	{"VERIFIED", func(d registry.Domain) string {
		if d.VerifiedAt.IsZero() {
			return "no"
		}
		return "by " + d.VerifiedBy
	}},
	{"TXT RECORD", func(d registry.Domain) string { return d.Record }},
	{"WITH", func(d registry.Domain) string { return d.Value }},
}

// domain is `pizzeria domain`.
func (c *client) domain() *cobra.Command {
	d := &cobra.Command{Use: "domain", Short: "Manages the e-mail domains of an org, whose people its connections let in"}
	path := func(args []string) string { return orgPath(args[0]) + "/domains/" + url.PathEscape(args[1]) }
	list := c.on("list <org>", "Lists an org's domains", cobra.ExactArgs(1), func(args []string) error {
		return c.showList(orgPath(args[0])+"/domains", domainTable)
	})
	add := c.on("add <org> <domain>", "Adds a domain, and prints the TXT record that shows whose it is", cobra.ExactArgs(2), func(args []string) error {
		return c.show("POST", orgPath(args[0])+"/domains", map[string]any{"domain": args[1]}, domainTable.show)
	})
	var vouch bool
	verify := c.on("verify <org> <domain>", "Looks for a domain's TXT record", cobra.ExactArgs(2), func(args []string) error {
		q := ""
		if vouch {
			q = "?vouch=true"
		}
		return c.show("POST", path(args)+"/verify"+q, nil, domainTable.show)
	})
	verify.Flags().BoolVar(&vouch, "vouch", false, "a platform admin's word in place of the record")
	remove := c.on("remove <org> <domain>", "Removes a domain: nobody at it signs in by the org's connections any more", cobra.ExactArgs(2), func(args []string) error {
		return c.show("DELETE", path(args), nil, nil)
	})
	d.AddCommand(named(list), add, verify, remove)
	return d
}

var identityTable = table[registry.Identity]{
	{"CONNECTION", func(i registry.Identity) string { return i.Connection }},
	{"EMAIL", func(i registry.Identity) string { return i.Email }},
	{"SUBJECT", func(i registry.Identity) string { return i.Subject }},
	{"LAST USED", func(i registry.Identity) string { return when(i.LastUsedAt) }},
	{"CONNECTION ID", func(i registry.Identity) string { return string(i.ConnectionID) }},
}
