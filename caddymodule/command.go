package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/examples/instance/app"
	"github.com/pizzaface/pizzeria/provision/process"
	"github.com/pizzaface/pizzeria/registry"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "pizzeria", Usage: "<command>", Short: "Manages orgs, their members and their instances",
		Long: "Manages a running Pizzeria over Caddy's admin socket.",
		CobraFunc: func(c *cobra.Command) {
			c.AddCommand(children()...)
			strict(c)
		},
	})
}

// Commands are the names of the children of the command `pizzeria`.
func Commands() []string {
	var names []string
	for _, c := range children() {
		names = append(names, c.Name())
	}
	return names
}

func children() []*cobra.Command {
	c := &client{}
	all := []*cobra.Command{c.org(), c.member(), c.user(), c.audit(), c.down()}
	for _, cmd := range all {
		cmd.PersistentFlags().StringVar(&c.address, "admin", "unix/./data/admin.sock", "address of Caddy's admin endpoint")
		cmd.PersistentPreRun = func(running *cobra.Command, _ []string) { c.cmd = running }
		cmd.PersistentFlags().StringVarP(&c.output, "output", "o", "table", "output: table or json")
	}
	return append(all,
		&cobra.Command{Use: "shim <dir>", Hidden: true, Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error { return process.Shim(args[0]) }},
		&cobra.Command{Use: "sample-instance", Hidden: true, Args: cobra.NoArgs, Run: func(*cobra.Command, []string) { app.Main() }})
}

// client talks to the admin endpoint.
type client struct {
	address, output string
	cmd             *cobra.Command // that runs
}

func (c *client) org() *cobra.Command {
	org := &cobra.Command{Use: "org", Short: "Manages orgs"}
	var name, plan, owner, reason, confirm string
	var now bool
	create := &cobra.Command{Use: "create <slug>", Short: "Creates an org", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		in := map[string]string{"slug": args[0]}
		for k, v := range map[string]string{"name": name, "plan": plan, "owner": owner} {
			if v != "" {
				in[k] = v
			}
		}
		return c.show("POST", "/orgs", in, orgTable)
	}}
	create.Flags().StringVar(&name, "name", "", "display name (default: the slug)")
	create.Flags().StringVar(&plan, "plan", "", "plan (default: standard)")
	create.Flags().StringVar(&owner, "owner", "", "e-mail address of the account that becomes owner (default: nobody; invite one)")
	list := &cobra.Command{Use: "list", Short: "Lists orgs", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return c.show("GET", "/orgs", nil, orgsTable) }}
	show := &cobra.Command{Use: "show <org>", Short: "Shows an org, by slug or ID", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("GET", orgPath(args[0]), nil, orgTable)
	}}
	suspend := &cobra.Command{Use: "suspend <org>", Short: "Closes an org and stops its instance; data is kept", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("POST", orgPath(args[0])+"/suspend", map[string]string{"reason": reason}, orgTable)
	}}
	suspend.Flags().StringVar(&reason, "reason", "", "why, shown to its members")
	resume := &cobra.Command{Use: "resume <org>", Short: "Opens a suspended org", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("POST", orgPath(args[0])+"/resume", nil, orgTable)
	}}
	restart := &cobra.Command{Use: "restart <org>", Short: "Replaces an org's instance by a new one on the same data", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("POST", orgPath(args[0])+"/instance/restart", nil, orgTable)
	}}
	rename := &cobra.Command{Use: "rename <org> <slug>", Short: "Gives an org another address", Args: cobra.ExactArgs(2), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("POST", orgPath(args[0])+"/rename", map[string]string{"slug": args[1]}, orgTable)
	}}
	del := &cobra.Command{Use: "delete <org>", Short: "Deletes an org: for 7 days it can be kept; its files stay", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("DELETE", orgPath(args[0])+"?"+url.Values{"confirm": {confirm}, "now": {strconv.FormatBool(now)}}.Encode(), nil, orgTable)
	}}
	del.Flags().BoolVar(&now, "now", false, "do not keep it for 7 days")
	keep := &cobra.Command{Use: "keep <org>", Short: "Keeps an org that is being deleted", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("POST", orgPath(args[0])+"/keep", nil, orgTable)
	}}
	del.Flags().StringVar(&confirm, "confirm", "", "the org's slug, to confirm")
	org.AddCommand(create, list, show, suspend, resume, restart, rename, del, keep)
	return org
}

func orgPath(org string) string { return "/orgs/" + url.PathEscape(org) }

func (c *client) member() *cobra.Command {
	m := &cobra.Command{Use: "member", Short: "Manages an org's members"}
	var role string
	invite := &cobra.Command{Use: "invite <org> <email>", Short: "Prints a one-time link into an org", Args: cobra.ExactArgs(2), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("POST", orgPath(args[0])+"/invites", map[string]string{"email": args[1], "role": role}, func(w io.Writer, b []byte) error {
			var v struct{ Link string }
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			_, err := fmt.Fprintln(w, v.Link)
			return err
		})
	}}
	invite.Flags().StringVar(&role, "role", "member", "member, admin or owner")
	list := &cobra.Command{Use: "list <org>", Short: "Lists members", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("GET", orgPath(args[0])+"/members", nil, func(w io.Writer, b []byte) error {
			var v registry.Page[registry.Member]
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			fmt.Fprintln(w, "EMAIL\tNAME\tROLE\tID")
			for _, m := range v.Items {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.Email, m.Name, m.Role, m.UserID)
			}
			return nil
		})
	}}
	remove := &cobra.Command{Use: "remove <org> <user ID>", Short: "Removes a member", Args: cobra.ExactArgs(2), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("DELETE", orgPath(args[0])+"/members/"+url.PathEscape(args[1]), nil, nil)
	}}
	m.AddCommand(invite, list, remove)
	return m
}

func (c *client) user() *cobra.Command {
	u := &cobra.Command{Use: "user", Short: "Manages accounts"}
	var name string
	var admin bool
	create := &cobra.Command{Use: "create <email>", Short: "Creates an account; reads the password from standard input", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if name == "" {
			return wrongUse(cmd, errors.New("--name is missing"))
		}
		b, err := io.ReadAll(io.LimitReader(os.Stdin, 4096))
		if err != nil {
			return err
		}
		return c.show("POST", "/users", map[string]any{"email": args[0], "name": name, "platform_admin": admin, "password": strings.TrimRight(string(b), "\r\n")}, func(w io.Writer, b []byte) error {
			var v registry.User
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			_, err := fmt.Fprintf(w, "%s\t%s\n", v.Email, v.ID)
			return err
		})
	}}
	create.Flags().StringVar(&name, "name", "", "the person's name")
	create.Flags().BoolVar(&admin, "platform-admin", false, "make the account a platform admin")
	u.AddCommand(create)
	return u
}

func (c *client) audit() *cobra.Command {
	a := &cobra.Command{Use: "audit", Short: "Reads the audit log"}
	a.AddCommand(&cobra.Command{Use: "list <org>", Short: "Lists an org's newest entries", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("GET", orgPath(args[0])+"/audit", nil, func(w io.Writer, b []byte) error {
			var v registry.Page[registry.AuditEntry]
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			for _, e := range v.Items {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.At.Format("2006-01-02T15:04:05Z"), e.Actor, e.Action, e.Target, e.Detail)
			}
			return nil
		})
	}})
	return a
}

func (c *client) down() *cobra.Command {
	return &cobra.Command{Use: "down", Short: "Stops all instances; they start again with the server", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		b, err := c.call(cmd.Context(), "POST", "/pizzeria/down", nil)
		var v struct{ Stopped int }
		if socket, ok := strings.CutPrefix(c.address, "unix/"); ok && errors.Is(err, errAway) {
			v.Stopped, err = stopProcesses(cmd.Context(), filepath.Dir(socket))
		} else if err == nil {
			err = json.Unmarshal(b, &v)
		}
		if err != nil {
			return err
		}
		fmt.Printf("stopped %d instances\n", v.Stopped)
		return nil
	}}
}

// stopProcesses stops the instances of a data directory whose server is not running: they outlive it.
func stopProcesses(ctx context.Context, dir string) (stopped int, err error) {
	p, err := (&Process{}).NewProvider(dir)
	if err != nil {
		return 0, err
	}
	refs, err := p.List(ctx)
	for _, ref := range refs {
		if err = p.Stop(ctx, ref.OrgID, ref.Generation); err != nil {
			break
		}
		stopped++
	}
	return stopped, err
}

// show calls the API and prints the answer: as it is with -o json, else by table; nothing without a table.
func (c *client) show(method, path string, in any, table func(io.Writer, []byte) error) error {
	if c.output != "table" && c.output != "json" {
		return wrongUse(c.cmd, fmt.Errorf("-o %s: use table or json", c.output))
	}
	b, err := c.call(context.Background(), method, "/pizzeria/api/v1"+path, in)
	if err != nil {
		return err
	}
	if c.output == "json" {
		_, err := os.Stdout.Write(b)
		return err
	}
	if table == nil {
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	return errors.Join(table(w, b), w.Flush())
}

func (c *client) call(ctx context.Context, method, path string, in any) ([]byte, error) {
	network, address := "tcp", c.address
	if p, ok := strings.CutPrefix(c.address, "unix/"); ok {
		network, address = "unix", p
	}
	hc := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	host := "localhost"
	if network == "tcp" {
		host = address
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+host+path, body)
	if err != nil {
		return nil, err
	}
	res, err := hc.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: start it with `pizzeria run`, or name its admin address with --admin: %w", errAway, c.address, err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 400 {
		var p struct{ Detail, Error string }
		_ = json.Unmarshal(b, &p)
		return nil, errors.New(p.Detail + p.Error)
	}
	return b, nil
}

func orgLine(w io.Writer, o registry.OrgView) {
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", o.Slug, o.Name, o.Status, o.Instance.State, o.Plan, o.ID)
}

const orgHead = "SLUG\tNAME\tSTATUS\tINSTANCE\tPLAN\tID"

func orgTable(w io.Writer, b []byte) error {
	var v registry.OrgView
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	fmt.Fprintln(w, orgHead)
	orgLine(w, v)
	return nil
}

func orgsTable(w io.Writer, b []byte) error {
	var v registry.Page[registry.OrgView]
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	fmt.Fprintln(w, orgHead)
	for _, o := range v.Items {
		orgLine(w, o)
	}
	return nil
}
