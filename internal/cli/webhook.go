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

var webhookTable = table[registry.Webhook]{
	{"URL", func(w registry.Webhook) string { return w.URL }},
	{"EVENTS", func(w registry.Webhook) string {
		if len(w.Events) == 0 {
			return "everything"
		}
		return strings.Trim(fmt.Sprint(w.Events), "[]")
	}},
	{"ACTIVE", func(w registry.Webhook) string { return map[bool]string{true: "yes", false: "no"}[w.Active] }},
	{"ID", func(w registry.Webhook) string { return string(w.ID) }},
}

var deliveryTable = table[registry.Delivery]{
	{"WHEN", func(d registry.Delivery) string { return when(d.CreatedAt) }},
	{"EVENT", func(d registry.Delivery) string { return string(d.Event) }},
	{"STATE", func(d registry.Delivery) string { return string(d.State) }},
	{"TRIES", func(d registry.Delivery) string { return fmt.Sprint(d.Attempts) }},
	{"WHY", func(d registry.Delivery) string { return d.Error }},
	{"ID", func(d registry.Delivery) string { return d.ID }},
}

func (c *client) webhook() *cobra.Command {
	w := &cobra.Command{Use: "webhook", Short: "Manages webhooks of an org, or without --org of the platform"}
	var org string
	w.PersistentFlags().StringVar(&org, "org", "", "the org, by slug or ID (default: the platform)")
	path := func(parts ...string) string {
		p := "/webhooks"
		if org != "" {
			p = orgPath(org) + p
		}
		for _, part := range parts {
			p += "/" + url.PathEscape(part)
		}
		return p
	}
	var events []string
	create := &cobra.Command{Use: "create <URL>", Short: "Makes a webhook, and prints its secret, this once", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("POST", path(), map[string]any{"url": args[0], "events": append([]string{}, events...)}, func(w io.Writer, b []byte) error {
			var v struct {
				Webhook registry.Webhook
				Secret  string
			}
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			_, err := fmt.Fprintf(w, "%s\t%s\n", v.Webhook.ID, v.Secret)
			return err
		})
	}}
	create.Flags().StringSliceVar(&events, "event", nil, "what it is told, such as member.added,member.removed (default: everything)")
	list := &cobra.Command{Use: "list", Short: "Lists webhooks", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return c.showList(path(), webhookTable) }}
	var address string
	var active bool
	update := &cobra.Command{Use: "update <webhook ID>", Short: "Changes a webhook", Args: cobra.ExactArgs(1)}
	update.RunE = func(cmd *cobra.Command, args []string) error {
		in := map[string]any{}
		if address != "" {
			in["url"] = address
		}
		if cmd.Flags().Changed("event") {
			in["events"] = events
		}
		if cmd.Flags().Changed("active") {
			in["active"] = active
		}
		if len(in) == 0 {
			return c.app.wrongUse(cmd, errors.New("say what to change: --url, --event or --active"))
		}
		return c.show("PATCH", path(args[0]), in, nil)
	}
	update.Flags().StringVar(&address, "url", "", "where it is told")
	update.Flags().StringSliceVar(&events, "event", nil, "what it is told")
	update.Flags().BoolVar(&active, "active", true, "whether it is told anything")
	del := &cobra.Command{Use: "delete <webhook ID>", Short: "Deletes a webhook", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("DELETE", path(args[0]), nil, nil)
	}}
	test := &cobra.Command{Use: "test <webhook ID>", Short: "Sends a message that means nothing", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("POST", path(args[0], "test"), nil, nil)
	}}
	log := &cobra.Command{Use: "deliveries <webhook ID>", Short: "Lists what it was told in the last 7 days", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		b, err := c.list(path(args[0], "deliveries"), values(), 200)
		if err != nil {
			return err
		}
		return c.printList(b, deliveryTable)
	}}
	replay := &cobra.Command{Use: "replay <webhook ID> <delivery ID>", Short: "Sends a message again", Args: cobra.ExactArgs(2), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("POST", path(args[0], "deliveries", args[1], "replay"), nil, nil)
	}}
	w.AddCommand(create, named(list), update, del, test, named(log), replay)
	return w
}
