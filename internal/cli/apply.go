package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"golang.org/x/term"

	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/registry"
)

// wanted is the file of `apply`: how orgs should be.
type wanted struct {
	Orgs []wantedOrg `yaml:"orgs"`
}

type wantedOrg struct {
	Slug      string                   `yaml:"slug"`
	Name      string                   `yaml:"name"`
	Plan      string                   `yaml:"plan"`
	Owner     string                   `yaml:"owner"`     // for a new org: e-mail address of an account
	Suspended *bool                    `yaml:"suspended"` // nil = as it is
	Reason    string                   `yaml:"reason"`
	Members   map[string]registry.Role `yaml:"members"` // e-mail address -> role; nil = as they are
}

// change is one step of a plan.
type change struct {
	sign, text string // + create, ~ change, - delete
	do         func() error
}

func (c *client) apply() *cobra.Command {
	var file string
	var dry, yes, prune bool
	a := &cobra.Command{
		Use: "apply -f <file>", Short: "Makes orgs as a file says, after showing what it would change", Args: cobra.NoArgs,
		Long: `Makes orgs as a YAML file says, after showing what it would change:

  orgs:
    - slug: acme
      name: Acme Inc
      plan: standard
      owner: ada@example.com     # of a new org: an account
      suspended: false
      members:                   # left out: as they are
        eve@example.com: admin   # who is no member yet is invited; the link is printed

In an org that has an owner, invitations and changes of roles by a platform admin or the operator wait until an owner approves
them.

What the file does not name stays as it is. With --prune, orgs that are not in the file are deleted (for 7 days they can be
kept), and members that are not listed are removed.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return c.app.wrongUse(cmd, errors.New("-f is missing"))
			}
			w, err := readWanted(file)
			if err != nil {
				return err
			}
			plan, err := c.plan(w, prune)
			if err != nil {
				return err
			}
			for _, p := range plan {
				fmt.Printf("%s %s\n", p.sign, p.text)
			}
			if len(plan) == 0 {
				fmt.Println("nothing to change")
				return nil
			}
			if dry {
				return nil
			}
			if !yes {
				if err := confirm(len(plan)); err != nil {
					return err
				}
			}
			for i, p := range plan {
				if err := p.do(); err != nil {
					return fmt.Errorf("%s: %w (%d of %d changes are made; apply again to go on)", p.text, err, i, len(plan))
				}
			}
			fmt.Printf("%d changes made\n", len(plan))
			return nil
		},
	}
	a.Flags().StringVarP(&file, "file", "f", "", "the file; - reads it from standard input")
	a.Flags().BoolVar(&dry, "dry-run", false, "show the plan only")
	a.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	a.Flags().BoolVar(&prune, "prune", false, "delete orgs and remove members that the file does not name")
	return a
}

func confirm(n int) error {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return errors.New("nothing was changed: nobody is here to ask, use --yes")
	}
	fmt.Printf("Make %d changes? [y/N] ", n)
	var answer string
	if _, _ = fmt.Scanln(&answer); !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return errors.New("nothing was changed")
	}
	return nil
}

func readWanted(file string) (wanted, error) {
	var w wanted
	b, err := os.ReadFile(file)
	if file == "-" {
		b, err = io.ReadAll(io.LimitReader(os.Stdin, 16<<20))
	}
	if err != nil {
		return w, err
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&w); err != nil && !errors.Is(err, io.EOF) {
		return w, fmt.Errorf("%s: %w", file, err)
	}
	seen := map[string]bool{}
	for i, o := range w.Orgs {
		if err := registry.CheckSlug(o.Slug); err != nil {
			return w, fmt.Errorf("%s: org %d: %w", file, i+1, err)
		}
		if seen[o.Slug] {
			return w, fmt.Errorf("%s: %s is there twice", file, o.Slug)
		}
		seen[o.Slug] = true
		clean := map[string]registry.Role{}
		for email, role := range o.Members {
			address, err := registry.CleanEmail(email)
			if err == nil {
				err = registry.CheckRole(role)
			}
			if err != nil {
				return w, fmt.Errorf("%s: %s: %w", file, o.Slug, err)
			}
			clean[address] = role
		}
		if o.Members != nil {
			w.Orgs[i].Members = clean
		}
	}
	return w, nil
}

// plan compares what is wanted with what is there.
func (c *client) plan(w wanted, prune bool) ([]change, error) {
	b, err := c.list("/orgs", values(), 0)
	if err != nil {
		return nil, err
	}
	var page registry.Page[registry.OrgView]
	if err := json.Unmarshal(b, &page); err != nil {
		return nil, err
	}
	have := map[string]registry.OrgView{}
	for _, o := range page.Items {
		have[o.Slug] = o
	}
	var plan []change
	add := func(sign, text, method, path string, in any) {
		plan = append(plan, change{sign, text, func() error { _, err := c.call(method, path, in); return err }})
	}
	for _, o := range w.Orgs {
		v, ok := have[o.Slug]
		delete(have, o.Slug)
		if !ok {
			add("+", "org "+o.Slug, "POST", "/orgs", some("slug", o.Slug, "name", o.Name, "plan", o.Plan, "owner", o.Owner))
		} else {
			if v.Status == registry.OrgDeleting {
				add("~", "org "+o.Slug+": keep it", "POST", orgPath(o.Slug)+"/keep", nil)
			}
			if o.Name != "" && o.Name != v.Name {
				add("~", fmt.Sprintf("org %s: name %q -> %q", o.Slug, v.Name, o.Name), "PATCH", orgPath(o.Slug), some("name", o.Name))
			}
			if o.Plan != "" && o.Plan != v.Plan {
				add("~", fmt.Sprintf("org %s: plan %s -> %s", o.Slug, v.Plan, o.Plan), "PUT", orgPath(o.Slug)+"/plan", some("plan", o.Plan))
			}
		}
		if o.Suspended != nil && *o.Suspended != (v.Status == registry.OrgSuspended) {
			if *o.Suspended {
				add("~", "org "+o.Slug+": suspend", "POST", orgPath(o.Slug)+"/suspend", some("reason", o.Reason))
			} else if ok {
				add("~", "org "+o.Slug+": resume", "POST", orgPath(o.Slug)+"/resume", nil)
			}
		}
		members, err := c.planMembers(o, ok, prune)
		if err != nil {
			return nil, err
		}
		plan = append(plan, members...)
	}
	for _, slug := range slices.Sorted(maps.Keys(have)) {
		if prune && have[slug].Status != registry.OrgDeleting {
			add("-", "org "+slug, "DELETE", orgPath(slug)+"?"+url.Values{"confirm": {slug}}.Encode(), nil)
		}
	}
	return plan, nil
}

func (c *client) planMembers(o wantedOrg, exists, prune bool) (plan []change, err error) {
	if o.Members == nil {
		return nil, nil
	}
	have, invited := map[string]registry.Member{}, map[string]registry.Role{}
	var waits map[string]registry.Role // for an owner's approval
	if exists {
		b, err := c.list(orgPath(o.Slug)+"/members", values(), 0)
		if err != nil {
			return nil, err
		}
		var page registry.Page[registry.Member]
		if err := json.Unmarshal(b, &page); err != nil {
			return nil, err
		}
		for _, m := range page.Items {
			have[m.Email] = m
		}
		if b, err = c.call("GET", orgPath(o.Slug)+"/invites", nil); err != nil {
			return nil, err
		}
		var open registry.Page[registry.Link]
		if err := json.Unmarshal(b, &open); err != nil {
			return nil, err
		}
		for _, l := range open.Items {
			invited[l.Email] = l.Role
		}
		if waits, err = c.planWaits(o.Slug); err != nil {
			return nil, err
		}
	}
	for _, email := range slices.Sorted(maps.Keys(o.Members)) {
		role, path := o.Members[email], orgPath(o.Slug)+"/members/"+url.PathEscape(email)
		m, ok := have[email]
		delete(have, email)
		switch {
		case ok && m.Role == role, !ok && invited[email] == role, waits[email] == role, !exists && email == ascii.Lower(o.Owner) && role == registry.RoleOwner:
		case ok:
			plan = append(plan, change{"~", fmt.Sprintf("org %s: %s %s -> %s", o.Slug, email, m.Role, role), func() error {
				b, err := c.call("PATCH", path, some("role", string(role)))
				if err == nil && len(b) > 0 {
					fmt.Printf("%s\t%s\t%s\n", o.Slug, email, waitsForOwner)
				}
				return err
			}})
		default:
			plan = append(plan, change{"+", fmt.Sprintf("org %s: invite %s as %s", o.Slug, email, role), func() error {
				b, err := c.call("POST", orgPath(o.Slug)+"/invites", some("email", email, "role", string(role)))
				if err != nil {
					return err
				}
				became, err := invitedBy(b)
				if err == nil {
					fmt.Printf("%s\t%s\t%s\n", o.Slug, email, became)
				}
				return err
			}})
		}
	}
	for _, email := range slices.Sorted(maps.Keys(have)) {
		if prune {
			plan = append(plan, change{"-", fmt.Sprintf("org %s: %s", o.Slug, email), func() error {
				_, err := c.call("DELETE", orgPath(o.Slug)+"/members/"+url.PathEscape(email), nil)
				return err
			}})
		}
	}
	return plan, nil
}

// planWaits returns who an owner was asked about already, and for which role.
func (c *client) planWaits(org string) (map[string]registry.Role, error) {
	b, err := c.call("GET", orgPath(org)+"/approvals", nil)
	var page registry.Page[registry.Approval]
	if err == nil {
		err = json.Unmarshal(b, &page)
	}
	waits := map[string]registry.Role{}
	for _, p := range page.Items {
		if p.State == registry.ApprovalWaiting && p.Kind != registry.ApprovalReturn {
			waits[p.Email] = p.Role
		}
	}
	return waits, err
}
