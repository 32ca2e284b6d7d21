package cli

import (
	"time"

	"github.com/spf13/cobra"
)

type signingKey struct {
	ID      string
	Ring    string
	From    time.Time `json:"signs_from"`
	To      time.Time `json:"signs_to"`
	Expires time.Time `json:"expires_at"`
}

var signingTable = table[signingKey]{
	{"RING", func(k signingKey) string { return k.Ring }},
	{"SIGNS FROM", func(k signingKey) string { return when(k.From) }},
	{"SIGNS TO", func(k signingKey) string { return when(k.To) }},
	{"GOOD UNTIL", func(k signingKey) string { return when(k.Expires) }},
	{"ID", func(k signingKey) string { return k.ID }},
}

func (c *client) signingKeys() *cobra.Command {
	k := &cobra.Command{Use: "signing-key", Short: "Manages the keys that sign tokens"}
	list := c.on("list", "Lists the keys of every ring", cobra.NoArgs, func([]string) error { return c.showList("/signing-keys", signingTable) })
	var ring string
	var ahead time.Duration
	var emergency bool
	rotate := c.on("rotate", "Replaces them, which otherwise happens every 90 days", cobra.NoArgs, nil)
	rotate.Long = "Replaces the keys that sign tokens. What the old ones signed stays good until it ends. With --emergency, when a key may be in wrong hands, it does not: every org session ends at once, open streams are closed, " +
		"and people get new sessions at the next page, without a password."
	rotate.RunE = func(cmd *cobra.Command, _ []string) error {
		in := map[string]any{"emergency": emergency}
		if ring != "" {
			in["ring"] = ring
		}
		if cmd.Flags().Changed("ahead") {
			in["ahead_seconds"] = int(ahead.Seconds())
		}
		return c.show("POST", "/signing-keys/rotate", in, nil)
	}
	rotate.Flags().StringVar(&ring, "ring", "", "token, session or assertion (default: all)")
	rotate.Flags().DurationVar(&ahead, "ahead", 10*time.Minute, "how long the new key is published before it signs")
	rotate.Flags().BoolVar(&emergency, "emergency", false, "at once, and end what the old keys signed")
	k.AddCommand(named(list), rotate)
	return k
}
